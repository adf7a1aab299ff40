//! `Idempotency-Key`.

use axum::http::Request;
use es_memory::MemoryStore;
use serde_json::json;

use crate::service::{balance, pay_in, send, service};

const KEY: (&str, &str) = ("idempotency-key", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"");

#[tokio::test]
async fn a_repeat_gets_the_first_outcome_and_is_told_so() {
    let store = MemoryStore::new();
    let app = service(&store);
    let first = pay_in(&app, &[KEY]).await;
    assert_eq!((first.json(200), first.header("idempotency-replayed")), (json!(5), None));
    pay_in(&app, &[]).await.json(200);
    let again = pay_in(&app, &[KEY]).await;
    assert_eq!((again.json(200), again.header("idempotency-replayed")), (json!(5), Some("true")));
    assert_eq!(again.header("etag"), Some("\"1\""), "the version that it led to");
    assert_eq!(balance(&store).await, 10);
}

/// It did nothing itself, so that its own conversation, named or not, would have nothing to show.
#[tokio::test]
async fn a_repeat_names_the_conversation_in_which_it_was_done() {
    let app = service(&MemoryStore::new());
    let first = pay_in(&app, &[KEY]).await;
    let other = ("x-correlation-id", "6f0c2f3e-6c39-4c6a-9d4f-5d1f5f1f0c11");
    for headers in [vec![KEY], vec![KEY, other]] {
        let again = pay_in(&app, &headers).await;
        assert_eq!(again.header("x-correlation-id"), first.header("x-correlation-id"), "{headers:?}");
    }
    assert_eq!(pay_in(&app, &[other]).await.header("x-correlation-id"), Some(other.1));
}

