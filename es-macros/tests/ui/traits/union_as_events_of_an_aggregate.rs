use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

use es_core::Aggregate;

#[derive(Event)]
#[event(union)]
enum Everything {
    Account(AccountEvent),
}

#[derive(Default)]
struct Account;

impl Aggregate for Account {
    type Id = String;
    type Event = Everything;
    fn apply(&mut self, _: Everything) {}
}

fn main() {}
