//! What led to what.

use es_core::ReadModelStore;
use serde_json::{Value, json};

use crate::served::{Served, kind, line, problem};

on_both! { all_that_follows_from_a_request_is_below_it }

const CORRELATION: &str = "6f0c2f3e-6c39-4c6a-9d4f-5d1f5f1f0c11";

async fn all_that_follows_from_a_request_is_below_it<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.receive("cup", 1).await;
    shop.place("o1", &[line("cup", 1)]).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let pay = shop.check_out("o1").header("X-Correlation-Id", CORRELATION).header("traceparent", trace);
    let paid = pay.header("X-Client", "web").send().await.unwrap();
    assert_eq!(paid.header("x-correlation-id"), Some(CORRELATION));
    let path = format!("/conversations/{CORRELATION}");
    // Both come behind the shipment: the order's part, and the stock's.
    let ends = ["order.shipped", "stock.taken_out"];
    let types = |tree: &Value| {
        let events = tree["events"].as_array().into_iter().flatten();
        events.map(|event| event["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let tree =
        shop.once(&path, |tree| ends.iter().all(|end| types(tree).iter().any(|event| event == end))).await.json();

    let events = tree["events"].as_array().unwrap();
    assert_eq!((&events[0]["type"], &events[0]["depth"]), (&json!("order.checked_out"), &json!(0)));
    for event in &events[1..] {
        let cause = events.iter().find(|cause| cause["id"] == event["caused_by"]).unwrap();
        assert_eq!(event["depth"].as_u64(), cause["depth"].as_u64().map(|depth| depth + 1), "{event}");
    }
    assert!(events.iter().all(|event| event["actor"] == "web" && event["source"] == "http"), "{tree}");
    assert_eq!(events.len(), 12, "{tree}");

    let drawn = shop.client.get(&path).header("Accept", "text/plain").send().await.unwrap();
    let drawn = String::from_utf8(drawn.body.to_vec()).unwrap();
    assert!(drawn.contains("└─ payment.requested") && drawn.contains("order-o1 @ 2"), "{drawn}");
    let unknown = shop.get("/conversations/00000000-0000-0000-0000-000000000001").await;
    assert_eq!(kind(&problem(&unknown, 404)), "no-such-conversation");
}
