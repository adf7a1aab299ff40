use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = Document::apply, key = es_core::Document::key)]
struct Balance {
    cents: u64,
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply_as = Document::apply_as, deleted = Document::is_deleted)]
struct Turnover {
    cents: u64,
}

fn main() {}
