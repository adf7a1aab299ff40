//! What the payment provider and the carrier have in their books, and whether it is what the shop has in its own.

use std::collections::{BTreeMap, BTreeSet};

use order::domain::ShopEvent;
use order::domain::payment::PaymentEvent;
use order::domain::shipment::ShipmentEvent;
use sqlx::Row;
use uuid::Uuid;

use super::{Log, Verdict};
use crate::houses;
use crate::process::Task;

/// A service for an order, for so much, under a token.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Service {
    token: Uuid,
    service: String,
    order: String,
    amount: u64,
}

const ASKED: &str = "SELECT token, service, order_id, amount, '' FROM asked ORDER BY nth";
const BOOKED: &str = "SELECT token, service, order_id, amount, answer FROM booked";

pub(super) async fn check(task: &Task, log: &Log, verdict: &mut Verdict) {
    let wanted: BTreeSet<Service> = log.iter().filter_map(|event| wanted(event.id.0, event)).collect();
    let asked = read(task, ASKED).await;
    let booked = read(task, BOOKED).await;
    verdict.asked_again = (asked.len() - wanted.len().min(asked.len())) as u64;

    for (service, _) in &asked {
        verdict.unless(wanted.contains(service), || format!("nothing asks for {service:?}"));
    }
    let mut once = BTreeSet::new();
    for (service, _) in &booked {
        let Service { service, order, .. } = service;
        verdict.unless(once.insert((service, order)), || format!("{service} of {order} was booked twice"));
    }
    let done: BTreeSet<&Service> = booked.iter().map(|(service, _)| service).collect();
    for service in &wanted {
        verdict.unless(done.contains(service), || format!("nobody has done {service:?}"));
    }
    check_money(log, &booked, verdict);
    check_tracking(log, &booked, verdict);
}

/// The service that an event asks for.
fn wanted(token: Uuid, event: &es_core::Recorded<ShopEvent>) -> Option<Service> {
    let (service, amount) = match &event.event {
        ShopEvent::Payment(PaymentEvent::Requested { amount, .. }) => ("authorise", amount.0),
        ShopEvent::Payment(PaymentEvent::Captured { amount }) => ("capture", amount.0),
        ShopEvent::Payment(PaymentEvent::Refunded { amount }) => ("refund", amount.0),
        ShopEvent::Shipment(ShipmentEvent::Prepared { .. }) => ("collect", 0),
        _ => return None,
    };
    Some(Service { token, service: service.into(), order: event.stream.id().into(), amount })
}

/// The provider keeps the money of those orders that were shipped, and no other.
fn check_money(log: &Log, booked: &[(Service, String)], verdict: &mut Verdict) {
    let mut kept = BTreeMap::<&str, i128>::new();
    for (Service { service, order, amount, .. }, _) in booked {
        match service.as_str() {
            "capture" => *kept.entry(order).or_default() += i128::from(*amount),
            "refund" => *kept.entry(order).or_default() -= i128::from(*amount),
            _ => {}
        }
    }
    kept.retain(|_, amount| *amount != 0);
    let shipped = log.iter().filter_map(|event| match &event.event {
        ShopEvent::Shipment(ShipmentEvent::Shipped { lines, .. }) => {
            Some((event.stream.id(), i128::from(order::domain::total(lines).unwrap().0)))
        }
        _ => None,
    });
    let mut shipped: BTreeMap<&str, i128> = shipped.collect();
    shipped.retain(|_, total| *total != 0);
    verdict.unless(kept == shipped, || format!("the provider keeps {kept:?}, and shipped was {shipped:?}"));
}

/// The number that the carrier has given is the one that the customer gets.
fn check_tracking(log: &Log, booked: &[(Service, String)], verdict: &mut Verdict) {
    let numbers = booked.iter().filter(|(service, _)| service.service == "collect");
    let numbers: BTreeMap<&str, &str> =
        numbers.map(|(service, number)| (service.order.as_str(), number.as_str())).collect();
    for event in log {
        if let ShopEvent::Shipment(ShipmentEvent::Shipped { tracking, .. }) = &event.event {
            let (order, number) = (event.stream.id(), numbers.get(event.stream.id()));
            let is_right = number == Some(&tracking.as_str());
            verdict.unless(is_right, || {
                format!("{order} was shipped as {tracking}, and by the carrier's books as {number:?}")
            });
        }
    }
}

async fn read(task: &Task, all: &'static str) -> Vec<(Service, String)> {
    let rows = sqlx::query(all).fetch_all(&houses::connect(&task.partners).await).await.unwrap();
    let service = |row: &sqlx::postgres::PgRow| Service {
        token: row.get(0),
        service: row.get(1),
        order: row.get(2),
        amount: u64::try_from(row.get::<i64, _>(3)).unwrap(),
    };
    rows.iter().map(|row| (service(row), row.get(4))).collect()
}
