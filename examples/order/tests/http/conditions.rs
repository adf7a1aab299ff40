//! What a client has seen, and what is so by now.

use es_core::ReadModelStore;
use serde_json::json;
use tokio::task::JoinSet;

use crate::served::{Served, line, problem};

on_both! {
    of_many_who_have_seen_the_same_one_wins
    what_was_seen_is_not_sent_again
    stock_that_was_seen_is_not_sent_again
    a_tag_with_what_belongs_to_the_order_is_one_of_the_order
    only_if_it_is_not_there_yet
}

async fn of_many_who_have_seen_the_same_one_wins<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.place("o1", &[]).await;
    for version in 1..=5 {
        let mut rivals = JoinSet::new();
        for rival in 0..12 {
            let add = shop.client.post("/orders/o1/lines").header("If-Match", format!("\"{version}\""));
            let add = add.json(&line(&format!("cup{version}-{rival}"), 1));
            rivals.spawn(async move { add.send().await.unwrap() });
        }
        let (won, lost): (Vec<_>, Vec<_>) =
            rivals.join_all().await.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 11));
        assert_eq!(won[0].json()["version"], version + 1);
        for answer in lost {
            let stale = problem(&answer, 412);
            assert_eq!((&stale["expected"], &stale["actual"]), (&json!(version), &json!(version + 1)));
            assert_eq!(answer.header("etag"), Some(format!("\"{}\"", version + 1).as_str()));
        }
    }
    let order = shop.once("/orders/o1", |order| order["version"] == 6).await.json();
    assert_eq!(order["lines"].as_array().unwrap().len(), 5);
    shop.is_consistent().await;
}

async fn what_was_seen_is_not_sent_again<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.place("o1", &[]).await;
    let look = |tag: &str| shop.client.get("/orders/o1").header("If-None-Match", tag).send();
    let tag = shop.get("/orders/o1").await.header("etag").unwrap().to_owned();
    for seen in [tag.clone(), format!("W/{tag}"), format!("\"0\", {tag}"), "*".to_owned()] {
        let answer = look(&seen).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body.len(), answer.header("etag")), (304, 0, Some(tag.as_str())));
    }
    for other in ["\"0\"", "\"1.1\"", "1", "nonsense"] {
        assert_eq!(look(other).await.unwrap().status, 200, "{other}");
    }
}

async fn stock_that_was_seen_is_not_sent_again<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.receive("cup", 1).await;
    let seen = shop.once("/stock/cup", |stock| stock["on_hand"] == 1).await;
    assert_eq!(seen.header("etag"), Some("\"1\""));
    let look = || shop.client.get("/stock/cup").header("If-None-Match", "\"1\"").send();
    let again = look().await.unwrap();
    assert_eq!((again.status.as_u16(), again.body.len(), again.header("etag")), (304, 0, Some("\"1\"")));
    let receive = || {
        let receive = shop.client.post("/stock/cup/receipts").header("Prefer", "wait=10").header("If-Match", "\"1\"");
        receive.json(&json!({ "quantity": 1 })).send()
    };
    assert_eq!(receive().await.unwrap().status, 200);
    assert_eq!(look().await.unwrap().header("etag"), Some("\"2\""));
    problem(&receive().await.unwrap(), 412);
}

/// The payment changes what is shown, and so the tag, but not the order's own version.
async fn a_tag_with_what_belongs_to_the_order_is_one_of_the_order<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.receive("cup", 1).await;
    let placed = shop.place("o1", &[line("cup", 1)]).await;
    let (before, cancelled) = (placed.header("etag").unwrap(), "/orders/o1/cancel");
    assert_eq!(shop.check_out("o1").header("If-Match", before).send().await.unwrap().status, 200);
    let paid = |order: &serde_json::Value| order["status"] == "shipped" && order["payment"]["status"] == "captured";
    let shipped = shop.once("/orders/o1", paid).await;
    let tag = shipped.header("etag").unwrap();
    assert_eq!(tag, format!("\"{}.5\"", shipped.json()["version"]));
    let too_late = shop.client.post(cancelled).header("If-Match", tag).send().await.unwrap();
    assert_eq!(problem(&too_late, 409)["order_status"], "shipped");
    problem(&shop.client.post(cancelled).header("If-Match", "\"2.5\"").send().await.unwrap(), 412);
}

async fn only_if_it_is_not_there_yet<S: ReadModelStore>(shop: &mut Served<S>) {
    let place = || {
        let order = json!({ "id": "o1", "customer": "ada" });
        shop.client.post("/orders").header("If-None-Match", "*").json(&order).send()
    };
    assert_eq!(place().await.unwrap().status, 201);
    problem(&place().await.unwrap(), 412);
    // For any version that is there, and none is.
    problem(&shop.client.post("/orders/o2/cancel").header("If-Match", "*").send().await.unwrap(), 412);
}
