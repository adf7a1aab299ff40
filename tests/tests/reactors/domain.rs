//! A shop: orders, what is reserved for them, and what is charged. Nothing here recognises repeats by itself.

use std::convert::Infallible;

use es_core::{Aggregate, Command, Context, Event};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(category = "order")]
pub enum OrderEvent {
    /// `name` is another one for each.
    Placed {
        name: String,
    },
    Noted,
}

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(category = "stock")]
pub enum StockEvent {
    Reserved { name: String },
}

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(category = "till")]
pub enum TillEvent {
    Opened,
    Closed,
    Charged { name: String },
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(id = String, event = OrderEvent, apply = Order::pass_by)]
pub struct Order;

impl Order {
    fn pass_by(&mut self, _: OrderEvent) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(id = String, event = StockEvent, apply = Stock::pass_by)]
pub struct Stock;

impl Stock {
    fn pass_by(&mut self, _: StockEvent) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(id = String, event = TillEvent, apply = Till::apply)]
pub struct Till {
    closed: bool,
}

impl Till {
    fn apply(&mut self, event: TillEvent) {
        match event {
            TillEvent::Opened => self.closed = false,
            TillEvent::Closed => self.closed = true,
            TillEvent::Charged { .. } => {}
        }
    }
}

#[derive(Clone, Debug, PartialEq, Command, Serialize)]
#[command(aggregate = Stock, handle = reserve, error = Infallible)]
pub struct Reserve {
    pub id: String,
    pub name: String,
}

fn reserve(_: &Stock, command: Reserve, _: &Context) -> Result<StockEvent, Infallible> {
    Ok(StockEvent::Reserved { name: command.name })
}

#[derive(Clone, Debug, PartialEq, Command, Serialize)]
#[command(aggregate = Till, handle = charge, error = TillClosed)]
pub struct Charge {
    pub id: String,
    pub name: String,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the till is closed")]
pub struct TillClosed;

fn charge(till: &Till, command: Charge, _: &Context) -> Result<TillEvent, TillClosed> {
    if till.closed { Err(TillClosed) } else { Ok(TillEvent::Charged { name: command.name }) }
}

pub fn placed(name: impl Into<String>) -> OrderEvent {
    OrderEvent::Placed { name: name.into() }
}

/// The stock of an order, which has the order's id.
pub fn reserve_for(order: &str, name: &str) -> Reserve {
    Reserve { id: order.to_owned(), name: name.to_owned() }
}

/// There is one till.
pub fn charge_for(name: &str) -> Charge {
    Charge { id: "till".to_owned(), name: name.to_owned() }
}
