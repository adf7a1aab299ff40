use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, key = |event| event.version, apply = |balance, event| balance.cents = event.cents)]
struct Balance {
    cents: u64,
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |list, _| list.0.pop(), deleted = |list| list.0.len())]
struct List(Vec<u8>);

fn main() {}
