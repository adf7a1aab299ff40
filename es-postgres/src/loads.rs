//! Loads that meet go out together.
//!
//! They meet in a [`Queue`], as appends do: the more callers there are, the more loads share a round trip and a statement. Each of them is
//! handed its rows, to fold them by itself, so its errors stay its own. A stream that several want is read once.
//!
//! A load that waits was asked for before its statement began, so it finds whatever was committed when it was asked for. A statement reads
//! only the beginning of each stream, so that a long one is in nobody's way: whoever wants more goes on alone from there. After a failure of
//! any kind each load of the statement goes on alone, as if it had met nobody; it has passed nothing on yet.

pub(crate) mod batch;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test has nobody to hand an error to")]
mod tests;

use std::sync::Arc;

use es_core::{Error, StreamId};
use tokio::sync::oneshot::error::RecvError;

use crate::PgStore;
use crate::loads::batch::{Batch, Part};
use crate::queue::{self, Place, Queue};
use crate::read::Load;

/// So many statements under way, for the reasons that there are for appends.
const AT_ONCE: usize = 2;

/// Where loads wait for each other.
#[derive(Debug)]
pub(crate) struct Loads(Arc<Queue<Wish, Outcome>>);

/// What a load asks for. Two that ask for the same are given the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wish {
    pub(crate) stream: StreamId,
    pub(crate) state_version: Option<u32>,
}

/// A load that waits.
type Waiting = queue::Waiting<Wish, Outcome>;

/// What became of a load that took part.
pub(crate) enum Outcome {
    Read(Arc<Part>),
    /// The statement failed.
    Failed,
    /// There was no connection.
    Unavailable(Arc<Error>),
}

impl Default for Loads {
    fn default() -> Self {
        Self(Queue::new(AT_ONCE))
    }
}

/// Loads a stream, together with others that are loaded at the same time.
///
/// # Errors
/// As for one that is loaded alone.
pub(crate) async fn load(store: &PgStore, mut load: Load<'_>) -> Result<(), Error> {
    let Some(Loads(queue)) = store.loads() else {
        return alone(store, &mut load).await;
    };
    let wish = load.wish();
    let answered = match queue.join::<Batch>(store, || wish.clone()).await {
        Place::Alone(turn) => return turn.hold(alone(store, &mut load)).await.0,
        Place::InQueue(answered) => answered,
    };
    let outcome = queue.wait::<Batch>(store, answered).await;
    finish(store, load, outcome).await
}

async fn finish(store: &PgStore, mut load: Load<'_>, outcome: Result<Outcome, RecvError>) -> Result<(), Error> {
    match outcome {
        Ok(Outcome::Read(part)) if load.take_part(&part).map_err(|failure| store.error(failure))? => Ok(()),
        Ok(Outcome::Unavailable(error)) => Err(Error::unavailable(error)),
        // What is left of a long stream; or all of it, which is safe to ask for whatever happened.
        Ok(Outcome::Read(_) | Outcome::Failed) | Err(_) => alone(store, &mut load).await,
    }
}

async fn alone(store: &PgStore, load: &mut Load<'_>) -> Result<(), Error> {
    store.connections().ask(store.sql(), load).await
}
