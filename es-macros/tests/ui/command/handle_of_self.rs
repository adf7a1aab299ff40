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
#[command(aggregate = Account, handle = Self::decide, error = std::io::Error)]
struct Open {
    id: String,
}

impl Open {
    fn decide(_: &Account, _: Self, _: &es_core::Context) -> Result<AccountEvent, std::io::Error> {
        Ok(AccountEvent::Opened)
    }
}

fn main() {}
