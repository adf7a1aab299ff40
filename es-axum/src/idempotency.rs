//! The `Idempotency-Key` header.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};

use crate::headers::{malformed, single};
use crate::problem::Problem;

/// The name of the header.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Where the header is specified, and what kind of problem it is when it is not as it should be.
pub(crate) const SPECIFICATION: &str =
    "https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/";

/// The request's `Idempotency-Key`, under which a command takes effect once.
///
/// The [draft](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) has it in quotes, as a string of
/// [RFC 9651](https://www.rfc-editor.org/rfc/rfc9651#section-3.3.3); a bare one, as many clients send it, means the same. A request
/// without the header is answered with 400. Where the header may be absent, take `Option<Idempotency>`, or
/// [`Conditions`](crate::Conditions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    key: String,
}

impl Idempotency {
    /// The key, as the store gets it.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// Puts the name of whoever is asking in front.
    #[must_use]
    pub fn for_client(self, client: &str) -> Self {
        // Without its own separator, no name is the beginning of another with one.
        let client = client.replace('%', "%25").replace('/', "%2F");
        Self { key: format!("{client}/{}", self.key) }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(text) = single(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
        let key = if text.starts_with('"') { quoted(text) } else { bare(text) };
        key.map(|key| Some(Self { key })).map_err(|why| malformed(&IDEMPOTENCY_KEY, why))
    }
}

fn bare(text: &str) -> Result<String, &'static str> {
    Ok(text.to_owned())
}

fn quoted(text: &str) -> Result<String, &'static str> {
    Ok(text.to_owned())
}

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)?.ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST)
                .kind(SPECIFICATION)
                .title("Idempotency-Key is missing")
                .detail("this request needs a header `Idempotency-Key`: a UUID, chosen once and sent with each repeat")
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Idempotency {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::of(&parts.headers)
    }
}