#[tokio::test]
async fn a_repeat_gets_the_first_outcome_though_its_version_has_passed() {
    let store = MemoryStore::new();
    let app = service(&store);
    let conditional = [KEY, ("if-match", "\"0\"")];
    pay_in(&app, &conditional).await.json(200);
    pay_in(&app, &[]).await.json(200);
    let again = pay_in(&app, &conditional).await;
    assert_eq!((again.json(200), again.header("idempotency-replayed")), (json!(5), Some("true")));
    pay_in(&app, &[("if-match", "\"0\"")]).await.problem(412);
    assert_eq!(balance(&store).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_is_carried_out_and_all_get_its_outcome() {
    let store = MemoryStore::new();
    let app = service(&store);
    for round in 1..=50_u64 {
        let key = format!("round-{round}");
        let requests: Vec<_> = (0..4)
            .map(|_| {
                let (app, key) = (app.clone(), key.clone());
                tokio::spawn(async move { pay_in(&app, &[("idempotency-key", &key)]).await })
            })
            .collect();
        let mut replayed = 0;
        for request in requests {
            let answer = request.await.unwrap();
            assert_eq!((answer.json(200), answer.header("etag")), (json!(round * 5), Some(&*format!("\"{round}\""))));
            replayed += u32::from(answer.header("idempotency-replayed").is_some());
        }
        assert_eq!((replayed, balance(&store).await), (3, round * 5));
    }
}

#[tokio::test]
async fn another_request_under_the_key_is_422_and_learns_nothing_of_the_first() {
    let store = MemoryStore::new();
    let app = service(&store);
    pay_in(&app, &[KEY]).await.json(200);
    for (path, body) in [("/accounts/ada/deposits", r#"{"amount":6}"#), ("/accounts/bob/deposits", r#"{"amount":5}"#)] {
        let answer = send(&app, Request::post(path), &[KEY], body).await;
        let problem = answer.problem(422);
        assert_eq!(problem.title.as_deref(), Some("Idempotency-Key is already used"));
        assert!(problem.kind.contains("idempotency-key"), "{problem:?}");
        assert!(!answer.body.contains("ada"), "{answer:?}");
    }
    assert_eq!(balance(&store).await, 5);
}

#[tokio::test]
async fn keys_of_different_clients_never_meet() {
    let store = MemoryStore::new();
    let app = service(&store);
    let clients = [("a", "b/c"), ("a/b", "c"), ("a%2Fb", "c"), ("a%2fb", "c"), ("", "a/b/c")];
    for (client, key) in clients {
        let headers = [("x-user", client), ("idempotency-key", key)];
        assert_eq!(pay_in(&app, &headers).await.header("idempotency-replayed"), None, "{client} {key}");
        assert_eq!(pay_in(&app, &headers).await.header("idempotency-replayed"), Some("true"), "{client} {key}");
    }
    assert_eq!(balance(&store).await, 25);
    let long = [("x-user", &*"c".repeat(200)), ("idempotency-key", &*"k".repeat(200))];
    assert!(pay_in(&app, &long).await.problem(400).detail.unwrap().contains("at most 255 bytes"));
}

#[tokio::test]
async fn no_client_takes_a_key_of_the_frameworks_own() {
    let store = MemoryStore::new();
    let app = service(&store);
    let taken = "reaction/fulfilment/0193f1b4-0000-7000-8000-000000000001/1";
    let (key, own) = (("idempotency-key", taken), format!("~es/{taken}"));
    for headers in [&[("x-user", "~es"), key][..], &[("idempotency-key", &own)]] {
        let why = pay_in(&app, headers).await.problem(400).detail.unwrap();
        assert!(why.contains("does not begin with `~es/`"), "{why}");
    }
    pay_in(&app, &[("x-user", "ada"), ("idempotency-key", &own)]).await.problem(400);
    pay_in(&app, &[("x-user", "reaction"), key]).await.json(200);
    assert_eq!(balance(&store).await, 5);
}

#[tokio::test]
async fn with_quotes_and_without_it_is_the_same_key() {
    let store = MemoryStore::new();
    let app = service(&store);
    for (a, b) in [("k-1", "\"k-1\""), ("a\\b", "\"a\\\\b\""), ("/=:+*!", " \"/=:+*!\" ")] {
        pay_in(&app, &[("idempotency-key", a)]).await.json(200);
        let again = pay_in(&app, &[("idempotency-key", b)]).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{a} {b}");
    }
    pay_in(&app, &[("idempotency-key", "\"with, \\\"all\\\"; of it\"")]).await.json(200);
    assert_eq!(balance(&store).await, 20);
}

#[tokio::test]
async fn what_cannot_be_a_key_is_400_and_says_why() {
    let store = MemoryStore::new();
    let app = service(&store);
    let (longest, longer) = ("k".repeat(255), "k".repeat(256));
    let (quoted, huge) = (format!("\"{longer}\""), "k".repeat(100_000));
    for (value, why) in [
        ("", "at least one character"),
        ("\"\"", "at least one character"),
        ("\"", "closing quote is missing"),
        ("\"a", "closing quote is missing"),
        ("\"a\\\"", "closing quote is missing"),
        ("\"a\\b\"", "backslash"),
        ("\"a\\", "backslash"),
        ("\"a\"b", "behind the closing quote"),
        ("\"a\";p=1", "behind the closing quote"),
        ("\"a\", \"b\"", "behind the closing quote"),
        ("a, b", "has to stand in quotes"),
        ("a,b", "has to stand in quotes"),
        ("a;b", "has to stand in quotes"),
        ("a\"b", "has to stand in quotes"),
        ("schl\u{fc}ssel", "printable ASCII"),
        ("\"\u{1f511}\"", "printable ASCII"),
        (&longer, "not 256"),
        (&quoted, "not 256"),
        (&huge, "not 100000"),
    ] {
        let detail = pay_in(&app, &[("idempotency-key", value)]).await.problem(400).detail.unwrap();
        let named = detail.contains("`Idempotency-Key`") && detail.len() < 300;
        assert!(detail.contains(why) && named, "{value}: {detail}");
    }
    assert!(pay_in(&app, &[KEY, KEY]).await.problem(400).detail.unwrap().contains("more than once"));
    assert_eq!(balance(&store).await, 0);
    pay_in(&app, &[("idempotency-key", &longest)]).await.json(200);
}

#[tokio::test]
async fn where_a_key_is_required_its_absence_is_400() {
    let app = service(&MemoryStore::new());
    let keyed = async |headers: &[(&str, &str)]| {
        send(&app, Request::put("/accounts/ada/keyed-deposits"), headers, r#"{"amount":5}"#).await
    };
    let problem = keyed(&[]).await.problem(400);
    assert_eq!(problem.title.as_deref(), Some("Idempotency-Key is missing"));
    assert_eq!(keyed(&[KEY]).await.status, 204);
}

#[tokio::test]
async fn a_refusal_leaves_no_key() {
    let app = service(&MemoryStore::new());
    let path = "/accounts/ada/deposits";
    let refused = send(&app, Request::post(path), &[KEY], r#"{"amount":0}"#).await.problem(422);
    assert_eq!(
        (&*refused.kind, refused.detail.as_deref()),
        ("https://bank.example/too-little", Some("a deposit needs an amount"))
    );
    pay_in(&app, &[KEY]).await.json(200);
}
