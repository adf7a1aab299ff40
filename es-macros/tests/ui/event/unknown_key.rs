use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(categroy = "account", category = "account", skip)]
enum AccountEvent {
    #[event(renam = "account.begun")]
    Opened,
    #[event(aliases = "account.ended", name = "account.closed")]
    Closed,
}

fn main() {}
