//! The log as it was stored, taken out of a store.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::error::Error;
use crate::past::PastEvent;
use crate::recorded::{Position, RawEvent};
use crate::slices::Slices;
use crate::store::{BoxFuture, EventFilter, EventStore, LogPage, ReadLog};

/// How many events are fetched at once.
const PAGE: u32 = 2_000;

/// The events of the log as they were stored, in its order, up to where it ends. Nothing of them is decoded, so it needs no
/// event set. Take them with [`next`](Self::next), or as a `futures` stream.
///
/// What it gives can be [imported](crate::EventStoreExt::import) as it is, under the same ids, versions and times. A part of the
/// streams, by [`slices`](Self::slices) or by whole categories, can be imported, too; what lies behind a position, only where
/// what is before it was.
///
/// # Example: a file of JSON, an event to a line, and back
///
/// ```
/// use es_core::{EventStoreExt, PastEvent};
/// # use es_core::{StreamId, Version};
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = MemoryStore::new();
/// # store.import([PastEvent::new(StreamId::new("account", "7")?, Version(1), "account.noted", 1, "{}")]).await?;
/// let mut file = String::new();
/// let mut events = store.export();
/// while let Some(event) = events.next().await? {
///     file += &serde_json::to_string(&event)?;
///     file += "\n";
/// }
///
/// let copy = MemoryStore::new();
/// copy.import(file.lines().map(serde_json::from_str::<PastEvent>)).await?;
/// assert_eq!(copy.export().next().await?, store.export().next().await?);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read until events are taken"]
pub struct Export<'a, S> {
    store: &'a S,
    /// What to ask for behind the page at hand; nothing when it is the last.
    next: Option<ReadLog>,
    fetching: Option<BoxFuture<'a, Result<Fetched, Error>>>,
    ready: VecDeque<(Position, PastEvent)>,
    /// How far the page reaches.
    covered: Position,
    position: Position,
}

struct Fetched {
    events: VecDeque<(Position, PastEvent)>,
    read: ReadLog,
    page: LogPage,
}

impl<'a, S: EventStore> Export<'a, S> {
    pub(crate) fn new(store: &'a S) -> Self {
        let (next, ready) = (Some(ReadLog::after(Position::START).limit(PAGE)), VecDeque::new());
        Self { store, next, fetching: None, ready, covered: Position::START, position: Position::START }
    }

    /// Begins behind a position: what an earlier export has [come to](Self::position). The default is the beginning.
    pub fn after(self, position: Position) -> Self {
        Self { covered: position, position, ..self.map(|read| ReadLog { after: position, ..read }) }
    }

    /// Takes only events that the filter lets pass. By default all do.
    pub fn filter(self, filter: EventFilter) -> Self {
        self.map(|read| read.filter(filter))
    }

    /// Takes only events of the streams in these slices. The default is [`Slices::ALL`].
    pub fn slices(self, slices: Slices) -> Self {
        self.map(|read| read.slices(slices))
    }

    /// Fetches so many events at once. The default is 2,000; a page of 0 is one of 1.
    pub fn pages_of(self, events: u32) -> Self {
        self.map(|read| read.limit(events.max(1)))
    }

    fn map(self, change: impl FnOnce(ReadLog) -> ReadLog) -> Self {
        Self { next: self.next.map(change), ..self }
    }

    /// How far it has come: every event up to here that was asked for has been taken.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next event, `None` where the log ended when it was read.
    ///
    /// # Errors
    /// The store's own failures. Nothing comes after an error.
    pub async fn next(&mut self) -> Result<Option<PastEvent>, Error> {
        poll_fn(|cx| self.poll(cx)).await.transpose()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<PastEvent, Error>>> {
        loop {
            if let Some((position, event)) = self.ready.pop_front() {
                self.position = position;
                return Poll::Ready(Some(Ok(event)));
            }
            self.position = self.covered;
            if let Some(fetching) = &mut self.fetching {
                let fetched = ready!(fetching.as_mut().poll(cx));
                self.fetching = None;
                match fetched {
                    Ok(fetched) => self.turn_to(fetched),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
                continue;
            }
            match self.next.take() {
                Some(read) => self.fetching = Some(Box::pin(fetch(self.store, read))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn turn_to(&mut self, Fetched { events, read, page }: Fetched) {
        self.ready = events;
        self.covered = page.next;
        self.next = (!page.at_end).then_some(ReadLog { after: page.next, ..read });
    }
}

async fn fetch<S: EventStore>(store: &S, read: ReadLog) -> Result<Fetched, Error> {
    let mut events = VecDeque::new();
    let mut visit = |raw: RawEvent<'_>| {
        let position = raw.position.unwrap_or_default();
        events.push_back((position, PastEvent::from(raw)));
        Ok(())
    };
    let page = store.read_log(read.clone(), &mut visit).await?;
    Ok(Fetched { events, read, page })
}

impl<S: EventStore> Stream for Export<'_, S> {
    type Item = Result<PastEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

impl<S> fmt::Debug for Export<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").field("position", &self.position).finish_non_exhaustive()
    }
}
