//! How a refusal looks to a client.
//!
//! Shows: a stable URI for each kind of refusal, by which a program recognises it, and a status that says what to do about it: 404 for
//! what is not there, 409 for what is not possible in the state that something is in, 422 for what would never be.

use axum::http::StatusCode;
use es_axum::{Problem, ToProblem};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::views::OrderStatus;
use crate::domain::order::OrderError;
use crate::domain::stock::StockError;

/// What the types of all problems of the shop begin with. They are names, and never change.
const KINDS: &str = "https://order.example/problems/";

fn problem(status: StatusCode, kind: &str, title: &str) -> Problem {
    Problem::new(status).kind(format_args!("{KINDS}{kind}")).title(title)
}

impl ToProblem for OrderError {
    fn to_problem(&self) -> Problem {
        use OrderError as E;
        let (status, kind, title) = match self {
            E::NotPlaced => (StatusCode::NOT_FOUND, "no-such-order", "No such order"),
            E::NotInOrder(_) => (StatusCode::NOT_FOUND, "no-such-line", "No such line"),
            E::AlreadyPlaced => (StatusCode::CONFLICT, "already-placed", "Placed already"),
            E::AlreadyInOrder(_) => (StatusCode::CONFLICT, "already-in-order", "In the order already"),
            E::NotADraft(_) => (StatusCode::CONFLICT, "not-a-draft", "Not a draft any more"),
            E::NothingToCheckOut => (StatusCode::CONFLICT, "nothing-to-check-out", "Nothing to check out"),
            E::TooLateToCancel(_) => (StatusCode::CONFLICT, "too-late-to-cancel", "Too late to cancel"),
            E::NoPieces(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no-pieces", "A line without pieces"),
            E::TwoLinesOf(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "two-lines-of-one-article", "Two lines of one article")
            }
            E::TooManyLines => (StatusCode::UNPROCESSABLE_ENTITY, "too-many-lines", "Too many lines"),
            E::TooExpensive => (StatusCode::UNPROCESSABLE_ENTITY, "too-expensive", "Too expensive"),
        };
        let problem = problem(status, kind, title).detail(self);
        match self {
            // Not `status`, which is the answer's.
            E::NotADraft(at) | E::TooLateToCancel(at) => problem.with("order_status", OrderStatus::from(*at)),
            E::AlreadyInOrder(sku) | E::TwoLinesOf(sku) | E::NotInOrder(sku) | E::NoPieces(sku) => {
                problem.with("sku", &sku.0)
            }
            _ => problem,
        }
    }
}

/// Nothing that a client can send is refused by the stock: its numbers are checked before.
impl ToProblem for StockError {}

pub(super) fn no_such_order() -> Problem {
    OrderError::NotPlaced.to_problem()
}

pub(super) fn no_such_article() -> Problem {
    let kind = problem(StatusCode::NOT_FOUND, "no-such-article", "No such article");
    kind.detail("nothing of this article was ever delivered")
}

pub(super) fn no_such_conversation() -> Problem {
    let kind = problem(StatusCode::NOT_FOUND, "no-such-conversation", "No such conversation");
    kind.detail("no event belongs to it")
}

/// Problem details (RFC 9457), for the document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemView {
    /// A URI that names the kind of problem, by which a program recognises it; `about:blank` where the status says it all.
    #[schema(example = "https://order.example/problems/not-a-draft")]
    r#type: String,
    /// What kind of problem it is.
    #[schema(example = "Not a draft any more")]
    title: Option<String>,
    #[schema(example = 409)]
    status: u16,
    /// What went wrong this time.
    #[schema(example = "the order is shipped, and only a draft can be changed or checked out")]
    detail: Option<String>,
    /// What does not fit, if it is one field of the body, or one part of the path or of the query.
    #[schema(example = "lines[0].quantity")]
    field: Option<String>,
}

/// What every command may be answered with when it is not done.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its shape is wanted")]
pub(super) enum CommandRefused {
    /// A name or a header cannot be understood, or the body: it is no JSON, or there should be none.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemView),
    /// `If-Match` or `If-None-Match` does not hold any more. The header `ETag` has what does.
    #[response(status = 412, content_type = "application/problem+json")]
    Stale(ProblemView),
    /// Something is wrong with the shop. Its log has more, under the member `correlation_id`.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(ProblemView),
    /// The store is not available. The member `safe_to_repeat` says whether to send the request again as it is.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemView),
}

/// What commands to an order may be answered with besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its shape is wanted")]
pub(super) enum OrderRefused {
    /// It is not possible in the state that the order is in: `not-a-draft`, `already-placed`, `already-in-order`, `nothing-to-check-out`,
    /// `too-late-to-cancel`. Or others were faster, again and again.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemView),
}

/// What commands without a body may be answered with besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its shape is wanted")]
pub(super) enum KeyRefused {
    /// The idempotency key was used for another request.
    #[response(status = 422, content_type = "application/problem+json")]
    Reused(ProblemView),
}

/// What commands with a body may be answered with besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its shape is wanted")]
pub(super) enum BodyRefused {
    /// The body is longer than 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemView),
    /// The body is not said to be `application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(ProblemView),
    /// A field is unknown, missing, of the wrong type or beyond its limits (of orders also `too-many-lines`, `two-lines-of-one-article`,
    /// `too-expensive`), or the idempotency key was used for another request.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemView),
}

/// What a question may be answered with when there is no answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its shape is wanted")]
pub(super) enum QuestionRefused {
    /// A name or a parameter cannot be understood.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemView),
    /// Something is wrong with the shop. Its log has more, under the member `correlation_id`.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(ProblemView),
    /// The store is not available.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemView),
}
