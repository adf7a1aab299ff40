//! `Prefer: wait=5`: how long a client would wait for its own write.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

/// The name of the header.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The longest that a request waits, whatever it prefers: 30 seconds.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// How long the client would wait until read models have taken in what it does, by the preference `wait` of
/// [RFC 7240](https://www.rfc-editor.org/rfc/rfc7240#section-4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PreferWait(Option<Duration>);

impl PreferWait {
    /// How long to wait, at most [`MAX_WAIT`]. Zero if the client has not asked.
    pub fn duration(self) -> Duration {
        self.0.unwrap_or_default()
    }

    /// How long the client asked to wait, at most [`MAX_WAIT`], if it did.
    pub const fn asked(self) -> Option<Duration> {
        self.0
    }

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let waits = values.flat_map(|value| value.split(',')).filter_map(wait);
        // Of a preference that is stated twice, the first counts.
        Self(waits.take(1).next().flatten())
    }
}

/// The seconds of a preference, if it is `wait`: none, if it is malformed.
fn wait(preference: &str) -> Option<Option<Duration>> {
    let (name, seconds) = preference.split(';').next()?.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("wait") {
        return None;
    }
    let seconds = seconds.trim().trim_matches('"');
    let digits = seconds.bytes().all(|b| b.is_ascii_digit()) && !seconds.is_empty();
    // More seconds than can be counted are very many.
    Some(digits.then(|| Duration::from_secs(seconds.parse().unwrap_or(u64::MAX)).min(MAX_WAIT)))
}

impl<S: Send + Sync> FromRequestParts<S> for PreferWait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}
