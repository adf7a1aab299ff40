//! The `Idempotency-Key` header.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};

use es_core::IdempotencyKey;

use crate::headers::{malformed, single};
use crate::problem::Problem;

/// The name of the header.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Where the header is specified, and what kind of problem it is when it is not as it should be.
pub(crate) const SPECIFICATION: &str = "https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/";

/// The request's `Idempotency-Key`, under which a command takes effect once.
///
/// The [draft](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) has it in quotes, as a string of
/// [RFC 9651](https://www.rfc-editor.org/rfc/rfc9651#section-3.3.3); a bare one, as many clients send it, means the same. A request
/// without the header is answered with 400. Where the header may be absent, take `Option<Idempotency>`, or
/// [`Conditions`](crate::Conditions). A key that cannot be one is answered with 400.
///
/// # Example: with quotes and without
///
/// ```
/// use axum::{extract::FromRequestParts, http::Request};
/// use es_axum::Idempotency;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = async |header: &str| {
///     let (mut parts, ()) = Request::post("/").header("idempotency-key", header).body(()).unwrap().into_parts();
///     Idempotency::from_request_parts(&mut parts, &()).await
/// };
/// let key_of_ada = key("\"8e03978e\"").await?.for_client("ada");
/// assert_eq!(key_of_ada.as_str(), "ada/8e03978e");
/// assert_eq!(key("8e03978e").await?, key("\"8e03978e\"").await?);
/// assert_eq!(key("\"\"").await.unwrap_err().status, 400);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    key: String,
}

impl Idempotency {
    /// The key, as [`Execute::idempotency_key`](es_core::Execute::idempotency_key) gets it.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// Puts the name of whoever is asking in front, so that keys of different clients never meet. See
    /// [`Conditions::for_client`](crate::Conditions::for_client).
    #[must_use]
    pub fn for_client(self, client: &str) -> Self {
        // Without its own separator, no name is the beginning of another with one.
        let client = client.replace('%', "%25").replace('/', "%2F");
        Self { key: format!("{client}/{}", self.key) }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(text) = single(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
        let key = if text.starts_with('"') { quoted(text) } else { bare(text) };
        let key = key.map_err(|why| malformed(&IDEMPOTENCY_KEY, why))?;
        IdempotencyKey::new(&*key).map_err(|why| malformed(&IDEMPOTENCY_KEY, why))?;
        Ok(Some(Self { key }))
    }
}

/// What could be the beginning of something else is refused: two keys that a proxy has put into one line, or parameters.
fn bare(text: &str) -> Result<String, &'static str> {
    if text.contains([' ', '\t', '"', ',', ';']) {
        return Err("a key with blanks, quotes, commas or semicolons has to stand in quotes");
    }
    Ok(text.to_owned())
}

/// The string between quotes, in which a backslash takes the next quote or backslash as it is.
fn quoted(text: &str) -> Result<String, &'static str> {
    let (mut key, mut rest) = (String::new(), text.chars().skip(1));
    loop {
        match rest.next() {
            Some('"') if rest.next().is_none() => return Ok(key),
            Some('"') => return Err("there is something behind the closing quote"),
            Some('\\') => match rest.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err("a backslash may stand only before a quote or another backslash"),
            },
            Some(plain @ ' '..='~') => key.push(plain),
            _ => return Err("the closing quote is missing"),
        }
    }
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
