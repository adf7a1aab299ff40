use es_core::{Aggregate, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Clone, Debug)]
struct AccountId(u64);

#[derive(Aggregate, Default)]
#[aggregate(id = AccountId, event = AccountEvent, apply = go)]
struct Account;

fn go(_: &mut Account, _: AccountEvent) {}

fn main() {}
