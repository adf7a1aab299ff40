//! How a projection is doing, as the store tells it to every process.

use std::time::Duration;

use uuid::Uuid;

use crate::read_model::{FailureClass, Missing, ProjectionId, Task};
use crate::recorded::Position;
use crate::slices::Slices;
use crate::timestamp::Timestamp;

/// Whether a projection is meant to run, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProjectionState {
    /// It runs, or will as soon as somebody starts it.
    Running,
    /// Somebody asked for a pause. One that has stopped as well is [`Stopped`](Self::Stopped): a pause does not hide why.
    Paused,
    /// It stopped by itself, or one of its parts did. It goes on when a runner is started with it, unless it is paused too.
    Stopped {
        /// Why.
        reason: String,
        /// Of which kind that was. `None` for a stop that a release reported which did not tell, or a later one that knows more
        /// kinds.
        class: Option<FailureClass>,
    },
    /// It is written in the append's own transaction, and needs nobody to run it.
    Inline,
}

/// How far a projection has come, and whether it is going on from there. See [`reached`](crate::ReadModelStore::reached).
///
/// # Example: whether it makes sense to wait for it
///
/// ```
/// use es_core::{Error, ProjectionId, ProjectionState, ReadModelStore};
///
/// async fn goes_on(store: &impl ReadModelStore, id: ProjectionId) -> Result<bool, Error> {
///     let reached = store.reached(&[id], None).await?.pop().flatten();
///     Ok(reached.is_some_and(|reached| matches!(reached.state, ProjectionState::Running | ProjectionState::Inline)))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reached {
    /// How far it has come in all its parts. [`Position::START`] while a [`Task`](crate::Task) is to be done, as what is there
    /// will not stay.
    pub position: Position,
    /// Whether it is meant to go on, and whether it does, as of the same moment.
    pub state: ProjectionState,
    /// What it has passed of the events that it was asked about, and has not taken in: the first dead letter, as of the same
    /// moment, whose event is one of them, or which one of them waits behind. `None` says nothing about what it has not passed yet.
    pub missing: Option<Missing>,
}

impl Reached {
    /// Puts the parts together, with nothing missing. For stores, which set the rest.
    pub fn new(position: Position, state: ProjectionState) -> Self {
        Self { position, state, missing: None }
    }
}

/// How a projection is doing.
///
/// # Example: what somebody on call wants to know
///
/// ```
/// use es_core::{Error, ReadModelStore};
///
/// async fn trouble(store: &impl ReadModelStore) -> Result<Vec<String>, Error> {
///     let all = store.projections().await?;
///     let tell = |p: &es_core::ProjectionStatus| {
///         format!("{}: {} events behind, {:?}, {:?} to go", p.id, p.lag_events, p.last_error, p.time_left())
///     };
///     Ok(all.iter().filter(|projection| projection.is_stalled()).map(tell).collect())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProjectionStatus {
    /// Which one.
    pub id: ProjectionId,
    /// Whether it is meant to run, and whether it does.
    pub state: ProjectionState,
    /// Whether this version is the one that serves.
    pub serving: bool,
    /// Its checkpoint: that of the part which has come least far.
    pub position: Position,
    /// Up to here the log is history to it. A version that is built beside another has caught up when it has come here.
    pub live_from: Position,
    /// How many events it has taken in since it began, or began anew.
    pub events: u64,
    /// How many events of the log, wanted or not, have a place behind its checkpoint.
    pub lag_events: u64,
    /// How long ago the oldest of them got its place; zero if there are none.
    pub lag: Duration,
    /// How many places of the log it passes in a second, all parts together, as of not long ago. A place is about an event,
    /// wanted or not.
    pub rate: u64,
    /// How many streams are parked.
    pub parked: u64,
    /// How many of them are still to be tried again, or to go on without their failed event, because somebody
    /// [asked](crate::Control::RetryDeadLetters) for it.
    pub requested: u64,
    /// How many events were left out because the policy says so, each with a dead letter.
    pub skipped: u64,
    /// How many events were left out because somebody decided so.
    pub discarded: u64,
    /// When its checkpoint last moved, the one that moved least lately.
    pub updated_at: Timestamp,
    /// How long ago that was by the store's clock.
    pub unmoved: Duration,
    /// What goes wrong right now, while its owner tries again.
    pub last_error: Option<String>,
    /// Of which kind that is.
    pub last_error_class: Option<FailureClass>,
    /// What somebody has asked for, and has not begun yet: a rebuild, or a rewind. Until then the rest tells of what will not stay.
    pub task: Option<Task>,
    /// What is to be done if the projector refuses that: a rewind that was asked for beside a rebuild. A rebuild that is done is
    /// more than a rewind, and goes for both.
    pub fallback: Option<Task>,
    /// Its parts; a single one unless it was divided.
    pub parts: Vec<PartStatus>,
}

