//! A store that dies, or fails, at a chosen point: before or behind any of the calls that a reaction is made of.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use es_core::{
    Append, Appended, Error, EventStore, Fold, IdempotencyKey, KeyUse, ReadModelStore, ReadStream, StreamId, Visit,
};
use tokio::sync::Notify;

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
    es_test_support::forward! {
        inner: read_log read_conversation find_event log_end save_snapshot offer_snapshot delete_snapshots
    }

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
}

impl<S: ReadModelStore> ReadModelStore for Fragile<S> {
    type Target = S::Target;
    type Transaction = S::Transaction;

    es_test_support::forward! {
        inner: register taken_in take_up parts claim renew release report_stop control divide projections
        reached serving drop_projection list_dead_letters get_documents list_documents position_at appended
        advanced is_transient is_too_slow
    }

    async fn begin(&self) -> Result<S::Transaction, Error> {
        self.around(self.inner.begin()).await
    }
}
