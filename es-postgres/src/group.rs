//! Group append: appends that meet go out together, each with an outcome of its own.
//!
//! They meet in a [`Queue`]: the more callers there are, the more appends share a round trip, a transaction and a flush to disk.
//!
//! What must not wait for others, or could be in their way, does not take part: appends behind whatever version is there, and
//! large ones. A statement takes one append for each stream, and those that follow it ([`lines`]). It gives up after [`PATIENCE`](queue::PATIENCE) where it has to wait for a
//! lock, which a transaction of a stranger may hold for long; then, and after any other failure as a whole, each append of it goes on
//! alone, as if there had been no group. Where the connection was lost, each finds out by itself what became of it.

pub(crate) mod batch;
mod lines;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test has nobody to hand an error to")]
mod tests;

use std::sync::Arc;

use es_core::{Appended, Conflict, Error, ExpectedVersion};
use tokio::sync::oneshot::{self, error::RecvError};

use crate::PgStore;
use crate::append::Prepared;
use crate::connections::Backend;
use crate::group::batch::Batch;
use crate::group::lines::{Departure, Flight, Lines};
use crate::outcome::Doubt;
use crate::queue::{self, Place, Queue};

/// So many statements of many under way keep a server busy while the answers of others are read, and leave enough appends waiting to be
/// worth a group. Four or eight were measured to be no faster, neither on a fast disk nor on a slow one.
const AT_ONCE: usize = 2;

/// Where appends wait for each other.
#[derive(Debug)]
pub(crate) struct Group {
    queue: Arc<Queue<Wish, Outcome>>,
    lines: Lines,
}

/// An append that wants to take part.
pub(crate) struct Wish {
    append: Arc<Prepared>,
    /// None where it waits for others of its stream.
    flight: Option<Flight>,
}

/// An append that waits.
type Waiting = queue::Waiting<Wish, Outcome>;
type Answered = oneshot::Receiver<queue::Answer<Wish, Outcome>>;

/// What became of an append that took part.
pub(crate) enum Outcome {
    Stored(Appended),
    /// Nothing was stored: somebody was faster, or the statement failed as a whole. Others of its stream wait until it is through.
    Again(Option<Flight>),
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
            Self::Again(_flight) => store.append_alone(append).await,
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
        Self { queue: Queue::new(AT_ONCE), lines: Lines::default() }
    }
}

/// Stores an append, together with others that come at the same time.
///
/// # Errors
/// As for one that is stored alone.
pub(crate) async fn append(store: &PgStore, append: Prepared) -> Result<Appended, Error> {
    let Some(group) = store.group().filter(|_| append.follows().is_some()) else {
        return store.append_alone(&append).await;
    };
    let append = Arc::new(append);
    let answered = match group.lines.join(store, &append) {
        Departure::Behind(answered) => answered,
        Departure::Apart(_flight) => return store.append_alone(&append).await,
        Departure::Free(flight) => {
            let mut flight = Some(flight);
            let mut wish = || Wish { append: Arc::clone(&append), flight: flight.take() };
            match group.queue.join::<Batch>(store, &mut wish).await {
                Place::InQueue(answered) => answered,
                // Those who are behind it would otherwise wait for another statement.
                Place::Alone(turn) if group.lines.has_others(append.stream()) => {
                    group.queue.begin::<Batch>(store, turn, wish())
                }
                Place::Alone(turn) => {
                    let (appended, turn) = turn.hold(store.append_alone(&append)).await;
                    // First those who have come for its stream meanwhile come into the queue, and then somebody gets the turn.
                    drop(flight);
                    drop(turn);
                    return appended;
                }
            }
        }
    };
    match group.queue.wait::<Batch>(store, answered).await {
        Ok(outcome) => outcome.of(store, &append).await,
        Err(gone) => Outcome::of_unanswered(store, &append, gone).await,
    }
}
