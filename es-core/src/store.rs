//! The narrow waist: what a store must do. What a caller enjoys is [`EventStoreExt`](crate::EventStoreExt).

mod conversation;
mod erased;
mod ext;
mod import;
mod names;

use std::borrow::Cow;
use std::future::Future;

use crate::cache::AggregateCache;
use crate::error::Error;
use crate::event::{EncodedEvent, Event};
use crate::idempotency::{IdempotencyKey, KeyUse};
use crate::metadata::EventId;
use crate::recorded::{Append, Appended, Position, RawEvent};
use crate::slices::Slices;
use crate::snapshot::Snapshot;
use crate::stream::{StreamId, Version};

pub use conversation::{Bookmark, ReadConversation};
pub use erased::{BoxFuture, DynEventStore, ErasedEventStore};
pub use ext::EventStoreExt;
pub(crate) use ext::replay_while;
pub use import::{ImportBatch, ImportEvent, ImportStore, ImportStream};
pub use names::InvalidFilter;

/// What a reader does with each event. An error ends the read and comes back from it.
///
/// The event is borrowed from the store's own buffer, so that nothing is copied on the way to the typed event. A store
/// holds no lock while it calls.
///
/// # Example: count, and stop at the first event of a type
///
/// ```
/// use es_core::{Error, RawEvent, Visit};
///
/// let mut count = 0;
/// let mut counting = |event: RawEvent<'_>| match event.event_type {
///     "account.closed" => Err(Error::store("closed")),
///     _ => {
///         count += 1;
///         Ok(())
///     }
/// };
/// let visit: &mut Visit<'_> = &mut counting;
/// # let _ = visit;
/// ```
pub type Visit<'a> = dyn FnMut(RawEvent<'_>) -> Result<(), Error> + Send + 'a;

/// Keeps events: streams, one log of them all, and snapshots as a cache beside them.
///
/// Implement it to bring a store of your own; to use one, see [`EventStoreExt`](crate::EventStoreExt). With the feature
/// `conformance`, [`conformance_tests!`](crate::conformance_tests) proves an implementation sentence by sentence.
///
/// # Contract
///
/// **Streams.** Versions are 1, 2, 3, … without gaps. An append is all or nothing, whatever the number of its events. When
/// the stream is not as [`ExpectedVersion`](crate::ExpectedVersion) says, nothing is stored and the answer is
/// [`Error::Conflict`] with the version that is there; expecting version 7 of a stream at 3 is a conflict too. Nothing else
/// is a conflict, but for one that names the event it goes [behind](Append::behind), where another one is at that version. Concurrent appends that expect [`Any`](crate::ExpectedVersion::Any) all succeed. What was acknowledged is
/// seen by every later read of the stream, at once. An append that [`Append::check`] refuses is refused with
/// [`Error::InvalidAppend`].
///
/// **Keys.** An append with a [key](Append::key) is stored together with it, as one. While the key is known, an append under
/// it stores nothing and is answered, whatever it expects, with what became of the first
/// ([`repeated`](Appended::repeated)), or with [`Error::KeyReused`] when its stream or fingerprint is another. Of several at
/// once one is stored. An append that was refused leaves no key. A key is known for a stated time by the store's clock,
/// [`KEYS_KEPT_FOR`](crate::KEYS_KEPT_FOR) by default, and is then as if it had never been used.
///
/// **Log.** Every event gets a place in one global log, some time after its append. A reader that has passed a place never
/// later finds a new event at or before it, whoever commits late. Places within a stream are in version order, and an event
/// whose writer had seen another one comes behind that one. Places never change; they may have gaps. An open transaction, ours or not, delays at most its own events.
///
/// **Conversations.** An event belongs to the conversation that its metadata names. One whose metadata names none
/// [begins](crate::Metadata::conversation) a conversation of its own, under its own id. A read of a conversation visits its
/// events of every category, each once, the causes before the effects: an event whose writer had seen another one comes behind
/// it. What was acknowledged before the call is visited, whether it has a place in the log yet or not.
///
/// **Snapshots.** A snapshot is handed out only to who asks for its state version, and only if the stream has reached its
/// version; a store need not keep one that is ahead of its stream. It replaces another only if [`Snapshot::supersedes`] says so. Losing one changes no result.
///
/// **Futures** may be dropped at any time. An append whose future was dropped may or may not have been stored.
///
/// # Example: the contract in use, without any comfort
///
/// ```
/// use es_core::{Append, EventStore, ExpectedVersion, NewEvent, ReadStream, StreamId};
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let stream = StreamId::new("account", "7")?;
/// let opened = NewEvent::new("account.opened", 1, r#"{"owner":"Ada"}"#);
/// store.append(Append::new(stream.clone(), ExpectedVersion::NoStream, vec![opened])).await?;
///
/// let mut payloads = Vec::new();
/// store.read_stream(ReadStream::forwards(stream), &mut |event| {
///     payloads.push(event.payload.to_owned());
///     Ok(())
/// }).await?;
/// assert_eq!(payloads, [r#"{"owner":"Ada"}"#]);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event store",
    label = "not an event store",
    note = "use `MemoryStore` of es-memory, `PgStore` of es-postgres, or `DynEventStore` for one chosen at run time"
)]
pub trait EventStore: Send + Sync {
    /// Puts events behind a stream, all or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the stream is not as expected, [`Error::KeyReused`] when something else was stored under its
    /// key, [`Error::InvalidAppend`] when no store could accept the append, [`Error::UnknownOutcome`] when it may have been
    /// stored, and the store's own failures. After every other
    /// error nothing was stored.
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, Error>> + Send;

