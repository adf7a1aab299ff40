//! HTTP for es-core with [axum]: what a client states in headers reaches the command, and what became of the command reaches the
//! client. Handlers stay plain axum handlers.
//!
//! ```
//! # use es_core::{Aggregate, Command, Context, Event};
//! # #[derive(Event, serde::Serialize, serde::Deserialize)]
//! # #[event(category = "account")]
//! # enum AccountEvent { Deposited { amount: u64 } }
//! # #[derive(Aggregate, Default)]
//! # #[aggregate(id = String, event = AccountEvent, apply = apply)]
//! # struct Account { balance: u64 }
//! # fn apply(account: &mut Account, AccountEvent::Deposited { amount }: AccountEvent) { account.balance += amount }
//! # fn deposit(_: &Account, command: Deposit, _: &Context) -> Result<AccountEvent, TooLittle> {
//! #     if command.amount == 0 { Err(TooLittle) } else { Ok(AccountEvent::Deposited { amount: command.amount }) }
//! # }
//! # #[derive(Clone, serde::Serialize, Command)]
//! # #[command(aggregate = Account, handle = deposit, error = TooLittle)]
//! # struct Deposit { id: String, amount: u64 }
//! use axum::{Router, extract::State, response::IntoResponse, routing::post};
//! use es_axum::{Conditions, Conversation, Json, Path, Problem, ToProblem};
//! use es_core::EventStoreExt;
//! use es_memory::MemoryStore;
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("a deposit needs an amount")]
//! struct TooLittle;
//!
//! impl ToProblem for TooLittle {}                                    // 422, with these words
//!
//! async fn pay_in(
//!     State(store): State<MemoryStore>,
//!     Path(id): Path<String>,
//!     conditions: Conditions,                                        // If-Match, Idempotency-Key, Prefer: wait
//!     Json(amount): Json<u64>,
//! ) -> Result<impl IntoResponse, Problem> {
//!     let outcome = conditions.apply(store.execute(Deposit { id, amount })).await?;
//!     Ok((conditions.done(&outcome), Json(outcome.state.balance)))   // ETag: "1"
//! }
//!
//! let app: Router = Router::new()
//!     .route("/accounts/{id}/deposits", post(pay_in))
//!     .fallback(es_axum::not_found)
//!     .with_state(MemoryStore::new())
//!     .layer(Conversation::new("bank"));                             // X-Correlation-Id, traceparent
//!
//! # use axum::{body::{Body, to_bytes}, http::{Request, StatusCode}};
//! # use tower::ServiceExt;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn send(app: Router) -> Result<(), Box<dyn std::error::Error>> {
//! let request = |amount| {
//!     let request = Request::post("/accounts/ada/deposits").header("content-type", "application/json");
//!     request.header("if-match", "\"0\"").body(Body::from(amount))
//! };
//! let response = app.clone().oneshot(request("50")?).await?;
//! assert_eq!((response.status(), &response.headers()["etag"]), (StatusCode::OK, &"\"1\"".parse()?));
//!
//! let again = app.oneshot(request("50")?).await?;
//! assert_eq!(again.status(), StatusCode::PRECONDITION_FAILED);
//! let problem: Problem = serde_json::from_slice(&to_bytes(again.into_body(), 1000).await?)?;
//! assert_eq!((&problem.members["expected"], &problem.members["actual"]), (&0.into(), &1.into()));
//! # Ok(())
//! # }
//! # send(app).unwrap();
//! ```
//!
//! # Where things are
//!
//! | you want to | see |
//! |---|---|
//! | let clients state versions and keys, and wait | [`Conditions`], [`IfMatch`], [`Idempotency`], [`PreferWait`] |
//! | tell them what became of it | [`Done`], [`ETag`] |
//! | tell them what went wrong | [`Problem`], [`ToProblem`] |
//! | have axum's own refusals as problems | [`Json`], [`Path`], [`Query`], [`not_found`], [`method_not_allowed`] |
//! | have each request be a conversation | [`Conversation`] |
//!
//! # What each error becomes
//!
//! | error | status | |
//! |---|---|---|
//! | [`ExecuteError::Rejected`](es_core::ExecuteError::Rejected) | as [`ToProblem`] says | 422 by default |
//! | a [`Conflict`](es_core::Conflict) with what was stated | 412 | `stream`, `expected`, `actual`, and the current `ETag` |
//! | a [contended](es_core::Conflict::is_contention) stream | 409 | `stream`, `actual`, `safe_to_repeat: true`, `Retry-After` |
//! | [`KeyReused`](es_core::KeyReused) | 422 | its own `type` |
//! | an id or a key that cannot be one | 400 | |
//! | [`Error::Unavailable`](es_core::Error::Unavailable), [`WaitError::TimedOut`](es_core::WaitError::TimedOut) and [`Paused`](es_core::WaitError::Paused) of a read | 503 | `Retry-After`; `safe_to_repeat: true` if it was a command |
//! | [`WaitError::Stopped`](es_core::WaitError::Stopped) of a read | 503 | `correlation_id`; no `Retry-After`, since somebody has to start it again |
//! | [`WaitError::Parked`](es_core::WaitError::Parked) and [`LeftOut`](es_core::WaitError::LeftOut) of a read | 503 | `correlation_id`; no `Retry-After`, since somebody has to settle it |
//! | [`Error::UnknownOutcome`](es_core::Error::UnknownOutcome) | 503 | `safe_to_repeat: false`: only with an idempotency key |
//! | everything else | 500 | `correlation_id`, and no details: those go to `tracing` |

mod problem;
mod errors;
mod headers;
mod etag;
mod idempotency;
mod wait;
mod done;
mod conditions;
mod extract;
mod fallback;
mod conversation;

pub use conditions::{Conditions, IfMatch};
pub use conversation::{Conversation, InConversation};
pub use done::Done;
pub use errors::ToProblem;
pub use etag::ETag;
pub use extract::{Json, Path, Query};
pub use fallback::{method_not_allowed, not_found};
pub use idempotency::Idempotency;
pub use problem::Problem;
pub use wait::{MAX_WAIT, PreferWait};
