use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account", version = 2)]
enum AccountEvent {
    #[event(category = "account")]
    Opened,
    #[event(union)]
    Closed {
        #[event(rename = "why")]
        reason: String,
    },
}

fn main() {}
