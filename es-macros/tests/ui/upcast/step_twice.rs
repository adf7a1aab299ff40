use es_core::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    #[event(version = 3, upcast(1 = up, 2 = up, 1 = up))]
    Opened,
}

fn up(old: Value) -> Value {
    old
}

fn main() {}
