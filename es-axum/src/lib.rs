//! HTTP for es-core with [axum]: what a client states in headers reaches the command, and what became of the command reaches the
//! client. Handlers stay plain axum handlers.

mod problem;
mod errors;
mod headers;
mod etag;
mod idempotency;
mod wait;
mod conditions;
mod done;
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