    /// What was stored under the key, as far as it was committed before the call. `None` when nothing was, or when the key has
    /// expired.
    ///
    /// # Errors
    /// The store's own failures.
    fn find_key(&self, key: &IdempotencyKey) -> impl Future<Output = Result<Option<KeyUse>, Error>> + Send;

    /// Hands what is needed to rebuild state to `fold`: the snapshot of `state_version` if one is wanted and usable, then
    /// the events behind it, in order. In one round trip, where there are round trips.
    ///
    /// # Errors
    /// What `fold` returned, and the store's own failures.
    fn fold_stream(
        &self,
        stream: &StreamId,
        state_version: Option<u32>,
        fold: &mut dyn Fold,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Hands the events of one stream to `visit`, in the order asked for. A stream without events has nothing to visit.
    ///
    /// # Errors
    /// What `visit` returned, and the store's own failures.
    fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Hands the next events of the log to `visit`, in log order, each with its position.
    ///
    /// # Errors
    /// What `visit` returned, and the store's own failures.
    fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> impl Future<Output = Result<LogPage, Error>> + Send;

    /// Hands the next events of one conversation to `visit`, of all streams, causes before effects. Gives back where to read
    /// on, or `None` when there was nothing more. As from their streams, they come without a position.
    ///
    /// # Errors
    /// What `visit` returned, and the store's own failures.
    fn read_conversation(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<Option<Bookmark>, Error>> + Send;

    /// Hands the event with the id to `visit`, if there is one. If somebody stored several events under one id, the first of
    /// them.
    ///
    /// # Errors
    /// What `visit` returned, and the store's own failures.
    fn find_event(&self, id: EventId, visit: &mut Visit<'_>) -> impl Future<Output = Result<(), Error>> + Send;

    /// The highest place given so far, after giving one to every event that was committed before the call.
    ///
    /// # Errors
    /// The store's own failures.
    fn log_end(&self) -> impl Future<Output = Result<Position, Error>> + Send;

    /// Keeps a snapshot, if it [supersedes](Snapshot::supersedes) the one that is there.
    ///
    /// # Errors
    /// The store's own failures.
    fn save_snapshot(&self, snapshot: Snapshot) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes a snapshot to be kept some time later, and returns at once: this is how a command leaves one without waiting
    /// for it. A store may drop it. A store that works inside somebody's transaction must: the transaction may roll back.
    fn offer_snapshot(&self, snapshot: Snapshot);

    /// Whether a call may be tried again on this very store after one that failed with a [passing](Error::is_transient) error.
    /// A store inside somebody's transaction says no: after such an error the whole transaction has to begin anew.
    fn survives_failures(&self) -> bool {
        true
    }

    /// Whether appends take their places in a stream in the order in which they were first polled, so that one may be
    /// [behind](Append::behind) another that is still under way, and waits for it. Commands for a busy aggregate are then decided
    /// without waiting for each other's appends. By default not: an append behind one that is still under way would be a conflict.
    fn appends_in_order(&self) -> bool {
        false
    }

    /// Forgets every snapshot of the stream.
    ///
    /// # Errors
    /// The store's own failures.
    fn delete_snapshots(&self, stream: &StreamId) -> impl Future<Output = Result<(), Error>> + Send;

    /// Where the aggregates are kept that a command may find at hand. By default nowhere: every command loads its own. What is in
    /// it must have been stored for good, so the store inside a transaction has none.
    fn cache(&self) -> Option<&AggregateCache> {
        None
    }
}

/// Takes in what a [load](EventStore::fold_stream) hands out.
///
/// # Example: count what had to be replayed
///
/// ```
/// use es_core::{EncodedEvent, Error, Fold, Version};
///
/// #[derive(Default)]
/// struct Replayed(u64);
///
/// impl Fold for Replayed {
///     fn snapshot(&mut self, _: Version, _: &str) {}
///     fn event(&mut self, _: Version, _: EncodedEvent<'_>) -> Result<(), Error> {
///         self.0 += 1;
///         Ok(())
///     }
/// }
/// ```
pub trait Fold: Send {
    /// The snapshot, as JSON text, with the version it was taken at. Called at most once, before any event.
    fn snapshot(&mut self, version: Version, state: &str);

    /// The next event behind it.
    ///
    /// # Errors
    /// Whatever should end the load.
    fn event(&mut self, version: Version, event: EncodedEvent<'_>) -> Result<(), Error>;
}

/// Which way a stream is read.
///
/// # Example: what a read says of it
///
/// ```
/// use es_core::{Direction, ReadStream, StreamId};
///
/// assert_eq!(ReadStream::backwards(StreamId::new("account", "7")?).direction, Direction::Backwards);
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From old to new.
    Forwards,
    /// From new to old.
    Backwards,
}

/// Which events of a stream to read.
///
/// # Example: the last three events, newest first
///
/// ```
/// use es_core::{ReadStream, StreamId};
///
/// let read = ReadStream::backwards(StreamId::new("account", "7")?).limit(3);
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadStream {
    /// The stream.
    pub stream: StreamId,
    /// Which way.
    pub direction: Direction,
    /// The first version to read, itself included. `None` means the stream's first event forwards, its last backwards.
    pub from: Option<Version>,
    /// How many events at the most.
    pub limit: Option<u64>,
}

impl ReadStream {
    /// All events, from the first on.
    pub fn forwards(stream: StreamId) -> Self {
        Self { stream, direction: Direction::Forwards, from: None, limit: None }
    }

    /// All events, from the last back.
    pub fn backwards(stream: StreamId) -> Self {
        Self { stream, direction: Direction::Backwards, from: None, limit: None }
    }

    /// Starts with the event at `version`, itself included.
    #[must_use]
    pub fn from(self, version: Version) -> Self {
        Self { from: Some(version), ..self }
    }

    /// Stops after `events` events.
    #[must_use]
    pub fn limit(self, events: u64) -> Self {
        Self { limit: Some(events), ..self }
    }
}

/// Which events of the log to read.
///
/// # Example: everything about accounts, from the beginning, a hundred at a time
///
/// ```
/// use es_core::{EventFilter, Position, ReadLog};
///
/// let read = ReadLog::after(Position::START).filter(EventFilter::categories(["account"])).limit(100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadLog {
    /// The reader has seen everything up to here, this place included.
    pub after: Position,
    /// Which events it wants to see.
    pub filter: EventFilter,
    /// Of which part of all streams.
    pub slices: Slices,
    /// How many of them at the most.
    pub limit: u32,
}

impl ReadLog {
    /// How many events are read when nothing else is asked for.
    pub const DEFAULT_LIMIT: u32 = 500;

    /// Whatever comes behind `position`, at most [`DEFAULT_LIMIT`](Self::DEFAULT_LIMIT) events.
    pub fn after(position: Position) -> Self {
        Self { after: position, filter: EventFilter::all(), slices: Slices::ALL, limit: Self::DEFAULT_LIMIT }
    }

    /// Only events that the filter lets pass. The store filters, so the others cost next to nothing.
    #[must_use]
    pub fn filter(self, filter: EventFilter) -> Self {
        Self { filter, ..self }
    }

    /// Only events of the streams in these slices, beside what the filter says. The default is [`Slices::ALL`].
    #[must_use]
    pub fn slices(self, slices: Slices) -> Self {
        Self { slices, ..self }
    }

    /// At most `events` events. The default is [`DEFAULT_LIMIT`](Self::DEFAULT_LIMIT).
    #[must_use]
    pub fn limit(self, events: u32) -> Self {
        Self { limit: events, ..self }
    }
}

/// How far a read of the log has come.
///
/// # Example: read on from where a page ended
///
/// ```
/// use es_core::{LogPage, Position, ReadLog};
///
/// let page = LogPage { next: Position(7), at_end: false };
/// assert_eq!(ReadLog::after(page.next).after, Position(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// Every wanted event up to here, this place included, has been visited. It may lie far behind the last event that was
    /// visited, when a filter or the slices passed over others, and never before the place the read began at.
    pub next: Position,
    /// Whether the log had nothing more when it was read. A page may be short, or empty, without being the end.
    pub at_end: bool,
}

/// Which events a reader of the log wants: those of some categories, those of some types, or all.
///
/// # Example: two categories, and of these only what was paid
///
/// ```
/// use es_core::EventFilter;
///
/// let filter = EventFilter::categories(["order", "invoice"]).types(["order.paid", "invoice.paid"]);
/// assert!(filter.allows("order", "order.paid"));
/// assert!(!filter.allows("order", "order.placed"));
/// assert!(!filter.allows("account", "order.paid"));
/// assert!(EventFilter::all().allows("anything", "at.all"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    categories: Vec<Cow<'static, str>>,
    types: Vec<Cow<'static, str>>,
}

