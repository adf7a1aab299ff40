//! Group append: appends that meet go out together, each with an outcome of its own.
//!
//! At most [`AT_ONCE`] statements of this kind are under way at a time. Whoever comes while there are fewer appends by itself, at
//! once: alone, nobody notices that there is a group. Whoever comes later waits, and whatever waits when a statement is done goes
//! out as the next one. So the more callers there are, the more appends share a round trip, a transaction and a flush to
//! disk.
//!
//! What must not wait for others, or could be in their way, does not take part: appends behind whatever version is there, and
//! large ones. A statement takes one append for each stream. It gives up after [`PATIENCE`] where it has to wait for a lock, which a
//! transaction of a stranger may hold for long; then, and after any other failure as a whole, each append of it goes on alone, as
//! if there had been no group. Where the connection was lost, each finds out by itself what became of it.
//!
//! The right to have a statement under way is a [`Turn`]. It is passed on when it is dropped, by whatever: the end of an append, a
//! caller who gave up, a runtime that ended. So nobody waits who has nobody to wait for.

pub(crate) mod batch;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test has nobody to hand an error to")]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use es_core::{Appended, Conflict, Error, ExpectedVersion, StreamId};
use tokio::sync::oneshot::{self, error::RecvError};
use tokio::time::timeout;

use crate::PgStore;
use crate::append::Prepared;
use crate::connections::Backend;
use crate::group::batch::Batch;
use crate::outcome::Doubt;

/// So many statements under way keep a server busy while the answers of others are read, and leave enough appends waiting to be
/// worth a group. Four or eight were measured to be no faster, neither on a fast disk nor on a slow one.
const AT_ONCE: usize = 2;

/// How long others wait for a statement of somebody else. A statement of several appends does not wait longer for a lock, and one
/// that takes longer than this for whatever reason does not count as under way any more.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where appends wait for each other.
#[derive(Default)]
pub(crate) struct Group(Mutex<State>);

#[derive(Default)]
struct State {
    under_way: usize,
    waiting: VecDeque<Waiting>,
    /// Streams of which appends go on alone, after a statement that failed. What else comes for them does, too.
    alone: HashMap<StreamId, usize>,
}

/// An append that waits.
pub(crate) struct Waiting {
    append: Arc<Prepared>,
    answer: oneshot::Sender<Answer>,
}

/// Where an append finds itself.
enum Place {
    /// It goes alone, beside the group.
    Apart,
    /// Nobody is in its way.
    AtOnce(Turn),
    /// It will be told.
    InQueue(oneshot::Receiver<Answer>),
}

/// What is said to an append that waits.
pub(crate) enum Answer {
    /// It is the first in the queue, and has to see to it that the queue is worked off.
    Turn(Turn),
    /// It took part.
    Outcome(Outcome),
}

/// What became of an append that took part.
pub(crate) enum Outcome {
    Stored(Appended),
    /// Nothing was stored: somebody was faster.
    Beaten,
    /// Nothing was stored: the statement failed as a whole.
    Failed(Alone),
    /// Nothing was stored: there was no connection.
    Unavailable(Arc<Error>),
    /// The connection was lost, and the answer with it.
    Lost(Backend, Arc<sqlx::Error>),
}

impl Outcome {
    /// As the caller will know it, after another try where that is due.
    async fn of(self, store: &PgStore, append: &Prepared) -> Result<Appended, Error> {
        match self {
            Self::Stored(appended) => Ok(appended),
            Self::Beaten => store.append_alone(append).await,
            Self::Failed(_alone) => store.append_alone(append).await,
            Self::Unavailable(error) => Err(Error::unavailable(error)),
            Self::Lost(backend, error) => Doubt::new(store, append, vec![backend], error).resolve().await,
        }
    }

    /// Whoever was to answer is gone, with the runtime it ran on, and nobody knows which process of the server worked for it.
    async fn of_unanswered(store: &PgStore, append: &Prepared, gone: RecvError) -> Result<Appended, Error> {
        match Doubt::new(store, append, vec![], gone.clone()).resolve().await {
            // It can still be stored, if that process is slow and others fill the hole.
            Err(Error::Conflict(Conflict { stream, expected: ExpectedVersion::Exact(version), actual }))
                if actual < version =>
            {
                Err(Error::UnknownOutcome { stream, source: gone.into() })
            }
            resolved => resolved,
        }
    }
}

impl Group {
    fn join(&self, store: &PgStore, append: &Arc<Prepared>) -> Place {
        let mut state = self.state();
        if state.alone.contains_key(append.stream()) {
            return Place::Apart;
        }
        if state.under_way < AT_ONCE {
            state.under_way += 1;
            return Place::AtOnce(Turn(Some(store.clone())));
        }
        let (waiting, answered) = Waiting::new(append);
        state.waiting.push_back(waiting);
        Place::InQueue(answered)
    }

