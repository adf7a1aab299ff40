//! The stock of one article: received, reserved for orders, released or taken out.
//!
//! Shows: failure as an event. Reserving more than there is is no refusal but `ReservationFailed`, because others have to act upon it,
//! and only events can be acted upon. Shows as well an aggregate whose stream grows long, and which takes snapshots therefore.
//!
//! A reservation is named by its order, once and for all: the first answer stands, however often the question comes, and an order
//! that was released before it was reserved is not reserved any more. To know that, the stock remembers every order it has seen.
//! (Millions of orders for one article would call for closing the books: a stock for each year.)

use std::collections::BTreeMap;

use es_core::{Aggregate, Command, Context, Event};
use serde::{Deserialize, Serialize};

use super::{OrderId, Sku};

#[derive(Clone, Debug, Deserialize, Event, PartialEq, Serialize)]
#[event(category = "stock")]
pub enum StockEvent {
    Received { quantity: u32 },
    Reserved { order: OrderId, quantity: u32 },
    ReservationFailed { order: OrderId, wanted: u32, available: u64 },
    // Of a reservation that was held, its quantity. Of one that was not asked for yet, 0: now it never will be held.
    Released { order: OrderId, quantity: u32 },
    TakenOut { order: OrderId, quantity: u32 },
}

#[derive(Aggregate, Debug, Default, Deserialize, Serialize)]
#[aggregate(id = Sku, event = StockEvent, apply = apply, snapshot(every = 100))]
pub struct Stock {
    pub on_hand: u64,
    /// Of what is on hand, what is not reserved.
    pub available: u64,
    reservations: BTreeMap<OrderId, Reservation>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
enum Reservation {
    Held(u32),
    Failed,
    Released,
    TakenOut,
}

fn apply(stock: &mut Stock, event: StockEvent) {
    match event {
        StockEvent::Received { quantity } => {
            stock.on_hand += u64::from(quantity);
            stock.available += u64::from(quantity);
        }
        StockEvent::Reserved { order, quantity } => {
            stock.available -= u64::from(quantity);
            stock.reservations.insert(order, Reservation::Held(quantity));
        }
        StockEvent::ReservationFailed { order, .. } => {
            stock.reservations.insert(order, Reservation::Failed);
        }
        StockEvent::Released { order, quantity } => {
            stock.available += u64::from(quantity);
            stock.reservations.insert(order, Reservation::Released);
        }
        StockEvent::TakenOut { order, quantity } => {
            stock.on_hand -= u64::from(quantity);
            stock.reservations.insert(order, Reservation::TakenOut);
        }
    }
}

#[derive(Clone, Command, Debug, PartialEq, Serialize)]
#[command(aggregate = Stock, handle = decide, error = StockError)]
pub enum StockCommand {
    Receive { id: Sku, quantity: u32 },
    Reserve { id: Sku, order: OrderId, quantity: u32 },
    Release { id: Sku, order: OrderId },
    TakeOut { id: Sku, order: OrderId },
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StockError {
    #[error("a delivery has at least one piece")]
    NothingReceived,
    #[error("nothing is reserved for order `{0}`")]
    NotReserved(OrderId),
}

fn decide(stock: &Stock, command: StockCommand, _: &Context) -> Result<Option<StockEvent>, StockError> {
    match command {
        StockCommand::Receive { quantity: 0, .. } => Err(StockError::NothingReceived),
        StockCommand::Receive { quantity, .. } => Ok(Some(StockEvent::Received { quantity })),
        StockCommand::Reserve { order, quantity, .. } => Ok(stock.reserve(order, quantity)),
        StockCommand::Release { order, .. } => Ok(stock.release(order)),
        StockCommand::TakeOut { order, .. } => stock.take_out(order),
    }
}

impl Stock {
    fn reserve(&self, order: OrderId, quantity: u32) -> Option<StockEvent> {
        match self.reservations.get(&order) {
            Some(_) => None,
            None if self.available < quantity.into() => {
                Some(StockEvent::ReservationFailed { order, wanted: quantity, available: self.available })
            }
            None => Some(StockEvent::Reserved { order, quantity }),
        }
    }

    fn release(&self, order: OrderId) -> Option<StockEvent> {
        match self.reservations.get(&order) {
            Some(Reservation::Held(quantity)) => Some(StockEvent::Released { order, quantity: *quantity }),
            Some(_) => None,
            None => Some(StockEvent::Released { order, quantity: 0 }),
        }
    }

    fn take_out(&self, order: OrderId) -> Result<Option<StockEvent>, StockError> {
        match self.reservations.get(&order) {
            Some(Reservation::Held(quantity)) => Ok(Some(StockEvent::TakenOut { order, quantity: *quantity })),
            Some(Reservation::TakenOut) => Ok(None),
            Some(Reservation::Failed | Reservation::Released) | None => Err(StockError::NotReserved(order)),
        }
    }
}
