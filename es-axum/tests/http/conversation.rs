//! The conversation that a request begins or continues.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use es_core::{CorrelationId, EventStoreExt, Metadata};
use es_memory::MemoryStore;

use crate::listener::was_told;
use crate::service::{Account, Answer, ask, pay_in, service};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What is at hand in a handler, and the conversation as the client learns of it.
async fn at_hand(app: &Router, headers: &[(&str, &str)]) -> (Metadata, CorrelationId) {
    let request = headers.iter().fold(Request::get("/metadata"), |r, (name, value)| r.header(*name, value.as_bytes()));
    let answer: Answer = ask(app, request.body(Body::empty()).unwrap()).await;
    let id = answer.header("x-correlation-id").unwrap().parse().unwrap();
    (serde_json::from_value(answer.json(200)).unwrap(), id)
}

#[tokio::test]
async fn events_say_by_whom_and_as_part_of_what_they_came_about() {
    let store = MemoryStore::new();
    let (id, state) = (CorrelationId::new(), "vendor=1");
    let headers = [
        ("x-correlation-id", &*id.to_string()),
        ("x-user", "ada"),
        ("traceparent", TRACE),
        ("tracestate", state),
        ("tracestate", "other=2"),
    ];
    let answer = pay_in(&service(&store), &headers).await;
    assert_eq!(answer.header("x-correlation-id"), Some(&*id.to_string()));

    let metadata = store.events::<Account>("ada").unwrap().collect().await.unwrap().remove(0).metadata;
    assert_eq!(metadata.correlation_id, Some(id));
    assert_eq!((metadata.actor.as_deref(), metadata.source.as_deref()), (Some("ada"), Some("bank")));
    let trace = metadata.trace.unwrap();
    assert_eq!((trace.traceparent(), trace.tracestate()), (TRACE, Some("vendor=1,other=2")));
}

#[tokio::test]
async fn without_a_conversation_and_with_a_malformed_one_a_new_one_begins() {
    let app = service(&MemoryStore::new());
    let (long, mut seen) = ("a".repeat(100_000), Vec::new());
    let id = CorrelationId::new().to_string();
    let two = [("x-correlation-id", &*id), ("x-correlation-id", &*id)];
    let one = |value| vec![("x-correlation-id", value)];
    for headers in [vec![], one(""), one("hello"), one(&long), one("\u{fc}"), two.to_vec()] {
        let (metadata, told) = at_hand(&app, &headers).await;
        assert_eq!(metadata.correlation_id, Some(told));
        assert!(!seen.contains(&told) && told.to_string() != id, "{headers:?}");
        seen.push(told);
    }
}

#[tokio::test]
async fn a_malformed_trace_is_ignored() {
    let app = service(&MemoryStore::new());
    let long = format!("01{}-{}", &TRACE[2..], "a".repeat(1000));
    let one = |value| vec![("traceparent", value), ("tracestate", "vendor=1")];
    let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
    for headers in [one(""), one("hello"), one(zero), one("\u{fc}"), one(&long), vec![("traceparent", TRACE); 2]] {
        assert_eq!(at_hand(&app, &headers).await.0.trace, None, "{headers:?}");
    }
    let (long, list) = ("v=".to_owned() + &"1".repeat(1000), [("tracestate", "\u{fc}")]);
    for state in [("tracestate", &*long), list[0]] {
        let trace = at_hand(&app, &[("traceparent", TRACE), state]).await.0.trace.unwrap();
        assert_eq!((trace.traceparent(), trace.tracestate()), (TRACE, None));
    }
}

#[tokio::test]
async fn a_span_names_the_request_and_its_conversation() {
    let answer = pay_in(&service(&MemoryStore::new()), &[]).await;
    let id = answer.header("x-correlation-id").unwrap();
    assert!(was_told(&["request method=POST path=\"/accounts/ada/deposits\"", &format!("correlation_id={id}")]));
}

#[tokio::test]
async fn a_problem_has_the_conversation_in_its_header_too() {
    let app = service(&MemoryStore::new());
    let id = CorrelationId::new().to_string();
    let headers = [("x-correlation-id", &*id), ("if-match", "W/\"1\"")];
    let answer = pay_in(&app, &headers).await;
    answer.problem(400);
    assert_eq!(answer.header("x-correlation-id"), Some(&*id));
}

#[tokio::test]
async fn requests_at_the_same_time_do_not_mix() {
    let app = service(&MemoryStore::new());
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                let id = CorrelationId::new();
                let (metadata, told) = at_hand(&app, &[("x-correlation-id", &id.to_string())]).await;
                assert_eq!((metadata.correlation_id, told), (Some(id), id));
            })
        })
        .collect();
    for request in requests {
        request.await.unwrap();
    }
    assert_eq!(Metadata::current(), None);
}
