//! The chain from each event back to the request that it began with.

use std::collections::HashMap;

use es_core::{Command, Reactor, Recorded};
use order::domain::ShopEvent;
use order::domain::payment::PaymentEvent;
use order::domain::shipment::ShipmentEvent;
use order::domain::stock::StockEvent;
use order::reactions::{Fulfilment, ShopCommand};
use uuid::Uuid;

use super::{Log, Verdict};
use crate::process::Task;
use crate::request::Request;

/// The cause comes before the effect, and in the same conversation. So the first of all causes is the conversation's request.
pub(super) fn check(task: &Task, log: &Log, verdict: &mut Verdict) {
    let plans = task.plans();
    let steps = |person: usize| 0..plans[person].len();
    let requests = (0..plans.len()).flat_map(|person| steps(person).map(move |step| Request { person, step }));
    let requests: HashMap<Uuid, Request> = requests.map(|request| (request.id().0, request)).collect();
    let mut before = HashMap::<Uuid, &Recorded<ShopEvent>>::new();
    for event in log {
        let problem = problem(event, &requests, &plans, &before);
        verdict.unless(problem.is_none(), || format!("{event:?} has no good reason: {problem:?}"));
        before.insert(event.id.0, event);
    }
}

fn problem(
    event: &Recorded<ShopEvent>,
    requests: &HashMap<Uuid, Request>,
    plans: &[Vec<ShopCommand>],
    before: &HashMap<Uuid, &Recorded<ShopEvent>>,
) -> Option<String> {
    let (Some(conversation), Some(cause)) = (event.metadata.correlation_id, event.metadata.causation_id) else {
        return Some("it belongs to nothing".into());
    };
    let Some(request) = requests.get(&conversation.0) else { return Some("nobody began the conversation".into()) };
    if event.metadata.actor != Some(request.actor()) {
        return Some(format!("{} is behind it", request.actor()));
    }
    if order_of(event).is_some_and(|order| order != format!("order-{:03}", request.person)) {
        return Some(format!("it is the order of another than {request:?}"));
    }
    if cause.0 == conversation.0 {
        let goes_there = goes_to(&plans[request.person][request.step], event);
        return (!goes_there).then(|| "the request was for something else".into());
    }
    let Some(cause) = before.get(&cause.0) else { return Some("its cause does not come before it".into()) };
    if cause.metadata.correlation_id != Some(conversation) {
        return Some(format!("its cause is of another conversation: {cause:?}"));
    }
    (!follows(event, cause)).then(|| format!("it does not follow from {cause:?}"))
}

/// By a reaction, or by the answer of a partner.
fn follows(event: &Recorded<ShopEvent>, cause: &Recorded<ShopEvent>) -> bool {
    let is_answer = match (&cause.event, &event.event) {
        (ShopEvent::Payment(cause), ShopEvent::Payment(event)) => {
            let is_answer = matches!(event, PaymentEvent::Authorised | PaymentEvent::Failed { .. });
            matches!(cause, PaymentEvent::Requested { .. }) && is_answer
        }
        (ShopEvent::Shipment(cause), ShopEvent::Shipment(event)) => {
            matches!((cause, event), (ShipmentEvent::Prepared { .. }, ShipmentEvent::Shipped { .. }))
        }
        _ => false,
    };
    let answers = is_answer && cause.stream == event.stream;
    answers || Fulfilment.react(cause).iter().any(|command| goes_to(command, event))
}

/// Whether the event is of the aggregate that the command is for.
fn goes_to(command: &ShopCommand, event: &Recorded<ShopEvent>) -> bool {
    let (category, id) = match command {
        ShopCommand::Order(command) => ("order", &command.aggregate_id().0),
        ShopCommand::Stock(command) => ("stock", &command.aggregate_id().0),
        ShopCommand::Payment(command) => ("payment", &command.aggregate_id().0),
        ShopCommand::Shipment(command) => ("shipment", &command.aggregate_id().0),
    };
    event.stream.category() == category && event.stream.id() == id
}

/// Which order the event is about. Deliveries are about none.
fn order_of(event: &Recorded<ShopEvent>) -> Option<&str> {
    match &event.event {
        ShopEvent::Stock(StockEvent::Received { .. }) => None,
        ShopEvent::Stock(
            StockEvent::Reserved { order, .. }
            | StockEvent::ReservationFailed { order, .. }
            | StockEvent::Released { order, .. }
            | StockEvent::TakenOut { order, .. },
        ) => Some(&order.0),
        _ => Some(event.stream.id()),
    }
}
