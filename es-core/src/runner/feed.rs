//! One read of the log for several projections that have come about as far.
//!
//! The last page that was read is kept. Whoever asks for what it holds gets it from there, and whoever asks for what comes
//! behind it reads the next one, for all. A projection that is further back reads for itself.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::error::Error;
use crate::metadata::{EventId, Metadata};
use crate::recorded::{Position, RawEvent};
use crate::store::{EventFilter, EventStore, LogPage, ReadLog, Visit};
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

pub(super) struct Feed {
    /// What all readers together want. `None` where there is only one.
    filter: Option<EventFilter>,
    page: Mutex<Option<Arc<Page>>>,
    /// Held by the one that reads.
    turn: tokio::sync::Mutex<()>,
}

struct Page {
    after: Position,
    end: LogPage,
    /// When the read began. Whatever was committed before is in the page, or in one before it.
    begun: Instant,
    events: Vec<Kept>,
}

/// An event that outlives the row it came in.
struct Kept {
    id: EventId,
    stream: StreamId,
    version: Version,
    position: Option<Position>,
    event_type: String,
    schema_version: u32,
    payload: String,
    metadata: Metadata,
    recorded_at: Timestamp,
}

/// What the page that is kept is worth to a reader.
enum Worth {
    /// It holds what comes next, or shows that nothing does.
    Enough(Arc<Page>),
    /// The reader is at its end, or there is none: the next page is for all.
    Next,
    /// The reader is further back.
    Nothing,
}

impl Feed {
    pub(super) fn new(filters: &[EventFilter]) -> Self {
        let filter = if filters.len() > 1 { Some(EventFilter::any_of(filters)) } else { None };
        Self { filter, page: Mutex::new(None), turn: tokio::sync::Mutex::new(()) }
    }

    /// Reads the log for one of the readers. That there is nothing behind `read.after` may be known from a read that
    /// began at `since` or later.
    pub(super) async fn read(
        &self,
        store: &impl EventStore,
        read: ReadLog,
        since: Instant,
        visit: &mut Visit<'_>,
    ) -> Result<LogPage, Error> {
        let Some(filter) = &self.filter else { return store.read_log(read, visit).await };
        if let Worth::Enough(page) = self.worth(&read, since) {
            return page.hand_out(&read, since, visit);
        }
        if let Worth::Nothing = self.worth(&read, since) {
            return store.read_log(read, visit).await;
        }
        let turn = self.turn.lock().await;
        // Somebody may have read it while this reader waited for its turn.
        if let Worth::Enough(page) = self.worth(&read, since) {
            return page.hand_out(&read, since, visit);
        }
        let page = Arc::new(Page::read(store, read.clone(), filter).await?);
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&page));
        drop(turn);
        page.hand_out(&read, since, visit)
    }

    fn worth(&self, read: &ReadLog, since: Instant) -> Worth {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        match &*page {
            Some(page) if read.after < page.after => Worth::Nothing,
            Some(page) if read.after < page.end.next => Worth::Enough(Arc::clone(page)),
            Some(page) if read.after == page.end.next && page.end.at_end && page.begun >= since => {
                Worth::Enough(Arc::clone(page))
            }
            _ => Worth::Next,
        }
    }
}

impl Page {
    async fn read(store: &impl EventStore, read: ReadLog, filter: &EventFilter) -> Result<Self, Error> {
        let (after, begun) = (read.after, Instant::now());
        let mut events = Vec::new();
        let mut keep = |raw: RawEvent<'_>| {
            events.push(Kept::of(raw));
            Ok(())
        };
        let for_all = ReadLog::after(after).filter(filter.clone()).limit(read.limit);
        let end = store.read_log(for_all, &mut keep).await?;
        Ok(Self { after, end, begun, events })
    }

    /// Hands out what the reader wants of it. Where the log ended before `since` says nothing of where it ends now.
    fn hand_out(&self, read: &ReadLog, since: Instant, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        let first = self.events.partition_point(|event| event.position <= Some(read.after));
        let mut left = read.limit;
        let mut next = read.after;
        for event in self.events.get(first..).unwrap_or_default() {
            if read.filter.allows(event.stream.category(), &event.event_type) && read.slices.contains(&event.stream) {
                if left == 0 {
                    return Ok(LogPage { next, at_end: false });
                }
                visit(event.raw())?;
                left -= 1;
            }
            next = event.position.unwrap_or(next);
        }
        Ok(LogPage { next: self.end.next.max(next), at_end: self.end.at_end && self.begun >= since })
    }
}

impl Kept {
    fn of(raw: RawEvent<'_>) -> Self {
        Self {
            id: raw.id,
            stream: raw.stream,
            version: raw.version,
            position: raw.position,
            event_type: raw.event_type.to_owned(),
            schema_version: raw.schema_version,
            payload: raw.payload.to_owned(),
            metadata: raw.metadata,
            recorded_at: raw.recorded_at,
        }
    }

    fn raw(&self) -> RawEvent<'_> {
        RawEvent {
            id: self.id,
            stream: self.stream.clone(),
            version: self.version,
            position: self.position,
            event_type: &self.event_type,
            schema_version: self.schema_version,
            payload: &self.payload,
            metadata: self.metadata.clone(),
            recorded_at: self.recorded_at,
        }
    }
}
