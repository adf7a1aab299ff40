use es_core::{Aggregate, Command, Context, Event, Handle, IntoEvents};
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

struct Open;

fn execute(_: impl Command) {}

fn open(context: &Context) -> impl IntoEvents<AccountEvent> {
    let _ = (context, Handle::<Open>::handle);
    execute(Open)
}

fn main() {}
