//! Waiting for read models: until they have taken in what one has written oneself.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::read_model::{InvalidProjection, ProjectionId, ProjectionState, Reached, ReadModelStore};
use crate::recorded::Position;
use crate::runner::StopReason;

/// How long a wait lasts at the most, by default.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// How soon to look again where nothing tells: the projection may run in another process.
pub(super) const POLL: Duration = Duration::from_millis(5);
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
    /// A projection has stopped before it got there. Whoever asks is told at once, in whichever process it was. Start a runner
    /// with it again.
    #[error("projection `{id}` has stopped: {reason}")]
    Stopped {
        /// Which one.
        id: ProjectionId,
        /// Why: [`StopReason::Reported`] where only the store tells of it.
        reason: StopReason,
    },
    /// A projection is paused, and has not come there. It will when somebody [resumes](crate::Control::Resume) it; how long that
    /// takes, nobody knows, so it is not waited for.
    #[error("projection `{id}` is paused: resume it first")]
    Paused {
        /// Which one.
        id: ProjectionId,
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
    /// Time was up, and parked streams were still to be tried again, or to go on without an event. Only
    /// [`Running::catch_up`](crate::Running::catch_up) waits for that.
    #[error("projection `{id}` still had to settle {requested} dead letters when the time was up")]
    Unsettled {
        /// Which one.
        id: ProjectionId,
        /// How many streams that are.
        requested: u64,
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

/// Whether what the store tells of a stop is the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stops {
    /// Nobody here runs the projections, so one that has stopped will not get there.
    AreFinal,
    /// They are run here: one that has stopped elsewhere is about to be taken over, and of a stop here everybody learns at once.
    AreTakenOver,
}

/// Waits until all these projections have come to `wanted`, in whichever process they run, or one will not get there.
pub(crate) async fn until<S: ReadModelStore>(
    store: &S,
    ids: &[ProjectionId],
    wanted: Position,
    deadline: Duration,
    stops: Stops,
) -> Result<(), WaitError> {
    // A deadline that lies beyond what the clock can tell is none.
    let end = Instant::now().checked_add(deadline);
    let mut poll = POLL;
    loop {
        // Called before the question, so that what moves in between is remembered.
        let advanced = store.advanced();
        let behind = behind(store, ids, wanted).await?;
        if let Some(hopeless) = behind.iter().find_map(|(id, reached)| hopeless(id, reached, stops)) {
            return Err(hopeless);
        }
        let Some((id, reached)) = behind.into_iter().next() else { return Ok(()) };
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(WaitError::TimedOut { id, reached: reached.position, wanted });
        }
        tokio::select! {
            () = advanced => poll = POLL,
            () = tokio::time::sleep(left.map_or(poll, |left| left.min(poll))) => poll = (poll * 2).min(LONGEST_POLL),
        }
    }
}

/// Those that have not come to `wanted`.
pub(crate) async fn behind<S: ReadModelStore>(
    store: &S,
    ids: &[ProjectionId],
    wanted: Position,
) -> Result<Vec<(ProjectionId, Reached)>, WaitError> {
    let mut behind = Vec::new();
    for (id, reached) in ids.iter().zip(store.reached(ids).await?) {
        let reached = reached.ok_or_else(|| WaitError::Unknown { id: id.clone() })?;
        if reached.position < wanted {
            behind.push((id.clone(), reached));
        }
    }
    Ok(behind)
}

/// Why one that is behind will not get there by itself.
fn hopeless(id: &ProjectionId, reached: &Reached, stops: Stops) -> Option<WaitError> {
    let id = id.clone();
    match &reached.state {
        ProjectionState::Paused => Some(WaitError::Paused { id }),
        ProjectionState::Stopped { reason, class } if stops == Stops::AreFinal => {
            let reason = StopReason::Reported { reason: reason.clone(), class: *class };
            Some(WaitError::Stopped { id, reason })
        }
        ProjectionState::Running | ProjectionState::Stopped { .. } | ProjectionState::Inline => None,
    }
}
