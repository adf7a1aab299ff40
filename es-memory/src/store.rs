//! The store: streams, the log of them all, snapshots beside them, and read models.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use es_core::{
    AggregateCache, Append, Appended, Bookmark, Error, EventId, EventStore, Fold, IdempotencyKey, KeyUse, LogPage,
    Position, ReadConversation, ReadLog, ReadStream, Snapshot, StreamId, Visit,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::append::Streams;
use crate::draft::Drafts;
use crate::keys::Keys;
use crate::log::Log;
use crate::read_model::Kept;
use crate::signal::Signal;
use crate::snapshot::Snapshots;

/// Keeps events in memory. A clone is another handle on the same store; the events go when the last handle goes.
///
/// # Example: two handles, one store
///
/// ```
/// use es_core::{Append, EventStore, ExpectedVersion, NewEvent, Position, StreamId};
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let same = store.clone();
/// let opened = NewEvent::new("account.opened", 1, "{}");
/// store.append(Append::new(StreamId::new("account", "7")?, ExpectedVersion::NoStream, vec![opened])).await?;
/// assert_eq!(same.log_end().await?, Position(1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    parts: Arc<Parts>,
}

/// Each part has its own lock, and the streams have several. Who needs more than one takes them in this order.
#[derive(Default)]
struct Parts {
    streams: Streams,
    keys: Keys,
    log: Log,
    snapshots: Snapshots,
    cache: AggregateCache,
    kept: Arc<Kept>,
    /// Given at every append.
    appended: Signal,
    /// Given when a checkpoint has moved.
    advanced: Signal,
    /// Held to the end by each transaction that appends, or locks documents: one after the other, so that none writes over
    /// what another has made of the same document. It is taken before any of the locks.
    turn: Arc<Mutex<()>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that keeps aggregates at hand in a cache of your own making. [`new`](Self::new) gives it one of the
    /// default size.
    ///
    /// ```
    /// use es_core::AggregateCache;
    /// use es_memory::MemoryStore;
    ///
    /// let store = MemoryStore::with_cache(AggregateCache::new(100_000, 1 << 30));
    /// # let _ = store;
    /// ```
    pub fn with_cache(cache: AggregateCache) -> Self {
        Self { parts: Arc::new(Parts { cache, ..Parts::default() }) }
    }

    /// How long idempotency keys are known, on all handles of this store. The default is
    /// [`KEYS_KEPT_FOR`](es_core::KEYS_KEPT_FOR), 7 days.
    ///
    /// ```
    /// use std::time::Duration;
    /// use es_memory::MemoryStore;
    ///
    /// let store = MemoryStore::new().idempotency_keys_for(Duration::from_secs(24 * 60 * 60));
    /// ```
    #[must_use]
    pub fn idempotency_keys_for(self, time: Duration) -> Self {
        self.parts.keys.keep_for(time);
        self
    }

    /// Forgets the idempotency keys that have expired, and tells how many. It changes no answer, and needs to be called by
    /// nobody: appends under keys forget old ones on their way.
    ///
    /// ```
    /// use es_memory::MemoryStore;
    ///
    /// assert_eq!(MemoryStore::new().forget_keys(), 0);
    /// ```
    pub fn forget_keys(&self) -> u64 {
        self.parts.keys.forget()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.parts.keys
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.parts.streams
    }

    pub(crate) fn log(&self) -> &Log {
        &self.parts.log
    }

    pub(crate) fn kept(&self) -> &Arc<Kept> {
        &self.parts.kept
    }

    pub(crate) fn appended_signal(&self) -> &Signal {
        &self.parts.appended
    }

    pub(crate) fn advanced_signal(&self) -> &Signal {
        &self.parts.advanced
    }

    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.parts.turn).lock_owned().await
    }

    /// Stores what a transaction has appended, in one piece with what `beside` does. The locks of streams and log are held
    /// meanwhile, so that who sees one finds the other.
    pub(crate) fn commit(
        &self,
        drafts: Drafts,
        held: Option<Position>,
        beside: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Parts { streams, log, keys, appended, .. } = &*self.parts;
        if drafts.is_empty() {
            return log.while_held(held, beside);
        }
        streams.commit(drafts, log, keys, held, beside)?;
        appended.give();
        Ok(())
    }
}

impl EventStore for MemoryStore {
    /// It never has to wait for anything, so it lets others on now and then: a task that only appends would starve them.
    ///
    /// Not an `async fn`, which would keep a second copy of the append.
    #[allow(clippy::manual_async_fn, reason = "see above")]
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, Error>> + Send {
        async move {
            append.check()?;
            tokio::task::coop::consume_budget().await;
            let appended = self.parts.streams.append(append, &self.parts.log, &self.parts.keys)?;
            if !appended.repeated {
                self.parts.appended.give();
            }
            Ok(appended)
        }
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        Ok(self.parts.keys.find(key))
    }

    async fn fold_stream(
        &self,
        stream: &StreamId,
        state_version: Option<u32>,
        fold: &mut dyn Fold,
    ) -> Result<(), Error> {
        let snapshot = state_version.and_then(|version| self.parts.snapshots.get(stream, version));
        self.parts.streams.fold(stream, snapshot.as_deref(), fold)
    }

    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.parts.streams.read(&read, visit)
    }

    async fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        self.parts.log.read(&read, visit)
    }

    async fn read_conversation(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        self.parts.log.read_conversation(&read, visit)
    }

    async fn find_event(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.parts.log.find(id, visit)
    }

    async fn log_end(&self) -> Result<Position, Error> {
        Ok(self.parts.log.end())
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), Error> {
        self.offer_snapshot(snapshot);
        Ok(())
    }

    /// Keeping one in memory takes no longer than putting it off would.
    fn offer_snapshot(&self, snapshot: Snapshot) {
        // Streams only grow, so what is not ahead of its stream now never will be.
        if snapshot.version <= self.parts.streams.version(&snapshot.stream) {
            self.parts.snapshots.keep(snapshot);
        }
    }

    async fn delete_snapshots(&self, stream: &StreamId) -> Result<(), Error> {
        self.parts.snapshots.forget(stream);
        Ok(())
    }

    fn cache(&self) -> Option<&AggregateCache> {
        Some(&self.parts.cache)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("streams", &self.parts.streams.count())
            .field("log_end", &self.parts.log.end())
            .finish_non_exhaustive()
    }
}
