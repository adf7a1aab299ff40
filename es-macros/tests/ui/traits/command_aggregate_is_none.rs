use es_core::{Aggregate, Command, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, apply = go)]
struct Account;

fn go(_: &mut Account, _: AccountEvent) {}

struct Ledger;

#[derive(Clone, Command)]
#[command(aggregate = Ledger)]
struct Open {
    id: String,
}

fn main() {}
