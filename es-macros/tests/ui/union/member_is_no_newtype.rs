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
    Account(AccountEvent),
    Both(AccountEvent, AccountEvent),
    Named { event: AccountEvent },
    Nothing,
}

fn main() {}
