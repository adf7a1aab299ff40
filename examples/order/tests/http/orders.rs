//! What becomes of orders, and how they are refused.

use es_core::ReadModelStore;
use order::client::Request;
use serde_json::json;
use tokio::task::JoinSet;

use crate::served::{Served, kind, line, problem};

on_both! {
    an_order_goes_from_the_draft_to_the_parcel
    what_cannot_be_done_is_undone
    refusals_have_a_status_and_a_kind_of_their_own
    twenty_at_once_take_no_more_than_there_is
    who_waits_sees_his_own_write
}

async fn an_order_goes_from_the_draft_to_the_parcel<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.receive("cup", 5).await;
    shop.receive("teapot", 5).await;
    let placed = shop.place("o1", &[line("cup", 2)]).await;
    assert_eq!(placed.header("location"), Some("/orders/o1"));
    assert_eq!(placed.header("etag"), Some("\"1\""));
    let added = shop.client.post("/orders/o1/lines").json(&line("teapot", 1)).send().await.unwrap();
    assert_eq!((added.status.as_u16(), added.json()["lines"][1]["sku"].as_str()), (200, Some("teapot")));
    let removed = shop.client.delete("/orders/o1/lines/cup").send().await.unwrap();
    assert_eq!(removed.json()["lines"].as_array().unwrap().len(), 1);
    assert_eq!(shop.check_out("o1").send().await.unwrap().json()["status"], "checked_out");

    let shipped = shop.once("/orders/o1", |order| order["status"] == "shipped").await.json();
    assert_eq!((&shipped["customer"], &shipped["total"]), (&json!("ada"), &json!(700)));
    assert_eq!(shipped["payment"], json!({ "status": "captured", "amount": 700, "failure": null }));
    assert!(shipped["shipment"]["tracking"].as_str().unwrap().starts_with("track-"));
    let left = shop.once("/stock/teapot", |stock| stock["on_hand"] == 4).await.json();
    assert_eq!(left, json!({ "sku": "teapot", "on_hand": 4, "available": 4 }));
    shop.is_consistent().await;
}

async fn what_cannot_be_done_is_undone<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.receive("cup", 5).await;
    for id in ["broke", "missing", "regretted"] {
        shop.place(id, &[line("cup", 2)]).await;
    }
    let declined = shop.client.post("/orders/broke/checkout").json(&json!({ "card": "declined" }));
    assert_eq!(declined.send().await.unwrap().status, 200);
    shop.client.post("/orders/missing/lines").json(&line("samovar", 1)).send().await.unwrap();
    assert_eq!(shop.check_out("missing").send().await.unwrap().status, 200);
    let regretted = shop.client.post("/orders/regretted/cancel").send().await.unwrap();
    assert_eq!((regretted.status.as_u16(), &regretted.json()["status"]), (200, &json!("cancelled")));

    let broke = shop.once("/orders/broke", |order| order["status"] == "cancelled").await.json();
    assert_eq!(broke["cancelled"], json!({ "reason": "payment_failed", "why": "card_declined" }));
    let undone = ["refunded", "cancelled"].map(|status| json!(status));
    let missing = shop.once("/orders/missing", |order| undone.contains(&order["payment"]["status"])).await.json();
    assert_eq!(missing["cancelled"], json!({ "reason": "out_of_stock", "sku": "samovar" }));
    let regretted = shop.once("/orders/regretted", |order| order["status"] == "cancelled").await.json();
    assert_eq!((&regretted["cancelled"], &regretted["payment"]), (&json!({ "reason": "customer_wish" }), &json!(null)));
    shop.once("/stock/cup", |stock| stock["on_hand"] == 5 && stock["available"] == 5).await;
    shop.is_consistent().await;
}

