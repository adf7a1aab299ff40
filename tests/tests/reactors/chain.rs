//! Conversation, cause, actor, source and trace go from a request through events and reactions, however many.

use es_core::{
    BoxError, CorrelationId, Effect, EventId, EventStoreExt, Metadata, Reactor, ReadModelStore, Recorded, Runner,
    TraceContext,
};

use crate::domain::{Charge, Order, OrderEvent, Reserve, StockEvent, Till, charge_for, placed, reserve_for};
use crate::support::{caught_up, settings};

struct Reserving;

impl Reactor for Reserving {
    const NAME: &'static str = "reserving";
    type Event = OrderEvent;
    type Commands = Option<Reserve>;

    fn react(&self, event: &Recorded<OrderEvent>) -> Option<Reserve> {
        let OrderEvent::Placed { name } = &event.event else { return None };
        Some(reserve_for(event.stream.id(), name))
    }
}

struct Charging;

impl Reactor for Charging {
    const NAME: &'static str = "charging";
    type Event = StockEvent;
    type Commands = Charge;

    fn react(&self, event: &Recorded<StockEvent>) -> Charge {
        let StockEvent::Reserved { name } = &event.event;
        charge_for(name)
    }
}

fn request() -> Metadata {
    let trace = TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let request = Metadata::default().with_correlation(CorrelationId::new()).with_header("ticket", "4711");
    request.with_actor("ada").with_source("web").with_trace(trace.with_state("a=1"))
}

/// Places an order as part of the request, and waits for all that follows.
async fn place_and_wait<S: ReadModelStore>(store: &S, runner: Runner<S>) -> Metadata {
    let running = runner.start().await.unwrap();
    let request = request();
    let placing = store.append_events::<Order>("7", es_core::ExpectedVersion::Any, placed("ring"));
    request.clone().scope(placing).await.unwrap();
    // What follows from what follows has to be waited for, too.
    for _ in 0..3 {
        caught_up(&running).await;
    }
    running.stop().await;
    request
}

fn assert_follows(metadata: &Metadata, cause: EventId, request: &Metadata) {
    let mut expected = request.clone().with_causation(cause);
    expected.headers.clear();
    assert_eq!(*metadata, expected);
}

pub async fn each_is_caused_by_the_one_before<S: ReadModelStore>(store: S) {
    let runner = Runner::new(store.clone()).settings(settings()).react(Reserving).react(Charging);
    let request = place_and_wait(&store, runner).await;
    let order = store.events::<Order>("7").unwrap().next().await.unwrap().unwrap();
    let reserved = store.events::<crate::domain::Stock>("7").unwrap().next().await.unwrap().unwrap();
    let charged = store.events::<Till>("till").unwrap().next().await.unwrap().unwrap();
    assert_eq!(order.metadata, request, "the request's metadata is at hand");
    assert_follows(&reserved.metadata, order.id, &request);
    assert_follows(&charged.metadata, reserved.id, &request);
}

/// Has a store of its own.
struct Bookkeeping<S>(S);

impl<S: ReadModelStore> Effect for Bookkeeping<S> {
    const NAME: &'static str = "bookkeeping";
    type Event = OrderEvent;
    type Error = BoxError;

    async fn perform(&self, _: &Recorded<OrderEvent>, token: EventId) -> Result<(), BoxError> {
        let key = |nth: u32| format!("bookkeeping/{token}/{nth}");
        self.0.execute(charge_for("flows")).idempotency_key(key(1)).await?;
        let store = self.0.clone();
        let spawned = async move { store.execute(charge_for("spawned")).await.map(|_| ()) };
        tokio::spawn(spawned).await??;
        let (store, at_hand) = (self.0.clone(), Metadata::current().unwrap_or_default());
        let spawned = async move { store.execute(charge_for("handed on")).source("books").await.map(|_| ()) };
        tokio::spawn(at_hand.scope(spawned)).await??;
        Ok(())
    }
}

pub async fn what_an_effect_executes_flows_too<S: ReadModelStore>(store: S) {
    let runner = Runner::new(store.clone()).settings(settings()).effect(Bookkeeping(store.clone()));
    let request = place_and_wait(&store, runner).await;
    let order = store.events::<Order>("7").unwrap().next().await.unwrap().unwrap();
    let charged = store.events::<Till>("till").unwrap().collect().await.unwrap();
    assert_eq!(charged.len(), 3);
    assert_follows(&charged[0].metadata, order.id, &request);
    let own = &charged[1].metadata;
    assert_ne!(own.correlation_id, request.correlation_id, "a task of its own begins a conversation of its own");
    assert_eq!(own.actor, None);
    assert_follows(&charged[2].metadata, order.id, &request.with_source("books"));
}

pub async fn headers_stay_with_their_event<S: ReadModelStore>(store: S) {
    let charge = store.execute(charge_for("ring")).header("a", "command");
    let scope = Metadata::default().with_header("a", "scope").with_header("b", "scope");
    let charged = scope.scope(std::future::IntoFuture::into_future(charge)).await.unwrap();
    let headers = &charged.events[0].metadata.headers;
    assert_eq!((headers["a"].as_str(), headers["b"].as_str()), ("command", "scope"), "what is said wins");
    let follows = Metadata::following(&charged.events[0]);
    assert!(follows.headers.is_empty());
    assert_eq!(follows.causation_id, Some(charged.events[0].id.into()));
    assert_eq!(follows.correlation_id, charged.events[0].metadata.correlation_id);
}
