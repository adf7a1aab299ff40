use es_core::Event;
use serde::{Deserialize, Serialize};

use es_core::{Aggregate, AggregateEvent, Apply, Command, Context, Handle, IntoEvents};

#[derive(Serialize, Deserialize)]
struct Opened;

#[derive(Event, Serialize, Deserialize)]
#[event(categoty = "account")]
enum AccountEvent {
    Opened(Opened),
}

#[derive(Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, snapshots)]
struct Account;

impl Apply<Opened> for Account {
    fn apply(&mut self, _: Opened) {}
}

#[derive(Clone, Command)]
#[command(aggregate = Account)]
struct Open {
    account: String,
}

impl Handle<Open> for Account {
    type Error = std::io::Error;
    fn handle(&self, _: Open, _: &Context) -> Result<impl IntoEvents<AccountEvent>, std::io::Error> {
        Ok(Opened)
    }
}

fn uses(command: Open) -> (String, AccountEvent, &'static str) {
    (command.aggregate_id().clone(), Opened.into(), AccountEvent::CATEGORY)
}

fn main() {}
