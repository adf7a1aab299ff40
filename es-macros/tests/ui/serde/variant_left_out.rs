use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    #[serde(skip)]
    Opened,
    #[serde(rename = "x", skip_serializing)]
    Renamed,
    #[serde(skip_deserializing)]
    Closed,
    #[serde(other)]
    Other,
}

fn main() {}
