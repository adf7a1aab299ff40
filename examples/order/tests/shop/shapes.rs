//! What is stored of each event: its name and its JSON, as they will be read for ever.
//!
//! A test that fails here has found a change of what is stored. Where it is meant, the old line stays, read through `upcast` or `alias`.

use es_core::{AggregateEvent, EncodedEvent};
use order::domain::OrderId;
use order::domain::order::{CancelReason, OrderEvent};
use order::domain::payment::{Decline, PaymentEvent};
use order::domain::shipment::ShipmentEvent;
use order::domain::stock::StockEvent;

use crate::words::{TOTAL, ada, card, line, sku};

/// Each event is written so, and what is written so is each event. None is left out.
fn check<E: AggregateEvent + std::fmt::Debug + PartialEq>(shapes: Vec<(E, &str, &str)>) {
    for known in E::TYPES {
        assert!(shapes.iter().any(|(_, name, _)| *name == known.name()), "the shape of {} is missing", known.name());
    }
    for (event, name, json) in shapes {
        assert_eq!((event.event_type().name(), event.encode().unwrap().as_str()), (name, json));
        assert_eq!(E::decode(EncodedEvent::new(E::CATEGORY, name, 1, json)).unwrap(), event);
    }
}

#[test]
fn of_orders() {
    let lines = || vec![line("cup", 1, 700)];
    check(vec![
        (
            OrderEvent::Placed { customer: ada(), lines: lines() },
            "order.placed",
            r#"{"customer":"ada","lines":[{"sku":"cup","quantity":1,"price":700}]}"#,
        ),
        (
            OrderEvent::LineAdded { line: line("cup", 1, 700) },
            "order.line_added",
            r#"{"line":{"sku":"cup","quantity":1,"price":700}}"#,
        ),
        (OrderEvent::LineRemoved { sku: sku("cup") }, "order.line_removed", r#"{"sku":"cup"}"#),
        (
            OrderEvent::CheckedOut { lines: vec![], total: TOTAL, card: card() },
            "order.checked_out",
            r#"{"lines":[],"total":3100,"card":"tok-1"}"#,
        ),
        (OrderEvent::StockReserved { sku: sku("cup") }, "order.stock_reserved", r#"{"sku":"cup"}"#),
        (OrderEvent::Paid { amount: TOTAL }, "order.paid", r#"{"amount":3100}"#),
        (OrderEvent::ReadyToShip { lines: vec![] }, "order.ready_to_ship", r#"{"lines":[]}"#),
        (OrderEvent::Shipped { tracking: "track-1".into() }, "order.shipped", r#"{"tracking":"track-1"}"#),
        (
            OrderEvent::Cancelled { reason: CancelReason::CustomerWish, lines: vec![] },
            "order.cancelled",
            r#"{"reason":"customer_wish","lines":[]}"#,
        ),
        (
            OrderEvent::Cancelled { reason: CancelReason::OutOfStock { sku: sku("cup") }, lines: vec![] },
            "order.cancelled",
            r#"{"reason":{"out_of_stock":{"sku":"cup"}},"lines":[]}"#,
        ),
        (
            OrderEvent::Cancelled { reason: CancelReason::PaymentFailed { why: Decline::OverLimit }, lines: vec![] },
            "order.cancelled",
            r#"{"reason":{"payment_failed":{"why":"over_limit"}},"lines":[]}"#,
        ),
    ]);
}

#[test]
fn of_payments() {
    check(vec![
        (
            PaymentEvent::Requested { amount: TOTAL, card: card() },
            "payment.requested",
            r#"{"amount":3100,"card":"tok-1"}"#,
        ),
        (PaymentEvent::Authorised, "payment.authorised", "{}"),
        (PaymentEvent::Captured { amount: TOTAL }, "payment.captured", r#"{"amount":3100}"#),
        (PaymentEvent::Failed { why: Decline::CardDeclined }, "payment.failed", r#"{"why":"card_declined"}"#),
        (PaymentEvent::Cancelled, "payment.cancelled", "{}"),
        (PaymentEvent::Refunded { amount: TOTAL }, "payment.refunded", r#"{"amount":3100}"#),
    ]);
}

#[test]
fn of_stock() {
    let order = || OrderId("7".into());
    check(vec![
        (StockEvent::Received { quantity: 9 }, "stock.received", r#"{"quantity":9}"#),
        (StockEvent::Reserved { order: order(), quantity: 9 }, "stock.reserved", r#"{"order":"7","quantity":9}"#),
        (
            StockEvent::ReservationFailed { order: order(), wanted: 9, available: 8 },
            "stock.reservation_failed",
            r#"{"order":"7","wanted":9,"available":8}"#,
        ),
        (StockEvent::Released { order: order(), quantity: 9 }, "stock.released", r#"{"order":"7","quantity":9}"#),
        (StockEvent::TakenOut { order: order(), quantity: 9 }, "stock.taken_out", r#"{"order":"7","quantity":9}"#),
    ]);
}

#[test]
fn of_shipments() {
    check(vec![
        (ShipmentEvent::Prepared { lines: vec![] }, "shipment.prepared", r#"{"lines":[]}"#),
        (
            ShipmentEvent::Shipped { lines: vec![], tracking: "track-1".into() },
            "shipment.shipped",
            r#"{"lines":[],"tracking":"track-1"}"#,
        ),
    ]);
}
