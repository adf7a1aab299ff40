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

/// How a refusal of the domain looks to a client.
pub trait ToProblem: fmt::Display {
    /// The problem. By default 422 Unprocessable Content, with the error's own words as `detail`.
    fn to_problem(&self) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(self)
    }
}

/// What never refuses needs no words.
impl ToProblem for Infallible {}

impl<R: ToProblem> From<ExecuteError<R>> for Problem {
    fn from(error: ExecuteError<R>) -> Self {
        match error {
            ExecuteError::Rejected(rejection) => rejection.to_problem(),
            ExecuteError::Conflict(conflict) => conflict.into(),
            ExecuteError::KeyReused(reused) => Error::from(reused).into(),
            ExecuteError::Store(error) => error.into(),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR),
        }
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
            WaitError::TimedOut { .. } => unavailable(&error),
            error => internal(&error),
        }
    }
}

/// The member that says whether the same request may be sent again as it is.
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
        .detail("the service is not available at the moment, and nothing was changed; send the request again")
        .with(CORRELATION_ID, id)
        .with(SAFE_TO_REPEAT, true)
        .header(RETRY_AFTER, soon())
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
