use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(rename = "order.placed")]
struct OrderPlaced;

fn main() {}
