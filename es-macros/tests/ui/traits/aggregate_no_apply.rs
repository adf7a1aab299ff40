use es_core::{Aggregate, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Serialize, Deserialize)]
struct OrderPlaced;
#[derive(Serialize, Deserialize)]
struct OrderPaid;

#[derive(Event, Serialize, Deserialize)]
#[event(category = "order")]
enum OrderEvent {
    Placed(OrderPlaced),
    Paid(OrderPaid),
}

#[derive(Aggregate, Default)]
#[aggregate(id = String, event = OrderEvent)]
struct Order;

impl es_core::Apply<OrderPlaced> for Order {
    fn apply(&mut self, _: OrderPlaced) {}
}

fn main() {}
