//! The conversation that a request begins or continues.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use es_core::{BoxFuture, CorrelationId, Metadata, TraceContext};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument;

pub(crate) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest `traceparent` or `tracestate` that is stored with events, in bytes. The standard has as many passed on.
const MAX_TRACE_BYTES: usize = 512;

type Actor = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// A layer that puts all that a request does into one conversation: every command that is executed in it, and every event that
/// is appended, says so in its metadata, and the response says which.
///
/// | from the request | what becomes of it |
/// |---|---|
/// | `X-Correlation-Id`, a UUID | the conversation; without it, or when it is malformed, a new one begins |
/// | `traceparent`, `tracestate` | the [trace](https://www.w3.org/TR/trace-context/); a malformed one is ignored |
/// | what you make of it, by [`actor`](Self::actor) | who is behind it |
///
/// The response has `X-Correlation-Id`: this conversation, or that of the first request where [`Done`](crate::Done) answers a
/// repeat, which itself did nothing; what the handler has set stays. A `tracing` span named `request` has `method`, `path` and `correlation_id`. Problems
/// that are [failures of the service](crate::Problem) name it, too, so that what was logged can be found. Let it in from outside
/// only if you want: a layer further out, or a proxy, can take the header away.
///
/// It is [`Metadata::scope`] around the handler, and goes as far as that: not into spawned tasks, and not into a body that is
/// streamed after the handler has answered.
///
/// # Example: who does it, and as part of what
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
/// use axum::{Router, body::Body, extract::State, http::Request, routing::post};
/// use es_axum::{Conversation, Done, Problem};
/// use es_core::EventStoreExt;
/// use es_memory::MemoryStore;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let open = async |State(store): State<MemoryStore>| {
///     Ok::<_, Problem>(Done::of(&store.execute(Open { id: 7 }).await?))
/// };
/// let user = |parts: &axum::http::request::Parts| parts.extensions.get::<String>().cloned();
/// let app = Router::new()
///     .route("/open", post(open))
///     .with_state(store.clone())
///     .layer(Conversation::new("shop").actor(user));
///
/// let mut request = Request::post("/open").body(Body::empty())?;
/// request.extensions_mut().insert("ada".to_owned());                // as a layer for authentication does
/// let response = app.oneshot(request).await?;
///
/// let metadata = &store.events::<Door>(&7)?.collect().await?[0].metadata;
/// assert_eq!((metadata.actor.as_deref(), metadata.source.as_deref()), (Some("ada"), Some("shop")));
/// assert_eq!(response.headers()["x-correlation-id"], metadata.correlation_id.unwrap().to_string());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Conversation {
    source: Arc<str>,
    actor: Option<Actor>,
}

impl Conversation {
    /// Of requests that come in by `source`, the name of the service or the channel.
    pub fn new(source: impl Into<Arc<str>>) -> Self {
        Self { source: source.into(), actor: None }
    }

    /// Says who is behind a request. The closure sees what the layers outside of this one have put into the request's extensions,
    /// authentication for example. Without it, nobody is named.
    #[must_use]
    pub fn actor<F>(self, actor: F) -> Self
    where
        F: Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    {
        Self { actor: Some(Arc::new(actor)), ..self }
    }

    fn metadata(&self, parts: &Parts, id: CorrelationId) -> Metadata {
        let metadata = Metadata::default().with_correlation(id).with_source(&*self.source);
        let actor = self.actor.as_ref().and_then(|actor| actor(parts));
        let metadata = match actor {
            Some(actor) => metadata.with_actor(actor),
            None => metadata,
        };
        match trace(&parts.headers) {
            Some(trace) => metadata.with_trace(trace),
            None => metadata,
        }
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").field("source", &self.source).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for Conversation {
    type Service = InConversation<S>;

    fn layer(&self, inner: S) -> InConversation<S> {
        InConversation { inner, conversation: self.clone() }
    }
}

/// A service, each of whose requests is a conversation. Made by [`Conversation`].
///
/// # Example: around any service of tower's
///
/// ```
/// use axum::{body::Body, http::{Request, Response}};
/// use es_axum::{Conversation, InConversation};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hello = service_fn(async |_: Request<Body>| Ok::<_, std::io::Error>(Response::new("hello")));
/// let service: InConversation<_> = Conversation::new("shop").layer(hello);
/// let response = service.oneshot(Request::new(Body::empty())).await?;
/// assert!(response.headers().contains_key("x-correlation-id"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct InConversation<S> {
    inner: S,
    conversation: Conversation,
}

impl<S, B, R> Service<Request<B>> for InConversation<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let id = correlation(&parts.headers);
        let metadata = self.conversation.metadata(&parts, id);
        let (method, path) = (&parts.method, parts.uri.path());
        let span = tracing::info_span!("request", %method, path, correlation_id = %id);
        // The one that is ready is taken, and a clone, which is not, takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let answer = async move { inner.call(Request::from_parts(parts, body)).await };
        let answer = metadata.scope(answer).instrument(span);
        Box::pin(async move {
            let mut response = answer.await?;
            // A UUID always is a header's value.
            if let Ok(id) = HeaderValue::try_from(id.to_string()) {
                // A repeat has nothing to show in its own; it names the one in which it was done.
                response.headers_mut().entry(CORRELATION_ID).or_insert(id);
            }
            Ok(response)
        })
    }
}

/// The conversation that the client names, if it names one, else a new one.
fn correlation(headers: &HeaderMap) -> CorrelationId {
    only(headers, &CORRELATION_ID).and_then(|id| id.parse().ok()).unwrap_or_else(CorrelationId::new)
}

/// What is malformed or sent twice is ignored, as the standard has it.
fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let trace = TraceContext::new(only(headers, &TRACEPARENT).filter(|trace| trace.len() <= MAX_TRACE_BYTES)?)?;
    // Several of these headers are one list.
    let states: Result<Vec<_>, _> = headers.get_all(TRACESTATE).iter().map(HeaderValue::to_str).collect();
    let state = states.unwrap_or_default().join(",");
    Some(if state.is_empty() || state.len() > MAX_TRACE_BYTES { trace } else { trace.with_state(state) })
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
