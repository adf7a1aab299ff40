//! Pages of the log, decoded.

use std::future::Future;
use std::sync::Arc;

use crate::error::Error;
use crate::event::Event;
use crate::metadata::EventId;
use crate::read_model::ReadModelStore;
use crate::recorded::{Position, RawEvent, Recorded};
use crate::runner::cause::Cause;
use crate::runner::engine::Engine;
use crate::runner::guard::guarded_call;
use crate::runner::owned::Owned;
use crate::runner::work::Work;
use crate::store::ReadLog;
use crate::stream::{StreamId, Version};

/// A page of the log.
pub(super) struct Page<E> {
    pub(super) events: Vec<Recorded<E>>,
    /// How long they are as they are stored.
    pub(super) bytes: usize,
    /// The event behind them, if it cannot be read. Nothing of what comes behind it is in the page.
    pub(super) unreadable: Option<(Place, Cause)>,
    /// Everything up to here was looked at.
    pub(super) next: Position,
    pub(super) at_end: bool,
}

/// Where an event is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) stream: StreamId,
    pub(super) version: Version,
    pub(super) position: Position,
    pub(super) id: EventId,
}

impl Place {
    pub(super) fn of<E>(event: &Recorded<E>) -> Self {
        let position = event.position.unwrap_or_default();
        Self { stream: event.stream.clone(), version: event.version, position, id: event.id }
    }

    pub(super) fn of_raw(raw: &RawEvent<'_>) -> Self {
        let position = raw.position.unwrap_or_default();
        Self { stream: raw.stream.clone(), version: raw.version, position, id: raw.id }
    }
}

/// An event as today's code reads it, or where it is and why it cannot be read.
pub(super) type Decoded<E> = Result<Recorded<E>, (Place, Cause)>;

/// Reads an event as today's code does, or says why it cannot: decoding is a caller's code, which may fail, and panic.
pub(super) fn decode<E: Event>(raw: RawEvent<'_>) -> Decoded<E> {
    let place = Place::of_raw(&raw);
    match guarded_call(|| raw.decode()) {
        Ok(Ok(event)) => Ok(event),
        Ok(Err(error)) => Err((place, Cause::unreadable(&error))),
        Err(panicked) => Err((place, Cause::panicked(&panicked))),
    }
}

impl<E> Page<E> {
    /// Whether there is more behind it that can be read already.
    pub(super) fn has_more(&self) -> bool {
        !self.at_end && self.unreadable.is_none()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.unreadable.is_none()
    }

    /// Where the checkpoint belongs when the `taken` of its events were taken in.
    pub(super) fn end_of(&self, taken: &[Recorded<E>]) -> Position {
        let is_all = self.unreadable.is_none() && self.events.last().map(|e| e.id) == taken.last().map(|e| e.id);
        if is_all { self.next } else { taken.last().and_then(|event| event.position).unwrap_or_default() }
    }
}

impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    /// Reads the page behind the place, in which there are likely to be so many events. It borrows nothing, so that the next page can
    /// be read while one is taken in.
    pub(super) fn read_behind(
        &self,
        after: Position,
        likely: usize,
        owned: &Owned,
    ) -> impl Future<Output = Result<Page<W::Event>, Error>> + Send + use<S, W> {
        let (store, feed) = (self.store.clone(), Arc::clone(&self.feed));
        let (barrier, since) = (owned.lease.barrier, owned.since());
        let read = ReadLog::after(after).filter(self.filter.clone()).slices(owned.lease.slices);
        let read = read.limit(self.pace.limit());
        async move {
            let (mut events, mut bytes, mut unreadable, mut next) = (Vec::with_capacity(likely), 0, None, None);
            let mut visit = |raw: RawEvent<'_>| {
                // What lies behind the place where the parts meet is for those that come after them.
                if next.is_some() || barrier.is_some() && raw.position > barrier {
                    next = barrier;
                } else if unreadable.is_none() {
                    bytes += raw.payload.len();
                    match decode(raw) {
                        Ok(event) => events.push(event),
                        Err(failed) => unreadable = Some(failed),
                    }
                }
                Ok(())
            };
            let page = feed.read(&store, read, since, &mut visit).await?;
            let end = barrier.map_or(page.next, |barrier| barrier.min(page.next));
            Ok(Page { events, bytes, unreadable, next: next.unwrap_or(end), at_end: page.at_end })
        }
    }
}
