//! A reactor, orders for it, and what is expected of it.

use std::future::Future;
use std::time::Duration;

use es_core::{
    BeginsAt, Control, DeadLetter, EventStore, EventStoreExt, ExpectedVersion, OnFailure, OnRejection, Position,
    ProjectionId, ProjectionStatus, Reactor, ReadModelStore, ReadModelTransaction, Recorded, Retry, Runner, Running,
    Settings,
};
use uuid::Uuid;

use crate::domain::{
    Charge, Order, OrderEvent, Reserve, Stock, StockEvent, Till, TillEvent, charge_for, placed, reserve_for,
};

/// Long enough for the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What is placed is reserved and charged.
#[derive(Default)]
pub struct Fulfil {
    pub ignores_rejections: bool,
}

impl Reactor for Fulfil {
    const NAME: &'static str = "fulfil";
    type Event = OrderEvent;
    type Commands = Option<(Reserve, Charge)>;

    fn react(&self, event: &Recorded<OrderEvent>) -> Self::Commands {
        let OrderEvent::Placed { name } = &event.event else { return None };
        assert!(name != "panic", "panicked over an order");
        Some((reserve_for(event.stream.id(), name), charge_for(name)))
    }

    fn rejected(
        &self,
        _: &Recorded<OrderEvent>,
        rejection: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> OnRejection {
        assert!(rejection.is::<crate::domain::TillClosed>(), "the domain's own error comes along");
        if self.ignores_rejections { OnRejection::Ignore } else { OnRejection::Fail }
    }
}

/// The same, and nothing is history to it.
pub struct FulfilAll;

impl Reactor for FulfilAll {
    const NAME: &'static str = "fulfil_all";
    const BEGINS: BeginsAt = BeginsAt::FirstEvent;
    type Event = OrderEvent;
    type Commands = Option<(Reserve, Charge)>;

    fn react(&self, event: &Recorded<OrderEvent>) -> Self::Commands {
        Fulfil::default().react(event)
    }
}

pub fn id(name: &str) -> ProjectionId {
    ProjectionId::new(name, 1).unwrap()
}

/// Fails after three tries, and then does as the policy says.
pub fn giving_up(on_failure: OnFailure) -> Settings {
    settings().on_failure(on_failure.after(Retry::attempts(3).base(Duration::from_millis(1))))
}

/// A lease that others need not wait long for.
pub fn settings() -> Settings {
    Settings::default().lease(Duration::from_millis(800)).poll(Duration::from_millis(5))
}

pub async fn fulfil<S: ReadModelStore>(store: &S, on_failure: OnFailure) -> Running<S> {
    let runner = Runner::new(store.clone()).settings(giving_up(on_failure));
    runner.react(Fulfil::default()).start().await.unwrap()
}

/// So that what follows is not history to the reactor.
pub async fn registered<S: ReadModelStore>(store: &S) {
    fulfil(store, OnFailure::stop()).await.stop().await;
}

pub async fn place<S: EventStore>(store: &S, order: &str, name: &str) {
    store.append_events::<Order>(order, ExpectedVersion::Any, placed(name)).await.unwrap();
}

pub async fn till<S: EventStore>(store: &S, event: TillEvent) {
    store.append_events::<Till>("till", ExpectedVersion::Any, event).await.unwrap();
}

pub async fn orders<S: EventStore>(store: &S) -> Vec<Recorded<OrderEvent>> {
    store.log::<OrderEvent>(Position::START).collect().await.unwrap()
}

pub async fn reserved<S: EventStore>(store: &S) -> Vec<Recorded<StockEvent>> {
    store.log::<StockEvent>(Position::START).collect().await.unwrap()
}

pub async fn reserved_for<S: EventStore>(store: &S, order: &str) -> Vec<String> {
    let events = store.events::<Stock>(order).unwrap().collect().await.unwrap();
    events.into_iter().map(|StockEventOf { event: StockEvent::Reserved { name }, .. }| name).collect()
}

type StockEventOf = Recorded<StockEvent>;

/// The names that were charged, in the order in which they were.
pub async fn charged<S: EventStore>(store: &S) -> Vec<String> {
    let events = store.events::<Till>("till").unwrap().collect().await.unwrap();
    let names = events.into_iter().filter_map(|recorded| match recorded.event {
        TillEvent::Charged { name } => Some(name),
        _ => None,
    });
    names.collect()
}

/// Each order was reserved once and charged once, because of the event that placed it.
pub async fn assert_once<S: EventStore>(store: &S) {
    let mut expected: Vec<(String, Uuid)> = Vec::new();
    for order in orders(store).await {
        if let OrderEvent::Placed { name } = order.event {
            expected.push((name, order.id.0));
        }
    }
    let caused = |name: &String, metadata: &es_core::Metadata| (name.clone(), metadata.causation_id.unwrap().0);
    let mut reserved: Vec<(String, Uuid)> =
        reserved(store).await.iter().map(|r| caused(name_of(&r.event), &r.metadata)).collect();
    let mut charged = Vec::new();
    for recorded in store.events::<Till>("till").unwrap().collect().await.unwrap() {
        if let TillEvent::Charged { name } = &recorded.event {
            charged.push(caused(name, &recorded.metadata));
        }
    }
    for names in [&mut expected, &mut reserved, &mut charged] {
        names.sort_unstable();
    }
    assert_eq!(reserved, expected, "each order is reserved once");
    assert_eq!(charged, expected, "each order is charged once");
}

fn name_of(StockEvent::Reserved { name }: &StockEvent) -> &String {
    name
}

pub async fn caught_up<S: ReadModelStore>(running: &Running<S>) {
    running.catch_up_within(PATIENCE).await.unwrap();
}

pub async fn status<S: ReadModelStore>(store: &S, name: &str) -> ProjectionStatus {
    let all = store.projections().await.unwrap();
    all.into_iter().find(|status| status.id == id(name)).expect("it is registered")
}

pub async fn letters<S: ReadModelStore>(store: &S, name: &str) -> Vec<DeadLetter> {
    store.dead_letters(&id(name)).await.unwrap()
}

pub async fn control<S: ReadModelStore>(store: &S, name: &str, word: Control) {
    assert!(store.control(&id(name), word).await.unwrap().is_accepted());
}

/// Has everything come again, which no word does to a reactor.
pub async fn rewind_by_hand<S: ReadModelStore>(store: &S, name: &str) {
    let claimed = store.claim(&id(name), 0, Uuid::now_v7(), PATIENCE).await.unwrap();
    let es_core::Claim::Granted(lease) = claimed else { panic!("nobody works: {claimed:?}") };
    let mut transaction = store.begin().await.unwrap();
    transaction.reset(&lease, Position::START, Position::START).await.unwrap();
    transaction.commit().await.unwrap();
    store.release(&lease).await.unwrap();
}

/// Asks until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asking).await.is_ok(), "it never came about that {what}");
}
