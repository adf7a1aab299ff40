use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = Balance::apply)]
struct Balance {
    cents: u64,
}

impl Balance {
    fn apply(&mut self, _: AccountEvent) {}
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |turnover: &mut Turnover| turnover.cents += 1)]
struct Turnover {
    cents: u64,
}

fn main() {}
