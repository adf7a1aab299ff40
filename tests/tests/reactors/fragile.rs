//! A store that dies, or fails, at a chosen point: before or behind any of the calls that a reaction is made of.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use es_core::{
    Append, Appended, Bookmark, BoxError, Claim, Control, ControlAnswer, DeadLetter, DocumentQuery, Error, EventFilter,
    EventId, EventStore, FailureClass, Fold, IdempotencyKey, KeyUse, Lease, LogPage, Position, ProjectionId,
    ProjectionStatus, Pulse, Reached, ReadConversation, ReadLog, ReadModelStore, ReadStream, Registration, Renewal,
    Slices, Snapshot, StreamId, TakenIn, Timestamp, Visit, Written,
};
use tokio::sync::Notify;
use uuid::Uuid;

#[derive(Clone)]
pub struct Fragile<S> {
    inner: S,
    points: Arc<Points>,
}

#[derive(Default)]
pub struct Points {
    /// How many points were passed.
    passed: AtomicU32,
    /// The point at which the process is dead. 0 is none.
    dies_at: u32,
    died: Notify,
    /// Appends that are still to succeed before those that are to fail.
    appends_before: AtomicU32,
    failing_appends: AtomicU32,
    /// Whether it is trouble that passes by itself.
    passes: bool,
}

impl<S> Fragile<S> {
    fn new(inner: S, points: Points) -> Self {
        Self { inner, points: Arc::new(points) }
    }

    pub fn dying_at(inner: S, point: u32) -> Self {
        Self::new(inner, Points { dies_at: point, ..Points::default() })
    }

    /// After so many appends, so many fail in a way that does not pass by itself.
    pub fn failing_appends(inner: S, before: u32, failing: u32) -> Self {
        let (appends_before, failing_appends) = (AtomicU32::new(before), AtomicU32::new(failing));
        Self::new(inner, Points { appends_before, failing_appends, ..Points::default() })
    }

    /// The same, of a kind that passes by itself.
    pub fn troubled(inner: S, before: u32, failing: u32) -> Self {
        let (appends_before, failing_appends) = (AtomicU32::new(before), AtomicU32::new(failing));
        Self::new(inner, Points { appends_before, failing_appends, passes: true, ..Points::default() })
    }

    /// Resolves when it is dead.
    pub async fn died(&self) {
        self.points.died.notified().await;
    }

    /// A dead process says nothing any more.
    async fn pass(&self) {
        if self.points.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.points.dies_at {
            self.points.died.notify_one();
            std::future::pending::<()>().await;
        }
    }

    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.pass().await;
        let answer = call.await;
        self.pass().await;
        answer
    }

    fn fail_append(&self) -> Result<(), Error> {
        let less = |left: u32| left.checked_sub(1);
        let Points { appends_before, failing_appends, passes, .. } = &*self.points;
        if appends_before.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Ok(());
        }
        match failing_appends.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) if *passes => Err(Error::unavailable("the connection was lost")),
            Ok(_) => Err(Error::store("the disk is full")),
            Err(_) => Ok(()),
        }
    }
}

impl<S: ReadModelStore> EventStore for Fragile<S> {
    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.fail_append()?;
        self.around(self.inner.append(append)).await
    }
    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        self.around(self.inner.find_key(key)).await
    }
    async fn fold_stream(&self, stream: &StreamId, state: Option<u32>, fold: &mut dyn Fold) -> Result<(), Error> {
        self.around(self.inner.fold_stream(stream, state, fold)).await
    }
    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.around(self.inner.read_stream(read, visit)).await
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

impl<S: ReadModelStore> ReadModelStore for Fragile<S> {
    type Target = S::Target;
    type Transaction = S::Transaction;

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
    async fn begin(&self) -> Result<S::Transaction, Error> {
        self.around(self.inner.begin()).await
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
