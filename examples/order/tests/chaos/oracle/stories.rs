//! Each stream, decided once more: from the commands that its events tell of, the aggregate makes the same events.

use std::collections::BTreeMap;

use es_core::{Aggregate, Command, EventStoreExt, Handle, Recorded, StreamId};
use es_memory::MemoryStore;
use order::domain::order::{OrderCommand, OrderEvent};
use order::domain::payment::{PaymentCommand, PaymentEvent};
use order::domain::shipment::{ShipmentCommand, ShipmentEvent};
use order::domain::stock::{StockCommand, StockEvent};
use order::domain::{OrderId, ShopEvent, Sku};
use order::reactions::ShopCommand;

use super::{Log, Verdict};

pub(super) async fn check(log: &Log, verdict: &mut Verdict) {
    let mut streams = BTreeMap::<&StreamId, Vec<&Recorded<ShopEvent>>>::new();
    for event in log {
        streams.entry(&event.stream).or_default().push(event);
    }
    let anew = MemoryStore::new();
    for (stream, events) in streams {
        let counts = (1..).zip(&events).all(|(version, event)| event.version.0 == version);
        verdict.unless(counts, || format!("the versions of {stream} do not count"));
        let problem = tell(&anew, &events).await.err();
        verdict.unless(problem.is_none(), || format!("{stream} cannot have gone like that: {problem:?}"));
    }
}

async fn tell(anew: &MemoryStore, events: &[&Recorded<ShopEvent>]) -> Result<(), String> {
    let mut rest = events;
    while let Some((first, _)) = rest.split_first() {
        let decided = match command_of(first).ok_or_else(|| format!("nobody asks for {:?}", first.event))? {
            ShopCommand::Order(command) => decide(anew, command).await?,
            ShopCommand::Stock(command) => decide(anew, command).await?,
            ShopCommand::Payment(command) => decide(anew, command).await?,
            ShopCommand::Shipment(command) => decide(anew, command).await?,
        };
        let (told, behind) = rest.split_at(decided.len().min(rest.len()));
        let told: Vec<String> = told.iter().map(|event| plain(&event.event)).collect();
        if told.is_empty() || told != decided {
            return Err(format!("decided was {decided:?}, and {first:?} is there"));
        }
        rest = behind;
    }
    Ok(())
}

async fn decide<C: Command>(anew: &MemoryStore, command: C) -> Result<Vec<String>, String>
where
    C::Aggregate: Handle<C>,
    <C::Aggregate as Aggregate>::Event: std::fmt::Debug,
{
    let outcome = anew.execute(command).await.map_err(|error| error.to_string())?;
    Ok(outcome.events.iter().map(|event| format!("{:?}", event.event)).collect())
}

/// As the aggregate knows it.
fn plain(event: &ShopEvent) -> String {
    match event {
        ShopEvent::Order(event) => format!("{event:?}"),
        ShopEvent::Stock(event) => format!("{event:?}"),
        ShopEvent::Payment(event) => format!("{event:?}"),
        ShopEvent::Shipment(event) => format!("{event:?}"),
    }
}

/// The command whose first event this is. `ReadyToShip` is always the second one of another.
fn command_of(event: &Recorded<ShopEvent>) -> Option<ShopCommand> {
    let id = event.stream.id().to_owned();
    Some(match event.event.clone() {
        ShopEvent::Order(event) => ShopCommand::Order(to_order(OrderId(id), event)?),
        ShopEvent::Stock(event) => ShopCommand::Stock(to_stock(Sku(id), event)),
        ShopEvent::Payment(event) => ShopCommand::Payment(to_payment(OrderId(id), event)),
        ShopEvent::Shipment(event) => ShopCommand::Shipment(to_shipment(OrderId(id), event)),
    })
}

fn to_order(id: OrderId, event: OrderEvent) -> Option<OrderCommand> {
    Some(match event {
        OrderEvent::Placed { customer, lines } => OrderCommand::Place { id, customer, lines },
        OrderEvent::LineAdded { line } => OrderCommand::AddLine { id, line },
        OrderEvent::LineRemoved { sku } => OrderCommand::RemoveLine { id, sku },
        OrderEvent::CheckedOut { card, .. } => OrderCommand::CheckOut { id, card },
        OrderEvent::StockReserved { sku } => OrderCommand::MarkReserved { id, sku },
        OrderEvent::Paid { amount } => OrderCommand::MarkPaid { id, amount },
        OrderEvent::ReadyToShip { .. } => return None,
        OrderEvent::Shipped { tracking } => OrderCommand::MarkShipped { id, tracking },
        OrderEvent::Cancelled { reason, .. } => OrderCommand::Cancel { id, reason },
    })
}

fn to_stock(id: Sku, event: StockEvent) -> StockCommand {
    match event {
        StockEvent::Received { quantity } => StockCommand::Receive { id, quantity },
        StockEvent::Reserved { order, quantity } => StockCommand::Reserve { id, order, quantity },
        StockEvent::ReservationFailed { order, wanted, .. } => StockCommand::Reserve { id, order, quantity: wanted },
        StockEvent::Released { order, .. } => StockCommand::Release { id, order },
        StockEvent::TakenOut { order, .. } => StockCommand::TakeOut { id, order },
    }
}

fn to_payment(id: OrderId, event: PaymentEvent) -> PaymentCommand {
    match event {
        PaymentEvent::Requested { amount, card } => PaymentCommand::Request { id, amount, card },
        PaymentEvent::Authorised => PaymentCommand::Authorise { id },
        PaymentEvent::Captured { .. } => PaymentCommand::Capture { id },
        PaymentEvent::Failed { why } => PaymentCommand::Fail { id, why },
        PaymentEvent::Cancelled | PaymentEvent::Refunded { .. } => PaymentCommand::Cancel { id },
    }
}

fn to_shipment(id: OrderId, event: ShipmentEvent) -> ShipmentCommand {
    match event {
        ShipmentEvent::Prepared { lines } => ShipmentCommand::Prepare { id, lines },
        ShipmentEvent::Shipped { tracking, .. } => ShipmentCommand::Ship { id, tracking },
    }
}
