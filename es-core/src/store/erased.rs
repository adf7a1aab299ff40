//! A store chosen at run time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::cache::AggregateCache;
use crate::error::Error;
use crate::idempotency::{IdempotencyKey, KeyUse};
use crate::metadata::EventId;
use crate::recorded::{Append, Appended, Position};
use crate::snapshot::Snapshot;
use crate::store::{Bookmark, EventStore, Fold, LogPage, ReadConversation, ReadLog, ReadStream, Visit};
use crate::stream::StreamId;

/// A future on the heap.
///
/// # Example: two futures of one type
///
/// ```
/// use es_core::BoxFuture;
///
/// let futures: [BoxFuture<'static, u8>; 2] = [Box::pin(async { 1 }), Box::pin(std::future::ready(2))];
/// # let _ = futures;
/// ```
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The object-safe twin of [`EventStore`]. Every store is one; use it through [`DynEventStore`].
pub trait ErasedEventStore: Send + Sync {
    /// [`EventStore::append`]
    ///
    /// # Errors
    /// As there.
    fn append_erased(&self, append: Append) -> BoxFuture<'_, Result<Appended, Error>>;
    /// [`EventStore::find_key`]
    ///
    /// # Errors
    /// As there.
    fn find_key_erased<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<KeyUse>, Error>>;
    /// [`EventStore::fold_stream`]
    ///
    /// # Errors
    /// As there.
    fn fold_stream_erased<'a>(
        &'a self,
        stream: &'a StreamId,
        state_version: Option<u32>,
        fold: &'a mut dyn Fold,
    ) -> BoxFuture<'a, Result<(), Error>>;
    /// [`EventStore::read_stream`]
    ///
    /// # Errors
    /// As there.
    fn read_stream_erased<'a>(&'a self, read: ReadStream, visit: &'a mut Visit<'_>)
    -> BoxFuture<'a, Result<(), Error>>;
    /// [`EventStore::read_log`]
    ///
    /// # Errors
    /// As there.
    fn read_log_erased<'a>(&'a self, read: ReadLog, visit: &'a mut Visit<'_>) -> BoxFuture<'a, Result<LogPage, Error>>;
    /// [`EventStore::read_conversation`]
    ///
    /// # Errors
    /// As there.
    fn read_conversation_erased<'a>(
        &'a self,
        read: ReadConversation,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, Result<Option<Bookmark>, Error>>;
    /// [`EventStore::find_event`]
    ///
    /// # Errors
    /// As there.
    fn find_event_erased<'a>(&'a self, id: EventId, visit: &'a mut Visit<'_>) -> BoxFuture<'a, Result<(), Error>>;
    /// [`EventStore::log_end`]
    ///
    /// # Errors
    /// As there.
    fn log_end_erased(&self) -> BoxFuture<'_, Result<Position, Error>>;
    /// [`EventStore::save_snapshot`]
    ///
    /// # Errors
    /// As there.
    fn save_snapshot_erased(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), Error>>;
    /// [`EventStore::offer_snapshot`]
    fn offer_snapshot_erased(&self, snapshot: Snapshot);
    /// [`EventStore::survives_failures`]
    fn survives_failures_erased(&self) -> bool;
    /// [`EventStore::appends_in_order`]
    fn appends_in_order_erased(&self) -> bool;
    /// [`EventStore::delete_snapshots`]
    ///
    /// # Errors
    /// As there.
    fn delete_snapshots_erased<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<(), Error>>;
    /// [`EventStore::cache`]
    fn cache_erased(&self) -> Option<&AggregateCache>;
}

