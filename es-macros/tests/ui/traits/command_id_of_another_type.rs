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

#[derive(Clone, Command)]
#[command(aggregate = Account)]
struct Open {
    id: u64,
}

#[derive(Clone, Command)]
#[command(aggregate = Account)]
enum AccountCommand {
    Close { id: u64 },
    Freeze(#[command(id)] u64),
}

fn main() {}
