//! Read models: tables, checkpoints under fenced leases, and dead letters, changed together or not at all.

mod acts;
mod kept;
mod letters;
mod part;
mod projection;
mod query;
mod tables;
mod transaction;
mod words;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use es_core::{
    Claim, Control, ControlAnswer, DeadLetter, DocumentQuery, Error, EventFilter, FailureClass, Lease, Position,
    ProjectionId, ProjectionState, ProjectionStatus, Pulse, Reached, ReadModelStore, Registration, Renewal, Slices,
    TakenIn, Timestamp, Written,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::log::Log;
use crate::store::MemoryStore;
use kept::table_of;
use projection::Projection;

pub(crate) use kept::Kept;
pub use tables::{Table, TableError, Tables};
pub use transaction::Transaction;

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

    async fn register(&self, registration: &Registration) -> Result<bool, Error> {
        // Documents need no table before they are written: any table is there as soon as something is put into it.
        let live_from = if registration.has_history { self.log().end() } else { Position::START };
        self.kept().register(registration, live_from)
    }

    async fn taken_in(&self, id: &ProjectionId) -> Result<Option<TakenIn>, Error> {
        let end = self.log().end();
        Ok(self.kept().with(id, |projection| projection.taken_in(end)).flatten())
    }

    async fn take_up(&self, id: &ProjectionId, wanted: &EventFilter) -> Result<(), Error> {
        self.kept().with(id, |projection| projection.take_up(wanted));
        Ok(())
    }

    async fn parts(&self, id: &ProjectionId) -> Result<Vec<Slices>, Error> {
        Ok(self.kept().with(id, |projection| projection.slices()).unwrap_or_default())
    }

    async fn claim(&self, id: &ProjectionId, first: u16, owner: Uuid, lease: Duration) -> Result<Claim, Error> {
        self.kept().claim(id, first, owner, lease)
    }

    async fn renew(&self, held: &Lease, lease: Duration, pulse: &Pulse) -> Result<Renewal, Error> {
        let renewed = self.kept().with(&held.id, |projection| projection.renew(held, lease, pulse));
        Ok(renewed.unwrap_or(Renewal::Lost))
    }

    async fn release(&self, held: &Lease) -> Result<(), Error> {
        self.kept().with(&held.id, |projection| projection.release(held));
        Ok(())
    }

    async fn begin(&self) -> Result<Transaction, Error> {
        Ok(Transaction::new(self.clone()))
    }

    async fn report_stop(&self, held: &Lease, reason: &str, class: FailureClass) -> Result<(), Error> {
        self.kept().with(&held.id, |projection| projection.report_stop(held, reason, class));
        Ok(())
    }

    async fn control(&self, id: &ProjectionId, control: Control) -> Result<ControlAnswer, Error> {
        self.kept().control(id, control, self.log().end())
    }

    async fn divide(&self, id: &ProjectionId) -> Result<bool, Error> {
        Ok(self.kept().with(id, Projection::divide).unwrap_or(false))
    }

    async fn projections(&self) -> Result<Vec<ProjectionStatus>, Error> {
        let mut statuses = self.kept().statuses(self.log().end());
        for status in &mut statuses {
            set_lag(status, self.log());
        }
        Ok(statuses)
    }

    async fn reached(&self, ids: &[ProjectionId], written: Option<&Written>) -> Result<Vec<Option<Reached>>, Error> {
        Ok(self.kept().reached(ids, written, self.log().end()))
    }

    async fn serving(&self, name: &str) -> Result<Option<ProjectionId>, Error> {
        Ok(self.kept().serving(name))
    }

    async fn drop_projection(&self, id: &ProjectionId) -> Result<bool, Error> {
        self.kept().drop_projection(id)
    }

    async fn list_dead_letters(
        &self,
        id: &ProjectionId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.kept().with(id, |projection| projection.letters.behind(after, limit)).unwrap_or_default())
    }

    async fn get_documents(&self, id: &ProjectionId, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        let table = table_of(id);
        Ok(keys.iter().map(|key| self.kept().row(&table, key).map(|json| json.to_string())).collect())
    }

    /// Every field can be asked for, indexed or not. What is asked for is looked for in every document behind the key.
    async fn list_documents(&self, id: &ProjectionId, query: &DocumentQuery) -> Result<Vec<(String, String)>, Error> {
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        // All at once where some will not do, so that the list is of one moment.
        let at_most = if query.equal.is_empty() { limit } else { usize::MAX };
        let rows = self.kept().rows_behind(&table_of(id), query.after.as_deref(), at_most);
        let found = rows.into_iter().filter(|(_, json)| query::asks_for(query, json)).take(limit);
        Ok(found.map(|(key, json)| (key, json.to_string())).collect())
    }

    async fn position_at(&self, time: Timestamp) -> Result<Position, Error> {
        Ok(self.log().place_at(time))
    }

    fn appended(&self) -> impl Future<Output = ()> + Send {
        self.appended_signal().given()
    }

    fn advanced(&self) -> impl Future<Output = ()> + Send {
        self.advanced_signal().given()
    }
}

/// Every place of this log has an event, so that places count events.
fn set_lag(status: &mut ProjectionStatus, log: &Log) {
    // What is written inline was at the end of the log when it was asked for, and is never behind.
    if status.state != ProjectionState::Inline {
        status.lag_events = log.end().0.saturating_sub(status.position.0);
        status.lag = log.behind(status.position).map_or(Duration::ZERO, |oldest| Timestamp::now().since(oldest));
    }
}
