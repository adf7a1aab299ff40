//! Appends of one stream, each behind the one before.
//!
//! While an append of a stream is on its way, from the moment it comes until it is stored or refused, those that go behind it wait in
//! the stream's line: sent out over another connection they would only find that it is not there yet. They go out in the
//! statement that it goes out in, as one append with it, or else when it is through. Whatever becomes of it, the first of the line is
//! the next on its way; so nobody waits who has nobody to wait for.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use es_core::StreamId;

use crate::PgStore;
use crate::append::Prepared;
use crate::group::batch::{self, Room, Run};
use crate::group::{Answered, Outcome, Waiting, Wish};

/// So many appends of one stream share a statement at the most, so that a busy one leaves room for others.
const MOST_OF_A_STREAM: usize = 64;

/// What is on its way, by streams.
#[derive(Default)]
pub(crate) struct Lines(Mutex<HashMap<StreamId, Line>>);

#[derive(Default)]
struct Line {
    /// How many appends are on their way.
    flights: usize,
    /// How many of them go on alone, after a statement that failed. What else comes for the stream does, too.
    alone: usize,
    waiting: VecDeque<Waiting>,
}

/// How an append sets out.
pub(crate) enum Departure {
    /// It waits for those that it goes behind.
    Behind(Answered),
    /// It goes alone, beside the group.
    Apart(Flight),
    /// It may take part.
    Free(Flight),
}

/// That an append is on its way.
pub(crate) struct Flight {
    store: PgStore,
    stream: StreamId,
    is_alone: bool,
}

impl Lines {
    pub(crate) fn join(&self, store: &PgStore, append: &Arc<Prepared>) -> Departure {
        let mut lines = self.lines();
        match lines.get_mut(append.stream()) {
            Some(line) if append.behind().is_some() => {
                let (waiting, answered) = Waiting::new(Wish { append: Arc::clone(append), flight: None });
                line.waiting.push_back(waiting);
                Departure::Behind(answered)
            }
            Some(line) => {
                line.flights += 1;
                let is_apart = line.alone > 0 || !batch::may_join(append);
                Departure::new(Flight::new(store, append), is_apart)
            }
            None => {
                lines.insert(append.stream().clone(), Line { flights: 1, ..Line::default() });
                Departure::new(Flight::new(store, append), !batch::may_join(append))
            }
        }
    }

    /// Takes those along that follow, each behind the one before, as far as there is room.
    pub(crate) fn take_along(&self, run: &mut Run, room: &mut Room) {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(run.stream()) else { return };
        while run.len() < MOST_OF_A_STREAM
            && !room.is_full()
            && let Some(next) = line.waiting.pop_front_if(|next| run.leads_to(&next.wish.append))
        {
            room.take(&next.wish.append);
            run.push(next);
        }
    }

    /// Puts those back who were taken along in vain, in their order.
    pub(crate) fn put_back(&self, stream: &StreamId, taken: Vec<Waiting>) {
        if let Some(line) = self.lines().get_mut(stream) {
            taken.into_iter().rev().for_each(|waiting| line.waiting.push_front(waiting));
        }
    }

    /// Whether others of the stream wait.
    pub(crate) fn has_others(&self, stream: &StreamId) -> bool {
        self.lines().get(stream).is_some_and(|line| !line.waiting.is_empty())
    }

    /// Whether an append of the stream goes on alone.
    #[cfg(test)]
    pub(crate) fn has_alone(&self, stream: &StreamId) -> bool {
        self.lines().get(stream).is_some_and(|line| line.alone > 0)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.lines().is_empty()
    }

    /// The next of the stream that is on its way from now on, if somebody waits.
    fn end(&self, flight: &Flight) -> Option<Waiting> {
        let mut lines = self.lines();
        let line = lines.get_mut(&flight.stream)?;
        line.flights = line.flights.saturating_sub(1);
        line.alone = line.alone.saturating_sub(usize::from(flight.is_alone));
        if line.flights > 0 {
            return None;
        }
        while let Some(next) = line.waiting.pop_front() {
            if !next.is_gone() {
                line.flights = 1;
                return Some(next);
            }
        }
        lines.remove(&flight.stream);
        None
    }

    /// Every change is complete before the lock is given back, so one that a panic poisoned is as good as any.
    fn lines(&self) -> MutexGuard<'_, HashMap<StreamId, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Departure {
    fn new(flight: Flight, is_apart: bool) -> Self {
        if is_apart { Self::Apart(flight) } else { Self::Free(flight) }
    }
}

impl Flight {
    fn new(store: &PgStore, append: &Prepared) -> Self {
        Self { store: store.clone(), stream: append.stream().clone(), is_alone: false }
    }

    /// Has what comes for the stream go alone, too, while it lasts.
    pub(crate) fn alone(mut self) -> Self {
        if let Some(group) = self.store.group()
            && let Some(line) = group.lines.lines().get_mut(&self.stream)
            && !self.is_alone
        {
            line.alone += 1;
            self.is_alone = true;
        }
        self
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let Some(group) = self.store.group() else { return };
        let Some(mut next) = group.lines.end(self) else { return };
        let flight = Self { store: self.store.clone(), stream: self.stream.clone(), is_alone: false };
        if batch::may_join(&next.wish.append) {
            next.wish.flight = Some(flight);
            group.queue.push(next);
        } else {
            next.tell(Outcome::Again(Some(flight)));
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("streams", &self.lines().len()).finish()
    }
}
