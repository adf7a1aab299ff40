//! Problems for what no handler is there for.

use axum::http::StatusCode;

use crate::problem::Problem;

/// For [`Router::fallback`](axum::Router::fallback): 404 as a problem.
pub async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND)
}

/// For [`Router::method_not_allowed_fallback`](axum::Router::method_not_allowed_fallback): 405 as a problem. axum adds which methods
/// are allowed.
pub async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED)
}
