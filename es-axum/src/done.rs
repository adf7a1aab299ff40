//! What is told to a client when a command is done.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use es_core::{Aggregate, CorrelationId, Outcome, Version, Visible, WaitError};

use crate::conversation::CORRELATION_ID;
use crate::etag::ETag;
use crate::wait::PreferWait;

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const NOT_VISIBLE: HeaderName = HeaderName::from_static("not-visible");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What to answer when a command is done, as a part of a response: `(done.status(StatusCode::OK), done, Json(view))`. By itself
/// it is a response without a body.
///
/// | header | when |
/// |---|---|
/// | `ETag: "7"` | always, but for an aggregate that nothing ever happened to |
/// | `Idempotency-Replayed: true` | the request is a repeat, and this is what the first one did |
/// | `X-Correlation-Id` | then, too: the conversation of the first one, where the events are |
/// | `Preference-Applied: wait=5` | the client asked to wait, and read models show what was done |
/// | `Not-Visible: late` | read models were waited for, and do not show it: [why](Self::not_visible) |
///
/// A command is done whatever became of the wait. When read models had not taken it in in time, or have passed it by, the status
/// is therefore 202 Accepted, and never one that invites the client to send it again.
///
/// # Example: created, without a body
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
/// use axum::http::StatusCode;
/// use axum::response::IntoResponse;
/// use es_axum::Done;
/// use es_core::EventStoreExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let outcome = es_memory::MemoryStore::new().execute(Open { id: 7 }).await?;
/// let done = Done::of(&outcome);
/// let response = (done.status(StatusCode::CREATED), done).into_response();
/// assert_eq!(response.status(), StatusCode::CREATED);
/// assert_eq!(response.headers()["etag"], "\"1\"");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    version: Version,
    repeated: bool,
    /// Of a repeat, the conversation that the events belong to.
    conversation: Option<CorrelationId>,
    /// Whether the read models that were waited for have taken it in, or why not.
    visible: Option<Result<(), &'static str>>,
    /// How long the client has asked to wait, and was served.
    applied: Option<Duration>,
}

impl Done {
    /// Of a command's [`Outcome`] or [`Visible`]. Where the client can ask to wait, [`Conditions::done`](crate::Conditions::done)
    /// knows more.
    pub fn of(outcome: impl Into<Self>) -> Self {
        outcome.into()
    }

    /// The status that you give, or 202 Accepted, when read models that were to be waited for do not show it.
    pub fn status(&self, done: StatusCode) -> StatusCode {
        if self.is_late() { StatusCode::ACCEPTED } else { done }
    }

    /// Whether read models that were to be waited for do not show it.
    pub fn is_late(&self) -> bool {
        self.not_visible().is_some()
    }

    /// Why read models that were to be waited for do not show it, in the word that the header `Not-Visible` has for it.
    ///
    /// | word | [`WaitError`] | when it will show |
    /// |---|---|---|
    /// | `late` | `TimedOut` | soon |
    /// | `paused` | `Paused` | when somebody resumes the projection |
    /// | `stopped` | `Stopped` | when somebody starts it again |
    /// | `parked` | `Parked` | when somebody settles what the projection could not take in |
    /// | `left-out` | `LeftOut` | when the projection is rebuilt, if then |
    /// | `unknown` | others | nobody knows |
    pub fn not_visible(&self) -> Option<&'static str> {
        self.visible?.err()
    }

    pub(crate) fn preferred(self, wait: PreferWait) -> Self {
        match wait.asked() {
            // Nobody waited, so nobody is late.
            None => Self { visible: None, ..self },
            asked => Self { applied: asked.filter(|_| self.visible == Some(Ok(()))), ..self },
        }
    }
}

impl<A: Aggregate> From<&Outcome<A>> for Done {
    fn from(outcome: &Outcome<A>) -> Self {
        let first = outcome.events.first().filter(|_| outcome.repeated);
        Self {
            version: outcome.version,
            repeated: outcome.repeated,
            conversation: first.and_then(|event| event.metadata.correlation_id),
            visible: None,
            applied: None,
        }
    }
}

impl<A: Aggregate> From<&Visible<A>> for Done {
    fn from(visible: &Visible<A>) -> Self {
        let visible_or_why = visible.visible.as_ref().copied().map_err(|error| {
            take_note(error);
            word_for(error)
        });
        Self { visible: Some(visible_or_why), ..Self::from(&visible.outcome) }
    }
}

/// That it was not in time may be so now and then; anything else somebody should look into.
fn take_note(error: &WaitError) {
    match error {
        WaitError::TimedOut { .. } => tracing::debug!(%error, "a command is done, and not yet visible"),
        error => tracing::warn!(%error, "a command is done, and it is not known when it will be visible"),
    }
}

fn word_for(error: &WaitError) -> &'static str {
    match error {
        WaitError::TimedOut { .. } => "late",
        WaitError::Paused { .. } => "paused",
        WaitError::Stopped { .. } => "stopped",
        WaitError::Parked { .. } => "parked",
        WaitError::LeftOut { .. } => "left-out",
        _ => "unknown",
    }
}

impl IntoResponseParts for Done {
    type Error = Infallible;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        let etag = (self.version > Version::NONE).then_some(ETag::of(self.version));
        let mut parts = etag.into_response_parts(parts)?;
        let headers = parts.headers_mut();
        if self.repeated {
            headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        let conversation = self.conversation.map(|id| id.to_string());
        if let Some(conversation) = conversation.and_then(|id| id.try_into().ok()) {
            headers.insert(CORRELATION_ID, conversation);
        }
        if let Some(why) = self.not_visible() {
            headers.insert(NOT_VISIBLE, HeaderValue::from_static(why));
        }
        let applied = self.applied.map(|wait| format!("wait={}", wait.as_secs()));
        if let Some(applied) = applied.and_then(|applied| applied.try_into().ok()) {
            headers.insert(PREFERENCE_APPLIED, applied);
        }
        Ok(parts)
    }
}

/// Without a body: 204 No Content, or 202 Accepted.
impl IntoResponse for Done {
    fn into_response(self) -> Response {
        (self.status(StatusCode::NO_CONTENT), self, ()).into_response()
    }
}
