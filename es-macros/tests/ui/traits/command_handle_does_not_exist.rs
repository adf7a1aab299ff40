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

// `Account::handle` can only be the trait's own method here, which would call itself for ever.
#[derive(Clone, Command)]
#[command(aggregate = Account, handle = Account::handle, error = std::io::Error)]
struct Open {
    id: String,
}

#[derive(Clone, Command)]
#[command(aggregate = Account, handle = Account::no_such_function, error = std::io::Error)]
struct Close {
    id: String,
}

fn main() {}
