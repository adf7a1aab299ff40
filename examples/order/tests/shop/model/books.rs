//! An audit: everything that happened, added up from the log, and what must be true of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use es_core::{Event, EventStore, EventStoreExt, Position, Recorded};
use order::domain::order::{CancelReason, OrderEvent};
use order::domain::payment::PaymentEvent;
use order::domain::shipment::ShipmentEvent;
use order::domain::stock::{Stock, StockEvent};
use order::domain::{Line, ShopEvent, Sku, total};

#[derive(Default)]
pub(crate) struct Books {
    orders: BTreeMap<String, OrderBook>,
    stock: BTreeMap<Sku, StockBook>,
    /// What happens once at most, and has happened: the stream, the type, and of the stock's events the order.
    once: BTreeSet<(String, &'static str, String)>,
}

#[derive(Default)]
struct OrderBook {
    checked_out: bool,
    shipped: bool,
    cancelled: Option<CancelReason>,
    captured: u64,
    refunded: u64,
    sent: Vec<Line>,
}

#[derive(Debug, Default)]
struct StockBook {
    received: u64,
    reserved: u64,
    released: u64,
    taken_out: u64,
    sent: u64,
}

impl Books {
    pub(crate) async fn of(store: &impl EventStore) -> Self {
        let mut books = Self::default();
        for event in store.log::<ShopEvent>(Position::START).collect().await.unwrap() {
            books.check_once(&event);
            books.enter(&event);
        }
        books
    }

    fn check_once(&mut self, event: &Recorded<ShopEvent>) {
        let order = match &event.event {
            ShopEvent::Stock(StockEvent::Received { .. })
            | ShopEvent::Order(OrderEvent::LineAdded { .. } | OrderEvent::LineRemoved { .. }) => return,
            ShopEvent::Order(OrderEvent::StockReserved { sku }) => sku.0.clone(),
            ShopEvent::Stock(
                StockEvent::Reserved { order, .. }
                | StockEvent::ReservationFailed { order, .. }
                | StockEvent::Released { order, .. }
                | StockEvent::TakenOut { order, .. },
            ) => order.0.clone(),
            _ => String::new(),
        };
        let what = (event.stream.to_string(), event.event.event_type().name(), order);
        assert!(self.once.insert(what.clone()), "happened twice: {what:?}");
    }

    fn enter(&mut self, event: &Recorded<ShopEvent>) {
        let id = event.stream.id().to_owned();
        match &event.event {
            ShopEvent::Stock(event) => self.stock.entry(Sku(id)).or_default().enter(event),
            ShopEvent::Order(event) => self.orders.entry(id).or_default().enter_order(event),
            ShopEvent::Payment(event) => self.orders.entry(id).or_default().enter_payment(event),
            ShopEvent::Shipment(ShipmentEvent::Prepared { .. }) => {}
            ShopEvent::Shipment(ShipmentEvent::Shipped { lines, .. }) => {
                for line in lines {
                    self.stock.entry(line.sku.clone()).or_default().sent += u64::from(line.quantity);
                }
                self.orders.entry(id).or_default().sent.extend(lines.iter().cloned());
            }
        }
    }

    pub(crate) async fn check(&self, store: &impl EventStore) {
        for (id, order) in &self.orders {
            order.check(id);
        }
        for (sku, book) in &self.stock {
            book.check(sku, &store.load::<Stock>(sku).await.unwrap().state);
        }
        let sum = |of: fn(&OrderBook) -> u64| self.orders.values().map(of).sum::<u64>();
        let shipped = sum(|order| total(&order.sent).unwrap().0);
        assert_eq!(sum(|order| order.captured) - sum(|order| order.refunded), shipped, "money and goods differ");
    }

    /// A run in which nothing goes wrong, or nothing goes well, would show nothing. So many orders at the least were shipped,
    /// cancelled by the customer, for want of stock, and for want of money; and so many were refunded.
    pub(crate) fn check_that_all_sorts_of_things_happened(&self, least: [usize; 5]) {
        assert!(self.counts().iter().zip(least).all(|(count, least)| *count >= least), "{self}");
    }

    fn counts(&self) -> [usize; 5] {
        let count = |of: fn(&OrderBook) -> bool| self.orders.values().filter(|order| of(order)).count();
        [
            count(|order| order.shipped),
            count(|order| matches!(order.cancelled, Some(CancelReason::CustomerWish))),
            count(|order| matches!(order.cancelled, Some(CancelReason::OutOfStock { .. }))),
            count(|order| matches!(order.cancelled, Some(CancelReason::PaymentFailed { .. }))),
            count(|order| order.refunded > 0),
        ]
    }
}

impl OrderBook {
    fn enter_order(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::CheckedOut { .. } => self.checked_out = true,
            OrderEvent::Shipped { .. } => self.shipped = true,
            OrderEvent::Cancelled { reason, .. } => self.cancelled = Some(reason.clone()),
            _ => {}
        }
    }

    fn enter_payment(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::Captured { amount } => self.captured += amount.0,
            PaymentEvent::Refunded { amount } => self.refunded += amount.0,
            _ => {}
        }
    }

    fn check(&self, id: &str) {
        assert_ne!(self.shipped, self.cancelled.is_some(), "{id} ends shipped or cancelled");
        assert_eq!(self.captured - self.refunded, total(&self.sent).unwrap().0, "{id} costs what was sent");
        assert_eq!(self.shipped, !self.sent.is_empty(), "{id} is shipped when it was sent");
        assert!(self.checked_out || self.captured == 0, "{id} was paid as a draft");
    }
}

impl StockBook {
    fn enter(&mut self, event: &StockEvent) {
        match event {
            StockEvent::Received { quantity } => self.received += u64::from(*quantity),
            StockEvent::Reserved { quantity, .. } => self.reserved += u64::from(*quantity),
            StockEvent::ReservationFailed { .. } => {}
            StockEvent::Released { quantity, .. } => self.released += u64::from(*quantity),
            StockEvent::TakenOut { quantity, .. } => self.taken_out += u64::from(*quantity),
        }
    }

    fn check(&self, sku: &Sku, stock: &Stock) {
        assert_eq!(self.taken_out, self.sent, "{sku}: what was taken out was sent, {self:?}");
        assert_eq!(self.reserved, self.released + self.taken_out, "{sku}: nothing stays reserved, {self:?}");
        assert_eq!(stock.on_hand, self.received - self.taken_out, "{sku}: no piece is lost, {self:?}");
        assert_eq!(stock.available, stock.on_hand, "{sku}: all that is there can be had, {self:?}");
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [shipped, by_wish, no_stock, no_payment, refunded] = self.counts();
        write!(f, "{shipped} orders shipped, {by_wish} cancelled by the customer, {no_stock} for want of stock, ")?;
        write!(f, "{no_payment} for want of money; {refunded} refunded")
    }
}
