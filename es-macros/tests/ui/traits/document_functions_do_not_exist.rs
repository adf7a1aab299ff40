use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = Balance::apply, key = Self::key, deleted = Balance::is_deleted)]
struct Balance {
    cents: u64,
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply_as = Counter::apply_as, deleted = Counter::no_such_function)]
struct Counter<const N: u8> {
    cents: u64,
}

fn main() {}
