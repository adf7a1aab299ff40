//! Notes in memory.

use es_core::BoxError;
use es_memory::{MemoryStore, Tables};

use crate::world::{Note, World};

impl World for MemoryStore {
    async fn note(tables: &mut Tables, note: Note) -> Result<(), BoxError> {
        // Each is behind all before it, also those that others write at the same time.
        Ok(tables.put("notes", &uuid::Uuid::now_v7().to_string(), &note)?)
    }

    async fn forget(tables: &mut Tables) -> Result<(), BoxError> {
        tables.clear("notes");
        Ok(())
    }

    async fn forget_behind(tables: &mut Tables, place: u64) -> Result<(), BoxError> {
        for (key, note) in tables.list::<Note>("notes")? {
            if note.position > place {
                tables.remove("notes", &key);
            }
        }
        Ok(())
    }

    async fn notes(&self) -> Vec<Note> {
        self.table("notes").list().unwrap().into_iter().map(|(_, note)| note).collect()
    }
}
