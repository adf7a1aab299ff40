//! What a projection lacks of what somebody has written.

use crate::read_model::DeadLetterStatus;
use crate::stream::{StreamId, Version};

/// Events of one stream, which somebody has written and wants to see: what is asked of
/// [`reached`](crate::ReadModelStore::reached) beside how far projections have come.
///
/// # Example: whether a read model shows the first three events of an account
///
/// ```
/// use es_core::{Error, ProjectionId, ReadModelStore, StreamId, Version, Written};
///
/// async fn shows(store: &impl ReadModelStore, id: ProjectionId, account: StreamId) -> Result<bool, Error> {
///     let end = store.log_end().await?;
///     let written = Written { stream: account, first: Version(1), last: Version(3) };
///     let reached = store.reached(&[id], Some(&written)).await?.pop().flatten();
///     Ok(reached.is_some_and(|reached| reached.position >= end && reached.missing.is_none()))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Their stream.
    pub stream: StreamId,
    /// The version of the first of them.
    pub first: Version,
    /// The version of the last of them.
    pub last: Version,
}

/// That a projection has passed events without taking them in. See [`Reached::missing`](crate::Reached::missing).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The version of the event that could not be taken in. Where its stream is [parked](DeadLetterStatus::is_parked) behind it, it
    /// may be an earlier one than those that were asked about.
    pub failed: Version,
    /// What becomes of it.
    pub status: DeadLetterStatus,
}

impl Missing {
    /// Puts the parts together. For stores.
    pub fn new(failed: Version, status: DeadLetterStatus) -> Self {
        Self { failed, status }
    }
}