async fn refusals_have_a_status_and_a_kind_of_their_own<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.receive("cup", 5).await;
    shop.place("draft", &[line("cup", 1)]).await;
    shop.place("empty", &[]).await;
    shop.place("gone", &[line("cup", 1)]).await;
    assert_eq!(shop.check_out("gone").send().await.unwrap().status, 200);
    shop.once("/orders/gone", |order| order["status"] == "shipped").await;

    let client = shop.client;
    let place = |id: &str, lines: Vec<serde_json::Value>| {
        client.post("/orders").json(&json!({ "id": id, "customer": "ada", "lines": lines }))
    };
    let add = |id: &str, sku: &str| client.post(format!("/orders/{id}/lines")).json(&line(sku, 1));
    let many = |count: usize| (0..count).map(|number| line(&format!("cup{number}"), 1)).collect::<Vec<_>>();
    let refusals: Vec<(Request, u16, &str)> = vec![
        (place("draft", vec![]), 409, "already-placed"),
        (place("twice", vec![line("cup", 1), line("cup", 2)]), 422, "two-lines-of-one-article"),
        (place("long", many(101)), 422, "too-many-lines"),
        (add("draft", "cup"), 409, "already-in-order"),
        (add("gone", "spoon"), 409, "not-a-draft"),
        (add("nobodys", "spoon"), 404, "no-such-order"),
        (client.delete("/orders/draft/lines/spoon"), 404, "no-such-line"),
        (shop.check_out("empty"), 409, "nothing-to-check-out"),
        (shop.check_out("nobodys"), 404, "no-such-order"),
        (client.post("/orders/gone/cancel"), 409, "too-late-to-cancel"),
        (client.post("/orders/nobodys/cancel"), 404, "no-such-order"),
        (client.get("/orders/nobodys"), 404, "no-such-order"),
        (client.get("/stock/nothing"), 404, "no-such-article"),
    ];
    for (request, status, expected) in refusals {
        let refused = problem(&request.clone().send().await.unwrap(), status);
        assert_eq!(kind(&refused), expected, "{request:?}");
        assert!(refused["title"].is_string() && refused["detail"].is_string(), "{refused}");
    }
    let refused = problem(&add("gone", "spoon").send().await.unwrap(), 409);
    assert_eq!(
        (&refused["order_status"], &refused["detail"]),
        (&json!("shipped"), &json!("the order is shipped, and only a draft can be changed or checked out"))
    );
    shop.is_consistent().await;
}

async fn twenty_at_once_take_no_more_than_there_is<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.receive("cup", 12).await;
    let mut buyers = JoinSet::new();
    for number in 0..20 {
        let place = json!({ "id": format!("o{number}"), "customer": "ada", "lines": [line("cup", 1)] });
        let (place, pay) = (shop.client.post("/orders").json(&place), shop.check_out(&format!("o{number}")));
        buyers.spawn(async move { [place.send().await.unwrap().status, pay.send().await.unwrap().status] });
    }
    for [placed, paid] in buyers.join_all().await {
        assert_eq!((placed.as_u16(), paid.as_u16()), (201, 200));
    }
    let count = |page: &serde_json::Value| page["orders"].as_array().unwrap().len();
    shop.once("/orders?status=shipped", |page| count(page) == 12).await;
    shop.once("/orders?status=cancelled", |page| count(page) == 8).await;
    shop.once("/stock/cup", |stock| stock["on_hand"] == 0 && stock["available"] == 0).await;
    shop.is_consistent().await;
}

async fn who_waits_sees_his_own_write<S: ReadModelStore>(shop: &mut Served<S>) {
    for number in 0..20 {
        let id = format!("o{number}");
        let placed = shop.place(&id, &[line("cup", 1)]).await;
        assert_eq!(placed.header("preference-applied"), Some("wait=10"));
        assert_eq!(shop.get(&format!("/orders/{id}")).await.json()["version"], 1);
        let add = shop.client.post(format!("/orders/{id}/lines")).header("Prefer", "wait=10").json(&line("spoon", 1));
        assert_eq!(add.send().await.unwrap().status, 200);
        let seen = shop.get(&format!("/orders/{id}")).await;
        assert_eq!((&seen.json()["version"], seen.header("etag")), (&json!(2), Some("\"2\"")));
        let listed = shop.get("/orders?limit=100").await.json();
        assert_eq!(listed["orders"].as_array().unwrap().len(), number + 1);
    }
}
