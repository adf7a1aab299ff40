use es_core::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    #[event(version = 2, upcast(up))]
    Opened,
    #[event(version = 2, upcast = up)]
    Closed,
    #[event(version = 2, upcast(1 = |old| old))]
    Ended,
}

fn up(old: Value) -> Value {
    old
}

fn main() {}
