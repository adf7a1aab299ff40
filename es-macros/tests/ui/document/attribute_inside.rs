use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {})]
struct Balance {
    #[document(indexed)]
    cents: u64,
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {})]
enum Door {
    #[default]
    #[document(deleted)]
    Shut,
    Open(#[document(key)] u8),
}

fn main() {}
