//! What follows from what, one event at a time.

use es_core::testing::when_reacting;
use order::domain::order::{CancelReason, Order, OrderCommand, OrderEvent};
use order::domain::payment::{Decline, Payment, PaymentCommand, PaymentEvent};
use order::domain::shipment::{Shipment, ShipmentCommand, ShipmentEvent};
use order::domain::stock::{Stock, StockCommand, StockEvent};
use order::reactions::{Fulfilment, ShopCommand as To};

use crate::words::{TOTAL, ada, card, id, line, lines, sku};

#[test]
fn what_is_checked_out_is_reserved_and_paid() {
    let reserve = |name, quantity| To::Stock(StockCommand::Reserve { id: sku(name), order: id(), quantity });
    when_reacting(&Fulfilment)
        .to::<Order>(id(), OrderEvent::CheckedOut { lines: lines(), total: TOTAL, card: card() })
        .then(vec![
            reserve("teapot", 2),
            reserve("cup", 1),
            To::Payment(PaymentCommand::Request { id: id(), amount: TOTAL, card: card() }),
        ]);
}

#[test]
fn the_order_learns_what_is_reserved_and_paid() {
    when_reacting(&Fulfilment)
        .to::<Stock>(sku("cup"), StockEvent::Reserved { order: id(), quantity: 1 })
        .then(vec![To::Order(OrderCommand::MarkReserved { id: id(), sku: sku("cup") })])
        .to::<Payment>(id(), PaymentEvent::Authorised)
        .then(vec![To::Payment(PaymentCommand::Capture { id: id() })])
        .to::<Payment>(id(), PaymentEvent::Captured { amount: TOTAL })
        .then(vec![To::Order(OrderCommand::MarkPaid { id: id(), amount: TOTAL })]);
}

#[test]
fn what_is_ready_is_shipped_and_taken_out_of_the_stock() {
    let take_out = |name| To::Stock(StockCommand::TakeOut { id: sku(name), order: id() });
    when_reacting(&Fulfilment)
        .to::<Order>(id(), OrderEvent::ReadyToShip { lines: lines() })
        .then(vec![To::Shipment(ShipmentCommand::Prepare { id: id(), lines: lines() })])
        .to::<Shipment>(id(), ShipmentEvent::Shipped { lines: lines(), tracking: "track-1".into() })
        .then(vec![
            take_out("teapot"),
            take_out("cup"),
            To::Order(OrderCommand::MarkShipped { id: id(), tracking: "track-1".into() }),
        ]);
}

#[test]
fn what_cannot_be_reserved_or_paid_cancels_the_order() {
    let cancel = |reason| vec![To::Order(OrderCommand::Cancel { id: id(), reason })];
    when_reacting(&Fulfilment)
        .to::<Stock>(sku("cup"), StockEvent::ReservationFailed { order: id(), wanted: 1, available: 0 })
        .then(cancel(CancelReason::OutOfStock { sku: sku("cup") }))
        .to::<Payment>(id(), PaymentEvent::Failed { why: Decline::OverLimit })
        .then(cancel(CancelReason::PaymentFailed { why: Decline::OverLimit }));
}

#[test]
fn what_is_cancelled_is_released_and_given_back() {
    let release = |name| To::Stock(StockCommand::Release { id: sku(name), order: id() });
    let cancelled = |lines| OrderEvent::Cancelled { reason: CancelReason::CustomerWish, lines };
    when_reacting(&Fulfilment)
        .to::<Order>(id(), cancelled(lines()))
        .then(vec![release("teapot"), release("cup"), To::Payment(PaymentCommand::Cancel { id: id() })])
        .to::<Order>(id(), cancelled(vec![]))
        .then_nothing();
}

#[test]
fn from_all_else_nothing_follows() {
    let to_order = [
        OrderEvent::Placed { customer: ada(), lines: lines() },
        OrderEvent::LineAdded { line: line("cup", 1, 700) },
        OrderEvent::LineRemoved { sku: sku("cup") },
        OrderEvent::StockReserved { sku: sku("cup") },
        OrderEvent::Paid { amount: TOTAL },
        OrderEvent::Shipped { tracking: "track-1".into() },
    ];
    for event in to_order {
        when_reacting(&Fulfilment).to::<Order>(id(), event).then_nothing();
    }
    when_reacting(&Fulfilment)
        .to::<Stock>(sku("cup"), StockEvent::Received { quantity: 1 })
        .then_nothing()
        .to::<Stock>(sku("cup"), StockEvent::Released { order: id(), quantity: 1 })
        .then_nothing()
        .to::<Stock>(sku("cup"), StockEvent::TakenOut { order: id(), quantity: 1 })
        .then_nothing()
        .to::<Payment>(id(), PaymentEvent::Requested { amount: TOTAL, card: card() })
        .then_nothing()
        .to::<Payment>(id(), PaymentEvent::Cancelled)
        .then_nothing()
        .to::<Payment>(id(), PaymentEvent::Refunded { amount: TOTAL })
        .then_nothing()
        .to::<Shipment>(id(), ShipmentEvent::Prepared { lines: lines() })
        .then_nothing();
}
