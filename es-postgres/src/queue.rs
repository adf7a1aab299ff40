//! A queue for what goes out together with whatever else waits.
//!
//! At most so many statements of a kind are under way at a time. Whoever comes while there are fewer goes out by itself, at once: alone,
//! nobody notices that there is a queue. Whoever comes later waits, and whatever waits when a statement is done goes out as the next one.
//!
//! The right to have a statement under way is a [`Turn`]. It is passed on when it is dropped, by whatever: the end of a statement, a
//! caller who gave up, a runtime that ended. So nobody waits who has nobody to wait for.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use es_core::Error;
use tokio::sync::oneshot::{self, error::RecvError};
use tokio::time::timeout;

use crate::PgStore;
use crate::connections::Lent;

/// How long others wait for a statement of somebody else. One that takes longer does not count as under way any more.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// Where those wait who want a `W` and are told an `A`.
pub(crate) struct Queue<W, A> {
    at_once: usize,
    state: Mutex<State<W, A>>,
}

struct State<W, A> {
    under_way: usize,
    waiting: VecDeque<Waiting<W, A>>,
}

/// Somebody who waits.
pub(crate) struct Waiting<W, A> {
    pub(crate) wish: W,
    answer: oneshot::Sender<Answer<W, A>>,
}

/// What is said to whoever waits.
pub(crate) enum Answer<W, A> {
    /// It is the first in the queue, and has to see to it that the queue is worked off.
    Turn(Turn<W, A>),
    /// It took part.
    Outcome(A),
}

/// Where somebody who comes finds itself.
pub(crate) enum Place<W, A> {
    /// Nobody is in its way.
    AtOnce(Turn<W, A>),
    /// It will be told.
    InQueue(oneshot::Receiver<Answer<W, A>>),
}

/// What goes out as one statement.
pub(crate) trait Batch<W, A>: Sized + Send + 'static {
    /// As many of those that wait as fit.
    fn collect(queue: &mut VecDeque<Waiting<W, A>>) -> Self;

    fn is_empty(&self) -> bool;

    /// Runs the statement, and tells each what became of it.
    fn run(self, store: &PgStore, lent: Lent<'_>) -> impl Future<Output = ()> + Send;

    /// Tells all that there is no connection.
    fn give_up(self, store: &PgStore, error: Error);
}

/// The right to have a statement under way.
pub(crate) struct Turn<W, A>(Option<Arc<Queue<W, A>>>);

impl<W, A> Queue<W, A> {
    pub(crate) fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self { at_once, state: Mutex::new(State { under_way: 0, waiting: VecDeque::new() }) })
    }

    pub(crate) fn join(self: &Arc<Self>, wish: impl FnOnce() -> W) -> Place<W, A> {
        let mut state = self.state();
        if state.under_way < self.at_once {
            state.under_way += 1;
            return Place::AtOnce(Turn(Some(Arc::clone(self))));
        }
        let (waiting, answered) = Waiting::new(wish());
        state.waiting.push_back(waiting);
        Place::InQueue(answered)
    }

    /// Waits in the queue until somebody has sent out what was wished. That may be whoever waits itself, if it comes to be the first.
    ///
    /// # Errors
    /// Whoever was to answer is gone, with the runtime it ran on.
    pub(crate) async fn wait<B: Batch<W, A>>(
        self: &Arc<Self>,
        store: &PgStore,
        mut answered: oneshot::Receiver<Answer<W, A>>,
        wish: impl Fn() -> W,
    ) -> Result<A, RecvError>
    where
        W: Send + 'static,
        A: Send + 'static,
    {
        loop {
            match answered.await? {
                Answer::Turn(turn) => {
                    answered = self.stay(wish());
                    // In a task of its own, so that a caller who gives up takes nobody else's answer along.
                    tokio::spawn(Arc::clone(self).work_off::<B>(store.clone(), turn));
                }
                Answer::Outcome(outcome) => return Ok(outcome),
            }
        }
    }

    /// Sends out what waits, until nothing does.
    async fn work_off<B: Batch<W, A>>(self: Arc<Self>, store: PgStore, mut turn: Turn<W, A>) {
        loop {
            let lent = store.connections().acquire().await;
            // Only now: more have come while the connection was waited for.
            let batch: B = self.collect(B::collect);
            match lent {
                // Whoever comes now is heard by the turn, which ends only where nobody waits.
                Ok(lent) if batch.is_empty() => return lent.release(),
                Ok(lent) => match turn.hold(batch.run(&store, lent)).await {
                    ((), Some(kept)) => turn = kept,
                    ((), None) => return,
                },
                Err(_) if batch.is_empty() => return,
                Err(error) => batch.give_up(&store, error),
            }
        }
    }

    /// Puts somebody back to the head of the queue.
    fn stay(&self, wish: W) -> oneshot::Receiver<Answer<W, A>> {
        let (waiting, answered) = Waiting::new(wish);
        self.state().waiting.push_front(waiting);
        answered
    }

    pub(crate) fn collect<T>(&self, some: impl FnOnce(&mut VecDeque<Waiting<W, A>>) -> T) -> T {
        some(&mut self.state().waiting)
    }

    /// Hands a turn to the next in the queue who is still there. Where nobody is, it ends.
    fn pass_on(&self, mut turn: Turn<W, A>) {
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

    /// Every change is complete before the lock is given back, so one that a panic poisoned is as good as any.
    fn state(&self) -> MutexGuard<'_, State<W, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W, A> Waiting<W, A> {
    pub(crate) fn new(wish: W) -> (Self, oneshot::Receiver<Answer<W, A>>) {
        let (answer, answered) = oneshot::channel();
        (Self { wish, answer }, answered)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }

    /// Who has gone in the meantime does not want to know.
    pub(crate) fn tell(self, outcome: A) {
        let _ = self.answer.send(Answer::Outcome(outcome));
    }
}

impl<W, A> Turn<W, A> {
    /// Runs a statement, and passes the turn on where that takes long. The turn comes back where it did not.
    pub(crate) async fn hold<T>(self, statement: impl Future<Output = T>) -> (T, Option<Self>) {
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

impl<W, A> Drop for Turn<W, A> {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.pass_on(Self(Some(Arc::clone(&queue))));
        }
    }
}

impl<W, A> fmt::Debug for Queue<W, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Queue").field("under_way", &state.under_way).field("waiting", &state.waiting.len()).finish()
    }
}
