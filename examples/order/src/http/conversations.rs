//! What led to what.
//!
//! Shows: what the metadata is good for that flows from a request to its events, to what follows from them, and so on. Every event of a
//! conversation is found by its correlation, and stands below the one that caused it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, VARY};
use axum::response::{IntoResponse, Response};
use es_axum::{Json, Path, Problem};
use es_core::{Caused, CorrelationId, EventStoreExt, ReadModelStore};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shop;
use super::problems::{ProblemView, QuestionRefused, no_such_conversation};

/// A conversation: its events, each before what followed from it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConversationView {
    correlation_id: Uuid,
    events: Vec<EventView>,
}

/// An event in its place in a conversation.
#[derive(Debug, Serialize, ToSchema)]
struct EventView {
    id: Uuid,
    #[schema(example = "order.checked_out")]
    r#type: String,
    #[schema(example = "order-1")]
    stream: String,
    version: u64,
    /// How many events led to it, one after the other.
    depth: usize,
    /// The event that it followed from, or else the command.
    caused_by: Option<Uuid>,
    /// Who was behind it.
    actor: Option<String>,
    /// By which way it came in.
    #[schema(example = "http")]
    source: Option<String>,
    #[schema(format = DateTime)]
    recorded_at: String,
}

impl EventView {
    fn new(Caused { event, depth, .. }: Caused<'_>) -> Self {
        Self {
            id: event.id.0,
            r#type: event.event.event_type.to_string(),
            stream: event.stream.to_string(),
            version: event.version.0,
            depth,
            caused_by: event.metadata.causation_id.map(|id| id.0),
            actor: event.metadata.actor.clone(),
            source: event.metadata.source.clone(),
            recorded_at: event.recorded_at.to_string(),
        }
    }
}

/// Shows what led to what
///
/// Everything of one conversation: the events of all streams, each below the one that caused it. As text it is drawn as a tree.
#[utoipa::path(
    get, path = "/conversations/{correlation}", tag = "operation",
    params(
        ("correlation" = Uuid, Path, description = "As it came back in the header `X-Correlation-Id`."),
        ("Accept" = Option<String>, Header, description = "`text/plain` for a tree to look at.", example = "application/json"),
    ),
    responses(
        (status = 200, description = "The conversation.", content((ConversationView = "application/json"), (String = "text/plain"))),
        (status = 404, description = "`no-such-conversation`", body = ProblemView, content_type = "application/problem+json"),
        QuestionRefused,
    )
)]
pub(super) async fn show<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path(correlation): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tree = shop.store.causation_tree(CorrelationId(correlation)).await?;
    if tree.is_empty() {
        return Err(no_such_conversation());
    }
    let as_text = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    let answer = if as_text {
        tree.to_string().into_response()
    } else {
        let events = tree.iter().map(EventView::new).collect();
        Json(ConversationView { correlation_id: correlation, events }).into_response()
    };
    Ok(([(VARY, "Accept")], answer).into_response())
}
