use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Event)]
#[event(union)]
enum Everything {
    #[event(rename = "everything.account")]
    Account(AccountEvent),
}

fn main() {}
