use es_core::{Aggregate, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

// `Account::apply` can only be the trait's own method here, which would call itself for ever.
#[derive(Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
struct Account;

fn main() {}
