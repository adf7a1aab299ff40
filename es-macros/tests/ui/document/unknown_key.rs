use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(evnt = AccountEvent, apply = |_, _| {}, delete = |_| false, table = "balances")]
struct Balance {
    cents: u64,
}

fn main() {}
