//! Word that is left for whoever runs a projection.

use crate::error::Error;
use crate::read_model::{FailureClass, ProjectionId, ReadModelKind};
use crate::recorded::Position;
use crate::stream::{StreamId, Version};

/// Word that is left for whoever runs a projection, in whichever process. It is kept until it is done, also over restarts. What
/// becomes of it, the [`ControlAnswer`] tells.
///
/// # Example: take in again what happened since a time
///
/// ```
/// use es_core::{Control, ControlAnswer, Error, ProjectionId, ReadModelStore, Timestamp};
///
/// async fn again_since(store: &impl ReadModelStore, id: &ProjectionId, time: Timestamp) -> Result<ControlAnswer, Error> {
///     let place = store.position_at(time).await?;
///     store.control(id, Control::Rewind { to: place }).await
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// Stop working, at once, until resumed, also after a restart.
    Pause,
    /// Work again after a [pause](Self::Pause). What was not paused is left alone, apart from the lease. One that has stopped by
    /// itself does not begin again by this: start a runner with it.
    Resume,
    /// Remove what was written, and begin at the first event. Refused to reactors and effects, which would do again what they
    /// have done. Where a projector refuses it, a [rewind](Self::Rewind) that was asked for beside it is done.
    Rebuild,
    /// Take in again whatever comes behind a place. A place ahead of the checkpoint is taken for the checkpoint. Refused to
    /// reactors and effects, and to documents, because they would count what they have counted; projectors decide in
    /// [`rewind`](crate::Projector::rewind).
    Rewind {
        /// The place.
        to: Position,
    },
    /// Divide the projection into so many parts, each of which has a checkpoint and an owner of its own. The parts meet at one
    /// place first, and go on divided anew.
    Divide {
        /// How many, from 1 to [`SLICES`](crate::SLICES).
        parts: u16,
    },
    /// Make this version the one that [serves](crate::ReadModelStore::serving), in the place of the one that did.
    /// Refused while it has not taken in all that is [history](crate::Lease::live_from) to it.
    Serve,
    /// Try a parked stream again, from its first failed event on.
    RetryDeadLetter {
        /// The stream.
        stream: StreamId,
        /// The first failed event.
        first: Version,
    },
    /// Try all parked streams again.
    RetryDeadLetters,
    /// Leave the failed event out for good, and go on with the next one of its stream.
    DiscardDeadLetter {
        /// The stream.
        stream: StreamId,
        /// The failed event.
        first: Version,
        /// Why, for those who ask later.
        reason: String,
    },
}

impl Control {
    /// Whether a projection of this kind could do it at all. Every store asks before it keeps the word, so that nobody who
    /// works on the projection is disturbed by what cannot be.
    ///
    /// # Errors
    /// [`Error::Setup`] for what makes a reactor do again what it has done, and documents count again what they have counted.
    ///
    /// # Example: documents begin anew, or not at all
    ///
    /// ```
    /// use es_core::{Control, Position, ProjectionId, ReadModelKind};
    ///
    /// let id = ProjectionId::new("balance", 1)?;
    /// assert!(Control::Rebuild.check(&id, ReadModelKind::Documents).is_ok());
    /// assert_eq!(
    ///     Control::Rewind { to: Position(7) }.check(&id, ReadModelKind::Documents).unwrap_err().to_string(),
    ///     "projection `balance v1` cannot be rewound: documents would count events twice, so ask for a rebuild"
    /// );
    /// # Ok::<(), es_core::InvalidProjection>(())
    /// ```
    pub fn check(&self, id: &ProjectionId, kind: ReadModelKind) -> Result<(), Error> {
        let why = match (self, kind) {
            (Self::Rewind { .. }, ReadModelKind::Documents) => {
                "cannot be rewound: documents would count events twice, so ask for a rebuild"
            }
            (Self::Rebuild | Self::Rewind { .. }, ReadModelKind::Reactor) => {
                "cannot be rebuilt or rewound: it reacts to events, and would do again what it has done"
            }
            _ => return Ok(()),
        };
        Err(Error::setup(format!("projection `{id}` {why}")))
    }
}

/// What becomes of a word.
///
/// # Example: say what is left to do
///
/// ```
/// use es_core::{Control, ControlAnswer, Error, ProjectionId, ReadModelStore};
///
/// async fn retry(store: &impl ReadModelStore, id: &ProjectionId) -> Result<String, Error> {
///     Ok(match store.control(id, Control::RetryDeadLetters).await? {
///         ControlAnswer::Accepted => "they are tried again".into(),
///         ControlAnswer::AcceptedWhileStopped { reason, .. } => format!("start it first: it has stopped, as {reason}"),
///         ControlAnswer::AcceptedWhilePaused => "resume it first".into(),
///         ControlAnswer::Nothing => "nothing waits".into(),
///         _ => "a later release knows".into(),
///     })
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a word for a projection that has stopped, or is paused, is not heard before it goes on again"]
pub enum ControlAnswer {
    /// Whoever runs the projection does it within about a second. Where nobody runs it at the moment, which the store cannot
    /// know, it is kept until somebody does. [`Control::Serve`] is done by now.
    Accepted,
    /// The word is kept, but the projection, or a part of it, has [stopped by itself](crate::ProjectionState::Stopped): it is not
    /// heard before a runner is started with it again. Where it is paused too, also not before it is resumed.
    AcceptedWhileStopped {
        /// Why it has stopped.
        reason: String,
        /// Of which kind that was, where it is known.
        class: Option<FailureClass>,
    },
    /// The word is kept, but the projection is paused: it is not heard before a [`Control::Resume`]. A pause itself is
    /// [`Accepted`](Self::Accepted).
    AcceptedWhilePaused,
    /// There is nothing that the word could be about, and none was left: no such projection, no stream of it that is parked at
    /// that event, or none at all.
    Nothing,
}

impl ControlAnswer {
    /// Whether the word was left, or is done.
    pub const fn is_accepted(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}