    /// As many of those that wait as fit into one statement, in their order.
    fn collect(&self) -> Batch {
        let mut state = self.state();
        let mut room = batch::Room::default();
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        let mut seen = HashSet::new();
        while let Some(waiting) = state.waiting.pop_front() {
            if waiting.answer.is_closed() {
                continue;
            }
            // Whoever is held back holds back what comes for the same stream behind it.
            let is_first = seen.insert(waiting.append.stream().clone());
            if is_first && room.take(&waiting.append) {
                taken.push(waiting);
            } else {
                left.push_back(waiting);
            }
            if room.is_full() {
                break;
            }
        }
        left.append(&mut state.waiting);
        state.waiting = left;
        Batch::new(taken)
    }

    /// Hands a turn to the next in the queue who is still there. Where nobody is, it ends.
    fn pass_on(&self, mut turn: Turn) {
        loop {
            let next = {
                let mut state = self.state();
                let next = state.waiting.pop_front();
                if next.is_none() {
                    state.under_way = state.under_way.saturating_sub(1);
                    turn.0 = None;
                }
                next
            };
            let Some(waiting) = next else { return };
            match waiting.answer.send(Answer::Turn(turn)) {
                Err(Answer::Turn(unwanted)) => turn = unwanted,
                _ => return,
            }
        }
    }

    /// Puts an append back to the head of the queue.
    fn stay(&self, append: &Arc<Prepared>) -> oneshot::Receiver<Answer> {
        let (waiting, answered) = Waiting::new(append);
        self.state().waiting.push_front(waiting);
        answered
    }

    fn part(&self, store: &PgStore, stream: &StreamId) -> Alone {
        *self.state().alone.entry(stream.clone()).or_default() += 1;
        Alone { store: store.clone(), stream: stream.clone() }
    }

    fn rejoin(&self, stream: &StreamId) {
        let mut state = self.state();
        if let Some(count) = state.alone.get_mut(stream) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.alone.remove(stream);
            }
        }
    }

    /// Every change is complete before the lock is given back, so one that a panic poisoned is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn new(append: &Arc<Prepared>) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Self { append: Arc::clone(append), answer }, answered)
    }
}

/// The right to have a statement under way.
pub(crate) struct Turn(Option<PgStore>);

impl Turn {
    /// Runs a statement, and passes the turn on where that takes long. The turn comes back where it did not.
    async fn hold<T>(self, statement: impl Future<Output = T>) -> (T, Option<Self>) {
        let mut statement = pin!(statement);
        match timeout(PATIENCE, statement.as_mut()).await {
            Ok(done) => (done, Some(self)),
            Err(_) => {
                drop(self);
                (statement.await, None)
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(store) = self.0.take()
            && let Some(group) = store.group()
        {
            group.pass_on(Self(Some(store.clone())));
        }
    }
}

/// That an append goes on alone.
pub(crate) struct Alone {
    store: PgStore,
    stream: StreamId,
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(group) = self.store.group() {
            group.rejoin(&self.stream);
        }
    }
}

/// Stores an append, together with others that come at the same time.
///
/// # Errors
/// As for one that is stored alone.
pub(crate) async fn append(store: &PgStore, append: Prepared) -> Result<Appended, Error> {
    let Some(group) = store.group().filter(|_| batch::may_join(&append)) else {
        return store.append_alone(&append).await;
    };
    let append = Arc::new(append);
    let mut answered = match group.join(store, &append) {
        Place::Apart => return store.append_alone(&append).await,
        Place::AtOnce(turn) => return turn.hold(store.append_alone(&append)).await.0,
        Place::InQueue(answered) => answered,
    };
    loop {
        match answered.await {
            Ok(Answer::Turn(turn)) => {
                answered = group.stay(&append);
                // In a task of its own, so that a caller who gives up takes nobody else's answer along.
                tokio::spawn(work_off(store.clone(), turn));
            }
            Ok(Answer::Outcome(outcome)) => return outcome.of(store, &append).await,
            Err(gone) => return Outcome::of_unanswered(store, &append, gone).await,
        }
    }
}

/// Sends out what waits, until nothing does.
async fn work_off(store: PgStore, mut turn: Turn) {
    let Some(group) = store.group() else { return };
    loop {
        let lent = store.connections().acquire().await;
        // Only now: more have come while the connection was waited for.
        let batch = group.collect();
        match lent {
            // Whoever comes now is heard by the turn, which ends only where nobody waits.
            Ok(lent) if batch.is_empty() => return lent.release(),
            Ok(lent) => match turn.hold(batch.store(&store, group, lent)).await {
                ((), Some(kept)) => turn = kept,
                ((), None) => return,
            },
            Err(_) if batch.is_empty() => return,
            Err(error) => batch.give_up(&store, group, error),
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Group")
            .field("under_way", &state.under_way)
            .field("waiting", &state.waiting.len())
            .field("alone", &state.alone.len())
            .finish()
    }
}
