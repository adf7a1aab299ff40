//! What each error becomes for a client.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;

use axum::http::header::{ETAG, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use es_core::{
    Conflict, CorrelationId, Error, ExecuteError, ExpectedVersion, InvalidIdempotencyKey, InvalidProjection,
    InvalidStreamId, Metadata, Version, WaitError,
};

use crate::etag::ETag;
use crate::idempotency::SPECIFICATION;
use crate::problem::Problem;

/// How a refusal of the domain looks to a client. With it, `?` makes a [`Problem`] of an
/// [`ExecuteError`](es_core::ExecuteError).
///
/// Write it beside the error; where the error is in a crate that shall not know of HTTP, see [`Problem::of`].
///
/// # Example: one refusal with a status of its own, the others as they come
///
/// ```
/// use axum::http::StatusCode;
/// use es_axum::{Problem, ToProblem};
/// use es_core::ExecuteError;
///
/// #[derive(Debug, thiserror::Error)]
/// enum OrderError {
///     #[error("there is no such order")]
///     Unknown,
///     #[error("the order is on its way already")]
///     Shipped,
/// }
///
/// impl ToProblem for OrderError {
///     fn to_problem(&self) -> Problem {
///         match self {
///             Self::Unknown => Problem::new(StatusCode::NOT_FOUND).detail(self),
///             other => Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(other),
///         }
///     }
/// }
///
/// fn answer(result: Result<(), ExecuteError<OrderError>>) -> Result<(), Problem> {
///     Ok(result?)
/// }
/// assert_eq!(answer(Err(ExecuteError::Rejected(OrderError::Unknown))).unwrap_err().status, 404);
/// assert_eq!(answer(Err(ExecuteError::Rejected(OrderError::Shipped))).unwrap_err().status, 422);
/// ```
pub trait ToProblem: fmt::Display {
    /// The problem. By default 422 Unprocessable Content, with the error's own words as `detail`.
    fn to_problem(&self) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(self)
    }
}

/// What never refuses needs no words.
impl ToProblem for Infallible {}

impl Problem {
    /// What a command failed with, as a problem, by a function for what the domain refuses: for errors of a crate that knows nothing of
    /// HTTP, for which [`ToProblem`] cannot be implemented elsewhere.
    ///
    /// # Example: a domain in a crate of its own
    ///
    /// ```
    /// # #[derive(Debug)] struct OrderError;
    /// use axum::http::StatusCode;
    /// use es_axum::Problem;
    /// use es_core::ExecuteError;
    ///
    /// fn refusal(_: OrderError) -> Problem {
    ///     Problem::new(StatusCode::UNPROCESSABLE_ENTITY).kind("https://shop.example/problems/order")
    /// }
    /// fn answer(result: Result<(), ExecuteError<OrderError>>) -> Result<(), Problem> {
    ///     result.map_err(|error| Problem::of(error, refusal))
    /// }
    /// assert_eq!(answer(Err(ExecuteError::Rejected(OrderError))).unwrap_err().status, 422);
    /// ```
    pub fn of<R>(error: ExecuteError<R>, refusal: impl FnOnce(R) -> Self) -> Self {
        match error {
            ExecuteError::Rejected(rejection) => refusal(rejection),
            ExecuteError::Conflict(conflict) => conflict.into(),
            ExecuteError::KeyReused(reused) => Error::from(reused).into(),
            // Of a command it is known that nothing was stored; a mere read may come after something that was.
            ExecuteError::Store(error @ Error::Unavailable { .. }) => Self::from(error).with(SAFE_TO_REPEAT, true),
            ExecuteError::Store(error) => error.into(),
            _ => internal(&Unnamed),
        }
    }
}

/// A kind of failure that es-core has, and this crate does not know of yet.
#[derive(Debug)]
struct Unnamed;

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command failed in a way that has no name here")
    }
}

impl StdError for Unnamed {}

impl<R: ToProblem> From<ExecuteError<R>> for Problem {
    fn from(error: ExecuteError<R>) -> Self {
        Self::of(error, |rejection| rejection.to_problem())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict(conflict) => conflict.into(),
            Error::KeyReused(_) => key_reused(),
            Error::InvalidKey(invalid) => invalid.into(),
            Error::InvalidStream(invalid) => invalid.into(),
            Error::Unavailable { .. } => unavailable(&error),
            Error::UnknownOutcome { .. } => unknown_outcome(&error),
            error => internal(&error),
        }
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        let Conflict { stream, expected, actual } = &conflict;
        let status = if conflict.is_contention() { StatusCode::CONFLICT } else { StatusCode::PRECONDITION_FAILED };
        let problem = Self::new(status).detail(&conflict).with("stream", stream.to_string()).with("actual", actual.0);
        if conflict.is_contention() {
            return problem.with(SAFE_TO_REPEAT, true).header(RETRY_AFTER, soon());
        }
        let problem = match expected {
            ExpectedVersion::Exact(version) => problem.with("expected", version.0),
            other => problem.with("expected", other.to_string()),
        };
        match ETag::of(*actual).value() {
            Some(etag) if *actual > Version::NONE => problem.header(ETAG, etag),
            _ => problem,
        }
    }
}

