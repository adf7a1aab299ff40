use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "bank-account", colour = "red")]
#[serde(tag = "type")]
enum AccountEvent {
    #[event(rename = "")]
    Opened { owner: String },
    #[event(version = 3, upcast(1 = up))]
    Deposited(u64),
    #[serde(skip)]
    Closed,
}

fn up(old: serde_json::Value) -> serde_json::Value {
    old
}

// The stub leaves nothing to complain about here.
fn names() -> Vec<&'static str> {
    AccountEvent::TYPES.iter().map(|t| t.name()).collect()
}

fn main() {}
