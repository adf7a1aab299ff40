use es_core::{Aggregate, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
struct Account;

impl Account {
    fn apply(&mut self, _: String) {}
}

fn main() {}