impl<S: EventStore> ErasedEventStore for S {
    fn append_erased(&self, append: Append) -> BoxFuture<'_, Result<Appended, Error>> {
        Box::pin(self.append(append))
    }

    fn find_key_erased<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<KeyUse>, Error>> {
        Box::pin(self.find_key(key))
    }

    fn fold_stream_erased<'a>(
        &'a self,
        stream: &'a StreamId,
        state_version: Option<u32>,
        fold: &'a mut dyn Fold,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.fold_stream(stream, state_version, fold))
    }

    fn read_stream_erased<'a>(
        &'a self,
        read: ReadStream,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.read_stream(read, visit))
    }

    fn read_log_erased<'a>(&'a self, read: ReadLog, visit: &'a mut Visit<'_>) -> BoxFuture<'a, Result<LogPage, Error>> {
        Box::pin(self.read_log(read, visit))
    }

    fn read_conversation_erased<'a>(
        &'a self,
        read: ReadConversation,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, Result<Option<Bookmark>, Error>> {
        Box::pin(self.read_conversation(read, visit))
    }

    fn find_event_erased<'a>(&'a self, id: EventId, visit: &'a mut Visit<'_>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.find_event(id, visit))
    }

    fn log_end_erased(&self) -> BoxFuture<'_, Result<Position, Error>> {
        Box::pin(self.log_end())
    }

    fn save_snapshot_erased(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.save_snapshot(snapshot))
    }

    fn offer_snapshot_erased(&self, snapshot: Snapshot) {
        self.offer_snapshot(snapshot);
    }

    fn survives_failures_erased(&self) -> bool {
        self.survives_failures()
    }

    fn appends_in_order_erased(&self) -> bool {
        self.appends_in_order()
    }

    fn delete_snapshots_erased<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.delete_snapshots(stream))
    }

    fn cache_erased(&self) -> Option<&AggregateCache> {
        self.cache()
    }
}

/// Any store behind one type, for programs that choose at run time. It costs one allocation a call.
///
/// # Example: in memory unless a server is named
///
/// ```
/// use es_core::{DynEventStore, EventStore};
/// use es_memory::MemoryStore;
///
/// fn choose(durable: Option<impl EventStore + 'static>) -> DynEventStore {
///     match durable {
///         Some(store) => DynEventStore::new(store),
///         None => DynEventStore::new(MemoryStore::new()),
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_core::Error> {
/// assert_eq!(choose(None::<MemoryStore>).log_end().await?.0, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DynEventStore(Arc<dyn ErasedEventStore>);

impl DynEventStore {
    /// Hides which store it is.
    pub fn new(store: impl EventStore + 'static) -> Self {
        Self(Arc::new(store))
    }
}

impl fmt::Debug for DynEventStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynEventStore")
    }
}

impl EventStore for DynEventStore {
    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.0.append_erased(append).await
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        self.0.find_key_erased(key).await
    }

    async fn fold_stream(
        &self,
        stream: &StreamId,
        state_version: Option<u32>,
        fold: &mut dyn Fold,
    ) -> Result<(), Error> {
        self.0.fold_stream_erased(stream, state_version, fold).await
    }

    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.0.read_stream_erased(read, visit).await
    }

    async fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        self.0.read_log_erased(read, visit).await
    }

    async fn read_conversation(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        self.0.read_conversation_erased(read, visit).await
    }

    async fn find_event(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.0.find_event_erased(id, visit).await
    }

    async fn log_end(&self) -> Result<Position, Error> {
        self.0.log_end_erased().await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), Error> {
        self.0.save_snapshot_erased(snapshot).await
    }

    fn offer_snapshot(&self, snapshot: Snapshot) {
        self.0.offer_snapshot_erased(snapshot);
    }

    fn survives_failures(&self) -> bool {
        self.0.survives_failures_erased()
    }

    fn appends_in_order(&self) -> bool {
        self.0.appends_in_order_erased()
    }

    async fn delete_snapshots(&self, stream: &StreamId) -> Result<(), Error> {
        self.0.delete_snapshots_erased(stream).await
    }

    fn cache(&self) -> Option<&AggregateCache> {
        self.0.cache_erased()
    }
}
