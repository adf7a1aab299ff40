//! What the shop shows: a list of orders, an order with all that belongs to it, and the stock.
//!
//! Shows: documents that are folded from events. The list can be asked for by status and customer. The details are made of the
//! events of three aggregates, which share the order's id and therefore a document. Each aggregate has fields of its own there, so
//! that it makes no difference whose event comes first.

use es_core::{Document, Event, Recorded};
use serde::{Deserialize, Serialize};

use crate::domain::order::{CancelReason, OrderEvent, Status};
use crate::domain::payment::{Decline, PaymentEvent};
use crate::domain::shipment::ShipmentEvent;
use crate::domain::stock::StockEvent;
use crate::domain::{CustomerId, Line, Money};

/// A line in the list of orders, under the order's id.
#[derive(Clone, Debug, Default, Deserialize, Document, PartialEq, Serialize)]
#[document(event = OrderEvent, name = "orders", apply = OrderSummary::apply, indexed("status", "customer"))]
pub struct OrderSummary {
    pub customer: CustomerId,
    pub status: Status,
    /// Settled when the order is checked out.
    pub total: Option<Money>,
}

impl OrderSummary {
    fn apply(&mut self, event: &Recorded<OrderEvent>) {
        self.status = status_after(&event.event);
        match &event.event {
            OrderEvent::Placed { customer, .. } => self.customer = customer.clone(),
            OrderEvent::CheckedOut { total, .. } => self.total = Some(*total),
            _ => {}
        }
    }
}

fn status_after(event: &OrderEvent) -> Status {
    match event {
        OrderEvent::Placed { .. } | OrderEvent::LineAdded { .. } | OrderEvent::LineRemoved { .. } => Status::Draft,
        OrderEvent::CheckedOut { .. } | OrderEvent::StockReserved { .. } | OrderEvent::Paid { .. } => {
            Status::CheckedOut
        }
        OrderEvent::ReadyToShip { .. } => Status::ReadyToShip,
        OrderEvent::Shipped { .. } => Status::Shipped,
        OrderEvent::Cancelled { .. } => Status::Cancelled,
    }
}

/// All that belongs to one order, under the order's id.
#[derive(Clone, Debug, Default, Deserialize, Document, PartialEq, Serialize)]
#[document(event = OrderStory, apply = OrderDetails::apply)]
pub struct OrderDetails {
    /// Of the order's own stream: what a change of it expects.
    pub version: u64,
    /// How many events of the payment and of the shipment are in here, too. Together with the version they name what is shown.
    pub others: u64,
    pub customer: CustomerId,
    pub status: Status,
    pub lines: Vec<Line>,
    pub total: Option<Money>,
    pub cancelled: Option<CancelReason>,
    pub payment: Option<PaymentDetails>,
    pub shipment: Option<ShipmentDetails>,
}

/// The events that tell the story of one order.
#[derive(Clone, Debug, Event)]
#[event(union)]
pub enum OrderStory {
    Order(OrderEvent),
    Payment(PaymentEvent),
    Shipment(ShipmentEvent),
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct PaymentDetails {
    pub status: PaymentStatus,
    pub amount: Money,
    pub failure: Option<Decline>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    #[default]
    Requested,
    Authorised,
    Captured,
    Failed,
    Cancelled,
    Refunded,
}

/// Without a tracking number it is prepared, and waits for the carrier.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ShipmentDetails {
    pub tracking: Option<String>,
}

impl OrderDetails {
    fn apply(&mut self, event: &Recorded<OrderStory>) {
        match &event.event {
            OrderStory::Order(_) => self.version = event.version.0,
            OrderStory::Payment(_) | OrderStory::Shipment(_) => self.others += 1,
        }
        match &event.event {
            OrderStory::Order(event) => self.apply_order(event),
            OrderStory::Payment(event) => self.payment.get_or_insert_default().apply(event),
            OrderStory::Shipment(event) => self.shipment.get_or_insert_default().apply(event),
        }
    }

    fn apply_order(&mut self, event: &OrderEvent) {
        self.status = status_after(event);
        match event {
            OrderEvent::Placed { customer, lines } => {
                self.customer = customer.clone();
                self.lines = lines.clone();
            }
            OrderEvent::LineAdded { line } => self.lines.push(line.clone()),
            OrderEvent::LineRemoved { sku } => self.lines.retain(|line| line.sku != *sku),
            OrderEvent::CheckedOut { total, .. } => self.total = Some(*total),
            OrderEvent::Cancelled { reason, .. } => self.cancelled = Some(reason.clone()),
            _ => {}
        }
    }
}

impl PaymentDetails {
    fn apply(&mut self, event: &PaymentEvent) {
        self.status = match event {
            PaymentEvent::Requested { amount, .. } => {
                self.amount = *amount;
                PaymentStatus::Requested
            }
            PaymentEvent::Authorised => PaymentStatus::Authorised,
            PaymentEvent::Captured { .. } => PaymentStatus::Captured,
            PaymentEvent::Failed { why } => {
                self.failure = Some(*why);
                PaymentStatus::Failed
            }
            PaymentEvent::Cancelled => PaymentStatus::Cancelled,
            PaymentEvent::Refunded { .. } => PaymentStatus::Refunded,
        }
    }
}

impl ShipmentDetails {
    fn apply(&mut self, event: &ShipmentEvent) {
        if let ShipmentEvent::Shipped { tracking, .. } = event {
            self.tracking = Some(tracking.clone());
        }
    }
}

/// How much there is of an article, under its SKU.
#[derive(Clone, Debug, Default, Deserialize, Document, PartialEq, Serialize)]
#[document(event = StockEvent, apply = StockLevel::apply)]
pub struct StockLevel {
    /// Of the article's stream: names what is shown.
    pub version: u64,
    pub on_hand: u64,
    /// Of what is on hand, what is held for orders.
    pub reserved: u64,
}

impl StockLevel {
    fn apply(&mut self, event: &Recorded<StockEvent>) {
        self.version = event.version.0;
        match event.event {
            StockEvent::Received { quantity } => self.on_hand += u64::from(quantity),
            StockEvent::Reserved { quantity, .. } => self.reserved += u64::from(quantity),
            StockEvent::ReservationFailed { .. } => {}
            StockEvent::Released { quantity, .. } => self.reserved -= u64::from(quantity),
            StockEvent::TakenOut { quantity, .. } => {
                self.on_hand -= u64::from(quantity);
                self.reserved -= u64::from(quantity);
            }
        }
    }
}
