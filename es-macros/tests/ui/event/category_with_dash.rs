use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "bank-account")]
enum AccountEvent {
    Opened,
}

fn main() {}
