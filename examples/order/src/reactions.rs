//! What follows from what: the choreography of the four aggregates, and all of it.
//!
//! Shows: a process over several aggregates without anybody who directs it. Each event leads to commands, by the event alone, and each
//! aggregate decides by itself what comes of them. `README.md` draws it.
//!
//! Three rules make it safe to run in any order, with delays, and with repeats:
//!
//! 1. **One place decides.** Whether an order is shipped or cancelled is decided by the order, whether money is taken by the payment,
//!    whether a piece is held by the stock.
//! 2. **What comes twice, or too late, decides nothing.** A repeated reservation is no second one, and a reservation that comes behind
//!    its release is none.
//! 3. **No command of a reaction is refused.** What can go wrong in the ordinary course of things is an event: `ReservationFailed`, `Failed`.

use es_core::{BeginsAt, BoxError, EventStore, IntoCommands, Reaction, Reactor, Recorded};

use crate::domain::order::{CancelReason, OrderCommand, OrderEvent};
use crate::domain::payment::{PaymentCommand, PaymentEvent};
use crate::domain::shipment::{ShipmentCommand, ShipmentEvent};
use crate::domain::stock::{StockCommand, StockEvent};
use crate::domain::{Line, OrderId, ShopEvent, Sku};

/// Brings every order that is checked out to its end: shipped or cancelled.
#[derive(Clone, Copy, Debug)]
pub struct Fulfilment;

impl Reactor for Fulfilment {
    const NAME: &'static str = "fulfilment";
    /// An order that came before the first start is not left lying.
    const BEGINS: BeginsAt = BeginsAt::FirstEvent;
    type Event = ShopEvent;
    type Commands = Vec<ShopCommand>;

    fn react(&self, event: &Recorded<ShopEvent>) -> Vec<ShopCommand> {
        let id = event.stream.id().to_owned();
        match &event.event {
            ShopEvent::Order(event) => after_order(OrderId(id), event),
            ShopEvent::Stock(event) => after_stock(Sku(id), event),
            ShopEvent::Payment(event) => after_payment(OrderId(id), event),
            ShopEvent::Shipment(event) => after_shipment(OrderId(id), event),
        }
    }
}

fn after_order(id: OrderId, event: &OrderEvent) -> Vec<ShopCommand> {
    match event {
        OrderEvent::CheckedOut { lines, total, card } => {
            let pay = PaymentCommand::Request { id: id.clone(), amount: *total, card: card.clone() };
            let pay = ShopCommand::Payment(pay);
            for_each_line(lines, |sku, quantity| StockCommand::Reserve { id: sku, order: id.clone(), quantity }, pay)
        }
        OrderEvent::ReadyToShip { lines } => {
            vec![ShopCommand::Shipment(ShipmentCommand::Prepare { id, lines: lines.clone() })]
        }
        // A draft: nobody was asked for anything.
        OrderEvent::Cancelled { lines, .. } if lines.is_empty() => vec![],
        OrderEvent::Cancelled { lines, .. } => {
            let give_back = ShopCommand::Payment(PaymentCommand::Cancel { id: id.clone() });
            for_each_line(lines, |sku, _| StockCommand::Release { id: sku, order: id.clone() }, give_back)
        }
        OrderEvent::Placed { .. }
        | OrderEvent::LineAdded { .. }
        | OrderEvent::LineRemoved { .. }
        | OrderEvent::StockReserved { .. }
        | OrderEvent::Paid { .. }
        | OrderEvent::Shipped { .. } => vec![],
    }
}

fn after_stock(sku: Sku, event: &StockEvent) -> Vec<ShopCommand> {
    match event {
        StockEvent::Reserved { order, .. } => {
            vec![ShopCommand::Order(OrderCommand::MarkReserved { id: order.clone(), sku })]
        }
        StockEvent::ReservationFailed { order, .. } => {
            let reason = CancelReason::OutOfStock { sku };
            vec![ShopCommand::Order(OrderCommand::Cancel { id: order.clone(), reason })]
        }
        StockEvent::Received { .. } | StockEvent::Released { .. } | StockEvent::TakenOut { .. } => vec![],
    }
}

fn after_payment(id: OrderId, event: &PaymentEvent) -> Vec<ShopCommand> {
    match event {
        PaymentEvent::Authorised => vec![ShopCommand::Payment(PaymentCommand::Capture { id })],
        PaymentEvent::Captured { amount } => vec![ShopCommand::Order(OrderCommand::MarkPaid { id, amount: *amount })],
        PaymentEvent::Failed { why } => {
            let reason = CancelReason::PaymentFailed { why: *why };
            vec![ShopCommand::Order(OrderCommand::Cancel { id, reason })]
        }
        PaymentEvent::Requested { .. } | PaymentEvent::Cancelled | PaymentEvent::Refunded { .. } => vec![],
    }
}

fn after_shipment(id: OrderId, event: &ShipmentEvent) -> Vec<ShopCommand> {
    match event {
        ShipmentEvent::Shipped { lines, tracking } => {
            let report = ShopCommand::Order(OrderCommand::MarkShipped { id: id.clone(), tracking: tracking.clone() });
            for_each_line(lines, |sku, _| StockCommand::TakeOut { id: sku, order: id.clone() }, report)
        }
        ShipmentEvent::Prepared { .. } => vec![],
    }
}

/// A command to the stock of each line's article, and one more.
fn for_each_line(lines: &[Line], to_stock: impl Fn(Sku, u32) -> StockCommand, last: ShopCommand) -> Vec<ShopCommand> {
    let to_stock = lines.iter().map(|line| ShopCommand::Stock(to_stock(line.sku.clone(), line.quantity)));
    to_stock.chain([last]).collect()
}

/// A command to any of the aggregates.
#[derive(Clone, Debug, PartialEq)]
pub enum ShopCommand {
    Order(OrderCommand),
    Stock(StockCommand),
    Payment(PaymentCommand),
    Shipment(ShipmentCommand),
}

impl IntoCommands for ShopCommand {
    async fn execute<S: EventStore>(self, reaction: &mut Reaction<'_, S>) -> Result<(), BoxError> {
        match self {
            Self::Order(command) => reaction.execute(command).await,
            Self::Stock(command) => reaction.execute(command).await,
            Self::Payment(command) => reaction.execute(command).await,
            Self::Shipment(command) => reaction.execute(command).await,
        }
    }
}
