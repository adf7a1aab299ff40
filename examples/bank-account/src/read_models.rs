use crate::domain::AccountEvent;
use es_core::{Document, Timestamp};

#[derive(Debug, Default, Document, serde::Deserialize, serde::Serialize)]
#[document(event = AccountEvent, apply = |balance, event| balance.0 += change(&event.event))]
pub struct Balance(pub i128);

#[derive(Debug, Default, Document, serde::Deserialize, serde::Serialize)]
#[document(event = AccountEvent, apply = |lines, event| lines.0.push((event.recorded_at, change(&event.event))))]
pub struct Statement(pub Vec<(Timestamp, i128)>);

fn change(event: &AccountEvent) -> i128 {
    match *event {
        AccountEvent::Opened { .. } => 0,
        AccountEvent::Deposited { amount } => i128::from(amount),
        AccountEvent::Withdrawn { amount } => -i128::from(amount),
    }
}
