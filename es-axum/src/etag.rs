//! The version of a stream, as a validator of what is shown of it.

use std::convert::Infallible;
use std::fmt;

use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};
use es_core::Version;

/// The `ETag` of what a stream shows at a version: the version in quotes, `"7"`. A client sends it back as `If-Match`, to change
/// only what it has seen, or as `If-None-Match`, to be told only of what is new.
///
/// It is a part of a response: `(etag, Json(view))`.
///
/// It has to be the version of what is shown. A read model may be behind its stream: have the document keep the version of the
/// last event it has taken in, and make the tag of that.
///
/// # Example: what has not changed is not sent again
///
/// ```
/// use axum::http::{HeaderMap, StatusCode, header::IF_NONE_MATCH};
/// use axum::response::{IntoResponse, Response};
/// use es_axum::ETag;
/// use es_core::Version;
///
/// fn show(version: Version, headers: &HeaderMap) -> Response {
///     let etag = ETag::of(version);
///     if etag.not_modified(headers) {
///         return (StatusCode::NOT_MODIFIED, etag, ()).into_response();
///     }
///     (etag, "all of it").into_response()
/// }
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(show(Version(7), &headers).headers()["etag"], "\"7\"");
/// headers.insert(IF_NONE_MATCH, "W/\"6\", \"7\"".parse()?);
/// assert_eq!(show(Version(7), &headers).status(), StatusCode::NOT_MODIFIED);
/// assert_eq!(show(Version(8), &headers).status(), StatusCode::OK);
/// # Ok::<(), axum::http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ETag(Version);

impl ETag {
    /// The tag of a version.
    pub const fn of(version: Version) -> Self {
        Self(version)
    }

    /// The version.
    pub const fn version(self) -> Version {
        self.0
    }

    /// Whether the request's `If-None-Match` names this tag, so that the answer to a `GET` or `HEAD` is 304 Not Modified. As
    /// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2) has it, the header may be a list, weak tags count, and
    /// `*` stands for any.
    pub fn not_modified(self, headers: &HeaderMap) -> bool {
        let own = self.to_string();
        let names = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own;
        let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        // Tags of ours hold no comma, so that a strange one with a comma cannot be taken for one of ours.
        values.flat_map(|value| value.split(',')).any(|tag| names(tag.trim()))
    }

    /// The text of a header, if it is a tag of ours and strong.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('"')?.strip_suffix('"')?;
        let version = Self(Version(digits.parse().ok()?));
        (version.to_string() == text).then_some(version)
    }

    /// As the value of a header.
    pub(crate) fn value(self) -> Option<HeaderValue> {
        // Quotes and digits always are one.
        HeaderValue::try_from(self.to_string()).ok()
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl From<Version> for ETag {
    fn from(version: Version) -> Self {
        Self(version)
    }
}

impl IntoResponseParts for ETag {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Some(value) = self.value() {
            parts.headers_mut().insert(ETAG, value);
        }
        Ok(parts)
    }
}
