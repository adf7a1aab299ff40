use es_core::{Aggregate, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(id = String, event = AccountEvent, apply = go, snapshot(version = 2))]
struct Account;

fn go(_: &mut Account, _: AccountEvent) {}

fn main() {}
