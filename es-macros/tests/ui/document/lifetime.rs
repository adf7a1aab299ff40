use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {})]
struct Balance<'a> {
    owner: std::borrow::Cow<'a, str>,
}

fn main() {}
