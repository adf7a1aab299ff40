//! Events of the past, taken into a store: in batches, checked, and so that it can be done again.

use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::error::{BoxError, Error};
use crate::past::{IntoPastEvent, PastEvent};
use crate::store::{BoxFuture, ImportBatch, ImportStore};
use crate::stream::{StreamId, Version};

/// How many events are imported as one.
const BATCH: usize = 10_000;

/// A batch ends, too, when its events have this many bytes of payload.
const BATCH_BYTES: usize = 8 << 20;

/// An import on its way. Await it; everything else is optional.
///
/// Events come with their versions, from 1 without gaps in each stream; streams may come mixed in any way. Where a stream has
/// events already, those that are imported go behind them, or are the same.
///
/// They are stored in batches, all or none of each, and in the order in which they come, which is their order in the log.
/// Memory stays flat: a batch is held, and nothing of those before it.
///
/// **It can be done again.** An event that is there already, at the same version of its stream under the same id, is passed
/// over. So an import that came to an end in its middle, however that happened, is repeated from its beginning, or from
/// anywhere before where it ended.
///
/// Read models that a [`Runner`](crate::Runner) keeps take imported events in like any others, reactors too: for these, import
/// before you start them the first time, since what is there then is history. [`Inline`](crate::Inline) read models do not
/// learn of them: rebuild these.
///
/// # Example: somebody else's table
///
/// ```
/// use es_core::{BoxError, EventStoreExt, PastEvent, StreamId, Version};
/// use es_memory::MemoryStore;
///
/// fn event(line: &str) -> Result<PastEvent, BoxError> {
///     let [account, number, time, amount] = line.split(',').collect::<Vec<_>>()[..] else { return Err("torn".into()) };
///     let (stream, version) = (StreamId::new("account", account)?, Version(number.parse()?));
///     let payload = format!(r#"{{"amount":{amount}}}"#);
///     Ok(PastEvent::new(stream, version, "account.deposited", 1, payload).recorded_at(time.parse()?))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let table = "ada,1,2019-03-01T09:30:00Z,50\nbob,1,2019-03-01T09:31:00Z,7\nada,2,2019-03-02T10:00:00Z,20";
/// let store = MemoryStore::new();
/// let imported = store.import(table.lines().map(event)).await?;
/// assert_eq!(imported.stored, 3);
///
/// let again = store.import(table.lines().map(event)).await?;
/// assert_eq!((again.stored, again.there), (0, 3));
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is imported until it is awaited"]
pub struct Import<'a, S, I> {
    store: &'a S,
    events: I,
    batch: usize,
    progress: Option<Box<dyn FnMut(Imported) + Send + 'a>>,
}

/// What an import has come to: these events of its source are in the store for good.
///
/// # Example: all of them
///
/// ```
/// let imported = es_core::Imported { stored: 990_000, there: 10_000 };
/// assert_eq!(imported.events(), 1_000_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many were stored.
    pub stored: u64,
    /// How many were there already.
    pub there: u64,
}

impl Imported {
    /// How many events of the source that is, from its beginning.
    pub const fn events(self) -> u64 {
        self.stored.saturating_add(self.there)
    }

    fn add(&mut self, stored: u64, of: usize) {
        self.stored = self.stored.saturating_add(stored);
        self.there = self.there.saturating_add((of as u64).saturating_sub(stored));
    }
}

/// An import that ended before its source did. What it has [come to](Self::imported) stays in the store; import the same
/// events again to go on, once the cause is gone.
///
/// # Example: where it ended
///
/// ```
/// use es_core::{EventStoreExt, ImportError, PastEvent, StreamId, Version};
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stream = StreamId::new("account", "7")?;
/// let event = |version, payload| PastEvent::new(stream.clone(), Version(version), "account.noted", 1, payload);
/// let events = [event(1, "{}"), event(2, "{}"), event(3, "{torn")];
///
/// let ended = MemoryStore::new().import(events).await.unwrap_err();
/// assert!(matches!(ended, ImportError::Event { version: Version(3), .. }));
/// assert_eq!(ended.imported().stored, 2);
/// assert_eq!(ended.to_string(), "event 3 of stream `account-7` cannot be imported (2 events were, before it)");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The source failed. Everything before is in the store.
    #[error("the next event could not be read from its source ({} events were imported)", .imported.events())]
    Source {
        /// What is in the store.
        imported: Imported,
        /// What the source said.
        source: BoxError,
    },
    /// An event cannot be imported: it is malformed ([`Error::InvalidAppend`]), its version does not follow, or the store has
    /// another event in its place ([`Error::Conflict`]). Everything before it is in the store, and nothing behind it.
    #[error(
        "event {version} of stream `{stream}` cannot be imported ({} events were, before it)", .imported.events()
    )]
    Event {
        /// What is in the store. It is also the event's number in the source, from 0.
        imported: Imported,
        /// The stream of the event.
        stream: StreamId,
        /// The version of the event in its stream.
        version: Version,
        /// Why.
        source: Error,
    },
    /// The store failed at the batch behind these events. It was stored as a whole or not at all; not at all, unless the
    /// connection was lost.
    #[error("the store failed behind the first {} events of the import", .imported.events())]
    Store {
        /// What is in the store.
        imported: Imported,
        /// What the store said.
        source: Error,
    },
}

