//! Dead letters: what a projection could not take in.

use crate::metadata::EventId;
use crate::read_model::FailureClass;
use crate::recorded::Position;
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

/// A pointer to an event that a projection could not take in. The event itself stays where it is, so that a retry reads it
/// again, through today's upcasters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its stream.
    pub stream: StreamId,
    /// Its version in the stream.
    pub first: Version,
    /// Where a parked stream is parked up to: the last event that waits behind the failed one. The same as `first` when none
    /// does.
    pub last: Version,
    /// Its place in the log.
    pub position: Position,
    /// Its id.
    pub event_id: EventId,
    /// What went wrong the last time: of what the runner writes down, at most [`MAX_ERROR_BYTES`](Self::MAX_ERROR_BYTES) bytes, the
    /// rest being cut off. Stores keep a NUL character as `U+FFFD`.
    pub error: String,
    /// Of which kind that was. `None` in a letter of a release that did not tell, or of a later one that knows more kinds.
    pub class: Option<FailureClass>,
    /// How often it was tried.
    pub attempts: u32,
    /// What becomes of it.
    pub status: DeadLetterStatus,
    /// When it failed first.
    pub first_failed_at: Timestamp,
    /// When it failed last.
    pub last_failed_at: Timestamp,
}

/// What becomes of an event that could not be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadLetterStatus {
    /// Its stream waits behind it.
    Parked,
    /// Its stream waits behind it, and will be tried again.
    RetryRequested,
    /// Somebody decided to leave it out; its stream will go on without it.
    DiscardRequested {
        /// Why.
        reason: String,
    },
    /// It was left out because the policy says so.
    Skipped,
    /// It was left out because somebody decided so.
    Discarded {
        /// Why.
        reason: String,
    },
}

impl DeadLetter {
    /// How many bytes of what went wrong the runner tells, at most, in letters, in the reason of a stop and in the status.
    pub const MAX_ERROR_BYTES: usize = 8 * 1024;

    /// A pointer to an event that failed once, at this time, it is not told of which kind, and that nothing waits behind. For
    /// stores, which set the rest.
    pub fn new(
        stream: StreamId,
        first: Version,
        position: Position,
        event_id: EventId,
        error: impl Into<String>,
        status: DeadLetterStatus,
        failed_at: Timestamp,
    ) -> Self {
        Self {
            stream,
            first,
            last: first,
            position,
            event_id,
            error: error.into(),
            class: None,
            attempts: 1,
            status,
            first_failed_at: failed_at,
            last_failed_at: failed_at,
        }
    }
}

impl DeadLetterStatus {
    /// Whether the rest of the stream waits behind the event.
    pub fn is_parked(&self) -> bool {
        matches!(self, Self::Parked | Self::RetryRequested | Self::DiscardRequested { .. })
    }
}
