use es_core::Event;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Raw;

impl From<Raw> for AccountEvent {
    fn from(_: Raw) -> Self {
        Self::Opened
    }
}

impl From<AccountEvent> for Raw {
    fn from(_: AccountEvent) -> Self {
        Self
    }
}

#[derive(Clone, Event, Serialize, Deserialize)]
#[event(category = "account")]
#[serde(from = "Raw", into = "Raw")]
enum AccountEvent {
    Opened,
}

fn main() {}
