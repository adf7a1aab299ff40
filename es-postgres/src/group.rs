//! Group append: appends that meet go out together, each with an outcome of its own.
//!
//! They meet in a [`Queue`]: the more callers there are, the more appends share a round trip, a transaction and a flush to disk.
//!
//! What must not wait for others, or could be in their way, does not take part: appends behind whatever version is there, and
//! large ones. A statement takes one append for each stream. It gives up after [`PATIENCE`](queue::PATIENCE) where it has to wait for a
//! lock, which a transaction of a stranger may hold for long; then, and after any other failure as a whole, each append of it goes on
//! alone, as if there had been no group. Where the connection was lost, each finds out by itself what became of it.

pub(crate) mod batch;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test has nobody to hand an error to")]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use es_core::{Appended, Conflict, Error, ExpectedVersion, StreamId};
use tokio::sync::oneshot::error::RecvError;

use crate::PgStore;
use crate::append::Prepared;
use crate::connections::Backend;
use crate::group::batch::Batch;
use crate::outcome::Doubt;
use crate::queue::{self, Place, Queue};

/// So many statements under way keep a server busy while the answers of others are read, and leave enough appends waiting to be
/// worth a group. Four or eight were measured to be no faster, neither on a fast disk nor on a slow one.
const AT_ONCE: usize = 2;

/// Where appends wait for each other.
#[derive(Debug)]
pub(crate) struct Group {
    queue: Arc<Queue<Arc<Prepared>, Outcome>>,
    /// Streams of which appends go on alone, after a statement that failed. What else comes for them does, too.
    alone: Mutex<HashMap<StreamId, usize>>,
}

/// An append that waits.
type Waiting = queue::Waiting<Arc<Prepared>, Outcome>;

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

impl Default for Group {
    fn default() -> Self {
        Self { queue: Queue::new(AT_ONCE), alone: Mutex::default() }
    }
}

impl Group {
    fn goes_alone(&self, stream: &StreamId) -> bool {
        self.alone().contains_key(stream)
    }

    fn rejoin(&self, stream: &StreamId) {
        let mut alone = self.alone();
        if let Some(count) = alone.get_mut(stream) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                alone.remove(stream);
            }
        }
    }

    /// Every change is complete before the lock is given back, so one that a panic poisoned is as good as any.
    fn alone(&self) -> MutexGuard<'_, HashMap<StreamId, usize>> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That an append goes on alone.
pub(crate) struct Alone {
    store: PgStore,
    stream: StreamId,
}

impl Alone {
    fn new(store: &PgStore, stream: &StreamId) -> Self {
        if let Some(group) = store.group() {
            *group.alone().entry(stream.clone()).or_default() += 1;
        }
        Self { store: store.clone(), stream: stream.clone() }
    }
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
    if group.goes_alone(append.stream()) {
        return store.append_alone(&append).await;
    }
    let append = Arc::new(append);
    let wish = || Arc::clone(&append);
    let answered = match group.queue.join::<Batch>(store, wish).await {
        Place::Alone(turn) => return turn.hold(store.append_alone(&append)).await.0,
        Place::InQueue(answered) => answered,
    };
    match group.queue.wait::<Batch>(store, answered, wish).await {
        Ok(outcome) => outcome.of(store, &append).await,
        Err(gone) => Outcome::of_unanswered(store, &append, gone).await,
    }
}
