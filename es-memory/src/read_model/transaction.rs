//! Transactions: what is written is put aside, and made so at once.

use std::collections::HashMap;
use std::sync::Arc;

use es_core::{
    AdvanceError, DeadLetter, Error, Fenced, Lease, Position, ProjectionId, ReadModelTransaction, StreamId, Version,
};

use crate::read_model::projection::Projection;
use crate::read_model::tables::Tables;
use crate::read_model::{Kept, table_of};

/// A transaction over tables, checkpoints and dead letters. See [`ReadModelTransaction`].
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
    kept: Arc<Kept>,
    tables: Tables,
    acts: Vec<Act>,
}

/// What is to be done to a projection.
#[derive(Debug)]
pub(crate) enum Act {
    Advance { held: Lease, to: Position, events: u64 },
    Reset { held: Lease, to: Position, live_from: Position },
    SaveLetter { id: ProjectionId, letter: Box<DeadLetter> },
    DeleteLetter { id: ProjectionId, stream: StreamId, first: Version },
}

impl Act {
    fn id(&self) -> &ProjectionId {
        match self {
            Self::Advance { held, .. } | Self::Reset { held, .. } => &held.id,
            Self::SaveLetter { id, .. } | Self::DeleteLetter { id, .. } => id,
        }
    }
}

impl Transaction {
    pub(crate) fn new(kept: Arc<Kept>) -> Self {
        Self { tables: Tables::new(Arc::clone(&kept)), kept, acts: Vec::new() }
    }

    /// Puts an act aside. One that is refused stays there, so that the commit is refused too.
    fn put_aside(&mut self, act: Act) -> Result<(), AdvanceError> {
        self.acts.push(act);
        Ok(self.kept.check(&self.acts)?)
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

    async fn save_dead_letter(&mut self, id: &ProjectionId, letter: &DeadLetter) -> Result<(), Error> {
        self.acts.push(Act::SaveLetter { id: id.clone(), letter: Box::new(letter.clone()) });
        Ok(())
    }

    async fn delete_dead_letter(&mut self, id: &ProjectionId, stream: &StreamId, first: Version) -> Result<(), Error> {
        self.acts.push(Act::DeleteLetter { id: id.clone(), stream: stream.clone(), first });
        Ok(())
    }

    async fn commit(self) -> Result<(), Error> {
        // Whoever was fenced between its last act and here finds out by claiming again, like after any other trouble.
        self.kept.commit(&self.acts, self.tables).map_err(Error::unavailable)
    }
}

/// Whether all acts can be done, one after the other.
pub(crate) fn check(projections: &Projections, acts: &[Act]) -> Result<(), Fenced> {
    let mut reached = HashMap::new();
    for act in acts {
        let (held, to) = match act {
            Act::Advance { held, to, .. } | Act::Reset { held, to, .. } => (held, *to),
            Act::SaveLetter { .. } | Act::DeleteLetter { .. } => continue,
        };
        let projection = projections.get(&held.id).filter(|projection| projection.is_held(held));
        let Some(projection) = projection else { return Err(Fenced { id: held.id.clone() }) };
        let before = reached.insert(&held.id, to).unwrap_or(projection.position);
        if matches!(act, Act::Advance { .. }) && to < before {
            return Err(Fenced { id: held.id.clone() });
        }
    }
    Ok(())
}

/// Does all acts.
pub(crate) fn make_so(projections: &mut Projections, acts: &[Act]) {
    for act in acts {
        let Some(projection) = projections.get_mut(act.id()) else { continue };
        match act {
            Act::Advance { to, events, .. } => projection.advance(*to, *events),
            Act::Reset { to, live_from, .. } => projection.reset(*to, *live_from),
            Act::SaveLetter { letter, .. } => projection.keep_letter(letter),
            Act::DeleteLetter { stream, first, .. } => projection.forget_letter(stream, *first),
        }
    }
}

pub(crate) type Projections = std::collections::BTreeMap<ProjectionId, Projection>;