/// How a part of a projection is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartStatus {
    /// Which streams it is for.
    pub slices: Slices,
    /// Its checkpoint.
    pub position: Position,
    /// Who works on it right now.
    pub owner: Option<Uuid>,
}

impl PartStatus {
    /// Puts the parts together. For stores.
    pub fn new(slices: Slices, position: Position, owner: Option<Uuid>) -> Self {
        Self { slices, position, owner }
    }
}

impl ProjectionStatus {
    /// A projection that has events behind its checkpoint and has not moved for so long is stalled.
    pub const STALLED_AFTER: Duration = Duration::from_secs(30);

    /// Puts the parts together, without lag. For stores, which set the rest.
    pub fn new(id: ProjectionId, state: ProjectionState, position: Position, updated_at: Timestamp) -> Self {
        Self {
            id,
            state,
            serving: false,
            position,
            live_from: Position::START,
            events: 0,
            lag_events: 0,
            lag: Duration::ZERO,
            rate: 0,
            parked: 0,
            requested: 0,
            skipped: 0,
            discarded: 0,
            updated_at,
            unmoved: Duration::ZERO,
            last_error: None,
            last_error_class: None,
            task: None,
            fallback: None,
            parts: Vec::new(),
        }
    }

    /// Whether somebody should look: there are events behind its checkpoint, the oldest of them has waited for
    /// [`STALLED_AFTER`](Self::STALLED_AFTER), and the checkpoint has not moved for as long. One that is far behind and moves
    /// is not stalled, and neither is one that is paused.
    pub fn is_stalled(&self) -> bool {
        self.is_stalled_for(Self::STALLED_AFTER)
    }

    /// Like [`is_stalled`](Self::is_stalled), with a patience of your own.
    pub fn is_stalled_for(&self, patience: Duration) -> bool {
        let is_meant_to_run = !matches!(self.state, ProjectionState::Paused | ProjectionState::Inline);
        is_meant_to_run && self.lag_events > 0 && self.lag >= patience && self.unmoved >= patience
    }

    /// Whether it has taken in everything that is [history](Self::live_from) to it, so that it may serve. Not while a
    /// [rebuild or a rewind](Self::task) is to begin, because what it has taken in will not stay.
    ///
    /// # Example: a rebuild that was asked for
    ///
    /// ```
    /// use es_core::{Position, ProjectionId, ProjectionState, ProjectionStatus, Task, Timestamp};
    ///
    /// let id = ProjectionId::new("balance", 1)?;
    /// let mut status = ProjectionStatus::new(id, ProjectionState::Running, Position(7), Timestamp::now());
    /// assert!(status.has_caught_up());
    /// status.task = Some(Task::Rebuild);
    /// assert!(!status.has_caught_up());
    /// # Ok::<(), es_core::InvalidProjection>(())
    /// ```
    pub fn has_caught_up(&self) -> bool {
        self.task.is_none() && self.position >= self.live_from
    }

    /// How long it will take to the end of the log at its present rate; `None` while that is not known.
    pub fn time_left(&self) -> Option<Duration> {
        match (self.lag_events, self.rate) {
            (0, _) => Some(Duration::ZERO),
            (_, 0) => None,
            (lag, rate) => Some(Duration::from_millis(lag.saturating_mul(1000) / rate)),
        }
    }

    /// Who works on it right now: on its first part, where it is divided.
    pub fn owner(&self) -> Option<Uuid> {
        self.parts.first().and_then(|part| part.owner)
    }
}
