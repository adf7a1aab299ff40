use es_core::{Aggregate, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

struct Opened;

#[derive(Aggregate, Default)]
#[aggregate(id = String, event = Opened, apply = go)]
struct Account;

fn go(_: &mut Account, _: Opened) {}

fn main() {}
