//! Notes in memory.

use es_core::BoxError;
use es_memory::{MemoryStore, Tables};

use crate::world::{Note, World};

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
