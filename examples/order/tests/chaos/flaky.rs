//! A store with which things go wrong: before an append and behind it, and before the transaction that moves a checkpoint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::{
    Append, Appended, Bookmark, BoxError, Claim, Control, ControlAnswer, DeadLetter, DocumentQuery, Error, EventFilter,
    EventId, EventStore, FailureClass, Fold, IdempotencyKey, KeyUse, Lease, LogPage, Position, ProjectionId,
    ProjectionStatus, Pulse, Reached, ReadConversation, ReadLog, ReadModelStore, ReadStream, Registration, Renewal,
    Slices, Snapshot, StreamId, TakenIn, Timestamp, Visit, Written,
};
use es_postgres::PgStore;
use uuid::Uuid;

use crate::faults::{Failed, Faults, Odds};
use crate::houses::is_stubborn;

const APPENDS: Odds = Odds { slow: 300, before: 200, behind: 200, death: 12 };
/// What was done ahead of the transaction was done, and comes again.
const BEGINS: Odds = Odds { slow: 200, before: 400, behind: 0, death: 40 };
/// So many appends to a stubborn stream fail, in each process: more than a reaction is tried.
const REFUSALS: u32 = 6;

#[derive(Clone)]
pub(crate) struct Flaky {
    pub(crate) inner: PgStore,
    pub(crate) faults: Faults,
    pub(crate) refused: Arc<Mutex<HashMap<StreamId, u32>>>,
}

impl Flaky {
    pub(crate) fn new(inner: PgStore, faults: Faults) -> Self {
        Self { inner, faults, refused: Arc::default() }
    }

    /// Some parcels cannot be prepared for a while, so that an order's stream is parked until somebody has it tried again.
    fn refuse(&self, append: &Append) -> Result<(), Error> {
        if append.stream.category() != "shipment" || !is_stubborn(append.stream.id()) || !self.faults.are_there() {
            return Ok(());
        }
        let mut refused = self.refused.lock().unwrap();
        let times = refused.entry(append.stream.clone()).or_default();
        *times += 1;
        if *times > REFUSALS { Ok(()) } else { Err(Error::store(Failed::Before)) }
    }
}

impl EventStore for Flaky {
    /// What was appended and is not told of is of unknown outcome, as when a connection is lost.
    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.refuse(&append)?;
        let stream = append.stream.clone();
        let failed = |failed| match failed {
            Failed::Before => Error::store(failed),
            Failed::Behind => Error::UnknownOutcome { stream, source: failed.into() },
        };
        self.faults.around(APPENDS, failed, self.inner.append(append)).await
    }
    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        self.inner.find_key(key).await
    }
    async fn fold_stream(&self, stream: &StreamId, state: Option<u32>, fold: &mut dyn Fold) -> Result<(), Error> {
        self.inner.fold_stream(stream, state, fold).await
    }
    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.inner.read_stream(read, visit).await
    }
    async fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        self.inner.read_log(read, visit).await
    }
    async fn read_conversation(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        self.inner.read_conversation(read, visit).await
    }
    async fn find_event(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.inner.find_event(id, visit).await
    }
    async fn log_end(&self) -> Result<Position, Error> {
        self.inner.log_end().await
    }
    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), Error> {
        self.inner.save_snapshot(snapshot).await
    }
    fn offer_snapshot(&self, snapshot: Snapshot) {
        self.inner.offer_snapshot(snapshot);
    }
    async fn delete_snapshots(&self, stream: &StreamId) -> Result<(), Error> {
        self.inner.delete_snapshots(stream).await
    }
}

impl ReadModelStore for Flaky {
    type Target = <PgStore as ReadModelStore>::Target;
    type Transaction = <PgStore as ReadModelStore>::Transaction;

    async fn register(&self, registration: &Registration) -> Result<bool, Error> {
        self.inner.register(registration).await
    }
    async fn taken_in(&self, id: &ProjectionId) -> Result<Option<TakenIn>, Error> {
        self.inner.taken_in(id).await
    }
    async fn take_up(&self, id: &ProjectionId, wanted: &EventFilter) -> Result<(), Error> {
        self.inner.take_up(id, wanted).await
    }
    async fn parts(&self, id: &ProjectionId) -> Result<Vec<Slices>, Error> {
        self.inner.parts(id).await
    }
    async fn claim(&self, id: &ProjectionId, first: u16, owner: Uuid, lease: Duration) -> Result<Claim, Error> {
        self.inner.claim(id, first, owner, lease).await
    }
    async fn renew(&self, held: &Lease, lease: Duration, pulse: &Pulse) -> Result<Renewal, Error> {
        self.inner.renew(held, lease, pulse).await
    }
    async fn release(&self, held: &Lease) -> Result<(), Error> {
        self.inner.release(held).await
    }
    async fn begin(&self) -> Result<Self::Transaction, Error> {
        self.faults.around(BEGINS, Error::unavailable, self.inner.begin()).await
    }
    async fn report_stop(&self, held: &Lease, reason: &str, class: FailureClass) -> Result<(), Error> {
        self.inner.report_stop(held, reason, class).await
    }
    async fn control(&self, id: &ProjectionId, control: Control) -> Result<ControlAnswer, Error> {
        self.inner.control(id, control).await
    }
    async fn divide(&self, id: &ProjectionId) -> Result<bool, Error> {
        self.inner.divide(id).await
    }
    async fn projections(&self) -> Result<Vec<ProjectionStatus>, Error> {
        self.inner.projections().await
    }
    async fn reached(&self, ids: &[ProjectionId], written: Option<&Written>) -> Result<Vec<Option<Reached>>, Error> {
        self.inner.reached(ids, written).await
    }
    async fn serving(&self, name: &str) -> Result<Option<ProjectionId>, Error> {
        self.inner.serving(name).await
    }
    async fn drop_projection(&self, id: &ProjectionId) -> Result<bool, Error> {
        self.inner.drop_projection(id).await
    }
    async fn list_dead_letters(
        &self,
        id: &ProjectionId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.inner.list_dead_letters(id, after, limit).await
    }
    async fn get_documents(&self, id: &ProjectionId, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        self.inner.get_documents(id, keys).await
    }
    async fn list_documents(&self, id: &ProjectionId, query: &DocumentQuery) -> Result<Vec<(String, String)>, Error> {
        self.inner.list_documents(id, query).await
    }
    async fn position_at(&self, time: Timestamp) -> Result<Position, Error> {
        self.inner.position_at(time).await
    }
    fn appended(&self) -> impl Future<Output = ()> + Send {
        self.inner.appended()
    }
    fn advanced(&self) -> impl Future<Output = ()> + Send {
        self.inner.advanced()
    }
    fn is_transient(&self, error: &BoxError) -> bool {
        self.inner.is_transient(error)
    }
    fn is_too_slow(&self, error: &BoxError) -> bool {
        self.inner.is_too_slow(error)
    }
}
