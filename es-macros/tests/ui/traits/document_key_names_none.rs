use es_core::{Document, Event, Recorded};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, key = Balance::year, apply = |_, _| {})]
struct Balance {
    cents: u64,
}

impl Balance {
    fn year(_: &Recorded<AccountEvent>) -> u64 {
        2026
    }
}

fn main() {}
