//! Waiting for read models: until they have taken in what one has written oneself.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::read_model::{InvalidProjection, ProjectionId, ReadModelStore};
use crate::recorded::Position;
use crate::runner::StopReason;

/// How long a wait lasts at the most, by default.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// How soon to look again where nothing tells: the projection may run in another process.
const POLL: Duration = Duration::from_millis(5);
/// The pauses grow up to this.
const LONGEST_POLL: Duration = Duration::from_millis(50);

/// Why a wait for projections came to nothing. What was stored stays stored.
///
/// # Example: how far it has come
///
/// ```
/// use es_core::{Position, ProjectionId, WaitError};
///
/// let id = ProjectionId::new("balance", 1)?;
/// let late = WaitError::TimedOut { id, reached: Position(7), wanted: Position(9) };
/// assert_eq!(late.to_string(), "projection `balance v1` has come to position 7 of 9 when the time was up");
/// # Ok::<(), es_core::InvalidProjection>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// A projection has stopped before it got there.
    #[error("projection `{id}` has stopped: {reason}")]
    Stopped {
        /// Which one.
        id: ProjectionId,
        /// Why.
        reason: StopReason,
    },
    /// Time was up.
    #[error("projection `{id}` has come to position {reached} of {wanted} when the time was up")]
    TimedOut {
        /// Which one.
        id: ProjectionId,
        /// How far it has come.
        reached: Position,
        /// How far it should have come.
        wanted: Position,
    },
    /// There is no such projection: nobody has started it in this store, ever.
    #[error("projection `{id}` is not known: start a runner with it")]
    Unknown {
        /// Which one.
        id: ProjectionId,
    },
    /// A name that no projection can have.
    #[error(transparent)]
    Name(#[from] InvalidProjection),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Waits until all these projections have come to `wanted`, in whichever process they run.
pub(crate) async fn until<S: ReadModelStore>(
    store: &S,
    ids: &[ProjectionId],
    wanted: Position,
    deadline: Duration,
) -> Result<(), WaitError> {
    // A deadline that lies beyond what the clock can tell is none.
    let end = Instant::now().checked_add(deadline);
    let mut poll = POLL;
    loop {
        // Called before the question, so that what moves in between is remembered.
        let advanced = store.advanced();
        let Some((id, reached)) = behind(store, ids, wanted).await? else { return Ok(()) };
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(WaitError::TimedOut { id, reached, wanted });
        }
        tokio::select! {
            () = advanced => poll = POLL,
            () = tokio::time::sleep(left.map_or(poll, |left| left.min(poll))) => poll = (poll * 2).min(LONGEST_POLL),
        }
    }
}

/// The first one that has not come to `wanted`.
pub(crate) async fn behind<S: ReadModelStore>(
    store: &S,
    ids: &[ProjectionId],
    wanted: Position,
) -> Result<Option<(ProjectionId, Position)>, WaitError> {
    for (id, reached) in ids.iter().zip(store.reached(ids).await?) {
        match reached {
            Some(reached) if reached >= wanted => {}
            Some(reached) => return Ok(Some((id.clone(), reached))),
            None => return Err(WaitError::Unknown { id: id.clone() }),
        }
    }
    Ok(None)
}
