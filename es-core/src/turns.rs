//! Commands of one process for one stream, one after the other, in the order in which they came.
//!
//! A turn lasts while a command is decided and, where nothing else is possible, until its append is answered. Otherwise it is passed on
//! with the state that the append leads to.
//!
//! It saves work and proves nothing: other processes have turns of their own, and it is the store that lets an append in or does not.
//!
//! Most commands meet nobody, so who comes first only writes down that he is there. The next one makes the lock at which both meet.

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
type Guard = OwnedMutexGuard<Option<Ahead>>;

/// Who is at work on which stream.
pub(crate) struct Turns {
    parts: Vec<Mutex<Part>>,
    hasher: RandomState,
}

/// Some of the streams: those that somebody is at work on, which are so few that they are looked through.
#[derive(Default)]
struct Part {
    lines: Vec<Line>,
    /// The number of the next line, none of which comes twice.
    next: u64,
}

/// Everybody who is at work on one stream.
struct Line {
    number: u64,
    hash: u64,
    stream: StreamId,
    turns: usize,
    /// Where turns are waited for, as soon as there is more than one.
    front: Option<Front>,
    /// The hold of whoever came first, and has not fetched it: the next one took it for him.
    first: Option<Guard>,
}

/// The right to decide upon a stream. Others for the same stream wait until it is passed on. What is ahead of the store is kept until
/// nobody is at work on the stream.
pub(crate) struct Turn<'t> {
    part: &'t Mutex<Part>,
    line: u64,
    hold: Hold,
}

enum Hold {
    /// Of whoever came first, to a stream that nothing is ahead of. There may be no lock.
    First,
    /// It is waited for, or was passed on.
    Not(Front),
    Held(Front, Guard),
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { parts: (0..PARTS).map(|_| Mutex::default()).collect(), hasher: RandomState::default() }
    }

    /// A turn that is held where nobody else is at work on the stream, and has to be [waited for](Turn::take) otherwise. `None` only
    /// for a number of parts that is none.
    pub(crate) fn join(&self, stream: &StreamId) -> Option<Turn<'_>> {
        let hash = self.hasher.hash_one(stream);
        let nth = usize::try_from(hash % PARTS as u64).unwrap_or_default();
        let part = self.parts.get(nth)?;
        let (line, hold) = lock(part).join(hash, stream);
        Some(Turn { part, line, hold })
    }

    #[cfg(test)]
    async fn wait(&self, stream: &StreamId) -> Option<Turn<'_>> {
        let mut turn = self.join(stream)?;
        turn.take().await;
        Some(turn)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.parts.iter().map(|part| lock(part).lines.len()).sum()
    }
}

impl Part {
    /// In which line one is, and with what.
    fn join(&mut self, hash: u64, stream: &StreamId) -> (u64, Hold) {
        match self.lines.iter_mut().find(|line| line.hash == hash && line.stream == *stream) {
            Some(line) => {
                line.turns += 1;
                (line.number, Hold::Not(line.front()))
            }
            None => (self.begin(hash, stream.clone()), Hold::First),
        }
    }

    fn begin(&mut self, hash: u64, stream: StreamId) -> u64 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.lines.push(Line { number, hash, stream, turns: 1, front: None, first: None });
        number
    }

    fn line(&mut self, number: u64) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.number == number)
    }

    /// One turn less. The line goes with the last one.
    fn leave(&mut self, number: u64) -> Option<Line> {
        let nth = self.lines.iter().position(|line| line.number == number)?;
        let line = self.lines.get_mut(nth)?;
        line.turns = line.turns.saturating_sub(1);
        (line.turns == 0).then(|| self.lines.swap_remove(nth))
    }
}

impl Line {
    /// Where turns are waited for. Who makes the lock takes it for whoever came first.
    fn front(&mut self) -> Front {
        let first = &mut self.first;
        let made = self.front.get_or_insert_with(|| {
            let front = Front::default();
            *first = Arc::clone(&front).try_lock_owned().ok();
            front
        });
        Arc::clone(made)
    }
}

impl Turn<'_> {
    /// Waits for it, if it is not held.
    pub(crate) async fn take(&mut self) {
        if let Hold::Not(front) = &self.hold {
            let front = Arc::clone(front);
            let guard = Arc::clone(&front).lock_owned().await;
            self.hold = Hold::Held(front, guard);
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        !matches!(self.hold, Hold::Not(_))
    }

    pub(crate) fn pass_on(&mut self) {
        self.fetch();
        if let Hold::Held(front, _) = &self.hold {
            self.hold = Hold::Not(Arc::clone(front));
        }
    }

    /// Whether others wait for it.
    pub(crate) fn is_wanted(&self) -> bool {
        match &self.hold {
            Hold::First => lock(self.part).line(self.line).is_some_and(|line| line.turns > 1),
            Hold::Not(_) => false,
            // One is in the line, one is here, and one in the guard. Whoever waits has another.
            Hold::Held(front, _) => Arc::strong_count(front) > 3,
        }
    }

    /// What the one before has left.
    pub(crate) fn ahead(&self) -> Option<&Ahead> {
        match &self.hold {
            Hold::Held(_, guard) => guard.as_ref(),
            Hold::First | Hold::Not(_) => None,
        }
    }

    /// Leaves something for the next one, or nothing where the store has all that there is.
    pub(crate) fn leave(&mut self, ahead: Option<Ahead>) {
        if ahead.is_some() {
            self.fetch();
        }
        // Who came first and has left nothing yet has nothing to take back.
        if let Hold::Held(_, guard) = &mut self.hold {
            **guard = ahead;
        }
    }

    /// Has whoever came first hold the lock at which others wait, or will.
    fn fetch(&mut self) {
        if !matches!(self.hold, Hold::First) {
            return;
        }
        let held = lock(self.part).line(self.line).and_then(|line| Some((line.front(), line.first.take()?)));
        if let Some((front, guard)) = held {
            self.hold = Hold::Held(front, guard);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut part = lock(self.part);
        let first = match self.hold {
            Hold::First => part.line(self.line).and_then(|line| line.first.take()),
            Hold::Not(_) | Hold::Held(..) => None,
        };
        let line = part.leave(self.line);
        // Whoever waits is woken up behind the lock.
        drop(part);
        drop((first, line));
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

    #[tokio::test]
    async fn who_came_first_passes_on_what_nobody_waited_for_when_he_came() {
        let turns = Turns::new();
        let same = stream(1);
        let mut first = turns.wait(&same).await.unwrap();
        let mut second = Box::pin(turns.wait(&same));
        assert!(timeout(Duration::from_millis(1), &mut second).await.is_err());
        first.pass_on();
        assert!(!first.is_held());
        let second = second.await.unwrap();
        assert!(timeout(Duration::from_millis(1), first.take()).await.is_err(), "the second one has it");
        drop(second);
        first.take().await;
        assert!(first.is_held());
        drop(first);
        assert_eq!(turns.len(), 0);
    }

    #[tokio::test]
    async fn what_is_left_by_who_was_alone_is_found_by_the_next_one() {
        let turns = Turns::new();
        let same = stream(1);
        let mut first = turns.wait(&same).await.unwrap();
        let (ahead, _promise) = Ahead::new(Arc::new(7_u32), Arc::default());
        first.leave(Some(ahead));
        first.pass_on();
        let second = turns.wait(&same).await.unwrap();
        assert_eq!(second.ahead().and_then(Ahead::baseline::<u32>).as_deref(), Some(&7));
        drop((first, second));
        assert!(turns.wait(&same).await.is_some_and(|turn| turn.ahead().is_none()), "it goes when nobody is at work");
    }
}
