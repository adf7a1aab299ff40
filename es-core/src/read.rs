//! Typed reads that come a page at a time: memory stays flat, and no connection waits for a slow reader.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::error::Error;
use crate::event::Event;
use crate::recorded::{Position, RawEvent, Recorded};
use crate::slices::Slices;
use crate::store::{BoxFuture, Direction, EventFilter, EventStore, ReadLog, ReadStream};
use crate::stream::Version;

/// How many events are fetched at once.
const PAGE: u32 = 500;

/// The events of one stream, typed. Take them with [`next`](Self::next), all at once with [`collect`](Self::collect), or
/// as a `futures` stream.
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
    pages: Pages<'a, S, E, ReadLog>,
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
}

impl<'a, S: EventStore, E: Event> LogEvents<'a, S, E> {
    pub(crate) fn new(store: &'a S, after: Position) -> Self {
        let read = ReadLog::after(after).filter(EventFilter::of::<E>()).limit(PAGE);
        Self { pages: Pages::new(store, read, fetch_log), remaining: None, taken: after }
    }

    /// Reads only events that the filter lets pass. By default it is [`EventFilter::of`] the event set, so that an unknown
    /// type of a known category is met, and not skipped.
    pub fn filter(self, filter: EventFilter) -> Self {
        Self { pages: self.pages.map(|read| read.filter(filter)), ..self }
    }

    /// Reads only events of the streams in these slices, so that several readers can share the log. The default is
    /// [`Slices::ALL`].
    pub fn slices(self, slices: Slices) -> Self {
        Self { pages: self.pages.map(|read| read.slices(slices)), ..self }
    }

    /// Stops after `events` events.
    pub fn limit(self, events: u64) -> Self {
        Self { remaining: Some(events), ..self }
    }

    /// Everything up to here has been taken, or passed over by the filter or the slices.
    pub fn position(&self) -> Position {
        match self.pages.covered {
            Some(covered) if self.pages.ready.is_empty() => covered,
            _ => self.taken,
        }
    }

    /// The next event, `None` at the end of the log.
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

/// A page on its way.
type Fetching<'a, E, R> = BoxFuture<'a, Result<Fetched<E, R>, Error>>;

/// Fetches a page when the one before is used up. `R` asks for a page.
struct Pages<'a, S, E, R> {
    store: &'a S,
    fetch: fn(&'a S, R) -> Fetching<'a, E, R>,
    next: Option<R>,
    fetching: Option<Fetching<'a, E, R>>,
    ready: VecDeque<Result<Recorded<E>, Error>>,
    covered: Option<Position>,
}

/// A page, and how to go on.
struct Fetched<E, R> {
    /// Its events. An event that cannot be read stands at the end, behind those that can.
    events: VecDeque<Result<Recorded<E>, Error>>,
    /// What to ask for behind it; nothing when it is the last.
    next: Option<R>,
    /// How far in the log its events, and those that the filter passed over, reach.
    covered: Option<Position>,
}

impl<'a, S, E, R> Pages<'a, S, E, R> {
    fn new(store: &'a S, read: R, fetch: fn(&'a S, R) -> Fetching<'a, E, R>) -> Self {
        Self { store, fetch, next: Some(read), fetching: None, ready: VecDeque::new(), covered: None }
    }

    fn map(self, change: impl FnOnce(R) -> R) -> Self {
        Self { next: self.next.map(change), ..self }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Recorded<E>, Error>>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Some(item));
            }
            if let Some(fetching) = &mut self.fetching {
                let fetched = ready!(fetching.as_mut().poll(cx));
                self.fetching = None;
                match fetched {
                    Ok(page) => (self.ready, self.next, self.covered) = (page.events, page.next, page.covered),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
                continue;
            }
            match self.next.take() {
                Some(read) => self.fetching = Some((self.fetch)(self.store, read)),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Collects typed events up to the first one that cannot be read.
fn collect<E: Event>(events: &mut VecDeque<Result<Recorded<E>, Error>>, raw: RawEvent<'_>) {
    if !matches!(events.back(), Some(Err(_))) {
        events.push_back(raw.decode());
    }
}

fn fetch_stream<S: EventStore, E: Event>(store: &S, read: ReadStream) -> Fetching<'_, E, ReadStream> {
    Box::pin(async move {
        let mut events = VecDeque::new();
        let page = read.clone().limit(read.limit.unwrap_or(u64::MAX).min(PAGE.into()));
        let mut visit = |raw: RawEvent<'_>| {
            collect(&mut events, raw);
            Ok(())
        };
        store.read_stream(page, &mut visit).await?;
        let next = behind(read, &events);
        Ok(Fetched { events, next, covered: None })
    })
}

/// What to read behind a page. A short page is the last one, and so is one that ends with an error.
fn behind<E>(read: ReadStream, page: &VecDeque<Result<Recorded<E>, Error>>) -> Option<ReadStream> {
    let fetched = page.len() as u64;
    let Some(Ok(last)) = page.back() else { return None };
    let from = match read.direction {
        Direction::Forwards => last.version.after(1),
        Direction::Backwards => Version(last.version.0.saturating_sub(1)),
    };
    let limit = read.limit.map(|limit| limit.saturating_sub(fetched));
    let more = fetched == u64::from(PAGE) && from > Version::NONE && limit != Some(0);
    more.then_some(ReadStream { from: Some(from), limit, ..read })
}

fn fetch_log<S: EventStore, E: Event>(store: &S, read: ReadLog) -> Fetching<'_, E, ReadLog> {
    Box::pin(async move {
        let mut events = VecDeque::new();
        let mut visit = |raw: RawEvent<'_>| {
            collect(&mut events, raw);
            Ok(())
        };
        let page = store.read_log(read.clone(), &mut visit).await?;
        if matches!(events.back(), Some(Err(_))) {
            return Ok(Fetched { events, next: None, covered: None });
        }
        let next = (!page.at_end).then_some(ReadLog { after: page.next, ..read });
        Ok(Fetched { events, next, covered: Some(page.next) })
    })
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
