//! Commands: requests to change one aggregate, and the decision on them.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::event::IntoEvents;
use crate::fresh_id::fresh_id;
use crate::metadata::Metadata;
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

/// A request to change one aggregate: plain data that knows whom it is for.
///
/// Derive it, with `#[command(aggregate = …)]`; the id is the field marked `#[command(id)]`, or else the field called
/// `id`. It is `Clone` because after a conflict the same command is decided again.
///
/// # Example: several commands in one enum
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened, Closed }
/// # #[derive(Default)]
/// # struct Door;
/// # impl Aggregate for Door {
/// #     type Id = u32;
/// #     type Event = DoorEvent;
/// #     fn apply(&mut self, _: DoorEvent) {}
/// # }
/// use es_core::Command;
///
/// #[derive(Clone, Command)]
/// #[command(aggregate = Door)]
/// enum DoorCommand {
///     Open { id: u32 },
///     Close { id: u32, #[allow(unused)] slam: bool },
/// }
///
/// assert_eq!(*DoorCommand::Close { id: 7, slam: true }.aggregate_id(), 7);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "not a command",
    note = "put `#[derive(Clone, Command)]` and `#[command(aggregate = …)]` on it"
)]
pub trait Command: Clone + Send + Sync + 'static {
    /// The kind of aggregate the command is for.
    type Aggregate: Aggregate;

    /// The one aggregate the command is for.
    fn aggregate_id(&self) -> &<Self::Aggregate as Aggregate>::Id;
}

/// Decides on a command: pure and synchronous. No clock, no I/O; time and ids come in the [`Context`].
///
/// # Example: a refusal, and an event
///
/// ```
/// # use es_core::{Aggregate, Command, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Withdrawn { amount: u64 } }
/// # #[derive(Default)]
/// # struct Account { balance: u64 }
/// # impl Aggregate for Account {
/// #     type Id = String;
/// #     type Event = AccountEvent;
/// #     fn apply(&mut self, event: AccountEvent) { let AccountEvent::Withdrawn { amount } = event; self.balance -= amount; }
/// # }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Account)]
/// # struct Withdraw { #[allow(unused)] id: String, amount: u64 }
/// use es_core::{Context, Handle, IntoEvents};
///
/// #[derive(Debug, PartialEq, thiserror::Error)]
/// #[error("only {balance} left")]
/// struct InsufficientFunds { balance: u64 }
///
/// impl Handle<Withdraw> for Account {
///     type Error = InsufficientFunds;
///
///     fn handle(&self, command: Withdraw, _: &Context) -> Result<impl IntoEvents<AccountEvent>, InsufficientFunds> {
///         match self.balance.checked_sub(command.amount) {
///             Some(_) => Ok(AccountEvent::Withdrawn { amount: command.amount }),
///             None => Err(InsufficientFunds { balance: self.balance }),
///         }
///     }
/// }
///
/// let account = Account { balance: 5 };
/// let refused = account.handle(Withdraw { id: "ada".into(), amount: 7 }, &Context::for_test()).err();
/// assert_eq!(refused, Some(InsufficientFunds { balance: 5 }));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide on `{C}`",
    label = "no `Handle<{C}>` for this aggregate",
    note = "write `impl Handle<{C}> for {Self}`, or name the deciding function in `#[command(handle = …, error = …)]`"
)]
pub trait Handle<C>: Aggregate {
    /// The domain's own reason to say no. It reaches the caller as it is, unboxed.
    type Error: StdError + Send + Sync + 'static;

    /// What happens because of the command: events, or a refusal.
    ///
    /// # Errors
    /// The domain's refusal.
    fn handle(&self, command: C, context: &Context) -> Result<impl IntoEvents<Self::Event>, Self::Error>;
}

