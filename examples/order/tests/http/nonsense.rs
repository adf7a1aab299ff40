//! Requests that nobody should send. Each is answered with what is wrong, and nothing is stored.

use es_core::{Position, ReadModelStore};
use order::client::Request;
use order::http::MAX_BODY;
use serde_json::{Value, json};

use crate::served::{Served, line, problem};

on_both! {
    bodies
    names_in_paths
    questions
    headers
    routes_and_methods
}

fn order(change: impl FnOnce(&mut Value)) -> Value {
    let mut order = json!({ "id": "o1", "customer": "ada", "lines": [line("cup", 1)] });
    change(&mut order);
    order
}

async fn refuses<S: ReadModelStore>(shop: &Served<S>, request: Request, status: u16, says: &str) {
    let answer = request.clone().send().await.unwrap();
    let refused = problem(&answer, status);
    let detail = refused["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(says), "{says:?} is not in {refused}, the answer to {} {}", request.method, request.path);
    assert_eq!(shop.store.log_end().await.unwrap(), Position::START, "something was stored: {request:?}");
}

async fn bodies<S: ReadModelStore>(shop: &mut Served<S>) {
    let post = || shop.client.post("/orders");
    let raw = |body: &str| post().header("content-type", "application/json").body(body.to_owned());
    for malformed in ["", "{", "nonsense", "{\"customer\":\"ada\",}"] {
        refuses(shop, raw(malformed), 400, "").await;
    }
    refuses(shop, raw(&"[".repeat(10_000)), 422, "").await;
    refuses(shop, raw(&format!("{{\"lines\":{}", "[".repeat(10_000))), 422, "lines").await;
    refuses(shop, raw("").body(&b"{\"customer\":\"\xff\"}"[..]), 400, "").await;
    refuses(shop, post().body(order(|_| {}).to_string()), 415, "application/json").await;
    refuses(shop, raw(&" ".repeat(MAX_BODY + 1)), 413, "").await;
    // The server does not wait for the rest: it may have closed the connection while that was sent.
    if let Ok(answer) = raw(&" ".repeat(10 << 20)).send().await {
        problem(&answer, 413);
    }

    let wrong: Vec<(Value, &str)> = vec![
        (json!([]), ""),
        (json!({}), "customer"),
        (order(|order| order["colour"] = json!("red")), "colour"),
        (order(|order| order["lines"][0]["colour"] = json!("red")), "colour"),
        (order(|order| order["customer"] = json!(7)), "customer"),
        (order(|order| order["customer"] = json!(null)), "customer"),
        (order(|order| order["customer"] = json!("")), "at least one character"),
        (order(|order| order["id"] = json!("x".repeat(65))), "at most 64"),
        (order(|order| order["id"] = json!("x".repeat(10_000))), "at most 64"),
        (order(|order| order["id"] = json!("a\u{0}b")), "id"),
        (order(|order| order["id"] = json!("a/b")), "id"),
        (order(|order| order["id"] = json!("zo\u{eb}")), "id"),
        (order(|order| order["lines"] = json!("cup")), "lines"),
        // All fields in their order are no object.
        (json!(["o1", "ada", []]), "expected an object"),
        (order(|order| order["lines"][0] = json!(["cup", 1, 700])), "lines[0]: invalid type: sequence"),
        (order(|order| order["lines"][0]["quantity"] = json!("1")), "lines[0].quantity"),
        (order(|order| order["lines"][0]["quantity"] = json!(0)), "1 to 10000"),
        (order(|order| order["lines"][0]["quantity"] = json!(10_001)), "1 to 10000"),
        (order(|order| order["lines"][0]["quantity"] = json!(-1)), "quantity"),
        (order(|order| order["lines"][0]["quantity"] = json!(1.5)), "quantity"),
        (order(|order| order["lines"][0]["quantity"] = json!(u64::MAX)), "quantity"),
        (order(|order| order["lines"][0]["price"] = json!(100_000_001)), "price"),
        (order(|order| order["lines"][0]["price"] = json!(-1)), "price"),
    ];
    for (body, says) in wrong {
        refuses(shop, post().json(&body), 422, says).await;
    }
    refuses(shop, shop.client.post("/stock/cup/receipts").json(&json!({ "quantity": 0 })), 422, "1 to 10000").await;
    refuses(shop, shop.client.post("/orders/o1/checkout").json(&json!({})), 422, "card").await;
    let more = json!({ "quantity": 1, "colour": "red" });
    refuses(shop, shop.client.post("/stock/cup/receipts").json(&more), 422, "colour").await;
    let more = json!({ "card": "tok-1", "colour": "red" });
    refuses(shop, shop.client.post("/orders/o1/checkout").json(&more), 422, "colour").await;
    for nothing in [shop.client.post("/orders/o1/cancel"), shop.client.delete("/orders/o1/lines/cup")] {
        refuses(shop, nothing.clone().json(&json!({ "reason": "rain" })), 400, "no body").await;
        refuses(shop, nothing.body(vec![b' '; MAX_BODY + 1]), 400, "no body").await;
    }
}

async fn names_in_paths<S: ReadModelStore>(shop: &mut Served<S>) {
    let long = "x".repeat(10_000);
    for name in [&long, "%00", "a%00b", "%C3%A9", "a%2Fb", "%2F", "..", "%2e%2e", "-x", "a%20b", "%FF", "%ED%A0%80"] {
        refuses(shop, shop.client.get(format!("/orders/{name}")), 400, "").await;
        refuses(shop, shop.client.get(format!("/stock/{name}")), 400, "").await;
        refuses(shop, shop.client.post(format!("/orders/{name}/cancel")), 400, "").await;
        refuses(shop, shop.client.post(format!("/stock/{name}/receipts")).json(&json!({ "quantity": 1 })), 400, "")
            .await;
        refuses(shop, shop.client.delete(format!("/orders/o1/lines/{name}")), 400, "").await;
    }
    for nothing in ["/orders/", "/stock/"] {
        refuses(shop, shop.client.get(nothing), 404, "").await;
    }
    for (path, field) in [("/orders/-x/lines/cup", "id"), ("/orders/o1/lines/-x", "sku")] {
        let refused = problem(&shop.client.delete(path).send().await.unwrap(), 400);
        assert_eq!(refused["field"], field, "{refused}");
    }
    refuses(shop, shop.client.post("/orders//cancel"), 400, "at least one character").await;
    refuses(shop, shop.client.get("/conversations/nonsense"), 400, "").await;
}

async fn questions<S: ReadModelStore>(shop: &mut Served<S>) {
    for query in [
        "limit=0",
        "limit=101",
        "limit=many",
        "limit=-1",
        "status=lost",
        "status=Draft",
        "after=a%2Fb",
        "customer=",
        "page=2",
    ] {
        refuses(shop, shop.client.get(format!("/orders?{query}")), 400, "").await;
    }
}

async fn headers<S: ReadModelStore>(shop: &mut Served<S>) {
    let cancel = |name, value: &str| shop.client.post("/orders/o1/cancel").header(name, value);
    for tag in [
        "7",
        "W/\"7\"",
        "\"6\", \"7\"",
        "\"seven\"",
        "\"07\"",
        "\"-7\"",
        "\"7.x\"",
        "\"7.\"",
        "\"5.+3\"",
        "\"+5.3\"",
        "\"\"",
        "",
    ] {
        refuses(shop, cancel("If-Match", tag), 400, "If-Match").await;
    }
    refuses(shop, cancel("If-None-Match", "\"7\""), 400, "If-None-Match").await;
    refuses(shop, cancel("Idempotency-Key", ""), 400, "").await;
    refuses(shop, cancel("Idempotency-Key", &"k".repeat(1_000)), 400, "").await;
    refuses(shop, cancel("If-Match", "\"7.3\"").header("If-Match", "\"8\""), 400, "If-Match").await;
    refuses(shop, cancel("X-Client", "a/b"), 400, "X-Client").await;
    refuses(shop, cancel("X-Client", "ada").header("X-Client", "bob"), 400, "more than once").await;
    // What a preference or a trace says wrongly is passed over, as their standards have it.
    for (name, value) in [("Prefer", "wait=soon"), ("traceparent", "nonsense"), ("X-Correlation-Id", "nonsense")] {
        refuses(shop, cancel(name, value), 404, "no such order").await;
    }
}

async fn routes_and_methods<S: ReadModelStore>(shop: &mut Served<S>) {
    for path in ["/nothing", "/orders/o1/parcels", "/ORDERS", "/orders/o1/lines/cup/more"] {
        refuses(shop, shop.client.get(path), 404, "").await;
    }
    for (method, path, allowed) in [
        ("PATCH", "/orders", "GET,HEAD,POST"),
        ("PUT", "/orders/o1", "GET,HEAD"),
        ("GET", "/orders/o1/cancel", "POST"),
        ("BREW", "/stock/teapot", "GET,HEAD"),
    ] {
        let request = shop.client.request(method.parse().unwrap(), path);
        let answer = request.clone().send().await.unwrap();
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        refuses(shop, request, 405, "").await;
    }
}
