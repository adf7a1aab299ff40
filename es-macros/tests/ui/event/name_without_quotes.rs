use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    #[event(rename = account::opened)]
    Opened,
    #[event(alias("account.ended", "account.over"))]
    Closed,
}

fn main() {}
