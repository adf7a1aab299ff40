//! Typed reads that come a page at a time: memory stays flat, and no connection waits for a slow reader.

mod conversation;
mod pages;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::error::Error;
use crate::event::Event;
use crate::recorded::{Position, Recorded};
use crate::slices::Slices;
use crate::store::{Direction, EventFilter, EventStore, ReadLog, ReadStream};
use crate::stream::Version;
pub use conversation::ConversationEvents;
use pages::{LogRange, PAGE, Pages, fetch_log, fetch_stream};

/// The events of one stream, typed. Take them with [`next`](Self::next), all at once with [`collect`](Self::collect),
/// into a state with [`fold`](Self::fold), or as a `futures` stream.
///
/// # Example: newest first
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened, Closed }
/// # #[derive(Default)]
/// # struct Door;
/// # impl Aggregate for Door {
/// #     type Id = u32;
/// #     type Event = DoorEvent;
/// #     fn apply(&mut self, _: DoorEvent) {}
/// # }
/// use es_core::{EventStoreExt, ExpectedVersion};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_core::Error> {
/// let store = es_memory::MemoryStore::new();
/// store.append_events::<Door>(&7, ExpectedVersion::Any, [DoorEvent::Opened, DoorEvent::Closed]).await?;
///
/// let mut events = store.events::<Door>(&7)?.backwards().limit(1);
/// while let Some(recorded) = events.next().await? {
///     assert_eq!(recorded.event, DoorEvent::Closed);
///     assert_eq!(recorded.version.0, 2);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read until events are taken"]
pub struct StreamEvents<'a, S, E> {
    pages: Pages<'a, S, E, ReadStream>,
}

/// The events of the log, typed. Take them with [`next`](Self::next), all at once with [`collect`](Self::collect), or as
/// a `futures` stream. It ends where the log ended; [`position`](Self::position) tells where to go on later.
///
/// # Example: everything that happened to doors
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened, Closed }
/// # #[derive(Default)]
/// # struct Door;
/// # impl Aggregate for Door {
/// #     type Id = u32;
/// #     type Event = DoorEvent;
/// #     fn apply(&mut self, _: DoorEvent) {}
/// # }
/// use es_core::{EventStoreExt, ExpectedVersion, Position};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_core::Error> {
/// let store = es_memory::MemoryStore::new();
/// store.append_events::<Door>(&7, ExpectedVersion::Any, DoorEvent::Opened).await?;
/// store.append_events::<Door>(&8, ExpectedVersion::Any, DoorEvent::Opened).await?;
///
/// let mut log = store.log::<DoorEvent>(Position::START);
/// let mut seen = Vec::new();
/// while let Some(recorded) = log.next().await? {
///     seen.push(recorded.stream.to_string());
/// }
/// assert_eq!(seen, ["door-7", "door-8"]);
/// assert_eq!(store.log::<DoorEvent>(log.position()).collect().await?, []);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read until events are taken"]
pub struct LogEvents<'a, S, E> {
    pages: Pages<'a, S, E, LogRange>,
    remaining: Option<u64>,
    /// The place of the last event that was taken.
    taken: Position,
}

impl<'a, S: EventStore, E: Event> StreamEvents<'a, S, E> {
    pub(crate) fn new(store: &'a S, read: ReadStream) -> Self {
        Self { pages: Pages::new(store, read, fetch_stream) }
    }

    /// Starts with the event at `version`, itself included.
    pub fn from(self, version: Version) -> Self {
        self.map(|read| read.from(version))
    }

    /// Reads from new to old, from the last event unless [`from`](Self::from) says otherwise.
    pub fn backwards(self) -> Self {
        self.map(|read| ReadStream { direction: Direction::Backwards, ..read })
    }

    /// Stops after `events` events.
    pub fn limit(self, events: u64) -> Self {
        self.map(|read| read.limit(events))
    }

    fn map(self, change: impl FnOnce(ReadStream) -> ReadStream) -> Self {
        Self { pages: self.pages.map(change) }
    }

    /// The next event, `None` after the last.
    ///
    /// # Errors
    /// [`Error::Decode`] for an event that cannot be read, after all events before it, and the store's own failures. Nothing
    /// comes after an error.
    pub async fn next(&mut self) -> Result<Option<Recorded<E>>, Error> {
        std::future::poll_fn(|cx| self.pages.poll(cx)).await.transpose()
    }

    /// All events that are left.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Vec<Recorded<E>>, Error> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await? {
            all.push(event);
        }
        Ok(all)
    }

    /// Takes all events that are left into `state`, one after the other, and keeps none: memory stays flat however many
    /// there are. Nothing is stored.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    ///
    /// # Example: how often a door was opened
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
    /// use es_core::{EventStoreExt, ExpectedVersion};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_core::Error> {
    /// let store = es_memory::MemoryStore::new();
    /// store.append_events::<Door>(&7, ExpectedVersion::Any, [DoorEvent::Opened, DoorEvent::Closed]).await?;
    ///
    /// let opened = store
    ///     .events::<Door>(&7)?
    ///     .fold(0, |opened, recorded| *opened += u32::from(matches!(recorded.event, DoorEvent::Opened)))
    ///     .await?;
    /// assert_eq!(opened, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn fold<T>(mut self, mut state: T, mut apply: impl FnMut(&mut T, Recorded<E>)) -> Result<T, Error> {
        while let Some(event) = self.next().await? {
            apply(&mut state, event);
        }
        Ok(state)
    }
}

