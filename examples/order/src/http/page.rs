//! A page to try it: one file, which needs nothing from elsewhere.

use axum::http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{Html, IntoResponse};

/// Only what stands in the page itself runs, and it speaks only with this server.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page to try it
#[utoipa::path(get, path = "/", tag = "operation", responses((status = 200, description = "The page.", content_type = "text/html", body = String)))]
pub(super) async fn show() -> impl IntoResponse {
    let headers = [(CONTENT_SECURITY_POLICY, POLICY), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Html(include_str!("page.html")))
}
