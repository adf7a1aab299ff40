use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent<T> {
    Opened(T),
}

#[derive(Event, Serialize)]
#[event(category = "account")]
struct Renamed<'a> {
    name: &'a str,
}

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
struct Counted<const N: usize>;

fn main() {}
