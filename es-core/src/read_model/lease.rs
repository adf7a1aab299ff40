//! Leases: who may move a checkpoint.

use uuid::Uuid;

use crate::error::Error;
use crate::read_model::{FailureClass, ProjectionId};
use crate::recorded::Position;
use crate::slices::Slices;

/// The right to move the checkpoint of a projection, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The projection.
    pub id: ProjectionId,
    /// The slices of the part; all of them where the projection is not divided.
    pub slices: Slices,
    /// How many parts the projection has.
    pub parts: u16,
    /// Counts the claims of the part. A higher one makes all lower ones worthless.
    pub token: u64,
    /// Where the checkpoint was when the lease was claimed.
    pub position: Position,
    /// Up to here the log is history to the projection.
    pub live_from: Position,
    /// What is to be done before anything else. Only the lease of the first part carries it, and then no other is granted.
    pub task: Option<Task>,
    /// The part must not move past this place, because the projection is about to be divided anew there.
    pub barrier: Option<Position>,
}

impl Lease {
    /// Puts the parts together: an undivided projection, with nothing to be done first. For stores, which set the rest.
    pub fn new(id: ProjectionId, token: u64, position: Position, live_from: Position) -> Self {
        Self { id, slices: Slices::ALL, parts: 1, token, position, live_from, task: None, barrier: None }
    }
}

/// What was asked for, and moves the checkpoint of the whole projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Remove what was written, and begin at the first event.
    Rebuild,
    /// Take in again whatever comes behind this place.
    Rewind(Position),
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The claimant may work.
    Granted(Lease),
    /// Somebody else works.
    Held {
        /// Who.
        owner: Uuid,
    },
    /// Nobody works, because somebody asked for a pause.
    Paused,
    /// The owner of the first part has to do a [`Task`] before.
    Waiting,
    /// There is no such part any more: the projection was divided anew.
    Gone,
}

/// What the holder of a lease has to tell everybody while it works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pulse {
    /// How many places of the log it passes in a second.
    pub rate: u64,
    /// What went wrong, while it goes on going wrong.
    pub error: Option<String>,
    /// Of which kind that is.
    pub class: Option<FailureClass>,
}

impl Pulse {
    /// So many places in a second, without trouble.
    pub fn new(rate: u64) -> Self {
        Self { rate, ..Self::default() }
    }

    /// With this trouble.
    #[must_use]
    pub fn trouble(self, class: FailureClass, error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), class: Some(class), ..self }
    }
}

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The lease lasts on.
    Kept,
    /// The lease lasts on. Another process asked for one not long ago, and holds at least two parts of the projection less
    /// than this holder: it would be fair to let go of one.
    Wanted,
    /// The lease is not the newest.
    Lost,
}

/// How far a part of a projection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The part.
    pub slices: Slices,
    /// Everything up to here has been taken in.
    pub position: Position,
}

/// Why a checkpoint was not moved. Nothing of the transaction may be committed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdvanceError {
    /// Somebody else holds a newer lease.
    #[error(transparent)]
    Fenced(#[from] Fenced),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Somebody else holds a newer lease, so this one is worthless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease of projection `{id}` was taken over")]
pub struct Fenced {
    /// The projection.
    pub id: ProjectionId,
}
