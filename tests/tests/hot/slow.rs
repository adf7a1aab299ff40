//! A store in memory that takes its time, in order, and fails now and then, or does with each append what a test says.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use es_core::{
    AggregateCache, Append, Appended, Error, EventStore, EventStoreExt, ExpectedVersion, Fold, IdempotencyKey, KeyUse,
    ReadStream, Snapshot, StreamId, Version, Visit,
};
use es_memory::MemoryStore;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

use crate::domain::{Account, AccountEvent};
use crate::random::Random;

/// An append, and who waits for its answer.
pub type Asked = (Append, oneshot::Sender<Result<Appended, Error>>);

#[derive(Clone)]
pub struct Slow {
    inner: MemoryStore,
    cache: Arc<AggregateCache>,
    appends: mpsc::UnboundedSender<Asked>,
    answers_at_once: Arc<AtomicBool>,
    offered: Arc<Mutex<Vec<Version>>>,
    loads: Arc<AtomicU32>,
}

impl Slow {
    pub fn new(seed: u64) -> Self {
        let (store, asked) = Self::by_hand();
        tokio::spawn(work(store.inner.clone(), asked, Random::of(seed, 0)));
        store
    }

    /// Nothing is appended: the test does it, in the order in which it is asked.
    pub fn by_hand() -> (Self, mpsc::UnboundedReceiver<Asked>) {
        let (appends, asked) = mpsc::unbounded_channel();
        let (cache, answers_at_once, offered, loads) = Default::default();
        (Self { inner: MemoryStore::new(), cache, appends, answers_at_once, offered, loads }, asked)
    }

    /// The next append is answered as soon as it is asked for, and nobody has a hand in it.
    pub fn answer_the_next_at_once(&self) {
        self.answers_at_once.store(true, SeqCst);
    }

    /// What is stored, as another process has it.
    pub fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    /// How often a state was loaded.
    pub fn loads(&self) -> u32 {
        self.loads.load(SeqCst)
    }

    /// The versions of the snapshots that were offered.
    pub fn offered(&self) -> Vec<Version> {
        self.offered.lock().unwrap().clone()
    }
}

async fn work(store: MemoryStore, mut asked: mpsc::UnboundedReceiver<Asked>, mut random: Random) {
    while let Some((append, answer)) = asked.recv().await {
        for _ in 0..random.below(40) {
            yield_now().await;
        }
        let stream = append.stream.clone();
        let unknown = || Err(Error::UnknownOutcome { stream: stream.clone(), source: "no answer".into() });
        let answered = match random.below(40) {
            0 => Err(Error::unavailable("connection refused")),
            1 => {
                let rival = AccountEvent::Deposited { amount: 1 };
                store.append_events::<Account<true>>(stream.id(), ExpectedVersion::Any, rival).await.unwrap();
                store.append(append).await
            }
            2 => unknown(),
            3 => store.append(append).await.and_then(|_| unknown()),
            _ => store.append(append).await,
        };
        let _ = answer.send(answered);
    }
}

impl EventStore for Slow {
    es_test_support::forward! { inner: read_log read_conversation find_event log_end save_snapshot delete_snapshots }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        if self.answers_at_once.swap(false, SeqCst) {
            return self.inner.append(append).await;
        }
        let (answer, answered) = oneshot::channel();
        self.appends.send((append, answer)).map_err(|_| Error::store("nobody is there"))?;
        answered.await.map_err(Error::store)?
    }

    fn appends_in_order(&self) -> bool {
        true
    }

    fn cache(&self) -> Option<&AggregateCache> {
        Some(&self.cache)
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        yield_now().await;
        self.inner.find_key(key).await
    }

    async fn fold_stream(
        &self,
        stream: &StreamId,
        state_version: Option<u32>,
        fold: &mut dyn Fold,
    ) -> Result<(), Error> {
        self.loads.fetch_add(1, SeqCst);
        yield_now().await;
        self.inner.fold_stream(stream, state_version, fold).await
    }

    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        yield_now().await;
        self.inner.read_stream(read, visit).await
    }

    fn offer_snapshot(&self, snapshot: Snapshot) {
        self.offered.lock().unwrap().push(snapshot.version);
        self.inner.offer_snapshot(snapshot);
    }
}
