use es_core::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

fn wrong_input(old: String) -> Value {
    old.into()
}

fn wrong_output(_: Value) -> String {
    String::new()
}

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    #[event(version = 2, upcast(1 = wrong_input))]
    Opened,
    #[event(version = 2, upcast(1 = wrong_output))]
    Closed,
    #[event(version = 2, upcast(1 = no_such_function))]
    Ended,
}

fn up(old: Value) -> Value {
    old
}

fn main() {}
