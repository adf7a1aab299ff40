use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

struct Other;

#[derive(Event)]
#[event(union)]
enum Everything {
    Account(AccountEvent),
    Other(Other),
}

fn main() {}
