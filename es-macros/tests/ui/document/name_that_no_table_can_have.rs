use es_core::{Document, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, name = "")]
struct Empty;

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, name = "Balances")]
struct Capital;

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, name = "order-details")]
struct Dash;

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, name = "2024_balances")]
struct DigitFirst;

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, name = "_balances")]
struct LineFirst;

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, name = "bilanzübersicht")]
struct Umlaut;

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
struct TooLong;

fn main() {}
