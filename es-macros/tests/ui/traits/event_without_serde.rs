use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Event, Serialize, Deserialize)]
#[event(category = "other")]
enum OtherEvent {
    Opened,
}

fn main() {}
