//! Problems for what no handler is there for.

use axum::http::StatusCode;

use crate::problem::Problem;

/// For [`Router::fallback`](axum::Router::fallback): 404 as a problem.
///
/// # Example: the last lines of a router
///
/// ```
/// let app: axum::Router = axum::Router::new()
///     // .route(...)
///     .fallback(es_axum::not_found)
///     .method_not_allowed_fallback(es_axum::method_not_allowed);
/// ```
pub async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND)
}

/// For [`Router::method_not_allowed_fallback`](axum::Router::method_not_allowed_fallback): 405 as a problem. axum adds which methods
/// are allowed. It is for the routes that the router has by then, so it comes after them.
///
/// # Example: a route that cannot be deleted
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app: Router = Router::new()
///     .route("/", get(async || "hello"))
///     .method_not_allowed_fallback(es_axum::method_not_allowed);
/// let response = app.oneshot(Request::delete("/").body(Body::empty())?).await?;
/// assert_eq!(response.status(), 405);
/// assert_eq!(response.headers()["allow"], "GET,HEAD");
/// # Ok(())
/// # }
/// ```
pub async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED)
}