impl EventFilter {
    /// Every event.
    pub fn all() -> Self {
        Self::default()
    }

    /// Every event of these categories. None named means all.
    pub fn categories<C: Into<Cow<'static, str>>>(categories: impl IntoIterator<Item = C>) -> Self {
        Self { categories: categories.into_iter().map(Into::into).collect(), types: Vec::new() }
    }

    /// Every event of the categories that `E` knows. A type of these categories that `E` does *not* know passes too, and the
    /// reader meets it as an error: what is skipped is skipped on purpose, by [`types`](Self::types).
    pub fn of<E: Event>() -> Self {
        let mut categories: Vec<&'static str> = E::TYPES.iter().map(|t| t.category()).collect();
        categories.sort_unstable();
        categories.dedup();
        Self::categories(categories)
    }

    /// Of the categories, only events stored under one of these type names, aliases included. None named means all.
    #[must_use]
    pub fn types<T: Into<Cow<'static, str>>>(self, types: impl IntoIterator<Item = T>) -> Self {
        Self { types: types.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whatever passes one of the filters passes this one, and perhaps something more.
    pub(crate) fn any_of(filters: &[Self]) -> Self {
        let union = |names: fn(&Self) -> &Vec<Cow<'static, str>>| {
            if filters.iter().any(|filter| names(filter).is_empty()) {
                return Vec::new();
            }
            let mut all: Vec<_> = filters.iter().flat_map(names).cloned().collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        Self { categories: union(|filter| &filter.categories), types: union(|filter| &filter.types) }
    }

    /// The categories that pass; empty when all do.
    pub fn wanted_categories(&self) -> &[Cow<'static, str>] {
        &self.categories
    }

    /// The names of types that pass; empty when all do.
    pub fn wanted_types(&self) -> &[Cow<'static, str>] {
        &self.types
    }

    /// Whether an event passes.
    pub fn allows(&self, category: &str, event_type: &str) -> bool {
        let passes = |wanted: &[Cow<'static, str>], name| wanted.is_empty() || wanted.iter().any(|w| w == name);
        passes(&self.categories, category) && passes(&self.types, event_type)
    }
}
