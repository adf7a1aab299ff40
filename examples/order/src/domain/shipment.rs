//! The shipment of one order: prepared, then handed to the carrier.
//!
//! Shows: how small an aggregate may be. Nothing is compensated here, since a shipment is only prepared for an order that cannot be
//! cancelled any more.

use es_core::{Aggregate, Command, Context, Event};
use serde::{Deserialize, Serialize};

use super::{Line, OrderId};

#[derive(Clone, Debug, Deserialize, Event, PartialEq, Serialize)]
#[event(category = "shipment")]
pub enum ShipmentEvent {
    Prepared { lines: Vec<Line> },
    Shipped { lines: Vec<Line>, tracking: String },
}

#[derive(Aggregate, Debug, Default)]
#[aggregate(id = OrderId, event = ShipmentEvent, apply = apply)]
pub enum Shipment {
    #[default]
    NotPrepared,
    Prepared {
        lines: Vec<Line>,
    },
    Shipped,
}

fn apply(shipment: &mut Shipment, event: ShipmentEvent) {
    *shipment = match event {
        ShipmentEvent::Prepared { lines } => Shipment::Prepared { lines },
        ShipmentEvent::Shipped { .. } => Shipment::Shipped,
    }
}

#[derive(Clone, Command, Debug, PartialEq, Serialize)]
#[command(aggregate = Shipment, handle = decide, error = ShipmentError)]
pub enum ShipmentCommand {
    Prepare { id: OrderId, lines: Vec<Line> },
    Ship { id: OrderId, tracking: String },
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ShipmentError {
    #[error("the shipment is not prepared yet")]
    NotPrepared,
}

fn decide(shipment: &Shipment, command: ShipmentCommand, _: &Context) -> Result<Option<ShipmentEvent>, ShipmentError> {
    match (shipment, command) {
        (Shipment::NotPrepared, ShipmentCommand::Prepare { lines, .. }) => Ok(Some(ShipmentEvent::Prepared { lines })),
        (Shipment::NotPrepared, ShipmentCommand::Ship { .. }) => Err(ShipmentError::NotPrepared),
        (Shipment::Prepared { lines }, ShipmentCommand::Ship { tracking, .. }) => {
            Ok(Some(ShipmentEvent::Shipped { lines: lines.clone(), tracking }))
        }
        (Shipment::Prepared { .. }, ShipmentCommand::Prepare { .. }) | (Shipment::Shipped, _) => Ok(None),
    }
}
