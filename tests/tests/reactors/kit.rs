//! The kit for tests of reactors passes what is right, and names each mistake.

use std::panic::{AssertUnwindSafe, catch_unwind};

use es_core::testing::when_reacting;
use es_core::{CorrelationId, Event, EventFilter, Metadata, Reactor, Recorded};

use crate::domain::{Charge, Order, OrderEvent, Stock, StockEvent, TillClosed, charge_for, placed, reserve_for};
use crate::support::Fulfil;

/// Sees orders and stocks, though of orders only those that were placed.
struct Union;

#[derive(Debug, Event)]
#[event(union)]
enum OrderOrStock {
    Order(OrderEvent),
    Stock(StockEvent),
}

impl Reactor for Union {
    const NAME: &'static str = "union";
    type Event = OrderOrStock;
    type Commands = Vec<Charge>;

    fn filter(&self) -> EventFilter {
        EventFilter::of::<OrderOrStock>().types(["order.placed", "stock.reserved"])
    }

    fn react(&self, event: &Recorded<OrderOrStock>) -> Vec<Charge> {
        let actor = event.metadata.actor.as_deref().unwrap_or("nobody");
        match &event.event {
            OrderOrStock::Order(_) => vec![],
            OrderOrStock::Stock(StockEvent::Reserved { name }) => vec![charge_for(&format!("{name} by {actor}"))],
        }
    }
}

/// What is said when the expectation is not met.
#[track_caller]
fn complaint(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("the expectation is not met");
    panic.downcast_ref::<String>().cloned().expect("it says why")
}

fn reserved() -> StockEvent {
    StockEvent::Reserved { name: "ring".into() }
}

#[test]
fn what_is_right_passes() {
    when_reacting(&Fulfil::default())
        .to::<Order>("7", placed("ring"))
        .then(Some((reserve_for("7", "ring"), charge_for("ring"))))
        .then_rejection_fails(&TillClosed)
        .to::<Order>("7", OrderEvent::Noted)
        .then_nothing()
        .then(None);
    when_reacting(&Fulfil { ignores_rejections: true })
        .to::<Order>("7", placed("ring"))
        .then_rejection_is_ignored(&TillClosed);
}

#[test]
fn unions_filters_and_metadata_are_as_in_a_runner() {
    when_reacting(&Union)
        .with_metadata(Metadata::default().with_actor("ada").with_correlation(CorrelationId::new()))
        .to::<Stock>("7", reserved())
        .then(vec![charge_for("ring by ada")])
        .to::<Order>("7", placed("ring"))
        .then_nothing()
        .to::<Order>("7", OrderEvent::Noted)
        .then_nothing()
        .then(vec![]);
}

#[test]
fn other_commands_are_shown_side_by_side() {
    let wrong = || {
        when_reacting(&Union).to::<Stock>("7", reserved()).then(vec![charge_for("a ring")]);
    };
    let said = complaint(wrong);
    assert!(said.starts_with("the reaction differs\n"), "{said}");
    assert!(said.contains("-        name: \"a ring\",\n+        name: \"ring by nobody\","), "{said}");
}

#[test]
fn a_command_too_many_is_shown() {
    let said = complaint(|| {
        when_reacting(&Fulfil::default()).to::<Order>("7", placed("ring")).then_nothing();
    });
    assert!(said.starts_with("expected nothing, but this follows:\n") && said.contains("Reserve {"), "{said}");
}

#[test]
fn an_event_that_is_left_out_by_the_filter_is_told() {
    let said = complaint(|| {
        when_reacting(&Union).to::<Order>("7", OrderEvent::Noted).then(vec![charge_for("ring")]);
    });
    assert!(said.contains("the filter of the reactor `union` leaves out `order.noted`"), "{said}");
}

#[test]
fn an_event_of_somebody_else_is_told() {
    let said = complaint(|| {
        let _ = when_reacting(&Fulfil::default()).to::<Stock>("7", reserved());
    });
    assert!(said.starts_with("the reactor `fulfil` cannot read the event: event type `stock.reserved`"), "{said}");
}

#[test]
fn another_answer_to_a_rejection_is_told() {
    let said = complaint(|| {
        when_reacting(&Fulfil::default()).to::<Order>("7", placed("ring")).then_rejection_is_ignored(&TillClosed);
    });
    assert_eq!(said, "expected Ignore on the rejection TillClosed, but it is Fail");
}
