use es_core::{Document, Event, ReadModels};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, name = "Balance")]
struct Balance {
    cents: u64,
}

// The stub leaves nothing to complain about here.
fn documents<S: es_core::ReadModelStore>(store: &S) -> Option<es_core::Documents<'_, S, Balance>> {
    store.documents().ok()
}

fn main() {}
