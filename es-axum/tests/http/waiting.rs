//! `Prefer: wait`.

use axum::Router;
use axum::http::Request;
use axum::response::IntoResponse;
use es_axum::Done;
use es_core::{Control, Document, EventStoreExt, OnFailure, ProjectionId, ReadModelStore, Retry, Runner, Settings};
use es_memory::MemoryStore;
use serde_json::{Value, json};

use crate::listener::{listen, was_told};
use crate::service::{Answer, Balance, Deposit, UNLUCKY, balance, send, service};

async fn pay_in(app: &Router, headers: &[(&str, &str)]) -> Answer {
    send(app, Request::post("/accounts/ada/visible-deposits"), headers, r#"{"amount":5}"#).await
}

#[tokio::test]
async fn a_client_that_waits_sees_what_it_did() {
    let store = MemoryStore::new();
    let app = service(&store);
    let running = Runner::new(store.clone()).document::<Balance>().start().await.unwrap();
    for (round, prefer) in (1_u64..).zip(["wait=20", "respond-async, WAIT = \"20\"; foo=bar", "wait=20, wait=0"]) {
        let answer = pay_in(&app, &[("prefer", prefer)]).await;
        assert_eq!(answer.json(201), json!({ "cents": round * 5 }), "{prefer}");
        assert_eq!(answer.header("preference-applied"), Some("wait=20"), "{prefer}");
        assert_eq!(answer.header("not-visible"), None, "{prefer}");
    }
    let two_headers = pay_in(&app, &[("prefer", "return=minimal"), ("prefer", "wait=3600")]).await;
    assert_eq!(two_headers.json(201), json!({ "cents": 20 }));
    assert_eq!(two_headers.header("preference-applied"), Some("wait=30"), "no client waits longer than that");
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_visible_in_time_is_done_all_the_same() {
    let store = MemoryStore::new();
    let app = service(&store);
    // Known, and run by nobody.
    Runner::new(store.clone()).document::<Balance>().start().await.unwrap().stop().await;
    let answer = pay_in(&app, &[("prefer", "wait=0"), ("idempotency-key", "k")]).await;
    assert_eq!(answer.json(202), Value::Null);
    assert_eq!((answer.header("preference-applied"), answer.header("etag")), (None, Some("\"1\"")));
    assert_eq!(answer.header("not-visible"), Some("late"));
    assert_eq!(answer.header("retry-after"), None, "nothing invites the client to do it again");
    assert_eq!(balance(&store).await, 5);

    let again = pay_in(&app, &[("prefer", "wait=0"), ("idempotency-key", "k")]).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (202, Some("true")));
    assert_eq!(balance(&store).await, 5);
}

#[tokio::test]
async fn a_wait_that_cannot_end_well_is_no_error_of_the_command() {
    let store = MemoryStore::new();
    let app = service(&store);
    // Nobody has ever heard of the projection.
    let answer = pay_in(&app, &[("prefer", "wait=20")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("not-visible")), (202, Some("unknown")));
    assert_eq!(balance(&store).await, 5);
    assert!(was_told(&["WARN", "projection `balance v1` is not known"]));
}

/// The projection has come there, and does not show it, or never comes there by itself.
#[tokio::test]
async fn what_a_read_model_has_passed_by_is_done_all_the_same() {
    let ways = [(OnFailure::park(), "parked"), (OnFailure::skip(), "left-out"), (OnFailure::stop(), "stopped")];
    for (on_failure, why) in ways {
        let store = MemoryStore::new();
        let app = service(&store);
        let settings = Settings::default().on_failure(on_failure.after(Retry::attempts(1)));
        let running = Runner::new(store.clone()).settings(settings).document::<Balance>().start().await.unwrap();
        let body = json!({ "amount": UNLUCKY }).to_string();
        let request = Request::post("/accounts/ada/visible-deposits");
        let answer = send(&app, request, &[("prefer", "wait=20")], &body).await;
        assert_eq!((answer.status.as_u16(), answer.header("not-visible")), (202, Some(why)));
        assert_eq!((answer.header("preference-applied"), answer.header("retry-after")), (None, None));
        assert_eq!(balance(&store).await, UNLUCKY);
        running.stop().await;
    }
    assert!(was_told(&["WARN", "projection `balance v1` has parked stream `account-ada` behind its event 1"]));
}

#[tokio::test]
async fn what_a_paused_read_model_will_show_is_not_waited_for() {
    let store = MemoryStore::new();
    let app = service(&store);
    let running = Runner::new(store.clone()).document::<Balance>().start().await.unwrap();
    let id = ProjectionId::new(Balance::NAME, Balance::VERSION).unwrap();
    assert!(store.control(&id, Control::Pause).await.unwrap().is_accepted());
    let answer = pay_in(&app, &[("prefer", "wait=20")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("not-visible")), (202, Some("paused")));
    assert_eq!((answer.header("preference-applied"), answer.header("retry-after")), (None, None));
    assert_eq!(balance(&store).await, 5);
    running.stop().await;
}

#[tokio::test]
async fn where_the_service_waits_of_its_own_accord_it_says_whether_that_was_in_vain() {
    listen();
    let store = MemoryStore::new();
    let deposit = || store.execute(Deposit { id: "ada".into(), amount: 5 }).wait_for_document::<Balance>();
    let late = Done::of(&deposit().await.unwrap());
    assert_eq!((late.is_late(), late.into_response().status().as_u16()), (true, 202));
    let running = Runner::new(store.clone()).document::<Balance>().start().await.unwrap();
    let seen = Done::of(&deposit().await.unwrap());
    assert_eq!((seen.is_late(), seen.into_response().status().as_u16()), (false, 204));
    running.stop().await;
}

#[tokio::test]
async fn who_has_not_asked_does_not_wait_and_nobody_is_late() {
    let store = MemoryStore::new();
    let app = service(&store);
    Runner::new(store.clone()).document::<Balance>().start().await.unwrap().stop().await;
    for prefer in
        [None, Some("wait"), Some("wait=soon"), Some("wait=-1"), Some("wait="), Some("waits=5"), Some("\u{fc}")]
    {
        let headers: Vec<_> = prefer.map(|prefer| ("prefer", prefer)).into_iter().collect();
        let answer = pay_in(&app, &headers).await;
        assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (201, None), "{prefer:?}");
        assert_eq!(answer.header("not-visible"), None, "{prefer:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_a_refusal_and_an_old_version_a_conflict() {
    let app = service(&MemoryStore::new());
    let path = "/accounts/ada/visible-deposits";
    let prefer = ("prefer", "wait=20");
    send(&app, Request::post(path), &[prefer], r#"{"amount":0}"#).await.problem(422);
    send(&app, Request::post(path), &[prefer, ("if-match", "\"3\"")], r#"{"amount":5}"#).await.problem(412);
}
