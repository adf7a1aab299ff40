use es_core::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    #[event(version = 2, upcast(1 = up, 2 = up))]
    Opened,
    #[event(version = 1, upcast(1 = up))]
    Closed,
}

fn up(old: Value) -> Value {
    old
}

fn main() {}
