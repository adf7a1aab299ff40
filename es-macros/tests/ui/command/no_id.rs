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
    account: String,
}

#[derive(Clone, Command)]
#[command(aggregate = Account)]
struct Close(String);

#[derive(Clone, Command)]
#[command(aggregate = Account)]
struct Freeze;

#[derive(Clone, Command)]
#[command(aggregate = Account)]
enum AccountCommand {
    Open { account: String },
    Close(String),
    Freeze,
    Touch { id: String },
}

fn main() {}
