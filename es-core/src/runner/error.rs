//! Why nothing was started.

use crate::document::InvalidIndex;
use crate::error::Error;
use crate::read_model::{InvalidProjection, ProjectionId};
use crate::runner::wait::WaitError;
use crate::store::InvalidFilter;

/// A configuration that cannot work, or a store that cannot be reached.
///
/// # Example: two projections of one name
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
/// use es_core::Runner;
///
/// let twice = Runner::new(es_memory::MemoryStore::new()).document::<Balance>().document::<Balance>();
/// let refused = twice.start().await.unwrap_err();
/// assert_eq!(refused.to_string(), "projection `balance v1` was added twice");
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No projection was added.
    #[error("a runner needs at least one projection: call `add`, `document`, `react` or `effect` before `start`")]
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
    /// A setting that cannot work.
    #[error("projection `{id}`: {problem}")]
    Settings {
        /// Which projection.
        id: ProjectionId,
        /// What cannot work.
        problem: &'static str,
    },
    /// It wants to see more than before, and of its history it has seen only what it wanted then: it would be wrong, silently.
    #[error(
        "projection `{id}` wants to see {missed} now, which it has not seen in its history, and has passed that: give it a new \
         version, or have it rebuilt (`Control::Rebuild`), which is asked for before it is started"
    )]
    WantsMore {
        /// Which projection.
        id: ProjectionId,
        /// What it has not seen, in words.
        missed: String,
    },
    /// Settings that were given behind the last projection: they hold for those that are added after them.
    #[error(
        "settings that are given after the last projection apply to none: call `settings` before the projections they are for"
    )]
    SettingsForNothing,
    /// An observer that asks all the time: see [`Runner::observe_every`](crate::Runner::observe_every).
    #[error("an interval of 0 would have the observer ask all the time: `observe_never` is how to have none")]
    ObserveEvery,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why a runner that was to run [to the end](crate::Runner::run_to_end) did not get there.
///
/// # Example: a job that says what happened
///
/// ```
/// use es_core::{ReadModelStore, RunError, Runner};
///
/// async fn nightly<S: ReadModelStore>(projections: Runner<S>) -> Result<(), RunError> {
///     projections.run_to_end().await
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It was not started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Somebody has asked for a pause, so it would not get there before somebody else says otherwise.
    #[error("projection `{id}` is paused: resume it first")]
    Paused {
        /// Which one.
        id: ProjectionId,
    },
    /// A projection has stopped on the way, or the store failed.
    #[error(transparent)]
    Wait(WaitError),
}

impl From<WaitError> for RunError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Paused { id } => Self::Paused { id },
            error => Self::Wait(error),
        }
    }
}
