use es_core::{Aggregate, Command, Event, Handle, IntoEvents};
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
    id: String,
}

fn decide<C>(_: C)
where
    C: Command,
    C::Aggregate: Handle<C>,
{
}

fn open() {
    decide(Open { id: String::new() });
}

fn events(events: &mut Vec<AccountEvent>) {
    ().append_to(events);
}

fn main() {}
