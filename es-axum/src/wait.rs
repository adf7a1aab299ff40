//! `Prefer: wait=5`: how long a client would wait for its own write.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

/// The name of the header.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The longest that a request waits, whatever it prefers: 30 seconds.
///
/// # Example: a client that would wait an hour
///
/// ```
/// use axum::{extract::FromRequestParts, http::Request};
/// use es_axum::{MAX_WAIT, PreferWait};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut parts, ()) = Request::get("/").header("prefer", "wait=3600").body(())?.into_parts();
/// let prefer = PreferWait::from_request_parts(&mut parts, &()).await?;
/// assert_eq!(prefer.duration(), MAX_WAIT);
/// # Ok(())
/// # }
/// ```
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// How long the client would wait until read models have taken in what it does, by the preference `wait` of
/// [RFC 7240](https://www.rfc-editor.org/rfc/rfc7240#section-4.3). It is a wish: one that cannot be understood is passed over, as
/// the standard has it, and so are all other preferences. [`Conditions`](crate::Conditions) holds it for commands; for reads, see
/// the example.
///
/// # Example: a read that waits until all that is stored is shown
///
/// ```
/// # use es_core::{Document, Event, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct Openings { count: u32 }
/// # impl Document for Openings {
/// #     const NAME: &'static str = "openings";
/// #     type Event = DoorEvent;
/// #     fn key(event: &Recorded<DoorEvent>) -> impl IntoKeys { event.stream.id() }
/// #     fn apply(&mut self, _: &Recorded<DoorEvent>) { self.count += 1 }
/// # }
/// use axum::{extract::State, http::StatusCode};
/// use es_axum::{Json, Path, PreferWait, Problem};
/// use es_core::ReadModels;
/// use es_memory::MemoryStore;
///
/// async fn openings(
///     State(store): State<MemoryStore>,
///     Path(id): Path<String>,
///     prefer: PreferWait,
/// ) -> Result<Json<Openings>, Problem> {
///     let mut openings = store.documents::<Openings>()?;
///     if let Some(wait) = prefer.asked() {
///         openings = openings.catch_up_within(wait).await?;
///     }
///     openings.get(&id).await?.map(Json).ok_or(StatusCode::NOT_FOUND.into())
/// }
/// # let _: axum::Router = axum::Router::new().route("/doors/{id}", axum::routing::get(openings)).with_state(MemoryStore::new());
/// ```
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
