use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event = "account"]
enum AccountEvent {
    #[event]
    Opened,
}

fn main() {}
