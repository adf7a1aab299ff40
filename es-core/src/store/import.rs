//! What a store must do to take in events of the past. What a caller enjoys is [`Import`](crate::Import).

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use crate::error::{Conflict, Error, InvalidAppend};
use crate::metadata::EventId;
use crate::past::PastEvent;
use crate::recorded::NewEvent;
use crate::store::EventStore;
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::timestamp::Timestamp;

/// Clocks differ, but nothing was recorded later than this from now.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// A store that takes in events of the past, many at a time. To use one, see
/// [`EventStoreExt::import`](crate::EventStoreExt::import).
///
/// With the feature `conformance`, [`import_conformance_tests!`](crate::import_conformance_tests) proves an implementation.
///
/// # Contract
///
/// **All or none.** The events of a batch that are not there yet are stored as one, each with its own id, version, metadata and
/// time, or by the store's clock where it has none. Whatever an append promises of streams and of the log is true of them,
/// beside appends and other imports.
///
/// **What is there already** is an event at the same version of the same stream under the same id. It is passed over, and
/// stays as it is. Another event at that version is a conflict, and so is a version that the stream is too short for:
/// [`Error::Conflict`] names the stream and expects the version before the event that does not fit. Then nothing is stored.
///
/// **Futures** may be dropped at any time. A batch whose future was dropped may or may not have been stored, as a whole.
///
/// # Example: the contract in use, without any comfort
///
/// ```
/// use es_core::{ImportBatch, ImportStore, PastEvent, StreamId, Version};
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let mut batch = ImportBatch::default();
/// for version in 1..=3 {
///     batch.push(PastEvent::new(StreamId::new("account", "7")?, Version(version), "account.noted", 1, "{}"))?;
/// }
/// assert_eq!(store.import_batch(&batch).await?, 3);
/// assert_eq!(store.import_batch(&batch).await?, 0, "all of it is there");
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not import events",
    label = "imports no events",
    note = "`MemoryStore` of es-memory and `PgStore` of es-postgres do; events behind others can always be appended"
)]
pub trait ImportStore: EventStore {
    /// Stores what is not there yet, all or none, and tells how many events that were.
    ///
    /// # Errors
    /// [`Error::Conflict`] when an event does not fit, [`Error::InvalidAppend`] when the store cannot count as far, and the
    /// store's own failures. After one of these a batch may have been stored, if the connection was lost; importing it again
    /// does no harm.
    fn import_batch(&self, batch: &ImportBatch) -> impl Future<Output = Result<u64, Error>> + Send;
}

/// Events that are imported as one. In each stream their versions follow each other, whatever stands between them.
///
/// # Example: what does not follow goes into the next batch
///
/// ```
/// use es_core::{ImportBatch, PastEvent, StreamId, Version};
///
/// let event = |id: &'static str, version| {
///     StreamId::new("account", id).map(|stream| PastEvent::new(stream, Version(version), "account.noted", 1, "{}"))
/// };
/// let mut batch = ImportBatch::default();
/// for (id, version) in [("7", 1), ("8", 4), ("7", 2)] {
///     assert_eq!(batch.push(event(id, version)?)?, None);
/// }
/// assert_eq!(batch.push(event("8", 4)?)?, Some(event("8", 4)?));
/// assert_eq!((batch.len(), batch.streams().len()), (3, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct ImportBatch {
    events: Vec<ImportEvent>,
    streams: Vec<ImportStream>,
    numbers: HashMap<StreamId, usize>,
    bytes: usize,
}

/// An event of a batch, checked.
///
/// # Example: where it goes
///
/// ```
/// # use es_core::{ImportBatch, PastEvent, StreamId, Version};
/// # let mut batch = ImportBatch::default();
/// # batch.push(PastEvent::new(StreamId::new("account", "7")?, Version(1), "account.noted", 1, "{}"))?;
/// for (of, event) in batch.events() {
///     println!("{} {}", of.stream, event.version);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImportEvent {
    /// The number of its stream in [`ImportBatch::streams`].
    pub number: usize,
    /// Its version in the stream.
    pub version: Version,
    /// When it was recorded; by the store's clock, if nobody says.
    pub recorded_at: Option<Timestamp>,
    /// The event.
    pub event: NewEvent,
}

/// A stream that events of a batch are of.
///
/// # Example: from where to where
///
/// ```
/// # use es_core::{ImportBatch, PastEvent, StreamId, Version};
/// let mut batch = ImportBatch::default();
/// for version in 5..=7 {
///     batch.push(PastEvent::new(StreamId::new("account", "7")?, Version(version), "account.noted", 1, "{}"))?;
/// }
/// let stream = &batch.streams()[0];
/// assert_eq!((stream.first, stream.last), (Version(5), Version(7)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportStream {
    /// Its name.
    pub stream: StreamId,
    /// The version of the first of the events.
    pub first: Version,
    /// The version of the last of them.
    pub last: Version,
}

