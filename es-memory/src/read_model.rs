//! Read models: tables, checkpoints under a fenced lease, and dead letters, changed together or not at all.

mod projection;
mod tables;
mod transaction;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use es_core::{
    Claim, Control, DeadLetter, Error, Fenced, Lease, Position, ProjectionId, ProjectionStatus, ReadModelKind,
    ReadModelStore, Timestamp,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::lock;
use crate::log::Log;
use crate::store::MemoryStore;
use projection::Projection;
use tables::{Rows, page};
use transaction::{Act, Projections};

pub use tables::{Table, TableError, Tables};
pub use transaction::Transaction;

/// All read models of a store. They share one lock, so that a transaction is committed in one piece.
#[derive(Debug, Default)]
pub(crate) struct Kept(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    tables: BTreeMap<String, Rows>,
    projections: Projections,
}

/// The table that the documents of a projection are kept in.
pub(crate) fn table_of(id: &ProjectionId) -> String {
    format!("{}_v{}", id.name(), id.version())
}

impl Kept {
    /// The text of a committed row.
    pub(crate) fn row(&self, table: &str, key: &str) -> Option<Arc<str>> {
        lock::read(&self.0).tables.get(table)?.get(key).cloned()
    }

    /// All committed rows of a table. Nobody's code runs under the lock, so they are copied out.
    pub(crate) fn rows(&self, table: &str) -> Rows {
        lock::read(&self.0).tables.get(table).cloned().unwrap_or_default()
    }

    pub(crate) fn check(&self, acts: &[Act]) -> Result<(), Fenced> {
        transaction::check(&lock::read(&self.0).projections, acts)
    }

    /// Makes everything so, unless a lease was taken over in the meantime.
    pub(crate) fn commit(&self, acts: &[Act], tables: Tables) -> Result<(), Fenced> {
        let mut state = lock::write(&self.0);
        transaction::check(&state.projections, acts)?;
        transaction::make_so(&mut state.projections, acts);
        tables.make_in(&mut state.tables);
        Ok(())
    }

    fn register(&self, id: &ProjectionId, live_from: Position) {
        let projections = &mut lock::write(&self.0).projections;
        projections.entry(id.clone()).or_insert_with(|| Projection::new(live_from));
    }

    fn with<R>(&self, id: &ProjectionId, act: impl FnOnce(&mut Projection) -> R) -> Option<R> {
        lock::write(&self.0).projections.get_mut(id).map(act)
    }

    fn page(&self, table: &str, after: Option<&str>, limit: u32) -> Vec<(String, String)> {
        let state = lock::read(&self.0);
        state.tables.get(table).map(|rows| page(rows, after, limit)).unwrap_or_default()
    }

    fn statuses(&self) -> Vec<ProjectionStatus> {
        lock::read(&self.0).projections.iter().map(|(id, projection)| projection.status(id)).collect()
    }
}

/// A projection that nobody has registered.
#[derive(Debug, thiserror::Error)]
#[error("projection `{id}` was never registered")]
struct Unregistered {
    id: ProjectionId,
}

impl MemoryStore {
    /// The committed values of a table that a projector writes to.
    ///
    /// # Example: what a projector of an earlier test left there
    ///
    /// ```
    /// let store = es_memory::MemoryStore::new();
    /// assert!(store.table::<u64>("balances").list()?.is_empty());
    /// # Ok::<(), es_memory::TableError>(())
    /// ```
    pub fn table<T: DeserializeOwned>(&self, name: impl Into<String>) -> Table<T> {
        Table::new(Arc::clone(self.kept()), name.into())
    }
}

impl ReadModelStore for MemoryStore {
    type Target = Tables;
    type Transaction = Transaction;

    async fn register(&self, id: &ProjectionId, _: ReadModelKind) -> Result<(), Error> {
        // Documents need no table before they are written: any table is there as soon as something is put into it.
        self.kept().register(id, self.log().end());
        Ok(())
    }

    async fn claim(&self, id: &ProjectionId, owner: Uuid, lease: Duration) -> Result<Claim, Error> {
        let claim = self.kept().with(id, |projection| projection.claim(id, owner, lease));
        claim.ok_or_else(|| Error::store(Unregistered { id: id.clone() }))
    }

    async fn renew(&self, held: &Lease, lease: Duration) -> Result<bool, Error> {
        let renewed = self.kept().with(&held.id, |projection| projection.renew(held, lease));
        Ok(renewed.unwrap_or(false))
    }

    async fn release(&self, held: &Lease) -> Result<(), Error> {
        self.kept().with(&held.id, |projection| projection.release(held));
        Ok(())
    }

    async fn begin(&self) -> Result<Transaction, Error> {
        Ok(Transaction::new(Arc::clone(self.kept())))
    }

    async fn report_stop(&self, held: &Lease, reason: &str) -> Result<(), Error> {
        self.kept().with(&held.id, |projection| projection.report_stop(held, reason));
        Ok(())
    }

    async fn control(&self, id: &ProjectionId, control: Control) -> Result<bool, Error> {
        Ok(self.kept().with(id, |projection| projection.control(control)).unwrap_or(false))
    }

    async fn projections(&self) -> Result<Vec<ProjectionStatus>, Error> {
        let mut statuses = self.kept().statuses();
        for status in &mut statuses {
            set_lag(status, self.log());
        }
        Ok(statuses)
    }

    async fn dead_letters(&self, id: &ProjectionId) -> Result<Vec<DeadLetter>, Error> {
        Ok(self.kept().with(id, |projection| projection.letters()).unwrap_or_default())
    }

    async fn get_documents(&self, id: &ProjectionId, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        let table = table_of(id);
        Ok(keys.iter().map(|key| self.kept().row(&table, key).map(|json| json.to_string())).collect())
    }

    async fn list_documents(
        &self,
        id: &ProjectionId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, Error> {
        Ok(self.kept().page(&table_of(id), after, limit))
    }

    /// The receiver is made at the call, so that it remembers an append that comes before it is waited for.
    fn appended(&self) -> impl Future<Output = ()> + Send {
        let mut appends = self.appends().subscribe();
        async move {
            // It cannot be closed while this handle lives.
            let _ = appends.changed().await;
        }
    }
}

/// Every place of this log has an event, so that places count events.
fn set_lag(status: &mut ProjectionStatus, log: &Log) {
    status.lag_events = log.end().0.saturating_sub(status.position.0);
    status.lag = log.behind(status.position).map_or(Duration::ZERO, |oldest| Timestamp::now().since(oldest));
}
