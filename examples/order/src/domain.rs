//! The words that all four aggregates share, and all that can happen in the shop.
//!
//! Shows: ids and amounts as types of their own, so that a SKU is never taken for an order and cents never for pieces.

pub mod order;
pub mod payment;
pub mod shipment;
pub mod stock;

use std::fmt;

use es_core::{AggregateId, Event};
use serde::{Deserialize, Serialize};

use order::OrderEvent;
use payment::PaymentEvent;
use shipment::ShipmentEvent;
use stock::StockEvent;

/// Also the id of the order's payment and of its shipment. An order has one of each, so a repeated request cannot make a second.
#[derive(AggregateId, Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct OrderId(pub String);

/// Names an article.
#[derive(AggregateId, Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Sku(pub String);

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CustomerId(pub String);

/// Stands for a card at the payment provider. Events are kept for ever, so they never hold the card's number.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CardToken(pub String);

/// Whole cents. The shop knows one currency; one with several puts it here.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Money(pub u64);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// So many pieces of one article, at the price of a piece that was agreed on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Line {
    pub sku: Sku,
    pub quantity: u32,
    pub price: Money,
}

/// What the lines cost together, unless that is more than can be counted.
pub fn total(lines: &[Line]) -> Option<Money> {
    let cost = |line: &Line| line.price.0.checked_mul(line.quantity.into());
    lines.iter().try_fold(0_u64, |sum, line| sum.checked_add(cost(line)?)).map(Money)
}

/// All that can happen in the shop, for who has to see all of it.
#[derive(Clone, Debug, Event)]
#[event(union)]
pub enum ShopEvent {
    Order(OrderEvent),
    Stock(StockEvent),
    Payment(PaymentEvent),
    Shipment(ShipmentEvent),
}
