//! Why a store refuses what is asked of a projection, in words that are the same for every store.

use crate::error::Error;
use crate::read_model::ProjectionId;
use crate::recorded::Position;
use crate::stream::SLICES;

/// Why a store refuses what is asked of a projection. For stores, so that all of them say the same; callers are told as
/// [`Error::Setup`].
///
/// # Example: what a caller is told
///
/// ```
/// use es_core::{Position, ProjectionId, Refusal};
///
/// let behind = Refusal::Behind { at: Position(7), history: Position(9) };
/// assert_eq!(
///     behind.of(&ProjectionId::new("balance", 2)?).to_string(),
///     "projection `balance v2` has not caught up: it is at 7, and history reaches to 9"
/// );
/// # Ok::<(), es_core::InvalidProjection>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is known as something else.
    #[error("is kept as {kept}, and cannot be {wanted} now: give it another name, or a new version")]
    OtherKind {
        /// What it is.
        kept: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// It is written [inline](crate::Inline), so nobody runs it who could hear a word, or hold a lease.
    #[error("is written in the append's own transaction: nobody runs it")]
    Inline,
    /// No projection has so many parts.
    #[error("cannot be divided into {parts} parts: there can be 1 to {SLICES}")]
    Parts {
        /// How many were asked for.
        parts: u16,
    },
    /// It cannot go back while its parts are on their way to one place.
    #[error("is about to be divided: have it rebuilt or rewound when that is done")]
    Dividing,
    /// It cannot be divided before it has gone back.
    #[error("is to be rebuilt or rewound first: divide it when that is done")]
    GoingBack,
    /// It cannot serve before it has gone back.
    #[error("has not caught up: it is to be rebuilt or rewound first")]
    NotBack,
    /// It cannot serve before it has come to the end of its [history](crate::Lease::live_from).
    #[error("has not caught up: it is at {at}, and history reaches to {history}")]
    Behind {
        /// Where it is.
        at: Position,
        /// Where it has to be.
        history: Position,
    },
    /// It cannot be dropped while there is a lease of it.
    #[error("cannot be dropped while somebody works on it: pause it first, or take it out of the programs that run it")]
    WorkedOn,
    /// It cannot be dropped while it serves, and there is another version that could.
    #[error("cannot be dropped while it serves: let another version serve first")]
    Serving,
}

impl Refusal {
    /// As a caller is told, with the projection in front.
    pub fn of(self, id: &ProjectionId) -> Error {
        Error::setup(format!("projection `{id}` {self}"))
    }
}
