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
#[command(aggregate = Account, handle = Account::open, error = String)]
struct Open {
    id: String,
}

impl Account {
    fn open(&self, _: Open, _: &es_core::Context) -> Result<AccountEvent, String> {
        Ok(AccountEvent::Opened)
    }
}

fn main() {}
