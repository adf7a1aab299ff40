use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum OtherEvent {
    #[event(alias = "account.opened")]
    Begun,
}

#[derive(Event)]
#[event(union)]
enum Everything {
    Account(AccountEvent),
    Other(OtherEvent),
}

fn main() {}
