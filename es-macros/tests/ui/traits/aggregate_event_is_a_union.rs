use es_core::{Aggregate, Event};
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
}

#[derive(Aggregate, Default)]
#[aggregate(id = String, event = Everything, apply = go)]
struct Account;

fn go(_: &mut Account, _: Everything) {}

fn main() {}
