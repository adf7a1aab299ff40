use es_core::{Event, ReadModels};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
}

struct Balance;

fn documents<S: es_core::ReadModelStore>(store: &S) {
    let _ = store.documents::<Balance>();
}

fn main() {}
