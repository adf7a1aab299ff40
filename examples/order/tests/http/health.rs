//! How the shop says that it is not well.

use es_core::{BoxError, Effect, EventId, OnFailure, ReadModelStore, Recorded, Runner, Settings};
use order::domain::stock::StockEvent;
use serde_json::json;

use crate::served::Served;

on_both! {
    it_is_well_while_everything_runs
    it_is_not_well_when_something_has_stopped
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

async fn it_is_not_well_when_something_has_stopped<S: ReadModelStore>(shop: &mut Served<S>) {
    let settings = Settings::default().on_failure(OnFailure::stop());
    let runner = Runner::new(shop.store.clone()).settings(settings).effect(Broken).start().await.unwrap();
    assert_eq!(shop.get("/health").await.status, 200);
    shop.receive("cup", 1).await;
    let (id, _) = runner.stopped().await;
    assert_eq!(id.name(), "broken");
    let sick = shop.once("/health", |health| health["status"] == "unhealthy").await;
    assert_eq!(sick.status, 503);
    let health = sick.json();
    let broken = health["projections"].as_array().unwrap().iter().find(|one| one["name"] == "broken v1").unwrap();
    assert_eq!(broken["state"], "stopped");
    assert!(!health.to_string().contains("secret"), "{health}");
    runner.stop().await;
}
