//! What a caller enjoys, on every store.

use std::future::Future;

use futures_core::Stream;

use crate::aggregate::{Aggregate, Loaded, stream_of};
use crate::causation::CausationTree;
use crate::command::{Command, Handle, HandleWith};
use crate::error::Error;
use crate::event::{Event, IntoEvents};
use crate::execute::{Execute, Pure, With};
use crate::export::Export;
use crate::id::AsId;
use crate::import::{AtHand, Import};
use crate::load::Load;
use crate::metadata::{CorrelationId, EventId, Metadata};
use crate::past::IntoPastEvent;
use crate::read::{ConversationEvents, LogEvents, StreamEvents};
use crate::recorded::{Append, Appended, NewEvent, Position, RawEvent, Recorded, Untyped};
use crate::store::{EventStore, ImportStore, ReadStream};
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::timestamp::Timestamp;

/// What a caller enjoys, on every store: commands, loads, typed reads. The trait to import.
///
/// # Example: execute, load, look back
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
/// # struct Account { balance: u64 }
/// # impl Account {
/// #     fn apply(&mut self, event: AccountEvent) { let AccountEvent::Deposited { amount } = event; self.balance += amount; }
/// #     fn decide(&self, command: Deposit, _: &Context) -> Result<AccountEvent, std::convert::Infallible> {
/// #         Ok(AccountEvent::Deposited { amount: command.amount })
/// #     }
/// # }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Account, handle = Account::decide, error = std::convert::Infallible)]
/// # struct Deposit { id: String, amount: u64 }
/// use es_core::{EventStoreExt, Version};
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// store.execute(Deposit { id: "ada".into(), amount: 5 }).await?;
/// store.execute(Deposit { id: "ada".into(), amount: 7 }).await?;
///
/// assert_eq!(store.load::<Account>("ada").await?.balance, 12);
/// assert_eq!(store.load_at_version::<Account>("ada", Version(1)).await?.balance, 5);
/// assert_eq!(store.events::<Account>("ada")?.collect().await?.len(), 2);
/// # Ok(())
/// # }
/// ```
pub trait EventStoreExt: EventStore + Sized {
    /// Has the command decided on the aggregate it is for, and its events stored. Await the result, or add options first.
    ///
    /// # Errors
    /// [`ExecuteError`](crate::ExecuteError): the domain's refusal as it is, a conflict, or a failure of the store.
    fn execute<C>(&self, command: C) -> Execute<'_, Self, C, Pure>
    where
        C: Command,
        C::Aggregate: Handle<C>,
    {
        Execute::new(self, command, Pure)
    }

    /// Like [`execute`](Self::execute), for a decision that needs services.
    ///
    /// # Errors
    /// As for [`execute`](Self::execute).
    fn execute_with<'a, C, V>(&'a self, command: C, services: &'a V) -> Execute<'a, Self, C, With<'a, V>>
    where
        C: Command,
        C::Aggregate: HandleWith<C, V>,
    {
        Execute::new(self, command, With(services))
    }

    /// The aggregate as it is now. One that nothing ever happened to is the default at [`Version::NONE`].
    ///
    /// # Errors
    /// [`Error::Decode`] for an event that cannot be read, [`Error::InvalidStream`] for an id that cannot name a stream, and
    /// the store's own failures.
    fn load<A: Aggregate>(&self, id: impl AsId<A::Id>) -> impl Future<Output = Result<Loaded<A>, Error>> + Send {
        let stream = stream_of::<A>(id);
        async move { Ok(Load::run(self, stream?, &A::snapshots()).await?.loaded) }
    }