impl<'a, S: EventStore, E: Event> LogEvents<'a, S, E> {
    pub(crate) fn new(store: &'a S, after: Position) -> Self {
        let read = ReadLog::after(after).filter(EventFilter::of::<E>()).limit(PAGE);
        let range = LogRange { read, up_to: Position(u64::MAX) };
        Self { pages: Pages::new(store, range, fetch_log), remaining: None, taken: after }
    }

    /// Reads only events that the filter lets pass. By default it is [`EventFilter::of`] the event set, so that an unknown
    /// type of a known category is met, and not skipped.
    pub fn filter(self, filter: EventFilter) -> Self {
        self.map(|range| LogRange { read: range.read.filter(filter), ..range })
    }

    /// Reads only events of the streams in these slices, so that several readers can share the log. The default is
    /// [`Slices::ALL`].
    pub fn slices(self, slices: Slices) -> Self {
        self.map(|range| LogRange { read: range.read.slices(slices), ..range })
    }

    /// Stops after `events` events.
    pub fn limit(self, events: u64) -> Self {
        Self { remaining: Some(events), ..self }
    }

    /// Stops behind the event at `position`, itself included, so that whoever reads again reads the same: nothing ever
    /// appears at or before a position that has been read.
    pub fn up_to(self, position: Position) -> Self {
        let up_to = position.max(self.taken);
        self.map(|range| LogRange { up_to, ..range })
    }

    fn map(self, change: impl FnOnce(LogRange) -> LogRange) -> Self {
        Self { pages: self.pages.map(change), ..self }
    }

    /// Everything up to here has been taken, or passed over by the filter or the slices.
    pub fn position(&self) -> Position {
        match self.pages.covered {
            Some(covered) if self.pages.ready.is_empty() => covered,
            _ => self.taken,
        }
    }

    /// The next event, `None` at the end of the log, or where the read was to stop.
    ///
    /// # Errors
    /// [`Error::Decode`] for an event that cannot be read, after all events before it, and the store's own failures. Nothing
    /// comes after an error.
    pub async fn next(&mut self) -> Result<Option<Recorded<E>>, Error> {
        std::future::poll_fn(|cx| self.poll(cx)).await.transpose()
    }

    /// All events that are left.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Vec<Recorded<E>>, Error> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await? {
            all.push(event);
        }
        Ok(all)
    }

    /// Takes all events that are left into `state`, one after the other, and keeps none: memory stays flat however many
    /// there are. Nothing is stored.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    ///
    /// # Example: events of each door, up to now
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
    /// use es_core::{EventStore, EventStoreExt, ExpectedVersion, Position, StreamId};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_core::Error> {
    /// let store = es_memory::MemoryStore::new();
    /// store.append_events::<Door>(&7, ExpectedVersion::Any, [DoorEvent::Opened, DoorEvent::Closed]).await?;
    /// store.append_events::<Door>(&8, ExpectedVersion::Any, DoorEvent::Opened).await?;
    /// let now = store.log_end().await?;
    /// store.append_events::<Door>(&9, ExpectedVersion::Any, DoorEvent::Opened).await?;
    ///
    /// let counts = store
    ///     .log::<DoorEvent>(Position::START)
    ///     .up_to(now)
    ///     .fold(std::collections::BTreeMap::<StreamId, u32>::new(), |counts, recorded| {
    ///         *counts.entry(recorded.stream).or_default() += 1;
    ///     })
    ///     .await?;
    /// assert_eq!(counts.into_values().collect::<Vec<_>>(), [2, 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn fold<T>(mut self, mut state: T, mut apply: impl FnMut(&mut T, Recorded<E>)) -> Result<T, Error> {
        while let Some(event) = self.next().await? {
            apply(&mut state, event);
        }
        Ok(state)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Recorded<E>, Error>>> {
        if self.remaining == Some(0) {
            return Poll::Ready(None);
        }
        let item = ready!(self.pages.poll(cx));
        if let Some(Ok(event)) = &item {
            self.remaining = self.remaining.map(|remaining| remaining - 1);
            self.taken = event.position.unwrap_or(self.taken);
        }
        Poll::Ready(item)
    }
}

impl<S: EventStore, E: Event + Unpin> Stream for StreamEvents<'_, S, E> {
    type Item = Result<Recorded<E>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().pages.poll(cx)
    }
}

impl<S: EventStore, E: Event + Unpin> Stream for LogEvents<'_, S, E> {
    type Item = Result<Recorded<E>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

impl<S, E> fmt::Debug for StreamEvents<'_, S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamEvents").field("next", &self.pages.next).finish_non_exhaustive()
    }
}

impl<S, E> fmt::Debug for LogEvents<'_, S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogEvents").field("next", &self.pages.next).field("taken", &self.taken).finish_non_exhaustive()
    }
}
