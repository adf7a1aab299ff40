//! Who asks, what a request states about the command that it brings, and how that command is run.

use axum::extract::FromRequestParts;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use es_axum::{Conditions, Done, Problem, ToProblem};
use es_core::{Command, Document, EventStoreExt, Handle, Outcome, ProjectionId, ReadModelStore};
use serde::Serialize;
use utoipa::IntoParams;

use super::names::Name;
use crate::read_models::{OrderDetails, OrderSummary, StockLevel};

/// Names who is asking, so that keys of different clients never meet. A real service takes the name from whoever it has authenticated.
const CLIENT: &str = "x-client";
/// Those who do not say.
const ANYBODY: &str = "anybody";

/// The client's name, or that of nobody in particular.
pub(super) fn client(headers: &HeaderMap) -> Result<Name, Problem> {
    let said: Vec<_> = headers.get_all(CLIENT).iter().map(HeaderValue::to_str).collect();
    let name = match said.as_slice() {
        [] => Ok(ANYBODY),
        [Ok(name)] => Ok(*name),
        [Err(_)] => Err("it is not ASCII"),
        _ => Err("it is sent more than once"),
    };
    let name = name.and_then(|name| Name::try_from(name.to_owned()));
    name.map_err(|why| Problem::new(StatusCode::BAD_REQUEST).detail(format_args!("the header `X-Client`: {why}")))
}

/// What a request states about the command that it brings, for whoever asks.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) conditions: Conditions,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let client = client(&parts.headers)?;
        // In its place, and not instead of all: a header that is sent twice stays what it is, and is refused.
        if let Some(tag) = parts.headers.get_mut(IF_MATCH)
            && let Some(version) = tag.to_str().ok().and_then(version_of)
        {
            *tag = version;
        }
        let conditions = Conditions::from_request_parts(parts, state).await?;
        Ok(Self { conditions: conditions.for_client(client.as_str()) })
    }
}

impl Asked {
    /// Runs a command as the request states it, and waits until it shows, if the client asks for that.
    pub(super) async fn run<S, C>(&self, store: &S, command: C) -> Result<(Done, Outcome<C::Aggregate>), Problem>
    where
        S: ReadModelStore,
        C: Command + Serialize,
        C::Aggregate: Handle<C>,
        <C::Aggregate as Handle<C>>::Error: ToProblem,
    {
        let execute = self.conditions.apply(store.execute(command));
        let wait = self.conditions.wait();
        if wait.is_zero() {
            let outcome = execute.await?;
            return Ok((self.conditions.done(&outcome), outcome));
        }
        let visible = execute.wait_for(shown()?).within(wait).await?;
        Ok((self.conditions.done(&visible), visible.outcome))
    }
}

/// Everything that is asked for over HTTP.
fn shown() -> Result<[ProjectionId; 3], Problem> {
    Ok([id_of::<OrderSummary>()?, id_of::<OrderDetails>()?, id_of::<StockLevel>()?])
}

fn id_of<D: Document>() -> Result<ProjectionId, Problem> {
    Ok(ProjectionId::new(D::NAME, D::VERSION)?)
}

/// The tag of an order with all that belongs to it: `"7"`, or `"7.3"` with three events of its payment and shipment. What is shown
/// changes with these, while a change of the order expects the order's own version, which is the first number.
pub(super) fn tag_of(order: &OrderDetails) -> String {
    match order.others {
        0 => format!("\"{}\"", order.version),
        others => format!("\"{}.{others}\"", order.version),
    }
}

/// The order's part of such a tag, as a tag; nothing if it is another one.
fn version_of(tag: &str) -> Option<HeaderValue> {
    let (version, others) = tag.trim().strip_prefix('"')?.strip_suffix('"')?.split_once('.')?;
    // No sign, and nothing else that a number could begin with.
    if others.is_empty() || !others.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    HeaderValue::try_from(format!("\"{version}\"")).ok()
}

/// Whether the client has seen what bears this tag.
pub(super) fn has_seen(headers: &HeaderMap, tag: &str) -> bool {
    let names = |seen: &str| seen == "*" || seen.strip_prefix("W/").unwrap_or(seen) == tag;
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|seen| names(seen.trim()))
}

/// The headers that every command understands, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its shape is wanted")]
pub(super) struct CommandHeaders {
    /// Only if it is still what was seen: the `ETag` that came with it. Otherwise 412.
    #[param(rename = "If-Match", example = "\"1\"")]
    if_match: Option<String>,
    /// `*`: only if it is not there yet. Otherwise 412.
    #[param(rename = "If-None-Match", example = "*")]
    if_none_match: Option<String>,
    /// A key of the client's choice. Repeats with the same key get the first answer, and nothing is done twice.
    #[param(rename = "Idempotency-Key", example = "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"")]
    idempotency_key: Option<String>,
    /// `wait=5`: answer when it shows in what is read, but after 5 seconds at the latest (then with 202). At most 30.
    #[param(rename = "Prefer", example = "wait=5")]
    prefer: Option<String>,
    /// Who asks. Stands in for authentication.
    #[param(rename = "X-Client", example = "web")]
    x_client: Option<Name>,
    /// A UUID: the conversation that this belongs to. It comes back in the answer; without it, a new one does.
    #[param(rename = "X-Correlation-Id")]
    x_correlation_id: Option<String>,
    /// W3C trace context, which is stored with the events.
    #[param(rename = "traceparent")]
    traceparent: Option<String>,
}
