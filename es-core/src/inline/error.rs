//! Why an inline store was not opened.

use crate::document::InvalidIndex;
use crate::error::{BoxError, Error};
use crate::read_model::{InvalidProjection, ProjectionId};
use crate::store::InvalidFilter;

/// Projections that cannot be inline, or a store that cannot be reached. Nothing is appended differently then.
///
/// # Example: the same projection twice
///
/// ```
/// # use es_core::{Document, Event, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Opened }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct Balance;
/// # impl Document for Balance {
/// #     const NAME: &'static str = "balance";
/// #     type Event = AccountEvent;
/// #     fn key(_: &Recorded<AccountEvent>) -> impl IntoKeys {}
/// #     fn apply(&mut self, _: &Recorded<AccountEvent>) {}
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use es_core::{Inline, OpenError};
///
/// let twice = Inline::over(es_memory::MemoryStore::new()).document::<Balance>().document::<Balance>();
/// let refused = twice.open().await.unwrap_err();
/// assert!(matches!(refused, OpenError::Twice { .. }));
/// assert_eq!(refused.to_string(), "projection `balance v1` was added twice");
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No projection was added.
    #[error("an inline store needs at least one projection: call `project` or `document` before `open`")]
    Nothing,
    /// Two projections have one name and version.
    #[error("projection `{id}` was added twice")]
    Twice {
        /// Which one.
        id: ProjectionId,
    },
    /// A name that no projection can have.
    #[error(transparent)]
    Name(#[from] InvalidProjection),
    /// A filter by which the projection would not see what was meant.
    #[error("projection `{id}`: {source}")]
    Filter {
        /// Which projection.
        id: ProjectionId,
        /// What is wrong with it.
        source: InvalidFilter,
    },
    /// A field of its documents that queries are to ask for, and cannot.
    #[error("projection `{id}`: {source}")]
    Index {
        /// Which projection.
        id: ProjectionId,
        /// What is wrong with it.
        source: InvalidIndex,
    },
    /// The projector is new, and has to be built from the events that are stored already, which begins with
    /// [`clear`](crate::Projector::clear). It has none.
    #[error(
        "projection `{id}` is new, and events are stored already that it has to be built from: implement `Projector::clear`, with \
         which that begins"
    )]
    NoClear {
        /// Which one.
        id: ProjectionId,
    },
    /// It wants to see more than before, and of its history it has seen only what it wanted then: it would be wrong, silently.
    #[error("projection `{id}` wants to see {missed} now, which it has not seen in its history: give it a new version")]
    WantsMore {
        /// Which one.
        id: ProjectionId,
        /// What it has not seen, in words.
        missed: String,
    },
    /// The projection is new, and could not be built from the events that are stored already. Nothing of it was kept.
    #[error("projection `{id}` is new, and could not be built from the events that are stored already")]
    NotBuilt {
        /// Which one.
        id: ProjectionId,
        /// What went wrong: an event that it could not take in, or read.
        source: BoxError,
    },
    /// The store failed, or knows the projection as one of another kind.
    #[error(transparent)]
    Store(#[from] Error),
}

impl OpenError {
    /// Whether the same call may succeed in a moment.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}
