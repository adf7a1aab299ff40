//! Word that is left for whoever runs a projection.

use crate::recorded::Position;
use crate::stream::{StreamId, Version};

/// Word that is left for whoever runs a projection, in whichever process. It is kept until it is done, also over restarts.
///
/// # Example: take in again what happened since a time
///
/// ```
/// use es_core::{Control, Error, ProjectionId, ReadModelStore, Timestamp};
///
/// async fn again_since(store: &impl ReadModelStore, id: &ProjectionId, time: Timestamp) -> Result<bool, Error> {
///     let place = store.position_at(time).await?;
///     store.control(id, Control::Rewind { to: place }).await
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// Stop working, at once, until resumed, also after a restart.
    Pause,
    /// Work again. What was not paused is left alone, apart from the lease.
    Resume,
    /// Remove what was written, and begin at the first event.
    Rebuild,
    /// Take in again whatever comes behind a place. A place ahead of the checkpoint is taken for the checkpoint. Documents
    /// refuse, because they would count what they have counted; projectors decide in
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
