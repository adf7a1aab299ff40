//! The shipment: prepared once, shipped once.

use es_core::testing::{given, given_nothing};
use order::domain::shipment::{Shipment, ShipmentCommand, ShipmentError, ShipmentEvent};

use crate::words::{id, lines};

fn prepare() -> ShipmentCommand {
    ShipmentCommand::Prepare { id: id(), lines: lines() }
}

fn ship() -> ShipmentCommand {
    ShipmentCommand::Ship { id: id(), tracking: "track-1".into() }
}

#[test]
fn a_shipment_is_prepared_and_shipped_once() {
    given_nothing::<Shipment>()
        .when(prepare())
        .then(ShipmentEvent::Prepared { lines: lines() })
        .when(prepare())
        .then_nothing()
        .when(ship())
        .then(ShipmentEvent::Shipped { lines: lines(), tracking: "track-1".into() })
        .when(ship())
        .then_nothing()
        .when(prepare())
        .then_nothing();
}

#[test]
fn what_is_not_prepared_is_not_shipped() {
    given_nothing::<Shipment>().when(ship()).then_rejected(ShipmentError::NotPrepared);
    given::<Shipment>(ShipmentEvent::Prepared { lines: vec![] })
        .when(ship())
        .then(ShipmentEvent::Shipped { lines: vec![], tracking: "track-1".into() });
}
