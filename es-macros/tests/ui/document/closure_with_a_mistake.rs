use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |balance, event|, version = "2")]
struct Balance {
    cents: u64,
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |turnover, _| turnover.cents +=, version = "2")]
struct Turnover {
    cents: u64,
}

fn main() {}
