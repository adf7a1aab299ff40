//! Transactions: what is written is put aside, and made so at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use es_core::{
    AdvanceError, Append, Appended, Checkpoint, Conflict, DeadLetter, Error, EventStore, Lease, Position, ProjectionId,
    ReadModelTransaction, StreamId, Version,
};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};

use crate::draft::Drafts;
use crate::read_model::acts::{Act, move_checkpoints};
use crate::read_model::kept::table_of;
use crate::read_model::tables::Tables;
use crate::store::MemoryStore;

/// A transaction over tables, checkpoints, dead letters and appends. See [`ReadModelTransaction`].
///
/// Transactions that [append](ReadModelTransaction::append) or [lock documents](ReadModelTransaction::lock_documents) take
/// turns: the second waits until the first ends, whatever they append and lock. So never wait for one while another is open in
/// the same task. All others go on side by side.
///
/// # Example: two values, and both or none
///
/// ```
/// use es_core::{ReadModelStore, ReadModelTransaction};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = es_memory::MemoryStore::new();
/// let mut transaction = store.begin().await?;
/// transaction.target().put("balances", "ada", &5)?;
/// transaction.target().put("balances", "bob", &7)?;
/// assert_eq!(store.table::<u64>("balances").get("ada")?, None);
/// transaction.commit().await?;
/// assert_eq!(store.table::<u64>("balances").get("ada")?, Some(5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Transaction {
    store: MemoryStore,
    tables: Tables,
    acts: Vec<Act>,
    drafts: Drafts,
    /// The conflict that an append met: nothing may be committed any more.
    conflict: Option<Conflict>,
    /// Where the log must end at the commit.
    log_end: Option<Position>,
    /// Held to the end, see [`MemoryStore::turn`].
    turn: Option<OwnedMutexGuard<()>>,
    /// Held to the end, by the projections that were seized.
    seizures: BTreeMap<ProjectionId, OwnedSemaphorePermit>,
}

impl Transaction {
    pub(crate) fn new(store: MemoryStore) -> Self {
        let tables = Tables::new(Arc::clone(store.kept()));
        let (acts, drafts, seizures) = (Vec::new(), Drafts::default(), BTreeMap::new());
        Self { store, tables, acts, drafts, conflict: None, log_end: None, turn: None, seizures }
    }

    /// Puts an act aside. One that is refused stays there, so that the commit is refused too.
    fn put_aside(&mut self, act: Act) -> Result<(), AdvanceError> {
        self.acts.push(act);
        Ok(self.store.kept().check(&self.acts)?)
    }

    /// Waits until no other transaction appends or has documents locked.
    async fn take_turn(&mut self) {
        if self.turn.is_none() {
            self.turn = Some(self.store.turn().await);
        }
    }
}

impl ReadModelTransaction for Transaction {
    type Target = Tables;

    fn target(&mut self) -> &mut Tables {
        &mut self.tables
    }

    async fn load_documents(&mut self, id: &ProjectionId, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        let table = table_of(id);
        let text = |key: &String| self.tables.text(&table, key).map(|json| json.to_string());
        Ok(keys.iter().map(text).collect())
    }

    async fn lock_documents(&mut self, _: &ProjectionId, _: &[String]) -> Result<(), Error> {
        self.take_turn().await;
        Ok(())
    }

    async fn save_documents(&mut self, id: &ProjectionId, documents: &[(String, Option<String>)]) -> Result<(), Error> {
        let table = table_of(id);
        for (key, json) in documents {
            self.tables.set(&table, key, json.as_deref().map(Arc::from));
        }
        Ok(())
    }

    async fn clear_documents(&mut self, id: &ProjectionId) -> Result<(), Error> {
        self.tables.clear(&table_of(id));
        Ok(())
    }

    async fn advance(&mut self, held: &Lease, to: Position, events: u64) -> Result<(), AdvanceError> {
        self.put_aside(Act::Advance { held: held.clone(), to, events })
    }

    async fn reset(&mut self, held: &Lease, to: Position, live_from: Position) -> Result<(), AdvanceError> {
        self.put_aside(Act::Reset { held: held.clone(), to, live_from })
    }

    async fn dismiss(&mut self, held: &Lease) -> Result<(), AdvanceError> {
        self.put_aside(Act::Dismiss { held: held.clone() })
    }

    /// The leases are of no use while this transaction lasts, and are taken away when it is committed.
    async fn seize(&mut self, id: &ProjectionId) -> Result<Vec<Checkpoint>, Error> {
        if !self.seizures.contains_key(id) {
            let seizure = self.store.kept().seizure(id)?;
            self.seizures.insert(id.clone(), seizure.acquire_owned().await.map_err(Error::store)?);
            self.acts.push(Act::Seize { id: id.clone() });
        }
        let end = self.store.log_end().await?;
        self.store.kept().checkpoints(id, end)
    }

    async fn append(&mut self, append: Append) -> Result<Appended, Error> {
        append.check()?;
        self.take_turn().await;
        if let Some(keyed) = &append.key
            && let Some(first) = self.drafts.find_key(&keyed.key).or_else(|| self.store.keys().find(&keyed.key))
        {
            keyed.check(&first, &append.stream)?;
            return Ok(Appended::again(&first));
        }
        let (committed, now) = (self.store.streams().version(&append.stream), self.store.log().now());
        let (streams, stream) = (self.store.streams(), append.stream.clone());
        let added = self.drafts.add(append, committed, || streams.last(&stream), now);
        if let Err(Error::Conflict(conflict)) = &added {
            self.conflict = Some(conflict.clone());
        }
        added
    }

    async fn hold_appends(&mut self) -> Result<(), Error> {
        let end = self.store.log_end().await?;
        self.log_end.get_or_insert(end);
        Ok(())
    }

    async fn save_dead_letter(&mut self, id: &ProjectionId, letter: &DeadLetter) -> Result<(), Error> {
        self.acts.push(Act::SaveLetter { id: id.clone(), letter: Box::new(letter.clone()) });
        Ok(())
    }

    async fn delete_dead_letter(&mut self, id: &ProjectionId, stream: &StreamId, first: Version) -> Result<(), Error> {
        self.acts.push(Act::DeleteLetter { id: id.clone(), stream: stream.clone(), first });
        Ok(())
    }

    async fn commit(self) -> Result<(), Error> {
        // The guards are kept to the end.
        let Self { store, tables, acts, drafts, conflict, log_end, turn: _turn, seizures: _seizures } = self;
        if let Some(conflict) = conflict {
            return Err(conflict.into());
        }
        // Whoever was fenced between its last act and here finds out by claiming again, like after any other trouble.
        let make_so = || store.kept().commit(&acts, tables).map_err(Error::unavailable);
        store.commit(drafts, log_end, make_so)?;
        if move_checkpoints(&acts) {
            store.advanced_signal().give();
        }
        Ok(())
    }
}
