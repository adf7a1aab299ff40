use es_core::{Aggregate, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Aggregate)]
#[aggregate(id = String, event = AccountEvent)]
union Account {
    balance: u64,
}

fn main() {}