    /// The aggregate as it was when it had `version` events, or as it is now if it has fewer.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    fn load_at_version<A: Aggregate>(
        &self,
        id: impl AsId<A::Id>,
        version: Version,
    ) -> impl Future<Output = Result<Loaded<A>, Error>> + Send {
        let stream = stream_of::<A>(id);
        async move { replay_while(self, stream?, |recorded| recorded.version <= version).await }
    }

    /// The aggregate as it was at `time`, by the store's clock: with all events recorded then or before.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    fn load_at_time<A: Aggregate>(
        &self,
        id: impl AsId<A::Id>,
        time: Timestamp,
    ) -> impl Future<Output = Result<Loaded<A>, Error>> + Send {
        let stream = stream_of::<A>(id);
        async move { replay_while(self, stream?, |recorded| recorded.recorded_at <= time).await }
    }

    /// Puts events behind the aggregate's stream, without a decision. They get the metadata [at hand](Metadata::scope).
    ///
    /// # Errors
    /// As for [`EventStore::append`], and [`Error::Encode`] for an event that could not be read back.
    fn append_events<A: Aggregate>(
        &self,
        id: impl AsId<A::Id>,
        expected: impl Into<ExpectedVersion>,
        events: impl IntoEvents<A::Event>,
    ) -> impl Future<Output = Result<Appended, Error>> + Send {
        let append = encode::<A>(id, expected.into(), events, &Metadata::default());
        async move { self.append(completed(append?)).await }
    }

    /// Like [`append_events`](Self::append_events), with metadata. What it does not say is taken from that
    /// [at hand](Metadata::scope).
    ///
    /// # Errors
    /// As for [`append_events`](Self::append_events).
    fn append_events_with<A: Aggregate>(
        &self,
        id: impl AsId<A::Id>,
        expected: impl Into<ExpectedVersion>,
        events: impl IntoEvents<A::Event>,
        metadata: &Metadata,
    ) -> impl Future<Output = Result<Appended, Error>> + Send {
        let append = encode::<A>(id, expected.into(), events, metadata);
        async move { self.append(completed(append?)).await }
    }

    /// The aggregate's events, from the first on.
    ///
    /// # Errors
    /// [`Error::InvalidStream`] for an id that cannot name a stream.
    fn events<A: Aggregate>(&self, id: impl AsId<A::Id>) -> Result<StreamEvents<'_, Self, A::Event>, Error> {
        Ok(self.stream_events(stream_of::<A>(id)?))
    }

    /// The events of any stream, from the first on.
    fn stream_events<E: Event>(&self, stream: StreamId) -> StreamEvents<'_, Self, E> {
        StreamEvents::new(self, ReadStream::forwards(stream))
    }

    /// The events of the log behind a position, of the categories that `E` knows, up to where the log ends.
    fn log<E: Event>(&self, after: Position) -> LogEvents<'_, Self, E> {
        LogEvents::new(self, after)
    }

    /// All events of the log as they were stored, whatever their types, to be kept elsewhere or [imported](Self::import) into
    /// another store. Add what to read, or take them as they come.
    fn export(&self) -> Export<'_, Self> {
        Export::new(self)
    }

    /// Takes events of the past in, each at its own version of its stream, many at a time. Await the result, or add options
    /// first.
    ///
    /// # Errors
    /// [`ImportError`](crate::ImportError), which tells how far it came.
    fn import<I>(&self, events: I) -> Import<'_, Self, AtHand<I::IntoIter>>
    where
        Self: ImportStore,
        I: IntoIterator<Item: IntoPastEvent>,
    {
        Import::new(self, AtHand(events.into_iter()))
    }

    /// Like [`import`](Self::import), from a source that has to be waited for: another database, or the
    /// [export](Self::export) of another store.
    ///
    /// ```
    /// use es_core::EventStoreExt;
    /// # use es_core::{PastEvent, StreamId, Version};
    /// use es_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let old = MemoryStore::new();
    /// # old.import([PastEvent::new(StreamId::new("account", "7")?, Version(1), "account.noted", 1, "{}")]).await?;
    /// let new = MemoryStore::new();
    /// let imported = new.import_stream(old.export()).await?;
    /// assert_eq!(imported.stored, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`import`](Self::import).
    fn import_stream<I>(&self, events: I) -> Import<'_, Self, I>
    where
        Self: ImportStore,
        I: Stream<Item: IntoPastEvent>,
    {
        Import::new(self, events)
    }

    /// The events of one conversation, of all streams, causes before effects. A type that `E` does not know is an error, unless
    /// [`known_only`](ConversationEvents::known_only) says otherwise.
    fn conversation<E: Event>(&self, correlation: CorrelationId) -> ConversationEvents<'_, Self, E> {
        ConversationEvents::typed(self, correlation)
    }

    /// The same, without their content: for whoever has no event set with all the types that there are.
    fn untyped_conversation(&self, correlation: CorrelationId) -> ConversationEvents<'_, Self, Untyped> {
        ConversationEvents::untyped(self, correlation)
    }

    /// The event with the id, without its content. What it is about can be read from its stream.
    ///
    /// # Errors
    /// The store's own failures.
    fn untyped_event(&self, id: EventId) -> impl Future<Output = Result<Option<Recorded<Untyped>>, Error>> + Send {
        async move {
            let mut found = None;
            let mut visit = |raw: RawEvent<'_>| {
                found = Some(raw.untyped());
                Ok(())
            };
            self.find_event(id, &mut visit).await?;
            Ok(found)
        }
    }

    /// What led to what in one conversation. It is held in memory whole, without the events' contents.
    ///
    /// # Errors
    /// The store's own failures.
    fn causation_tree(&self, correlation: CorrelationId) -> impl Future<Output = Result<CausationTree, Error>> + Send {
        async move { Ok(CausationTree::new(self.untyped_conversation(correlation).collect().await?)) }
    }

    /// The same for the conversation that an event belongs to. `None` if there is no event with the id.
    ///
    /// # Errors
    /// The store's own failures.
    fn causation_tree_of(&self, event: EventId) -> impl Future<Output = Result<Option<CausationTree>, Error>> + Send {
        async move {
            let Some(event) = self.untyped_event(event).await? else { return Ok(None) };
            self.causation_tree(event.metadata.conversation(event.id)).await.map(Some)
        }
    }

    /// Takes a snapshot of the aggregate now, whatever its policy says of the time. Nothing happens if it takes none, or if
    /// there are no events.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    fn take_snapshot<A: Aggregate>(&self, id: impl AsId<A::Id>) -> impl Future<Output = Result<(), Error>> + Send {
        let stream = stream_of::<A>(id);
        async move {
            let snapshots = A::snapshots();
            let load = Load::<A>::run(self, stream?, &snapshots).await?;
            match load.snapshot(&snapshots) {
                Some(snapshot) if load.loaded.exists() => self.save_snapshot(snapshot).await,
                _ => Ok(()),
            }
        }
    }
}

