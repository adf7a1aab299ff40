//! A shop that is served, and words for what the tests ask of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use es_core::{Document, ReadModelStore, ReadModels, Runner};
use es_memory::MemoryStore;
use es_postgres::PgStore;
use es_test_support::Database;
use order::client::{Answer, Client, Request};
use order::http::{ServeError, serve};
use order::read_models::{OrderDetails, OrderSummary, StockLevel};
use order::service::runner;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Served<S> {
    pub(crate) store: S,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    service: JoinHandle<Result<(), ServeError>>,
}

pub(crate) async fn in_memory() -> Served<MemoryStore> {
    Served::start(MemoryStore::new()).await
}

pub(crate) async fn on_postgres(database: &Database) -> Served<PgStore> {
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    Served::start(store).await
}

impl<S: ReadModelStore> Served<S> {
    pub(crate) async fn start(store: S) -> Self {
        let runner = runner(&store);
        Self::start_with(store, runner).await
    }

    /// The same with a runner of the test's own.
    pub(crate) async fn start_with(store: S, runner: Runner<S>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let service = tokio::spawn(serve(listener, store.clone(), runner, stopped));
        Self { store, client: Client::new(address), stop: Some(stop), service }
    }

    /// Asks the service to stop, and waits for nothing.
    pub(crate) fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn stopped(&mut self) {
        let ended = tokio::time::timeout(PATIENCE, &mut self.service).await;
        ended.expect("the service ends").unwrap().unwrap();
    }

    /// Places an order, and waits until it shows.
    pub(crate) async fn place(&self, id: &str, lines: &[Value]) -> Answer {
        let order = json!({ "id": id, "customer": "ada", "lines": lines });
        let placed = self.client.post("/orders").header("Prefer", "wait=10").json(&order).send().await.unwrap();
        assert_eq!(placed.status, 201, "{placed:?}");
        placed
    }

    pub(crate) async fn receive(&self, sku: &str, quantity: u32) {
        let path = format!("/stock/{sku}/receipts");
        let received = self.client.post(path).json(&json!({ "quantity": quantity })).send().await.unwrap();
        assert_eq!(received.status, 200, "{received:?}");
    }

    pub(crate) fn check_out(&self, id: &str) -> Request {
        self.client.post(format!("/orders/{id}/checkout")).json(&json!({ "card": "tok-1" }))
    }

    /// What is shown there, once it is as wanted: what follows from an event follows by and by.
    pub(crate) async fn once(&self, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Answer {
        let mut seen = None;
        for _ in 0..2_000 {
            let answer = self.client.get(path).send().await.unwrap();
            if is_wanted(&answer.json()) {
                return answer;
            }
            seen = Some(answer);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path} never became what is wanted: {seen:?}");
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client.get(path).send().await.unwrap()
    }

    /// What is shown is what the streams add up to, of all orders and articles.
    pub(crate) async fn is_consistent(&self) {
        self.agrees::<OrderSummary>().await;
        self.agrees::<OrderDetails>().await;
        self.agrees::<StockLevel>().await;
    }

    async fn agrees<D: Document + PartialEq + std::fmt::Debug>(&self) {
        for (key, _) in self.store.documents::<D>().unwrap().list(None, 10_000).await.unwrap() {
            // Something may follow between the two questions. It does not do so for ever.
            let mut tries = 0;
            loop {
                let caught_up = self.store.documents::<D>().unwrap().catch_up_within(Duration::from_secs(10));
                let shown = caught_up.await.unwrap().get(&key).await.unwrap();
                let folded = self.store.fold_document::<D>(&key).await.unwrap();
                if shown == folded {
                    break;
                }
                tries += 1;
                assert!(tries < 100, "{} of `{key}` shows {shown:?}, and its events say {folded:?}", D::NAME);
            }
        }
    }
}

pub(crate) fn line(sku: &str, quantity: u32) -> Value {
    json!({ "sku": sku, "quantity": quantity, "price": 700 })
}

/// Checks the status, and that the answer is a problem of that status. Answers with the problem.
pub(crate) fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert!(answer.header("x-correlation-id").is_some(), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{answer:?}");
    problem
}

/// The last part of a problem's type.
pub(crate) fn kind(problem: &Value) -> &str {
    problem["type"].as_str().unwrap().rsplit('/').next().unwrap()
}
