use es_core::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    #[event(version = "2")]
    Opened,
    #[event(version = 2u8)]
    Closed,
    #[event(version = 99999999999)]
    Ended,
}

fn up(old: Value) -> Value {
    old
}

fn main() {}
