//! What a request states about the command that it brings.

use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use es_core::{Command, Execute, ExpectedVersion};
use serde::Serialize;

use crate::done::Done;
use crate::etag::ETag;
use crate::headers::{malformed, single};
use crate::idempotency::Idempotency;
use crate::problem::Problem;
use crate::wait::PreferWait;

/// What a request states about the command that it brings, all of it optional.
///
/// | header | what it has the command do |
/// |---|---|
/// | `If-Match: "7"` | [expect](Execute::expect) version 7, else it is answered with 412 |
/// | `If-Match: *` | expect that the aggregate exists |
/// | `If-None-Match: *` | expect that it does not |
/// | `Idempotency-Key: "8e03978e"` | take effect [once](Execute::idempotency_key), however often it is sent |
/// | `Prefer: wait=5` | be answered when read models show it, or after 5 seconds |
///
/// A header that cannot be understood is answered with 400, since to pass over a condition would do what the client wanted to rule
/// out. Only `Prefer` is free to be passed over. A repeat under a key gets the first outcome, whatever version it states: what
/// it did is done. See [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-13.1), the
/// [`Idempotency-Key` draft](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) and
/// [RFC 7240](https://www.rfc-editor.org/rfc/rfc7240).
///
/// For requests that only read, see [`ETag::not_modified`].
///
/// # Example: a handler that takes all of them
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = u32, event = DoorEvent, apply = apply)]
/// # struct Door;
/// # fn apply(_: &mut Door, _: DoorEvent) {}
/// # fn open(_: &Door, _: Open, _: &Context) -> Result<DoorEvent, std::convert::Infallible> { Ok(DoorEvent::Opened) }
/// # #[derive(Clone, serde::Serialize, Command)]
/// # #[command(aggregate = Door, handle = open, error = std::convert::Infallible)]
/// # struct Open { id: u32 }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct Openings { count: u32 }
/// # impl es_core::Document for Openings {
/// #     const NAME: &'static str = "openings";
/// #     type Event = DoorEvent;
/// #     fn key(event: &es_core::Recorded<DoorEvent>) -> impl es_core::IntoKeys { event.stream.id() }
/// #     fn apply(&mut self, _: &es_core::Recorded<DoorEvent>) { self.count += 1 }
/// # }
/// use axum::{extract::State, http::StatusCode, response::IntoResponse};
/// use es_axum::{Conditions, Json, Path, Problem};
/// use es_core::{EventStoreExt, ReadModels};
/// use es_memory::MemoryStore;
///
/// async fn open_door(
///     State(store): State<MemoryStore>,
///     Path(id): Path<u32>,
///     conditions: Conditions,
/// ) -> Result<impl IntoResponse, Problem> {
///     let opened = conditions
///         .apply(store.execute(Open { id }))
///         .wait_for_document::<Openings>()
///         .within(conditions.wait())
///         .await?;
///     let done = conditions.done(&opened);
///     let view = store.documents::<Openings>()?.get(&id.to_string()).await?;
///     Ok((done.status(StatusCode::OK), done, Json(view)))
/// }
/// # let app = axum::Router::new().route("/doors/{id}", axum::routing::post(open_door)).with_state(MemoryStore::new());
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn send(app: axum::Router) -> (axum::http::StatusCode, String) {
/// #     let request = axum::http::Request::post("/doors/7").header("prefer", "wait=0").body(axum::body::Body::empty()).unwrap();
/// #     let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
/// #     (response.status(), response.headers()["etag"].to_str().unwrap().to_owned())
/// # }
/// # assert_eq!(send(app), (StatusCode::ACCEPTED, "\"1\"".to_owned()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    expected: ExpectedVersion,
    key: Option<Idempotency>,
    wait: PreferWait,
}