impl ImportBatch {
    /// Puts an event into the batch, under an id if it has none. One that does not follow those of its stream that are in the
    /// batch is given back: it may be in the store already, or be a conflict, which the store can tell once these are there.
    ///
    /// # Errors
    /// [`InvalidAppend`], when no store could take the event.
    pub fn push(&mut self, event: PastEvent) -> Result<Option<PastEvent>, InvalidAppend> {
        if self.last(&event.stream).is_some_and(|last| last.after(1) != event.version) {
            return Ok(Some(event));
        }
        let id = event.known_id();
        let PastEvent { stream, version, event_type, schema_version, payload, metadata, recorded_at, .. } = event;
        let event = NewEvent { id, event_type, schema_version, payload, metadata };
        event.check(0)?;
        check_place(&stream, version, recorded_at)?;
        self.add(stream, version, recorded_at, event);
        Ok(None)
    }

    fn last(&self, stream: &StreamId) -> Option<Version> {
        let number = self.numbers.get(stream)?;
        self.streams.get(*number).map(|stream| stream.last)
    }

    fn add(&mut self, stream: StreamId, version: Version, recorded_at: Option<Timestamp>, event: NewEvent) {
        let number = match self.numbers.get(&stream) {
            Some(number) => *number,
            None => self.number(stream, version),
        };
        if let Some(stream) = self.streams.get_mut(number) {
            stream.last = version;
        }
        self.bytes = self.bytes.saturating_add(event.payload.len());
        self.events.push(ImportEvent { number, version, recorded_at, event });
    }

    fn number(&mut self, stream: StreamId, first: Version) -> usize {
        let number = self.streams.len();
        self.numbers.insert(stream.clone(), number);
        self.streams.push(ImportStream { stream, first, last: first });
        number
    }

    /// Its events, in the order in which they came, each with its stream.
    pub fn events(&self) -> impl Iterator<Item = (&ImportStream, &ImportEvent)> {
        self.events.iter().filter_map(|event| Some((self.streams.get(event.number)?, event)))
    }

    /// The streams of its events, each once.
    pub fn streams(&self) -> &[ImportStream] {
        &self.streams
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many bytes of payload its events have.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is to be stored of the batch: all but what is there already. For stores, which know how far each stream has come
    /// (`at`), and under which id an event of it is stored (`id`, asked for versions up to that one only), both by the number
    /// of the stream.
    ///
    /// # Errors
    /// [`Conflict`], when an event fits neither behind its stream nor to what is there.
    pub fn missing(
        &self,
        at: impl Fn(usize) -> Version,
        id: impl Fn(usize, Version) -> Option<EventId>,
    ) -> Result<Vec<(&ImportStream, &ImportEvent)>, Conflict> {
        let mut missing = Vec::with_capacity(self.events.len());
        for (of, event) in self.events() {
            let actual = at(event.number);
            if event.version > actual && of.first <= actual.after(1) {
                missing.push((of, event));
            } else if event.version > actual || id(event.number, event.version) != Some(event.event.id) {
                return Err(Conflict { stream: of.stream.clone(), expected: before(event.version), actual });
            }
        }
        Ok(missing)
    }

    /// Which of its events, from 0, a store has found in conflict with what is there, and its version.
    pub(crate) fn place_of(&self, conflict: &Conflict) -> Option<(usize, Version)> {
        let is_it = |of: &ImportStream, event: &ImportEvent| {
            of.stream == conflict.stream && before(event.version) == conflict.expected
        };
        let place = self.events().position(|(of, event)| is_it(of, event))?;
        self.events.get(place).map(|event| (place, event.version))
    }

    /// Its first events.
    pub(crate) fn first(&self, count: usize) -> Self {
        let mut first = Self::default();
        for (of, event) in self.events().take(count) {
            first.add(of.stream.clone(), event.version, event.recorded_at, event.event.clone());
        }
        first
    }
}

/// What an event of that version expects of its stream.
fn before(version: Version) -> ExpectedVersion {
    ExpectedVersion::Exact(Version(version.0.saturating_sub(1)))
}

fn check_place(stream: &StreamId, version: Version, recorded_at: Option<Timestamp>) -> Result<(), InvalidAppend> {
    match recorded_at {
        _ if version == Version::NONE => Err(InvalidAppend::Version(stream.clone())),
        Some(time) if time > Timestamp::now() + CLOCKS_DIFFER => Err(InvalidAppend::RecordedAt(time)),
        _ => Ok(()),
    }
}
