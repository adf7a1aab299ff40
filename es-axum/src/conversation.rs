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

/// A layer that puts all that a request does into one conversation.
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
    /// authentication for example.
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
            let id = HeaderValue::try_from(id.to_string()).ok();
            response.headers_mut().extend(id.map(|id| (CORRELATION_ID, id)));
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
