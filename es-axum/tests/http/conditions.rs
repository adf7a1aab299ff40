//! `If-Match` and `If-None-Match` on commands.

use axum::http::{HeaderName, Request};
use es_memory::MemoryStore;
use serde_json::json;

use crate::service::{balance, pay_in, send, service};

#[tokio::test]
async fn a_version_that_holds_is_let_through_and_the_next_one_comes_back() {
    let app = service(&MemoryStore::new());
    let first = pay_in(&app, &[("if-none-match", "*")]).await;
    assert_eq!((first.json(200), first.header("etag")), (json!(5), Some("\"1\"")));
    let second = pay_in(&app, &[("if-match", "\"1\"")]).await;
    assert_eq!((second.json(200), second.header("etag")), (json!(10), Some("\"2\"")));
    let third = pay_in(&app, &[("if-match", "*")]).await;
    assert_eq!((third.json(200), third.header("etag")), (json!(15), Some("\"3\"")));
}

#[tokio::test]
async fn a_version_that_does_not_hold_is_412_and_says_what_is_there() {
    let store = MemoryStore::new();
    let app = service(&store);
    pay_in(&app, &[]).await.json(200);
    for (header, value, expected) in [
        ("if-match", "\"7\"", json!(7)),
        ("if-match", "\"0\"", json!(0)),
        ("if-match", "\"18446744073709551615\"", json!(u64::MAX)),
        ("if-none-match", "*", json!("no stream")),
    ] {
        let answer = pay_in(&app, &[(header, value)]).await;
        let problem = answer.problem(412);
        assert_eq!((&problem.members["expected"], &problem.members["actual"]), (&expected, &json!(1)));
        assert_eq!(problem.members["stream"], "account-ada");
        assert_eq!((answer.header("etag"), answer.header("retry-after")), (Some("\"1\""), None));
    }
    assert_eq!(balance(&store).await, 5);
}

#[tokio::test]
async fn what_is_not_there_has_no_tag() {
    let answer = pay_in(&service(&MemoryStore::new()), &[("if-match", "*")]).await;
    let problem = answer.problem(412);
    assert_eq!((&problem.members["expected"], &problem.members["actual"]), (&json!("at least one event"), &json!(0)));
    assert_eq!(answer.header("etag"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_have_seen_the_same_exactly_one_is_let_through() {
    let store = MemoryStore::new();
    let app = service(&store);
    for round in 0..50_u64 {
        let tag = format!("\"{round}\"");
        let rivals: Vec<_> = (0..8)
            .map(|_| {
                let (app, tag) = (app.clone(), tag.clone());
                tokio::spawn(async move { pay_in(&app, &[("if-match", &tag)]).await })
            })
            .collect();
        let mut won = 0;
        for rival in rivals {
            let answer = rival.await.unwrap();
            if answer.status == 200 {
                won += 1;
            } else {
                assert_eq!(answer.problem(412).members["expected"], round);
            }
        }
        assert_eq!(won, 1, "round {round}");
    }
    assert_eq!(balance(&store).await, 250);
}

#[tokio::test]
async fn what_names_no_version_is_400_and_says_why() {
    let store = MemoryStore::new();
    let app = service(&store);
    let long = format!("\"{}\"", "7".repeat(100_000));
    for (header, value, why) in [
        ("if-match", "W/\"7\"", "weak tag"),
        ("if-match", "\"7\", \"8\"", "list"),
        ("if-match", "7", "in quotes"),
        ("if-match", "\"7", "in quotes"),
        ("if-match", "\"", "in quotes"),
        ("if-match", "", "in quotes"),
        ("if-match", "\"07\"", "in quotes"),
        ("if-match", "\"+7\"", "in quotes"),
        ("if-match", "\"-7\"", "in quotes"),
        ("if-match", "\"seven\"", "in quotes"),
        ("if-match", "\"18446744073709551616\"", "in quotes"),
        ("if-match", &long, "in quotes"),
        ("if-match", "\"\u{0667}\"", "printable ASCII"),
        ("if-none-match", "\"7\"", "only `*`"),
        ("if-none-match", "\u{2a}\u{2a}", "only `*`"),
    ] {
        let detail = pay_in(&app, &[(header, value)]).await.problem(400).detail.unwrap();
        let name = if header == "if-match" { "`If-Match`" } else { "`If-None-Match`" };
        assert!(detail.contains(why) && detail.contains(name) && detail.len() < 300, "{value}: {detail}");
    }
    assert_eq!(balance(&store).await, 0);
}

#[tokio::test]
async fn what_is_said_twice_is_not_said() {
    let store = MemoryStore::new();
    let app = service(&store);
    for headers in [[("if-match", "\"0\""); 2], [("if-none-match", "*"); 2]] {
        assert!(pay_in(&app, &headers).await.problem(400).detail.unwrap().contains("more than once"));
    }
    let both = [("if-match", "*"), ("if-none-match", "*")];
    assert!(pay_in(&app, &both).await.problem(400).detail.unwrap().contains("contrary"));
    assert_eq!(balance(&store).await, 0);
}

#[tokio::test]
async fn where_a_version_is_required_its_absence_is_428() {
    let app = service(&MemoryStore::new());
    let careful = async |headers: &[(&str, &str)]| {
        send(&app, Request::put("/accounts/ada/careful-deposits"), headers, r#"{"amount":5}"#).await
    };
    assert!(careful(&[]).await.problem(428).detail.unwrap().contains("`If-Match`"));
    careful(&[("if-match", "W/\"0\"")]).await.problem(400);
    careful(&[("if-match", "\"3\"")]).await.problem(412);
    let done = careful(&[("if-match", "\"0\"")]).await;
    assert_eq!((done.status.as_u16(), done.header("etag"), done.body.as_str()), (204, Some("\"1\""), ""));
}

#[tokio::test]
async fn what_may_be_absent_may_still_not_be_malformed() {
    use axum::extract::FromRequestParts;
    use es_axum::{Idempotency, IfMatch};

    let parts = |header: Option<(HeaderName, &str)>| {
        let mut parts = Request::new(()).into_parts().0;
        parts.headers.extend(header.map(|(name, value)| (name, value.parse().unwrap())));
        parts
    };
    let name = HeaderName::from_static("if-match");
    let optional = async |header| Option::<IfMatch>::from_request_parts(&mut parts(header), &()).await;
    assert_eq!(optional(None).await.unwrap(), None);
    assert!(optional(Some((name.clone(), "\"7\""))).await.unwrap().is_some());
    assert_eq!(optional(Some((name, "7"))).await.unwrap_err().status, 400);

    let name = HeaderName::from_static("idempotency-key");
    let optional = async |header| Option::<Idempotency>::from_request_parts(&mut parts(header), &()).await;
    assert_eq!(optional(None).await.unwrap(), None);
    assert_eq!(optional(Some((name, "\"7"))).await.unwrap_err().status, 400);
}