impl<S: EventStore> EventStoreExt for S {}

fn encode<A: Aggregate>(
    id: impl AsId<A::Id>,
    expected: ExpectedVersion,
    events: impl IntoEvents<A::Event>,
    metadata: &Metadata,
) -> Result<Append, Error> {
    let mut typed = Vec::new();
    events.append_to(&mut typed);
    let encoded = typed.iter().map(|event| NewEvent::encode(event, metadata)).collect::<Result<_, _>>()?;
    Ok(Append::new(stream_of::<A>(id)?, expected, encoded))
}

/// What the events do not say is taken from the metadata at hand: of whoever awaits the append, as with commands.
fn completed(mut append: Append) -> Append {
    append.events.iter_mut().for_each(|event| event.metadata.complete());
    append
}

/// Replays the stream from its first event while `wanted` holds, without any snapshot: those may lie behind that point.
pub(crate) async fn replay_while<S: EventStore, A: Aggregate>(
    store: &S,
    stream: StreamId,
    wanted: impl Fn(&crate::Recorded<A::Event>) -> bool,
) -> Result<Loaded<A>, Error> {
    let mut loaded = Loaded::new(stream.clone(), Version::NONE, A::default());
    let mut events = store.stream_events::<A::Event>(stream);
    while let Some(recorded) = events.next().await? {
        if !wanted(&recorded) {
            break;
        }
        loaded.version = recorded.version;
        loaded.state.apply(recorded.event);
    }
    Ok(loaded)
}
