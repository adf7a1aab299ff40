//! Ledgers, and documents that tell in which order their events came.

use es_core::{Document, Event, IntoKeys, NewEvent, Recorded};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Event, Serialize, Deserialize)]
#[event(category = "ledger")]
pub enum LedgerEvent {
    Written {},
}

pub fn written(id: es_core::EventId) -> NewEvent {
    NewEvent { id, ..NewEvent::new("ledger.written", 1, "{}") }
}

/// The key of the document that all events go to.
pub const ALL: &str = "all";

/// One for each ledger, and one for all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trail {
    pub events: u64,
    pub trail: u64,
}

impl Trail {
    pub fn follow(&mut self, event: Uuid) {
        let (high, low) = event.as_u64_pair();
        self.events += 1;
        self.trail = self.trail.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(high ^ low);
    }
}

impl Document for Trail {
    const NAME: &'static str = "trail";
    type Event = LedgerEvent;

    fn key(event: &Recorded<LedgerEvent>) -> impl IntoKeys {
        vec![event.stream.id().to_owned(), ALL.to_owned()]
    }

    fn apply(&mut self, event: &Recorded<LedgerEvent>) {
        self.follow(event.id.0);
    }
}