impl Conditions {
    /// Puts the name of whoever is asking in front of the idempotency key, so that keys of different clients never meet: all keys
    /// of a store are one space, and a repeat gets the first one's outcome. Take the name from the log-in, and never from what
    /// the client can choose. Name and key together have at most [255 bytes](es_core::MAX_IDEMPOTENCY_KEY_BYTES), the slash
    /// between them included; what is longer is refused with 400 when the command is executed.
    ///
    /// # Example: two clients with one key
    ///
    /// ```
    /// use axum::{extract::FromRequestParts, http::Request};
    /// use es_axum::Conditions;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (mut parts, ()) = Request::post("/").header("idempotency-key", "\"7\"").body(())?.into_parts();
    /// let conditions = Conditions::from_request_parts(&mut parts, &()).await?;
    /// assert_eq!(conditions.for_client("ada").key().unwrap().as_str(), "ada/7");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn for_client(self, client: &str) -> Self {
        Self { key: self.key.map(|key| key.for_client(client)), ..self }
    }

    /// Has the command expect the version, and take effect once under the key, as far as the request states them. What the handler
    /// expects of its own accord stays where the request states nothing.
    ///
    /// A command that is not `Serialize` takes [`expected`](Self::expected) and [`key`](Self::key) by itself, the latter with a
    /// [fingerprint](Execute::keyed) of its own.
    pub fn apply<'a, S, C, D>(&self, execute: Execute<'a, S, C, D>) -> Execute<'a, S, C, D>
    where
        C: Command + Serialize,
    {
        let execute = if self.is_versioned() { execute.expect(self.expected) } else { execute };
        match &self.key {
            Some(key) => execute.idempotency_key(key.as_str()),
            None => execute,
        }
    }

    /// The version that the request is for. [`Any`](ExpectedVersion::Any) if it states none.
    pub const fn expected(&self) -> ExpectedVersion {
        self.expected
    }

    /// The key, if the request has one.
    pub const fn key(&self) -> Option<&Idempotency> {
        self.key.as_ref()
    }

    /// How long to wait for read models, for [`within`](es_core::ExecuteAndWait::within): at most [`MAX_WAIT`](crate::MAX_WAIT), and zero if the client has not asked.
    pub fn wait(&self) -> Duration {
        self.wait.duration()
    }

    /// What to answer, of a command's [`Outcome`](es_core::Outcome) or [`Visible`](es_core::Visible). It knows whether the client
    /// has asked to wait, and so whether read models are late for him.
    pub fn done(&self, outcome: impl Into<Done>) -> Done {
        outcome.into().preferred(self.wait)
    }

    const fn is_versioned(&self) -> bool {
        !matches!(self.expected, ExpectedVersion::Any)
    }

    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let expected = match (if_match(headers)?, if_none_match(headers)?) {
            (Some(_), Some(_)) => {
                return Err(malformed(
                    &IF_MATCH,
                    "it cannot come together with `If-None-Match`, which says the contrary",
                ));
            }
            (stated, none) => stated.or(none).unwrap_or_default(),
        };
        Ok(Self { expected, key: Idempotency::of(headers)?, wait: PreferWait::of(headers) })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

/// The version that the request is for, by `If-Match`: `"7"` is [`Exact`](ExpectedVersion::Exact), `*` is
/// [`Exists`](ExpectedVersion::Exists).
///
/// A request without the header is answered with 428 Precondition Required
/// ([RFC 6585](https://www.rfc-editor.org/rfc/rfc6585#section-3)), so that nobody writes over what he has not seen. Where it may be
/// absent, take `Option<IfMatch>`, or [`Conditions`]. A weak tag, a list and whatever else names no version are answered with 400.
///
/// # Example: a handler that insists, and takes the rest as it comes
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = u32, event = DoorEvent, apply = apply)]
/// # struct Door;
/// # fn apply(_: &mut Door, _: DoorEvent) {}
/// # fn open(_: &Door, _: Open, _: &Context) -> Result<DoorEvent, std::convert::Infallible> { Ok(DoorEvent::Opened) }
/// # #[derive(Clone, serde::Serialize, Command)]
/// # #[command(aggregate = Door, handle = open, error = std::convert::Infallible)]
/// # struct Open { id: u32 }
/// use axum::extract::State;
/// use es_axum::{Conditions, Done, IfMatch, Path, Problem};
/// use es_core::EventStoreExt;
/// use es_memory::MemoryStore;
///
/// async fn open_door(
///     State(store): State<MemoryStore>,
///     Path(id): Path<u32>,
///     _: IfMatch,
///     conditions: Conditions,
/// ) -> Result<Done, Problem> {
///     Ok(Done::of(&conditions.apply(store.execute(Open { id })).await?))
/// }
/// # let app = axum::Router::new().route("/doors/{id}", axum::routing::post(open_door)).with_state(MemoryStore::new());
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn send(app: axum::Router) -> u16 {
/// #     let request = axum::http::Request::post("/doors/7").body(axum::body::Body::empty()).unwrap();
/// #     tower::ServiceExt::oneshot(app, request).await.unwrap().status().as_u16()
/// # }
/// # assert_eq!(send(app), 428);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub ExpectedVersion);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if_match(&parts.headers)?.map(Self).ok_or_else(|| {
            Problem::new(StatusCode::PRECONDITION_REQUIRED)
                .detail("this request needs a header `If-Match` with the `ETag` of what it is to change")
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(if_match(&parts.headers)?.map(Self))
    }
}

fn if_match(headers: &HeaderMap) -> Result<Option<ExpectedVersion>, Problem> {
    let Some(text) = single(headers, &IF_MATCH)? else { return Ok(None) };
    match ETag::parse(text) {
        _ if text == "*" => Ok(Some(ExpectedVersion::Exists)),
        Some(etag) => Ok(Some(etag.version().into())),
        None => Err(malformed(&IF_MATCH, not_a_tag(text))),
    }
}

fn if_none_match(headers: &HeaderMap) -> Result<Option<ExpectedVersion>, Problem> {
    match single(headers, &IF_NONE_MATCH)? {
        None => Ok(None),
        Some("*") => Ok(Some(ExpectedVersion::NoStream)),
        Some(_) => {
            Err(malformed(&IF_NONE_MATCH, "of what is to be changed only `*` can be said: that it is not there yet"))
        }
    }
}

fn not_a_tag(text: &str) -> &'static str {
    match text {
        weak if weak.starts_with("W/") => {
            "a weak tag does not say which version it is; send the `ETag` as it was given"
        }
        list if list.contains(',') => "a list leaves open which version it is; send one `ETag`",
        _ => "it is not an `ETag` that was given here, which is a version in quotes, as in \"7\"",
    }
}
