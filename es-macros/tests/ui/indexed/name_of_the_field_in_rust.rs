use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[document(event = AccountEvent, apply = |_, _| {}, indexed("paid_cents", "openCents", "owner"))]
struct Balance {
    paid_cents: u64,
    open_cents: u64,
    #[serde(rename(serialize = "customer", deserialize = "owner"))]
    owner: String,
}

fn main() {}
