use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Event)]
#[event(union = true)]
enum Everything {
    Account(AccountEvent),
}

fn main() {}