impl From<InvalidIdempotencyKey> for Problem {
    fn from(invalid: InvalidIdempotencyKey) -> Self {
        match invalid {
            InvalidIdempotencyKey::Command { .. } => internal(&invalid),
            invalid => Self::new(StatusCode::BAD_REQUEST).detail(invalid),
        }
    }
}

impl From<InvalidStreamId> for Problem {
    fn from(invalid: InvalidStreamId) -> Self {
        use InvalidStreamId::{CategoryCharacter, CategoryTooLong, EmptyCategory};
        match invalid {
            // The program names the category, and the client the id.
            EmptyCategory | CategoryTooLong { .. } | CategoryCharacter { .. } => internal(&invalid),
            invalid => Self::new(StatusCode::BAD_REQUEST).detail(invalid),
        }
    }
}

impl From<InvalidProjection> for Problem {
    fn from(invalid: InvalidProjection) -> Self {
        internal(&invalid)
    }
}

/// For reads that have to wait. Of a command that waits, nothing of this becomes a problem: it is done.
impl From<WaitError> for Problem {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Store(error) => error.into(),
            WaitError::TimedOut { .. } | WaitError::Unsettled { .. } | WaitError::Paused { .. } => unavailable(&error),
            WaitError::Stopped { .. } => stopped(&error),
            WaitError::Parked { .. } | WaitError::LeftOut { .. } => passed_by(&error),
            error => internal(&error),
        }
    }
}

/// The member that says whether the same request may be sent again as it is. With an idempotency key it always may.
const SAFE_TO_REPEAT: &str = "safe_to_repeat";

/// One second.
fn soon() -> HeaderValue {
    HeaderValue::from_static("1")
}

fn key_reused() -> Problem {
    // Not for what it was used: that may have been somebody else's request.
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY)
        .kind(SPECIFICATION)
        .title("Idempotency-Key is already used")
        .detail("the idempotency key was used for another request; choose a new key for each new request")
}

fn unavailable(error: &(dyn StdError + 'static)) -> Problem {
    let id = at_hand();
    tracing::warn!(correlation_id = %id, error = %Chain(error), "a request has to be sent again");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail("the service is not available at the moment, and may be so again soon")
        .with(CORRELATION_ID, id)
        .header(RETRY_AFTER, soon())
}

/// It will not be better in a second: somebody has to start it again, so nothing invites the client to ask until then.
fn stopped(error: &(dyn StdError + 'static)) -> Problem {
    let id = at_hand();
    tracing::error!(correlation_id = %id, error = %Chain(error), "a request waited for a read model that has stopped");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail(
            "the read model has stopped, and shows nothing new until whoever operates the service starts it again; he finds the \
             cause by the correlation id",
        )
        .with(CORRELATION_ID, id)
}

/// It will not be better in a second either: somebody has to settle what could not be taken in.
fn passed_by(error: &(dyn StdError + 'static)) -> Problem {
    let id = at_hand();
    tracing::error!(correlation_id = %id, error = %Chain(error), "a request waited for what a read model could not take in");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail(
            "the read model could not take this in, and does not show it until whoever operates the service settles that; he finds \
             the cause by the correlation id",
        )
        .with(CORRELATION_ID, id)
}

fn unknown_outcome(error: &(dyn StdError + 'static)) -> Problem {
    let id = at_hand();
    tracing::error!(correlation_id = %id, error = %Chain(error), "it is not known whether a request was carried out");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail(
            "it is not known whether the request was carried out; send it again only if it has an `Idempotency-Key`, \
             else look first",
        )
        .with(CORRELATION_ID, id)
        .with(SAFE_TO_REPEAT, false)
}

/// The member by which support finds what was logged.
const CORRELATION_ID: &str = "correlation_id";

/// A problem of ours: told to `tracing` with all that is known, and to the client without.
pub(crate) fn internal(error: &(dyn StdError + 'static)) -> Problem {
    let id = at_hand();
    tracing::error!(correlation_id = %id, error = %Chain(error), "a request failed");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
        .detail("the service failed; whoever operates it finds the cause by the correlation id")
        .with(CORRELATION_ID, id)
}

fn at_hand() -> CorrelationId {
    Metadata::current().and_then(|metadata| metadata.correlation_id).unwrap_or_else(CorrelationId::new)
}

/// An error with all its causes.
struct Chain<'e>(&'e (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
