//! What is asked of a store about one conversation.

use crate::metadata::CorrelationId;

/// Which events of a conversation to read.
///
/// # Example: a page, and the next one
///
/// ```
/// use es_core::{Bookmark, CorrelationId, ReadConversation};
///
/// let read = ReadConversation::of(CorrelationId::new()).limit(100);
/// assert_eq!(read.after, Bookmark::START);
/// let next = read.after(Bookmark(4711));
/// assert_eq!((next.after, next.limit), (Bookmark(4711), Some(100)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadConversation {
    /// The conversation.
    pub correlation: CorrelationId,
    /// The reader has seen everything up to here.
    pub after: Bookmark,
    /// How many events at the most.
    pub limit: Option<u64>,
}

impl ReadConversation {
    /// All of its events.
    pub fn of(correlation: CorrelationId) -> Self {
        Self { correlation, after: Bookmark::START, limit: None }
    }

    /// Only what comes behind a page that ended at `bookmark`.
    #[must_use]
    pub fn after(self, bookmark: Bookmark) -> Self {
        Self { after: bookmark, ..self }
    }

    /// Stops after `events` events.
    #[must_use]
    pub fn limit(self, events: u64) -> Self {
        Self { limit: Some(events), ..self }
    }
}

/// Where a read of a conversation has come to: a number of the store's own, which means nothing to anybody else. It is not a
/// place in the log.
///
/// # Example: before the first event
///
/// ```
/// use es_core::Bookmark;
/// assert!(Bookmark::START < Bookmark(1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bookmark(pub u64);

impl Bookmark {
    /// Before the first event.
    pub const START: Self = Self(0);
}
