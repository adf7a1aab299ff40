//! A queue for what goes out together with whatever else waits.
//!
//! Few callers notice nothing of it: as long as fewer than [`FEW`] wishes are under way, whoever comes goes out by itself, at once. Where
//! there are more, a certain number of statements are under way at the most, and whoever comes waits until one of them is done, or
//! until so many wait that another one is worth its while: half of those that are under way. Otherwise the many would share one
//! statement, and a single one would go to and fro beside it all the time, at the cost of a flush to disk each.
//!
//! An answer to many wakes them together. So before a statement sets out behind one of many, or where callers come several at a time, it
//! gives way once to those who are ready to come, and takes them along.
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

/// So few wishes may be under way each in a statement of its own.
pub(crate) const FEW: usize = 4;

/// Where those wait who want a `W` and are told an `A`.
pub(crate) struct Queue<W, A> {
    at_once: usize,
    state: Mutex<State<W, A>>,
}

struct State<W, A> {
    /// How many statements are under way.
    under_way: usize,
    /// How many wishes are in them.
    aboard: usize,
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

    /// How many wishes it has.
    fn len(&self) -> usize;

    /// Runs the statement, and tells each what became of it.
    fn run(self, store: &PgStore, lent: Lent<'_>) -> impl Future<Output = ()> + Send;

    /// Tells all that there is no connection.
    fn give_up(self, store: &PgStore, error: Error);
}

/// The right to have a statement under way.
pub(crate) struct Turn<W, A> {
    queue: Option<Arc<Queue<W, A>>>,
    /// How many wishes are in the statement.
    aboard: usize,
}

impl<W, A> Queue<W, A> {
    pub(crate) fn new(at_once: usize) -> Arc<Self> {
        let state = State { under_way: 0, aboard: 0, is_busy: false, is_gathering: false, waiting: VecDeque::new() };
        Arc::new(Self { at_once, state: Mutex::new(state) })
    }

    /// Finds out whether to go alone, without asking for the wish then. Where callers come several at a time, the first of them lets the
    /// others come before it looks.
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
        self.gather().await;
        if self.is_alone() { Place::Alone(turn) } else { Place::InQueue(self.begin::<B>(store, turn, wish())) }
    }

    fn enter(self: &Arc<Self>, wish: &mut impl FnMut() -> W) -> Entry<W, A> {
        let mut state = self.state();
        if state.is_gathering || state.aboard >= FEW && (state.under_way >= self.at_once || state.is_worth_waiting()) {
            let (waiting, answered) = Waiting::new(wish());
            state.waiting.push_back(waiting);
            return Entry::Behind(answered);
        }
        state.under_way += 1;
        state.aboard += 1;
        state.is_gathering = state.is_busy;
        let turn = Turn { queue: Some(Arc::clone(self)), aboard: 1 };
        if state.is_busy { Entry::First(turn) } else { Entry::Alone(turn) }
    }

    /// Lets those come who are ready to. Whoever comes goes into the queue meanwhile.
    async fn gather(&self) {
        self.state().is_gathering = true;
        let _gathering = Gathering(self);
        yield_now().await;
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
            let aboard = batch.len();
            turn.takes(aboard);
            match lent {
                // Whoever comes now is heard by the turn, which ends only where nobody waits.
                Ok(lent) if aboard == 0 => return lent.release(),
                Ok(lent) => match turn.hold(batch.run(&store, lent)).await {
                    ((), Some(kept)) => turn = kept,
                    ((), None) => return,
                },
                Err(_) if aboard == 0 => return,
                Err(error) => batch.give_up(&store, error),
            }
            turn.takes(0);
            // Those who were answered may be back at once. The few who have come before would go without them.
            if aboard >= FEW && self.state().waiting.len() < worth_going(aboard) {
                self.gather().await;
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
            self.pass_on(Turn { queue: Some(Arc::clone(self)), aboard: 0 });
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
                    turn.queue = None;
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

impl<W, A> State<W, A> {
    /// Whether somebody who comes waits for a statement under way, although another one might be: where that is a small one beside a
    /// large one, it costs a flush to disk, and then comes back alone each time.
    fn is_worth_waiting(&self) -> bool {
        self.waiting.len() + 1 < worth_going(self.aboard)
    }
}

/// How many make a statement beside or behind one of so many.
fn worth_going(aboard: usize) -> usize {
    aboard.div_ceil(2)
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
    /// So many wishes are in the statement from now on.
    fn takes(&mut self, aboard: usize) {
        let before = std::mem::replace(&mut self.aboard, aboard);
        if let Some(queue) = &self.queue {
            let mut state = queue.state();
            state.aboard = state.aboard.saturating_sub(before) + aboard;
        }
    }

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
        self.takes(0);
        if let Some(queue) = self.queue.take() {
            queue.pass_on(Self { queue: Some(Arc::clone(&queue)), aboard: 0 });
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

#[cfg(test)]
#[allow(clippy::panic, reason = "a test has nobody to hand an error to")]
mod tests {
    use super::*;

    type Numbers = Queue<u32, ()>;

    fn turn(entry: Entry<u32, ()>) -> Turn<u32, ()> {
        match entry {
            Entry::Alone(turn) | Entry::First(turn) => turn,
            Entry::Behind(_) => panic!("it waits"),
        }
    }

    fn waits(queue: &Arc<Numbers>) -> oneshot::Receiver<Answer<u32, ()>> {
        match queue.enter(&mut || 7) {
            Entry::Behind(answered) => answered,
            Entry::Alone(_) | Entry::First(_) => panic!("it goes"),
        }
    }

    /// Statements and wishes under way, and wishes that wait.
    fn numbers(queue: &Numbers) -> (usize, usize, usize) {
        let state = queue.state();
        (state.under_way, state.aboard, state.waiting.len())
    }

    #[test]
    fn few_go_alone_and_the_next_waits_for_one_of_them() {
        let queue = Numbers::new(2);
        let mut turns: Vec<_> = (0..FEW).map(|_| turn(queue.enter(&mut || 7))).collect();
        let mut answered = waits(&queue);
        turns.pop();
        let Ok(Answer::Turn(turn, 7)) = answered.try_recv() else { panic!("it is its turn") };
        drop((turn, turns));
        assert_eq!(numbers(&queue), (0, 0, 0));
    }

    #[test]
    fn a_statement_beside_many_waits_for_half_as_many() {
        let queue = Numbers::new(2);
        let mut many = turn(queue.enter(&mut || 7));
        many.takes(10);
        let _waiting: Vec<_> = (0..4).map(|_| waits(&queue)).collect();
        let second = turn(queue.enter(&mut || 7));
        let _last = waits(&queue);
        assert_eq!(numbers(&queue), (2, 11, 5));
        drop((second, many));
    }
}
