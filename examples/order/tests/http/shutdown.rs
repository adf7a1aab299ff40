//! The service ends in the middle of requests, and another one goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use es_core::{EventStoreExt, ReadModelStore};
use es_test_support::Database;
use order::client::Client;
use order::domain::OrderId;
use order::domain::order::{Order, Status};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::served::{Served, line, on_postgres};

on_both! { what_was_answered_is_stored_and_goes_on }

const CUSTOMERS: usize = 12;
/// So many answers are given before the service is asked to stop.
const ANSWERS: usize = 60;

/// Who buys until the shop is closed.
struct Customer {
    client: Client,
    number: usize,
    answers: Arc<AtomicUsize>,
    enough: Arc<Notify>,
}

/// The orders that the shop has said are placed, and those that it has said are paid.
#[derive(Default)]
struct Answered {
    placed: Vec<String>,
    paid: Vec<String>,
}

impl Customer {
    async fn shop_on(self) -> Answered {
        let mut answered = Answered::default();
        for order in 0.. {
            let id = format!("o{}-{order}", self.number);
            let place = json!({ "id": id, "customer": "ada", "lines": [line("cup", 1)] });
            // Closed before there was an answer: then nothing is promised.
            let Ok(placed) = self.client.post("/orders").json(&place).send().await else { break };
            assert_eq!(placed.status, 201, "{placed:?}");
            answered.placed.push(id.clone());
            let pay = self.client.post(format!("/orders/{id}/checkout")).json(&json!({ "card": "tok-1" }));
            let Ok(paid) = pay.send().await else { break };
            assert_eq!(paid.status, 200, "{paid:?}");
            answered.paid.push(id);
            if self.answers.fetch_add(1, Ordering::Relaxed) == ANSWERS {
                self.enough.notify_one();
            }
        }
        answered
    }
}

async fn what_was_answered_is_stored_and_goes_on<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.receive("cup", 10_000).await;
    let (answers, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let mut customers = JoinSet::new();
    for number in 0..CUSTOMERS {
        let (answers, enough) = (Arc::clone(&answers), Arc::clone(&enough));
        customers.spawn(Customer { client: shop.client, number, answers, enough }.shop_on());
    }
    enough.notified().await;
    shop.ask_to_stop();
    shop.stopped().await;
    let answered = customers.join_all().await;
    assert!(shop.client.get("/health").send().await.is_err(), "nobody listens any more");

    let (placed, paid) = answered.into_iter().fold((Vec::new(), Vec::new()), |(mut placed, mut paid), answered| {
        placed.extend(answered.placed);
        paid.extend(answered.paid);
        (placed, paid)
    });
    assert!(paid.len() >= ANSWERS);
    for id in &placed {
        let order = shop.store.load::<Order>(OrderId(id.clone())).await.unwrap();
        assert!(order.version.0 > 0, "{id} was answered, and is not there");
        assert!(!paid.contains(id) || order.status != Status::Draft, "{id} was answered as paid");
    }
    let next = Served::start(shop.store.clone()).await;
    for id in &paid {
        next.once(&format!("/orders/{id}"), |order| order["status"] == "shipped").await;
    }
    next.is_consistent().await;
}

/// A lock stands in for a slow database: the request waits for it, and the end of the service for the request.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_answered_before_it_ends() {
    let database = Database::create().await;
    let mut shop = on_postgres(&database).await;
    let mut lock = PgConnection::connect(database.url()).await.unwrap();
    sqlx::query("BEGIN").execute(&mut lock).await.unwrap();
    sqlx::query("LOCK TABLE es.idempotency_keys IN ACCESS EXCLUSIVE MODE").execute(&mut lock).await.unwrap();
    let receive =
        shop.client.post("/stock/cup/receipts").header("Idempotency-Key", "k").json(&json!({ "quantity": 1 }));
    let received = tokio::spawn(receive.send());
    let is_waiting = "SELECT count(*) > 0 FROM pg_locks
                       WHERE NOT granted AND relation = 'es.idempotency_keys'::regclass
                         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while !sqlx::query_scalar::<_, bool>(is_waiting).fetch_one(&mut lock).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shop.ask_to_stop();
    // Long enough for a service to end that waits for nothing; were it too short, nothing would be found out.
    let early = tokio::time::timeout(Duration::from_millis(500), shop.stopped()).await;
    assert!(early.is_err(), "it ended while a request was under way");
    sqlx::query("COMMIT").execute(&mut lock).await.unwrap();
    assert_eq!(received.await.unwrap().unwrap().status, 200);
    shop.stopped().await;
}

/// A lock stands in for a database that does not answer: what the runner holds cannot be given back.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_does_not_keep_it() {
    let database = Database::create().await;
    let mut shop = on_postgres(&database).await;
    // It is open, and its projections hold their leases.
    shop.once("/health", |health| health["projections"].as_array().is_some_and(|all| all.len() == 6)).await;
    shop.receive("cup", 1).await;
    shop.once("/stock/cup", |cup| cup["on_hand"] == 1).await;
    let mut lock = PgConnection::connect(database.url()).await.unwrap();
    sqlx::query("BEGIN").execute(&mut lock).await.unwrap();
    sqlx::query("LOCK TABLE es.projection_parts IN ACCESS EXCLUSIVE MODE").execute(&mut lock).await.unwrap();
    shop.ask_to_stop();
    shop.stopped().await;
    assert!(shop.client.get("/health").send().await.is_err(), "nobody listens any more");
}
