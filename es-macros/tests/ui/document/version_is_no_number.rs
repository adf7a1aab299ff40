use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, version = "2")]
struct InQuotes;

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, version = 2u32)]
struct WithSuffix;

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, version = 4294967296)]
struct TooGreat;

fn main() {}
