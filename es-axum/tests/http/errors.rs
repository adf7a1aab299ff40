//! What each error becomes, and what of it stays here.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::response::IntoResponse;
use es_axum::{Problem, ToProblem};
use es_core::{
    CorrelationId, Error, ExecuteError, FailureClass, IdempotencyKey, InvalidIdempotencyKey, InvalidStreamId, Metadata,
    Position, ProjectionId, StopReason, StreamId, Version, WaitError,
};

use crate::listener::{listen, was_told};
use crate::service::Answer;

const SECRET: &str = "password=hunter2";

async fn answer(problem: impl Into<Problem>) -> Answer {
    Answer::of(problem.into().into_response()).await
}

fn unknown_outcome() -> Error {
    Error::UnknownOutcome { stream: StreamId::new("account", "ada").unwrap(), source: SECRET.into() }
}

#[tokio::test]
async fn a_failure_of_ours_is_500_and_tells_nothing_but_where_to_look() {
    listen();
    let id = CorrelationId::new();
    let conversation = Metadata::default().with_correlation(id);
    let command = InvalidIdempotencyKey::Command { command: "hunter2", message: SECRET.into() };
    let category = InvalidStreamId::CategoryCharacter { category: SECRET.into() };
    for error in [Error::store(SECRET), Error::setup(SECRET), command.into(), category.into()] {
        let answer = conversation.clone().scope(answer(ExecuteError::<Infallible>::from(error))).await;
        let problem = answer.problem(500);
        assert_eq!(problem.members["correlation_id"], id.to_string());
        assert_eq!(problem.members.len(), 1);
        assert!(!format!("{answer:?}").contains("hunter2"), "{answer:?}");
    }
    let unknown = WaitError::Unknown { id: ProjectionId::new("hunter2", 1).unwrap() };
    let answer = answer(unknown).await;
    assert!(!format!("{answer:?}").contains("hunter2"), "{answer:?}");
    answer.problem(500).members["correlation_id"].as_str().unwrap().parse::<CorrelationId>().unwrap();
}

#[tokio::test]
async fn what_will_pass_is_503_and_says_what_is_safe() {
    listen();
    let execute = answer(ExecuteError::<Infallible>::from(Error::unavailable(SECRET))).await;
    assert_eq!(execute.problem(503).members["safe_to_repeat"], true);
    assert_eq!(execute.header("retry-after"), Some("1"));

    // A read that comes after a command says nothing of the command.
    let id = ProjectionId::new("hunter2", 1).unwrap();
    let paused = WaitError::Paused { id: id.clone() };
    let late = WaitError::TimedOut { id, reached: Position(7), wanted: Position(9) };
    for read in [answer(Error::unavailable(SECRET)).await, answer(late).await, answer(paused).await] {
        assert_eq!(read.problem(503).members.get("safe_to_repeat"), None);
        assert_eq!(read.header("retry-after"), Some("1"));
        assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
    }

    for unknown in [answer(unknown_outcome()).await, answer(ExecuteError::<Infallible>::from(unknown_outcome())).await]
    {
        let problem = unknown.problem(503);
        assert_eq!(problem.members["safe_to_repeat"], false);
        assert!(problem.detail.unwrap().contains("`Idempotency-Key`"));
        assert_eq!(unknown.header("retry-after"), None, "nothing invites the client to do it again");
        assert!(!format!("{unknown:?}").contains("hunter2"), "{unknown:?}");
    }
}

#[tokio::test]
async fn a_read_model_that_has_stopped_is_503_and_does_not_invite_to_come_again() {
    listen();
    let reason = StopReason::Reported { reason: SECRET.into(), class: Some(FailureClass::Refused) };
    let stopped = answer(WaitError::Stopped { id: ProjectionId::new("hunter2", 1).unwrap(), reason }).await;
    let problem = stopped.problem(503);
    assert!(problem.detail.unwrap().contains("the read model has stopped"));
    assert_eq!(stopped.header("retry-after"), None);
    let id = problem.members["correlation_id"].as_str().unwrap();
    assert!(was_told(&["ERROR", &format!("correlation_id={id}"), "error=projection `hunter2 v1` has stopped"]));
    assert_eq!(problem.members.len(), 1);
    assert!(!format!("{stopped:?}").contains("hunter2"), "{stopped:?}");
}

#[tokio::test]
async fn what_a_read_model_has_passed_by_is_503_and_does_not_invite_to_come_again() {
    listen();
    let (id, stream) = (ProjectionId::new("hunter2", 1).unwrap(), StreamId::new("account", "hunter2").unwrap());
    let parked = WaitError::Parked { id: id.clone(), stream: stream.clone(), failed: Version(7) };
    let left_out = WaitError::LeftOut { id, stream, version: Version(7) };
    for (error, words) in [(parked, "has parked stream"), (left_out, "has left out event 7")] {
        let read = answer(error).await;
        let problem = read.problem(503);
        assert!(problem.detail.unwrap().contains("could not take this in"));
        assert_eq!((read.header("retry-after"), problem.members.len()), (None, 1));
        let id = problem.members["correlation_id"].as_str().unwrap();
        assert!(was_told(&["ERROR", &format!("correlation_id={id}"), words]));
        assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
    }
}

#[tokio::test]
async fn what_the_client_named_wrongly_is_400() {
    let id = StreamId::new("account", "7".repeat(2000)).unwrap_err();
    assert!(answer(Error::from(id)).await.problem(400).detail.unwrap().contains("2000 bytes"));
    answer(Error::from(IdempotencyKey::new("").unwrap_err())).await.problem(400);
}

#[derive(Debug, thiserror::Error)]
#[error("the order is on its way already")]
struct Shipped;

impl ToProblem for Shipped {}

#[tokio::test]
async fn a_refusal_is_422_in_its_own_words_unless_it_says_otherwise() {
    let problem = answer(ExecuteError::Rejected(Shipped)).await.problem(422);
    assert_eq!(problem.detail.as_deref(), Some("the order is on its way already"));
    let gone = |_: Shipped| Problem::new(axum::http::StatusCode::GONE);
    answer(Problem::of(ExecuteError::Rejected(Shipped), gone)).await.problem(410);
}

#[test]
fn what_is_not_told_to_the_client_is_told_to_tracing_with_the_conversation() {
    listen();
    let problem = Problem::from(Error::store(SECRET));
    let id = format!("correlation_id={}", problem.members["correlation_id"].as_str().unwrap());
    assert!(was_told(&["ERROR", &id, "error=the store failed: password=hunter2"]));
}

#[test]
fn a_member_that_the_standard_has_taken_is_refused_aloud() {
    listen();
    let unwritable = BTreeMap::from([([1, 2], 3)]);
    let problem =
        Problem::new(axum::http::StatusCode::GONE).with("status", 200).with("bad", unwritable).with("good", 1);
    assert_eq!(serde_json::to_value(&problem).unwrap()["status"], 410);
    assert_eq!(problem.members.keys().collect::<Vec<_>>(), ["good"]);
    assert!(was_told(&["ERROR", "member=\"status\""]) && was_told(&["ERROR", "member=\"bad\""]));
}
