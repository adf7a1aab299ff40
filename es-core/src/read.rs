//! Typed reads that come a page at a time: memory stays flat, and no connection waits for a slow reader.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use futures_core::Stream;

use crate::error::Error;
use crate::event::Event;
use crate::recorded::{Position, Recorded};
use crate::store::{BoxFuture, Direction, EventFilter, EventStore, LogPage, ReadLog, ReadStream};
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
    store: &'a S,
    next: Option<ReadStream>,
    page: Page<'a, Recorded<E>, VecDeque<Recorded<E>>>,
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
    store: &'a S,
    next: Option<ReadLog>,
    remaining: Option<u64>,
    position: Position,
    page: Page<'a, Recorded<E>, (VecDeque<Recorded<E>>, LogPage)>,
}

/// A page that is being taken from, and the next one that is being fetched.
struct Page<'a, T, F> {
    ready: VecDeque<T>,
    fetch: Option<BoxFuture<'a, Result<F, Error>>>,
}

impl<T, F> Page<'_, T, F> {
    const fn new() -> Self {
        Self { ready: VecDeque::new(), fetch: None }
    }
}

impl<'a, S: EventStore, E: Event> StreamEvents<'a, S, E> {
    pub(crate) fn new(store: &'a S, read: ReadStream) -> Self {
        Self { store, next: Some(read), page: Page::new() }
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
        Self { next: self.next.map(change), ..self }
    }

    /// The next event, `None` after the last.
    ///
    /// # Errors
    /// [`Error::Decode`] for an event that cannot be read, and the store's own failures.
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

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Recorded<E>, Error>>> {
        loop {
            if let Some(event) = self.page.ready.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if let Some(fetch) = &mut self.page.fetch {
                let fetched = ready!(fetch.as_mut().poll(cx));
                self.page.fetch = None;
                match fetched {
                    Ok(events) => self.page.ready = events,
                    Err(error) => {
                        self.next = None;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                self.plan_next_page();
                if self.page.ready.is_empty() {
                    return Poll::Ready(None);
                }
                continue;
            }
            match self.next.clone() {
                Some(read) if read.limit != Some(0) => self.page.fetch = Some(fetch_stream(self.store, read)),
                _ => return Poll::Ready(None),
            }
        }
    }

    /// A short page is the last one.
    fn plan_next_page(&mut self) {
        let fetched = self.page.ready.len() as u64;
        let Some(read) = self.next.take() else { return };
        let Some(last) = self.page.ready.back() else { return };
        if fetched < u64::from(PAGE) {
            return;
        }
        let from = match read.direction {
            Direction::Forwards => last.version.after(1),
            Direction::Backwards => Version(last.version.0 - 1),
        };
        let limit = read.limit.map(|limit| limit.saturating_sub(fetched));
        if from > Version::NONE {
            self.next = Some(ReadStream { from: Some(from), limit, ..read });
        }
    }
}

fn fetch_stream<'a, S: EventStore, E: Event>(
    store: &'a S,
    read: ReadStream,
) -> BoxFuture<'a, Result<VecDeque<Recorded<E>>, Error>> {
    let limit = read.limit.unwrap_or(u64::MAX).min(PAGE.into());
    Box::pin(async move {
        let mut events = VecDeque::new();
        let mut visit = |raw: crate::RawEvent<'_>| {
            events.push_back(raw.decode()?);
            Ok(())
        };
        store.read_stream(read.limit(limit), &mut visit).await?;
        Ok(events)
    })
}

impl<'a, S: EventStore, E: Event> LogEvents<'a, S, E> {
    pub(crate) fn new(store: &'a S, after: Position) -> Self {
        let read = ReadLog::after(after).filter(EventFilter::of::<E>()).limit(PAGE);
        Self { store, next: Some(read), remaining: None, position: after, page: Page::new() }
    }

    /// Reads only events that the filter lets pass. By default it is [`EventFilter::of`] the event set, so that an unknown
    /// type of a known category is met, and not skipped.
    pub fn filter(self, filter: EventFilter) -> Self {
        Self { next: self.next.map(|read| read.filter(filter)), ..self }
    }

    /// Stops after `events` events.
    pub fn limit(self, events: u64) -> Self {
        Self { remaining: Some(events), ..self }
    }

    /// Everything up to here has been taken, or passed over by the filter.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next event, `None` at the end of the log.
    ///
    /// # Errors
    /// [`Error::Decode`] for an event that cannot be read, and the store's own failures.
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

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Recorded<E>, Error>>> {
        loop {
            if self.remaining == Some(0) {
                return Poll::Ready(None);
            }
            if let Some(event) = self.page.ready.pop_front() {
                self.remaining = self.remaining.map(|remaining| remaining - 1);
                self.position = event.position.unwrap_or(self.position);
                return Poll::Ready(Some(Ok(event)));
            }
            if let Some(fetch) = &mut self.page.fetch {
                let fetched = ready!(fetch.as_mut().poll(cx));
                self.page.fetch = None;
                match fetched {
                    Ok((events, page)) => self.turn_to(events, page),
                    Err(error) => {
                        self.next = None;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                continue;
            }
            match self.next.take() {
                // The page before is used up, so what the filter passed over behind its last event is done with, too.
                Some(read) => {
                    self.position = read.after;
                    self.page.fetch = Some(fetch_log(self.store, read.clone()));
                    self.next = Some(read);
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn turn_to(&mut self, events: VecDeque<Recorded<E>>, page: LogPage) {
        self.page.ready = events;
        let read = self.next.take();
        if page.at_end {
            self.finish_at(page.next);
        } else {
            self.next = read.map(|read| ReadLog { after: page.next, ..read });
        }
    }

    fn finish_at(&mut self, end: Position) {
        if self.page.ready.is_empty() {
            self.position = end;
        }
    }
}

fn fetch_log<'a, S: EventStore, E: Event>(
    store: &'a S,
    read: ReadLog,
) -> BoxFuture<'a, Result<(VecDeque<Recorded<E>>, LogPage), Error>> {
    Box::pin(async move {
        let mut events = VecDeque::new();
        let mut visit = |raw: crate::RawEvent<'_>| {
            events.push_back(raw.decode()?);
            Ok(())
        };
        let page = store.read_log(read, &mut visit).await?;
        Ok((events, page))
    })
}

impl<S: EventStore, E: Event + Unpin> Stream for StreamEvents<'_, S, E> {
    type Item = Result<Recorded<E>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

impl<S: EventStore, E: Event + Unpin> Stream for LogEvents<'_, S, E> {
    type Item = Result<Recorded<E>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

impl<S, E> std::fmt::Debug for StreamEvents<'_, S, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamEvents").field("next", &self.next).finish_non_exhaustive()
    }
}

impl<S, E> std::fmt::Debug for LogEvents<'_, S, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogEvents").field("position", &self.position).finish_non_exhaustive()
    }
}