/// Decides on a command with the help of services, for those who need I/O while deciding.
///
/// The decision may run more than once, since a conflict has it decided again: a service that changes something
/// elsewhere belongs behind the event, not before it. Run it with
/// [`execute_with`](crate::EventStoreExt::execute_with).
///
/// # Example: ask a rate service
///
/// ```
/// # use es_core::{Aggregate, Command, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # #[event(category = "quote")]
/// # enum QuoteEvent { Quoted { rate: u32 } }
/// # #[derive(Default)]
/// # struct Quote;
/// # impl Aggregate for Quote {
/// #     type Id = String;
/// #     type Event = QuoteEvent;
/// #     fn apply(&mut self, _: QuoteEvent) {}
/// # }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Quote)]
/// # struct AskQuote { id: String }
/// use es_core::{Context, EventStoreExt, HandleWith, IntoEvents};
///
/// struct Rates;
/// impl Rates {
///     async fn today(&self) -> Result<u32, std::io::Error> { Ok(42) }
/// }
///
/// impl HandleWith<AskQuote, Rates> for Quote {
///     type Error = std::io::Error;
///
///     async fn handle_with(
///         &self,
///         _: AskQuote,
///         _: &Context,
///         rates: &Rates,
///     ) -> Result<impl IntoEvents<QuoteEvent>, std::io::Error> {
///         Ok(QuoteEvent::Quoted { rate: rates.today().await? })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = es_memory::MemoryStore::new();
/// let outcome = store.execute_with(AskQuote { id: "7".into() }, &Rates).await?;
/// assert_eq!(outcome.events[0].event, QuoteEvent::Quoted { rate: 42 });
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide on `{C}` with `{S}`",
    label = "no `HandleWith<{C}, {S}>` for this aggregate"
)]
pub trait HandleWith<C, S>: Aggregate {
    /// The domain's own reason to say no. It reaches the caller as it is, unboxed.
    type Error: StdError + Send + Sync + 'static;

    /// What happens because of the command: events, or a refusal.
    ///
    /// # Errors
    /// The domain's refusal.
    fn handle_with(
        &self,
        command: C,
        context: &Context,
        services: &S,
    ) -> impl Future<Output = Result<impl IntoEvents<Self::Event> + Send, Self::Error>> + Send;
}

/// What a decision may know beside the state: the stream, the time, the metadata, and fresh ids.
///
/// # Example: decide by the time of day, in a test
///
/// ```
/// use es_core::{Context, Version};
///
/// let context = Context::for_test().at("2026-11-21T12:00:00Z".parse()?);
/// assert_eq!(context.now().to_string(), "2026-11-21T12:00:00Z");
/// assert_eq!(context.version(), Version::NONE);
/// assert!(context.is_new());
/// assert_eq!(context.new_id().as_u128(), 1); // in a test, ids count
/// # Ok::<(), es_core::InvalidTimestamp>(())
/// ```
#[derive(Debug)]
pub struct Context {
    stream: Option<StreamId>,
    version: Version,
    now: Timestamp,
    metadata: Metadata,
    ids: Ids,
}

#[derive(Debug)]
enum Ids {
    Random,
    Counting(AtomicU64),
}

impl Context {
    /// One that is made complete before each decision.
    pub(crate) fn begun() -> Self {
        Self { ids: Ids::Random, ..Self::for_test() }
    }

    /// Gets it ready for a decision upon that version of a stream. Gives back the metadata, which may lack the ids of a conversation.
    pub(crate) fn prepare(&mut self, stream: &StreamId, version: Version, now: Timestamp) -> &mut Metadata {
        self.stream.get_or_insert_with(|| stream.clone());
        (self.version, self.now) = (version, now);
        &mut self.metadata
    }

    /// What will surround the events, to be changed before the decision, and to be taken behind it.
    pub(crate) fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// A context whose ids count from 1 and whose time is the Unix epoch, so that a test sees the same at every run.
    pub fn for_test() -> Self {
        Self {
            stream: None,
            version: Version::NONE,
            now: Timestamp::UNIX_EPOCH,
            metadata: Metadata::default(),
            ids: Ids::Counting(AtomicU64::new(1)),
        }
    }

    /// The same context at another time.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// The same context for an aggregate that has `version` events.
    #[must_use]
    pub fn at_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// The same context with other metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// The aggregate's id as text, empty in a test that names none. The typed id is in the command.
    pub fn aggregate_id(&self) -> &str {
        self.stream.as_ref().map_or("", StreamId::id)
    }

    /// How many events the aggregate has.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether nothing ever happened to the aggregate.
    pub fn is_new(&self) -> bool {
        self.version == Version::NONE
    }

    /// The time of the decision. It stays the same however often it is asked.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What will surround the events.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// A fresh id for something that the decision brings into being: a UUID version 7, or the next number in a test.
    pub fn new_id(&self) -> Uuid {
        match &self.ids {
            Ids::Random => fresh_id(),
            Ids::Counting(next) => Uuid::from_u128(next.fetch_add(1, Ordering::Relaxed).into()),
        }
    }
}
