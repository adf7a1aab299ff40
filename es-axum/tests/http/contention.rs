//! A stream to which others are always faster: 409 where the client has stated nothing, 412 where he has.

use std::convert::Infallible;

use axum::response::{IntoResponse, Response};
use es_axum::Problem;
use es_core::{Command, Context, EventStoreExt, ExecuteError, ExpectedVersion, HandleWith, IntoEvents, Retry};
use es_memory::MemoryStore;
use serde_json::json;

use crate::service::{Account, AccountEvent, Answer, Balance, Deposit, balance};

/// A deposit during whose decision somebody else pays in.
#[derive(Clone, Debug, Command)]
#[command(aggregate = Account)]
struct Contended {
    id: String,
}

impl HandleWith<Contended, MemoryStore> for Account {
    type Error = Infallible;

    async fn handle_with(
        &self,
        command: Contended,
        _: &Context,
        store: &MemoryStore,
    ) -> Result<impl IntoEvents<AccountEvent>, Infallible> {
        store.execute(Deposit { id: command.id, amount: 1 }).await.unwrap();
        Ok(AccountEvent::Deposited { amount: 1000 })
    }
}

/// The answer to a contended deposit that expects `expected`, after one that is not.
async fn contend(expected: ExpectedVersion, waits: bool) -> Answer {
    let store = MemoryStore::new();
    store.execute(Deposit { id: "ada".into(), amount: 1 }).await.unwrap();
    let command = store.execute_with(Contended { id: "ada".into() }, &store).expect(expected).retry(Retry::attempts(2));
    let error: ExecuteError<Infallible> =
        if waits { command.wait_for_document::<Balance>().await.unwrap_err() } else { command.await.unwrap_err() };
    assert!(balance(&store).await < 1000, "nothing was stored");
    let response: Response = Problem::from(error).into_response();
    Answer::of(response).await
}

#[tokio::test]
async fn where_the_client_has_stated_nothing_it_is_409_and_safe_to_repeat() {
    for waits in [false, true] {
        for expected in [ExpectedVersion::Any, ExpectedVersion::Exists] {
            let answer = contend(expected, waits).await;
            let problem = answer.problem(409);
            assert_eq!((&problem.members["stream"], &problem.members["actual"]), (&json!("account-ada"), &json!(3)));
            assert_eq!(problem.members["safe_to_repeat"], true);
            assert_eq!(problem.members.get("expected"), None);
            assert_eq!((answer.header("retry-after"), answer.header("etag")), (Some("1"), None));
        }
    }
}

#[tokio::test]
async fn where_the_client_has_stated_a_version_it_is_412_though_it_held_when_the_command_was_decided() {
    for waits in [false, true] {
        let answer = contend(ExpectedVersion::Exact(es_core::Version(1)), waits).await;
        let problem = answer.problem(412);
        assert_eq!((&problem.members["expected"], &problem.members["actual"]), (&json!(1), &json!(2)));
        assert_eq!((answer.header("etag"), answer.header("retry-after")), (Some("\"2\""), None));
    }
}
