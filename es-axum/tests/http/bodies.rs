//! axum's own refusals, as problems.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::IntoResponse;
use axum::routing::get;
use es_axum::{Json, Path};
use es_memory::MemoryStore;

use crate::listener::listen;
use crate::service::{Answer, ask, balance, send, service};

#[tokio::test]
async fn a_body_that_cannot_be_taken_is_a_problem_that_says_why() {
    let store = MemoryStore::new();
    let app = service(&store);
    let large = format!("{{\"amount\":5{}}}", " ".repeat(2000));
    for (body, status, why) in [
        ("{", 400, "EOF"),
        ("", 400, "EOF"),
        ("{\"amount\":5}}", 400, "trailing"),
        ("{}", 422, "missing field `amount`"),
        ("{\"amount\":\"five\"}", 422, "amount: invalid type"),
        ("{\"amount\":-5}", 422, "amount: invalid value"),
        ("{\"amount\":5,\"note\":1}", 422, "unknown field `note`"),
        (&*large, 413, "length limit"),
    ] {
        let answer = send(&app, Request::post("/accounts/ada/deposits"), &[], body).await;
        let problem = answer.problem(status);
        assert!(problem.detail.as_deref().unwrap().contains(why), "{body}: {problem:?}");
        assert_eq!(&*problem.kind, "about:blank");
    }
    assert_eq!(balance(&store).await, 0);
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let app = service(&MemoryStore::new());
    let field = |answer: Answer, status| answer.problem(status).members.get("field").cloned();
    for (body, named) in
        [("{\"amount\":-5}", Some("amount")), ("{\"amount\":5,\"note\":1}", Some("note")), ("{}", None), ("7", None)]
    {
        let answer = send(&app, Request::post("/accounts/ada/deposits"), &[], body).await;
        assert_eq!(field(answer, 422), named.map(Into::into), "{body}");
    }
    for (path, named) in [
        ("/numbers/seven?limit=3", Some("id")),
        ("/numbers/%ff?limit=3", Some("id")),
        ("/numbers/7?limit=many", Some("limit")),
        ("/numbers/7", None),
    ] {
        let answer = ask(&app, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(field(answer, 400), named.map(Into::into), "{path}");
    }
}

#[tokio::test]
async fn of_two_in_the_path_the_one_that_does_not_fit_is_named() {
    let pair = async |Path(_): Path<(u64, u64)>| "fits";
    let app = Router::new().route("/shelves/{shelf}/places/{place}", get(pair));
    for (path, named) in [("/shelves/a/places/1", "shelf"), ("/shelves/1/places/b", "place")] {
        let answer = ask(&app, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.problem(400).members["field"], named);
    }
}

#[tokio::test]
async fn a_body_that_does_not_claim_to_be_json_is_415() {
    let app = service(&MemoryStore::new());
    for content_type in [None, Some("text/plain"), Some("\u{fc}")] {
        let request = Request::post("/accounts/ada/deposits");
        let request = match content_type {
            Some(content_type) => request.header("content-type", content_type.as_bytes()),
            None => request,
        };
        ask(&app, request.body(Body::from("{\"amount\":5}")).unwrap()).await.problem(415);
    }
}

#[tokio::test]
async fn paths_and_queries_that_do_not_fit_are_400() {
    let app = service(&MemoryStore::new());
    let get = async |path: &str| ask(&app, Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(get("/numbers/7?limit=3").await.body, "3");
    assert!(get("/numbers/seven?limit=3").await.problem(400).detail.unwrap().contains("seven"));
    get("/numbers/7?limit=many").await.problem(400);
    get("/numbers/7").await.problem(400);
    get("/numbers/%ff?limit=3").await.problem(400);
}

#[tokio::test]
async fn a_route_that_does_not_fit_its_handler_is_500_without_details() {
    listen();
    let app = Router::new().route("/", get(async |Path(_): Path<u64>| "never"));
    let answer = ask(&app, Request::get("/").body(Body::empty()).unwrap()).await;
    let problem = answer.problem(500);
    assert!(!problem.detail.unwrap().contains("path"), "{answer:?}");
    assert!(problem.members.contains_key("correlation_id"));
}

#[tokio::test]
async fn what_there_is_not_is_404_and_what_cannot_be_done_to_it_405() {
    let app = service(&MemoryStore::new());
    ask(&app, Request::get("/nowhere").body(Body::empty()).unwrap()).await.problem(404);
    let answer = ask(&app, Request::delete("/accounts/ada").body(Body::empty()).unwrap()).await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn what_cannot_be_written_as_json_is_500_without_details() {
    listen();
    struct Broken;
    impl serde::Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("hunter2"))
        }
    }
    let answer = Answer::of(Json(Broken).into_response()).await;
    answer.problem(500);
    assert!(!answer.body.contains("hunter2"), "{answer:?}");
}
