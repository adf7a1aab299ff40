//! Commands of one process for one stream, one after the other, in the order in which they came.
//!
//! A turn lasts while a command is decided and, where nothing else is possible, until its append is answered. Otherwise it is passed on
//! with the state that the append leads to.
//!
//! It saves work and proves nothing: other processes have turns of their own, and it is the store that lets an append in or does not.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use tokio::sync::OwnedMutexGuard;

use crate::ahead::Ahead;
use crate::stream::StreamId;

/// So many parts, so that commands for different streams seldom meet at the lock of one.
const PARTS: usize = 64;

/// What is ahead of the store in a stream, in the hands of whoever has the turn.
type Front = Arc<tokio::sync::Mutex<Option<Ahead>>>;
type Part = HashMap<StreamId, Front, RandomState>;

/// Who is at work on which stream.
pub(crate) struct Turns {
    parts: Vec<Mutex<Part>>,
    hasher: RandomState,
}

/// The right to decide upon a stream. Others for the same stream wait until it is passed on. What is ahead of the store is kept until
/// nobody is at work on the stream.
pub(crate) struct Turn<'t> {
    part: &'t Mutex<Part>,
    stream: StreamId,
    front: Front,
    /// Nothing while it is waited for, and when it was passed on.
    held: Option<OwnedMutexGuard<Option<Ahead>>>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { parts: (0..PARTS).map(|_| Mutex::default()).collect(), hasher: RandomState::default() }
    }

    /// `None` only for a number of parts that is none.
    pub(crate) async fn wait(&self, stream: &StreamId) -> Option<Turn<'_>> {
        let nth = usize::try_from(self.hasher.hash_one(stream) % PARTS as u64).unwrap_or_default();
        let part = self.parts.get(nth)?;
        let front = Arc::clone(lock(part).entry(stream.clone()).or_default());
        let mut turn = Turn { part, stream: stream.clone(), front, held: None };
        turn.take().await;
        Some(turn)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.parts.iter().map(|part| lock(part).len()).sum()
    }
}

impl Turn<'_> {
    /// Waits for it again, if it was passed on.
    pub(crate) async fn take(&mut self) {
        if self.held.is_none() {
            self.held = Some(Arc::clone(&self.front).lock_owned().await);
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    pub(crate) fn pass_on(&mut self) {
        self.held = None;
    }

    /// Whether others wait for it.
    pub(crate) fn is_wanted(&self) -> bool {
        // One is in the map, one is here, and one in the guard. Whoever waits has another.
        self.held.is_some() && Arc::strong_count(&self.front) > 3
    }

    /// What the one before has left.
    pub(crate) fn ahead(&self) -> Option<&Ahead> {
        self.held.as_deref()?.as_ref()
    }

    /// Leaves something for the next one, or nothing where the store has all that there is.
    pub(crate) fn leave(&mut self, ahead: Option<Ahead>) {
        if let Some(front) = &mut self.held {
            **front = ahead;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pass_on();
        let mut part = lock(self.part);
        // One is in the map, one is here. Whoever waits has another, and whoever comes gets his under this lock.
        if part.get(&self.stream).is_some_and(|front| Arc::strong_count(front) == 2) {
            part.remove(&self.stream);
        }
    }
}

/// Every change is complete before the lock is given back.
fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test has nobody to hand an error to")]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    fn stream(id: u32) -> StreamId {
        StreamId::new("order", id.to_string()).unwrap()
    }

    #[tokio::test]
    async fn one_waits_for_another_of_the_same_stream_and_for_no_other() {
        let turns = Turns::new();
        let first = turns.wait(&stream(1)).await;
        for other in 2..500 {
            assert!(turns.wait(&stream(other)).await.is_some());
        }
        let same = stream(1);
        let mut second = Box::pin(turns.wait(&same));
        assert!(timeout(Duration::from_millis(10), &mut second).await.is_err());
        drop(first);
        drop(second.await);
        assert_eq!(turns.len(), 0, "nothing is kept of streams that nobody is at work on");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind_but_for_the_next_turn() {
        let turns = Turns::new();
        let first = turns.wait(&stream(1)).await;
        let same = stream(1);
        let mut early = Box::pin(turns.wait(&same));
        let mut late = Box::pin(turns.wait(&same));
        assert!(timeout(Duration::from_millis(1), &mut early).await.is_err());
        assert!(timeout(Duration::from_millis(1), &mut late).await.is_err());
        drop(early);
        drop(first);
        drop(late);
        assert_eq!(turns.len(), 0);
        assert!(turns.wait(&stream(1)).await.is_some());
    }
}
