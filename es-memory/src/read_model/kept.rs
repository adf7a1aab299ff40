//! All read models of a store, under one lock, so that a transaction is committed in one piece.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use es_core::{
    Checkpoint, Claim, Control, ControlAnswer, Error, Fenced, Position, ProjectionId, ProjectionStatus, Reached,
    Refusal, Registration, Written,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::lock;
use crate::read_model::acts::{self, Act, Projections};
use crate::read_model::projection::Projection;
use crate::read_model::tables::{Rows, Tables};

#[derive(Debug, Default)]
pub(crate) struct Kept(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    tables: BTreeMap<String, Rows>,
    projections: Projections,
    /// How many leases were granted.
    claims: u64,
}

/// A projection that nobody has registered.
#[derive(Debug, thiserror::Error)]
#[error("projection `{id}` was never registered")]
struct Unregistered {
    id: ProjectionId,
}

fn unregistered(id: &ProjectionId) -> Error {
    Error::store(Unregistered { id: id.clone() })
}

/// The table that the documents of a projection are kept in.
pub(crate) fn table_of(id: &ProjectionId) -> String {
    format!("{}_v{}", id.name(), id.version())
}

/// Rows.
impl Kept {
    /// The text of a committed row.
    pub(crate) fn row(&self, table: &str, key: &str) -> Option<Arc<str>> {
        lock::read(&self.0).tables.get(table)?.get(key).cloned()
    }

    /// All committed rows of a table. Nobody's code runs under the lock, so they are copied out.
    pub(crate) fn rows(&self, table: &str) -> Rows {
        lock::read(&self.0).tables.get(table).cloned().unwrap_or_default()
    }

    /// At most `limit` committed rows behind a key.
    pub(crate) fn rows_behind(&self, table: &str, after: Option<&str>, limit: usize) -> Vec<(String, Arc<str>)> {
        let state = lock::read(&self.0);
        let Some(rows) = state.tables.get(table) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = rows.range::<str, _>((from, Bound::Unbounded)).take(limit);
        rows.map(|(key, json)| (key.clone(), Arc::clone(json))).collect()
    }
}

/// Transactions.
impl Kept {
    pub(crate) fn check(&self, acts: &[Act]) -> Result<(), Fenced> {
        acts::check(&lock::read(&self.0).projections, acts)
    }

    /// Makes everything so, unless a lease was taken over in the meantime.
    pub(crate) fn commit(&self, acts: &[Act], tables: Tables) -> Result<(), Fenced> {
        let mut state = lock::write(&self.0);
        acts::check(&state.projections, acts)?;
        acts::make_so(&mut state.projections, acts);
        tables.make_in(&mut state.tables);
        Ok(())
    }

    /// What a transaction locks to keep everybody off the projection.
    pub(crate) fn seizure(&self, id: &ProjectionId) -> Result<Arc<Semaphore>, Error> {
        self.with(id, |projection| Arc::clone(projection.seizure())).ok_or_else(|| unregistered(id))
    }

    pub(crate) fn checkpoints(&self, id: &ProjectionId, end: Position) -> Result<Vec<Checkpoint>, Error> {
        self.with(id, |projection| projection.checkpoints(end)).ok_or_else(|| unregistered(id))
    }
}

/// Projections.
impl Kept {
    /// Makes room for it, and answers whether there was none.
    pub(crate) fn register(&self, registration: &Registration, live_from: Position) -> Result<bool, Error> {
        let projections = &mut lock::write(&self.0).projections;
        let id = &registration.id;
        if let Some(known) = projections.get_mut(id) {
            return known.check_same(registration).map(|()| false);
        }
        let is_first = !projections.keys().any(|other| other.name() == id.name());
        projections.insert(id.clone(), Projection::new(registration, live_from, is_first)?);
        Ok(true)
    }

    /// Acts on a projection, if it is registered.
    pub(crate) fn with<R>(&self, id: &ProjectionId, act: impl FnOnce(&mut Projection) -> R) -> Option<R> {
        lock::write(&self.0).projections.get_mut(id).map(act)
    }

    pub(crate) fn claim(&self, id: &ProjectionId, first: u16, owner: Uuid, lease: Duration) -> Result<Claim, Error> {
        let State { projections, claims, .. } = &mut *lock::write(&self.0);
        let projection = projections.get_mut(id).ok_or_else(|| unregistered(id))?;
        projection.claim(id, first, owner, lease, claims)
    }

    pub(crate) fn control(&self, id: &ProjectionId, control: Control, end: Position) -> Result<ControlAnswer, Error> {
        let projections = &mut lock::write(&self.0).projections;
        match (projections.get_mut(id), control) {
            (None, _) => Ok(ControlAnswer::Nothing),
            (Some(_), Control::Serve) => serve(projections, id, end).map(|()| ControlAnswer::Accepted),
            (Some(projection), control) => projection.control(id, control),
        }
    }

    pub(crate) fn serving(&self, name: &str) -> Option<ProjectionId> {
        let state = lock::read(&self.0);
        let mut serving = state.projections.iter().filter(|(id, projection)| id.name() == name && projection.serving);
        serving.next().map(|(id, _)| id.clone())
    }

    pub(crate) fn reached(
        &self,
        ids: &[ProjectionId],
        written: Option<&Written>,
        end: Position,
    ) -> Vec<Option<Reached>> {
        let state = lock::read(&self.0);
        ids.iter().map(|id| state.projections.get(id).map(|projection| projection.reached(written, end))).collect()
    }

    pub(crate) fn statuses(&self, end: Position) -> Vec<ProjectionStatus> {
        lock::read(&self.0).projections.iter().map(|(id, projection)| projection.status(id, end)).collect()
    }

    /// Forgets it, unless somebody would miss it.
    pub(crate) fn drop_projection(&self, id: &ProjectionId) -> Result<bool, Error> {
        let State { projections, tables, .. } = &mut *lock::write(&self.0);
        let Some(projection) = projections.get(id) else { return Ok(false) };
        if projection.is_worked_on() {
            return Err(Refusal::WorkedOn.of(id));
        }
        if projection.serving && projections.keys().any(|other| other.name() == id.name() && other != id) {
            return Err(Refusal::Serving.of(id));
        }
        if projection.has_documents() {
            tables.remove(&table_of(id));
        }
        Ok(projections.remove(id).is_some())
    }
}

/// Makes it the version that serves, if it has caught up with a log that ends at `end`.
fn serve(projections: &mut Projections, id: &ProjectionId, end: Position) -> Result<(), Error> {
    if let Some(projection) = projections.get(id).filter(|projection| !projection.serving) {
        projection.check_caught_up(id, end)?;
        for (other, projection) in projections.iter_mut().filter(|(other, _)| other.name() == id.name()) {
            projection.serving = other == id;
        }
    }
    Ok(())
}
