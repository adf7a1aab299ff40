//! How typed reads fetch what they yield: a page when the one before is used up.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use crate::error::Error;
use crate::event::Event;
use crate::recorded::{Position, RawEvent, Recorded};
use crate::store::{BoxFuture, Direction, EventStore, ReadConversation, ReadLog, ReadStream};
use crate::stream::Version;

/// How many events are fetched at once.
pub(super) const PAGE: u32 = 500;

/// A page on its way.
pub(super) type Fetching<'a, E, R> = BoxFuture<'a, Result<Fetched<E, R>, Error>>;

/// Fetches a page when the one before is used up. `R` asks for a page.
pub(super) struct Pages<'a, S, E, R> {
    store: &'a S,
    fetch: fn(&'a S, R) -> Fetching<'a, E, R>,
    pub(super) next: Option<R>,
    fetching: Option<Fetching<'a, E, R>>,
    pub(super) ready: VecDeque<Result<Recorded<E>, Error>>,
    pub(super) covered: Option<Position>,
}

/// A page, and how to go on.
pub(super) struct Fetched<E, R> {
    /// Its events. An event that cannot be read stands at the end, behind those that can.
    events: VecDeque<Result<Recorded<E>, Error>>,
    /// What to ask for behind it; nothing when it is the last.
    next: Option<R>,
    /// How far in the log its events, and those that the filter passed over, reach.
    covered: Option<Position>,
}

impl<'a, S, E, R> Pages<'a, S, E, R> {
    pub(super) fn new(store: &'a S, read: R, fetch: fn(&'a S, R) -> Fetching<'a, E, R>) -> Self {
        Self { store, fetch, next: Some(read), fetching: None, ready: VecDeque::new(), covered: None }
    }

    pub(super) fn map(self, change: impl FnOnce(R) -> R) -> Self {
        Self { next: self.next.map(change), ..self }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Recorded<E>, Error>>> {
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

pub(super) fn fetch_stream<S: EventStore, E: Event>(store: &S, read: ReadStream) -> Fetching<'_, E, ReadStream> {
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

/// A read of the log that may end before the log does.
#[derive(Debug)]
pub(super) struct LogRange {
    pub(super) read: ReadLog,
    pub(super) up_to: Position,
}

pub(super) fn fetch_log<S: EventStore, E: Event>(store: &S, range: LogRange) -> Fetching<'_, E, LogRange> {
    Box::pin(async move {
        let LogRange { read, up_to } = range;
        let mut events = VecDeque::new();
        let mut visit = |raw: RawEvent<'_>| {
            // What lies behind the range is not even decoded: the reader must not learn that it cannot be read.
            if raw.position.is_none_or(|position| position <= up_to) {
                collect(&mut events, raw);
            }
            Ok(())
        };
        let page = store.read_log(read.clone(), &mut visit).await?;
        if matches!(events.back(), Some(Err(_))) {
            return Ok(Fetched { events, next: None, covered: None });
        }
        let more = !page.at_end && page.next < up_to;
        let next = more.then_some(LogRange { read: ReadLog { after: page.next, ..read }, up_to });
        Ok(Fetched { events, next, covered: Some(page.next.min(up_to)) })
    })
}

/// A read of a conversation, and what is made of its events. `None` passes over one.
pub(super) struct ConversationRange<E> {
    pub(super) read: ReadConversation,
    pub(super) take: fn(RawEvent<'_>) -> Option<Result<Recorded<E>, Error>>,
}

pub(super) fn fetch_conversation<S: EventStore, E: Send + 'static>(
    store: &S,
    range: ConversationRange<E>,
) -> Fetching<'_, E, ConversationRange<E>> {
    Box::pin(async move {
        let ConversationRange { read, take } = range;
        let mut events = VecDeque::new();
        let mut visit = |raw: RawEvent<'_>| {
            if !matches!(events.back(), Some(Err(_))) {
                events.extend(take(raw));
            }
            Ok(())
        };
        let bookmark = store.read_conversation(read.limit(PAGE.into()), &mut visit).await?;
        let more = bookmark.filter(|_| !matches!(events.back(), Some(Err(_))));
        let next = more.map(|bookmark| ConversationRange { read: read.after(bookmark), take });
        Ok(Fetched { events, next, covered: None })
    })
}
