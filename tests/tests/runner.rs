//! The runner on the store in memory: every case of the suite, and what only a store that fails and counts on demand can show.

#[path = "runner/suite.rs"]
#[macro_use]
mod suite;
#[path = "runner/counting.rs"]
mod counting;

use es_core::BoxError;
use es_memory::{MemoryStore, Tables};
use suite::world::{Note, World};

impl World for MemoryStore {
    async fn note(tables: &mut Tables, note: Note) -> Result<(), BoxError> {
        let next: u64 = tables.get("counters", "notes")?.unwrap_or(0) + 1;
        tables.put("counters", "notes", &next)?;
        // Two that write at the same time must not hide each other's notes.
        Ok(tables.put("notes", &format!("{next:020} {}", uuid::Uuid::now_v7()), &note)?)
    }

    async fn forget(tables: &mut Tables) -> Result<(), BoxError> {
        tables.clear("notes");
        Ok(())
    }

    async fn notes(&self) -> Vec<Note> {
        self.table("notes").list().unwrap().into_iter().map(|(_, note)| note).collect()
    }
}

runner_tests!(async { MemoryStore::new() });

/// Here only, because a blocked thread may be the one that looks after everybody's sockets.
#[test]
fn what_a_fenced_owner_wrote_is_rolled_back() {
    es_core::conformance::run(async { MemoryStore::new() }, suite::lifecycle::what_a_fenced_owner_wrote_is_rolled_back);
}
