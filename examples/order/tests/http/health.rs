//! How the shop says that it is not well.

use es_core::{BoxError, Effect, EventId, OnFailure, ReadModelStore, Recorded, Runner, Settings};
use order::domain::stock::StockEvent;
use order::service::runner;
use serde_json::{Value, json};

use crate::served::Served;

on_both! {
    it_is_well_while_everything_runs
    it_is_not_well_when_something_has_stopped
    what_it_does_not_run_is_listed_and_not_judged
}

/// What is known by this name stops at the first event.
struct Broken;

impl Effect for Broken {
    const NAME: &'static str = "broken";
    type Event = StockEvent;
    type Error = BoxError;

    async fn perform(&self, _: &Recorded<StockEvent>, _: EventId) -> Result<(), BoxError> {
        Err("a secret of ours".into())
    }
}

async fn it_is_well_while_everything_runs<S: ReadModelStore>(shop: &mut Served<S>) {
    let health = shop.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.json()["status"]), (200, &json!("healthy")));
    let health = health.json();
    let names: Vec<_> =
        health["projections"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    for name in ["fulfilment v1", "payment_provider v1", "carrier v1", "orders v1"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

/// The shop as it is, and one that is broken beside it.
fn with_broken<S: ReadModelStore>(runner: Runner<S>) -> Runner<S> {
    runner.settings(Settings::default().on_failure(OnFailure::stop())).effect(Broken)
}

fn broken(health: &Value) -> &Value {
    health["projections"].as_array().unwrap().iter().find(|one| one["name"] == "broken v1").unwrap()
}

async fn it_is_not_well_when_something_has_stopped<S: ReadModelStore>(shop: &mut Served<S>) {
    shop.ask_to_stop();
    shop.stopped().await;
    let shop = Served::start_with(shop.store.clone(), with_broken(runner(&shop.store))).await;
    assert_eq!(shop.get("/health").await.status, 200);
    shop.receive("cup", 1).await;
    let sick = shop.once("/health", |health| health["status"] == "unhealthy").await;
    assert_eq!(sick.status, 503);
    let health = sick.json();
    let broken = broken(&health);
    assert_eq!((&broken["state"], &broken["run_here"]), (&json!("stopped"), &json!(true)));
    assert!(!health.to_string().contains("secret"), "{health}");
}

/// Of an earlier release, say, under a name that this one does not know.
async fn what_it_does_not_run_is_listed_and_not_judged<S: ReadModelStore>(shop: &mut Served<S>) {
    let earlier = with_broken(Runner::new(shop.store.clone())).start().await.unwrap();
    shop.receive("cup", 1).await;
    let (id, _) = earlier.stopped().await;
    assert_eq!(id.name(), "broken");
    earlier.stop().await;
    let health = shop.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.json()["status"]), (200, &json!("healthy")));
    let listed = health.json();
    let listed = broken(&listed);
    assert_eq!((&listed["state"], &listed["run_here"]), (&json!("stopped"), &json!(false)));

    shop.store.drop_projection(&id).await.unwrap();
    let health = shop.get("/health").await.json();
    assert!(!health.to_string().contains("broken"), "{health}");
}
