//! The shop over HTTP: plain axum handlers, and what `es-axum` adds to them.
//!
//! Shows: how little lies between a request and a command. A handler takes what was sent, has it executed, and answers with what came
//! of it. [`Conditions`](es_axum::Conditions) carry the version a client has seen, its idempotency key, and how long it would wait for its own
//! write; a refusal becomes a problem, by `problems.rs`; one layer puts each request into a conversation.
//!
//! Read `orders.rs` first.

pub mod names;
pub mod bodies;
pub mod requests;
pub mod views;
mod problems;
mod asked;

mod orders;
mod listing;
mod stock;
mod conversations;
mod health;

mod openapi;
mod page;
mod serve;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, delete, get, post};
use es_axum::Conversation;
use es_core::{ProjectionId, ReadModelStore};

pub use openapi::document;
pub use serve::{GRACE, RUNNER_GRACE, ServeError, serve};

/// The longest body of a request, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// What handlers have at hand.
#[derive(Clone, Debug)]
pub struct Shop<S> {
    store: S,
    /// What this service runs, and answers for.
    run_here: Arc<[ProjectionId]>,
}

/// All that is served, on any store, beside a runner of these projections.
pub fn router<S: ReadModelStore>(store: S, run_here: Arc<[ProjectionId]>) -> Router {
    let router = routes().into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    router
        .fallback(es_axum::not_found)
        .method_not_allowed_fallback(es_axum::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(Conversation::new("http").actor(|parts| asked::client(&parts.headers).ok().map(String::from)))
        .with_state(Shop { store, run_here })
}

/// Each path, and what is there. A test compares them with what is documented.
pub fn routes<S: ReadModelStore>() -> Vec<(&'static str, MethodRouter<Shop<S>>)> {
    vec![
        ("/", get(page::show)),
        ("/openapi.json", get(openapi::show)),
        ("/conversations/{correlation}", get(conversations::show::<S>)),
        ("/health", get(health::show::<S>)),
        ("/orders", get(listing::list::<S>).post(orders::place::<S>)),
        ("/orders/{id}", get(listing::show::<S>)),
        ("/orders/{id}/lines", post(orders::add_line::<S>)),
        ("/orders/{id}/lines/{sku}", delete(orders::remove_line::<S>)),
        ("/orders/{id}/checkout", post(orders::check_out::<S>)),
        ("/orders/{id}/cancel", post(orders::cancel::<S>)),
        ("/stock/{sku}", get(stock::show::<S>)),
        ("/stock/{sku}/receipts", post(stock::receive::<S>)),
    ]
}
