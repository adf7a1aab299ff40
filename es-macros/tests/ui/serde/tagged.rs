use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
#[serde(tag = "type", content = "data")]
enum AccountEvent {
    Opened,
}

#[derive(Event, Serialize, Deserialize)]
#[event(category = "order")]
#[serde(untagged)]
enum OrderEvent {
    Placed,
    #[serde(untagged)]
    Paid,
}

fn main() {}
