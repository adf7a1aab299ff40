use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account", category = "bank")]
enum AccountEvent {
    #[event(rename = "account.begun")]
    #[event(rename = "account.started")]
    Opened,
}

fn main() {}
