use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    #[event(rename = "account.begun" alias = "account.started")]
    Opened,
}

fn main() {}
