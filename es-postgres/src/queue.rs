//! A queue for what goes out together with whatever else waits.
//!
//! At most so many statements of a kind are under way at a time. Whoever comes while there are fewer goes out by itself, at once: alone,
//! nobody notices that there is a queue. Whoever comes later waits, and whatever waits when a statement is done goes out as the next one.
//! An answer to many wakes them together, so where callers come several at a time, the first gives way once to those behind it, and goes
//! out with them.
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
use tokio::task::yield_now;
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
    /// Whether callers come several at a time.
    is_busy: bool,
    /// Whether somebody who has a turn looks who else comes.
    is_gathering: bool,
    waiting: VecDeque<Waiting<W, A>>,
}

/// Somebody who waits.
pub(crate) struct Waiting<W, A> {
    pub(crate) wish: W,
    answer: oneshot::Sender<Answer<W, A>>,
}

/// What is said to whoever waits.
pub(crate) enum Answer<W, A> {
    /// It is the first in the queue, and has to see to it that the queue is worked off. Its wish is as before.
    Turn(Turn<W, A>, W),
    /// It took part.
    Outcome(A),
}

/// Where somebody who comes finds itself.
pub(crate) enum Place<W, A> {
    /// Nobody is in its way, and nobody with it.
    Alone(Turn<W, A>),
    /// It will be told.
    InQueue(oneshot::Receiver<Answer<W, A>>),
}

/// How somebody who comes is let in.
enum Entry<W, A> {
    Alone(Turn<W, A>),
    /// It has a turn, and others may be coming.
    First(Turn<W, A>),
    Behind(oneshot::Receiver<Answer<W, A>>),
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
        let state = State { under_way: 0, is_busy: false, is_gathering: false, waiting: VecDeque::new() };
        Arc::new(Self { at_once, state: Mutex::new(state) })
    }

    /// Finds out whether to go alone, without asking for the wish then. Where callers come several at a time, the first of them lets the others come before it looks.
    pub(crate) async fn join<B: Batch<W, A>>(
        self: &Arc<Self>,
        store: &PgStore,
        mut wish: impl FnMut() -> W,
    ) -> Place<W, A>
    where
        W: Send + 'static,
        A: Send + 'static,
    {
        let turn = match self.enter(&mut wish) {
            Entry::Alone(turn) => return Place::Alone(turn),
            Entry::Behind(answered) => return Place::InQueue(answered),
            Entry::First(turn) => turn,
        };
        {
            let _gathering = Gathering(self);
            yield_now().await;
        }
        if self.is_alone() { Place::Alone(turn) } else { Place::InQueue(self.begin::<B>(store, turn, wish())) }
    }

    fn enter(self: &Arc<Self>, wish: &mut impl FnMut() -> W) -> Entry<W, A> {
        let mut state = self.state();
        if state.under_way >= self.at_once || state.is_gathering {
            let (waiting, answered) = Waiting::new(wish());
            state.waiting.push_back(waiting);
            return Entry::Behind(answered);
        }
        state.under_way += 1;
        state.is_gathering = state.is_busy;
        let turn = Turn(Some(Arc::clone(self)));
        if state.is_busy { Entry::First(turn) } else { Entry::Alone(turn) }
    }

    /// Whether nobody has come. Those who came may be on their way already, with another turn.
    fn is_alone(&self) -> bool {
        let mut state = self.state();
        let is_alone = state.waiting.is_empty();
        state.is_busy = !is_alone || state.under_way > 1;
        is_alone
    }

    /// Waits in the queue until somebody has sent out what was wished. That may be whoever waits itself, if it comes to be the first.
    ///
    /// # Errors
    /// Whoever was to answer is gone, with the runtime it ran on.
    pub(crate) async fn wait<B: Batch<W, A>>(
        self: &Arc<Self>,
        store: &PgStore,
        mut answered: oneshot::Receiver<Answer<W, A>>,
    ) -> Result<A, RecvError>
    where
        W: Send + 'static,
        A: Send + 'static,
    {
        loop {
            match answered.await? {
                Answer::Turn(turn, wish) => answered = self.begin::<B>(store, turn, wish),
                Answer::Outcome(outcome) => return Ok(outcome),
            }
        }
    }

    /// Has the queue worked off, with this wish at its head, in a task of its own: a caller who gives up takes nobody else's answer along.
    pub(crate) fn begin<B: Batch<W, A>>(
        self: &Arc<Self>,
        store: &PgStore,
        turn: Turn<W, A>,
        wish: W,
    ) -> oneshot::Receiver<Answer<W, A>>
    where
        W: Send + 'static,
        A: Send + 'static,
    {
        let (waiting, answered) = Waiting::new(wish);
        {
            let mut state = self.state();
            state.is_busy = true;
            state.waiting.push_front(waiting);
        }
        tokio::spawn(Arc::clone(self).work_off::<B>(store.clone(), turn));
        answered
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

    /// Puts somebody to the end of the queue who waits already. Where nothing is under way, he gets a turn.
    pub(crate) fn push(self: &Arc<Self>, waiting: Waiting<W, A>) {
        let mut state = self.state();
        state.waiting.push_back(waiting);
        if state.under_way == 0 {
            state.under_way = 1;
            drop(state);
            self.pass_on(Turn(Some(Arc::clone(self))));
        }
    }

    /// What is taken out of the queue, under its lock.
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
            match waiting.answer.send(Answer::Turn(turn, waiting.wish)) {
                Err(Answer::Turn(unwanted, _)) => turn = unwanted,
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

/// That those who come go into the queue, until it is dropped.
struct Gathering<'q, W, A>(&'q Queue<W, A>);

impl<W, A> Drop for Gathering<'_, W, A> {
    fn drop(&mut self) {
        self.0.state().is_gathering = false;
    }
}

impl<W, A> fmt::Debug for Queue<W, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Queue").field("under_way", &state.under_way).field("waiting", &state.waiting.len()).finish()
    }
}
