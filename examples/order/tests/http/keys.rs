//! Requests that are sent again.

use es_core::{EventStoreExt, ReadModelStore};
use order::client::Answer;
use order::domain::OrderId;
use order::domain::order::Order;
use serde_json::json;
use tokio::task::JoinSet;

use crate::served::{Served, line, problem};

on_both! {
    a_repeat_gets_the_first_answer
    of_many_repeats_at_once_one_is_done
    an_order_whose_id_the_server_makes_is_placed_once
    a_key_is_for_one_request
    keys_of_different_clients_never_meet
}

async fn events<S: ReadModelStore>(shop: &Served<S>, id: &str) -> usize {
    shop.store.events::<Order>(OrderId(id.to_owned())).unwrap().collect().await.unwrap().len()
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

async fn a_repeat_gets_the_first_answer<S: ReadModelStore>(shop: &mut Served<S>) {
    let place = shop.client.post("/orders").header("Idempotency-Key", "\"place\"");
    let place = place.json(&json!({ "id": "o1", "customer": "ada", "lines": [line("cup", 1)] }));
    let add = shop.client.post("/orders/o1/lines").header("Idempotency-Key", "add").json(&line("spoon", 1));
    let remove = shop.client.delete("/orders/o1/lines/cup").header("Idempotency-Key", "remove");
    let requests = [place, add, remove];
    let mut first = Vec::new();
    for request in &requests {
        first.push(request.clone().send().await.unwrap());
    }
    // The order has moved on since.
    assert_eq!(shop.client.post("/orders/o1/cancel").send().await.unwrap().status, 200);
    for (request, first) in requests.into_iter().zip(first) {
        let again = request.send().await.unwrap();
        assert_eq!((first.status, &first.body), (again.status, &again.body));
        assert_eq!((first.header("etag"), first.header("location")), (again.header("etag"), again.header("location")));
        assert_eq!((is_replayed(&first), is_replayed(&again)), (false, true));
        let conversation = again.header("x-correlation-id").unwrap();
        assert_eq!(first.header("x-correlation-id"), Some(conversation));
        assert_eq!(shop.get(&format!("/conversations/{conversation}")).await.status, 200);
    }
    assert_eq!(events(shop, "o1").await, 4);
    shop.is_consistent().await;
}

async fn of_many_repeats_at_once_one_is_done<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.place("o1", &[]).await;
    for round in 0..5 {
        let mut repeats = JoinSet::new();
        for _ in 0..12 {
            let add = shop.client.post("/orders/o1/lines").header("Idempotency-Key", format!("\"add-{round}\""));
            let add = add.json(&line(&format!("cup{round}"), 1));
            repeats.spawn(async move { add.send().await.unwrap() });
        }
        let answers = repeats.join_all().await;
        for answer in &answers {
            assert_eq!((answer.status.as_u16(), &answer.body), (200, &answers[0].body));
        }
        assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
        assert_eq!(events(shop, "o1").await, round + 2);
    }
    shop.is_consistent().await;
}

async fn an_order_whose_id_the_server_makes_is_placed_once<S: ReadModelStore>(shop: &mut Served<S>) {
    let place = |key: Option<&str>| {
        let place = shop.client.post("/orders").header("Prefer", "wait=10").json(&json!({ "customer": "ada" }));
        key.into_iter().fold(place, |place, key| place.header("Idempotency-Key", key)).send()
    };
    let (first, again) = (place(Some("k")).await.unwrap(), place(Some("k")).await.unwrap());
    assert_eq!((first.status.as_u16(), &first.body), (201, &again.body));
    assert_ne!(place(Some("k2")).await.unwrap().body, first.body);
    assert_ne!(place(None).await.unwrap().json()["id"], place(None).await.unwrap().json()["id"]);
    assert_eq!(shop.get("/orders").await.json()["orders"].as_array().unwrap().len(), 4);
}

async fn a_key_is_for_one_request<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.place("o1", &[]).await;
    shop.place("o2", &[]).await;
    let add = |id: &str, quantity| {
        let add = shop.client.post(format!("/orders/{id}/lines")).header("Idempotency-Key", "k");
        add.json(&line("cup", quantity)).send()
    };
    assert_eq!(add("o1", 1).await.unwrap().status, 200);
    problem(&add("o1", 2).await.unwrap(), 422);
    problem(&add("o2", 1).await.unwrap(), 422);
    let cancel = shop.client.post("/orders/o1/cancel").header("Idempotency-Key", "k");
    problem(&cancel.send().await.unwrap(), 422);
    assert_eq!((events(shop, "o1").await, events(shop, "o2").await), (2, 1));
}

async fn keys_of_different_clients_never_meet<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.place("o1", &[]).await;
    for (client, sku) in [("web", "cup"), ("app", "spoon"), ("till", "fork")] {
        let add = shop.client.post("/orders/o1/lines").header("Idempotency-Key", "1").header("X-Client", client);
        let added = add.json(&line(sku, 1)).send().await.unwrap();
        assert_eq!((added.status.as_u16(), is_replayed(&added)), (200, false));
    }
    assert_eq!(events(shop, "o1").await, 4);
}