impl ImportError {
    /// What is in the store.
    pub const fn imported(&self) -> Imported {
        match self {
            Self::Source { imported, .. } | Self::Event { imported, .. } | Self::Store { imported, .. } => *imported,
        }
    }

    /// Whether the same import may get further in a moment.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Store { source, .. } if source.is_transient())
    }
}

impl<'a, S: ImportStore, I> Import<'a, S, I> {
    pub(crate) fn new(store: &'a S, events: I) -> Self {
        Self { store, events, batch: BATCH, progress: None }
    }

    /// At most so many events are stored as one. The default is 10,000; a batch of 0 is one of 1. One with 8 MiB of payload
    /// is full in any case.
    pub fn batches_of(self, events: usize) -> Self {
        Self { batch: events.max(1), ..self }
    }

    /// Calls `tell` after each batch, with what is in the store by then.
    pub fn on_progress(self, tell: impl FnMut(Imported) + Send + 'a) -> Self {
        Self { progress: Some(Box::new(tell)), ..self }
    }
}

impl<'a, S, I> IntoFuture for Import<'a, S, I>
where
    S: ImportStore,
    I: Stream<Item: IntoPastEvent> + Send + 'a,
{
    type Output = Result<Imported, ImportError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { store, events, batch, progress } = self;
        let import =
            Importing { store, most: batch, progress, batch: ImportBatch::default(), imported: Imported::default() };
        Box::pin(import.run(events))
    }
}

impl<S, I> fmt::Debug for Import<'_, S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("batch", &self.batch).finish_non_exhaustive()
    }
}

struct Importing<'a, S> {
    store: &'a S,
    most: usize,
    progress: Option<Box<dyn FnMut(Imported) + Send + 'a>>,
    batch: ImportBatch,
    imported: Imported,
}

impl<S: ImportStore> Importing<'_, S> {
    async fn run<I: Stream<Item: IntoPastEvent>>(mut self, events: I) -> Result<Imported, ImportError> {
        let mut events = pin!(events);
        while let Some(next) = next(&mut events).await {
            match next {
                Ok(event) => self.take(event).await?,
                Err(source) => {
                    self.store().await?;
                    return Err(ImportError::Source { imported: self.imported, source });
                }
            }
        }
        self.store().await?;
        Ok(self.imported)
    }

    async fn take(&mut self, event: PastEvent) -> Result<(), ImportError> {
        let (stream, version) = (event.stream.clone(), event.version);
        let pushed = match self.batch.push(event) {
            Ok(Some(apart)) => {
                self.store().await?;
                self.batch.push(apart)
            }
            pushed => pushed,
        };
        if let Err(refused) = pushed {
            self.store().await?;
            return Err(self.refused(stream, version, refused.into()));
        }
        if self.batch.len() >= self.most || self.batch.bytes() >= BATCH_BYTES {
            self.store().await?;
        }
        Ok(())
    }

    /// Stores what is at hand. Where one of the events does not fit, those before it.
    async fn store(&mut self) -> Result<(), ImportError> {
        let batch = std::mem::take(&mut self.batch);
        let conflict = match self.try_store(&batch).await {
            Err(Error::Conflict(conflict)) => conflict,
            stored => return stored.map_err(|source| ImportError::Store { imported: self.imported, source }),
        };
        let Some((place, version)) = batch.place_of(&conflict) else {
            return Err(ImportError::Store { imported: self.imported, source: conflict.into() });
        };
        let stored = self.try_store(&batch.first(place)).await;
        stored.map_err(|source| ImportError::Store { imported: self.imported, source })?;
        Err(self.refused(conflict.stream.clone(), version, conflict.into()))
    }

    async fn try_store(&mut self, batch: &ImportBatch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let stored = self.store.import_batch(batch).await?;
        self.imported.add(stored, batch.len());
        if let Some(tell) = &mut self.progress {
            tell(self.imported);
        }
        Ok(())
    }

    fn refused(&self, stream: StreamId, version: Version, source: Error) -> ImportError {
        ImportError::Event { imported: self.imported, stream, version, source }
    }
}

async fn next<I: Stream<Item: IntoPastEvent>>(events: &mut Pin<&mut I>) -> Option<Result<PastEvent, BoxError>> {
    poll_fn(|cx| events.as_mut().poll_next(cx)).await.map(IntoPastEvent::into_past_event)
}

/// What is at hand, as a stream that never has to be waited for.
#[derive(Debug)]
pub struct AtHand<I>(pub(crate) I);

/// An iterator is never pinned.
impl<I> Unpin for AtHand<I> {}

impl<I: Iterator> Stream for AtHand<I> {
    type Item = I::Item;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.get_mut().0.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
