//! A store that fails on demand, and remembers what it was asked.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use es_core::{Append, Appended, Error, EventStore, EventStoreExt, Fold, IdempotencyKey, KeyUse, Snapshot, StreamId};
use es_memory::MemoryStore;

#[derive(Clone, Debug, Default)]
pub struct Faulty {
    pub inner: MemoryStore,
    switches: Arc<Switches>,
}

#[derive(Debug, Default)]
struct Switches {
    unavailable: AtomicU32,
    broken: AtomicU32,
    rivals: AtomicU32,
    forgetful: AtomicU32,
    mute: AtomicU32,
    appends: AtomicU32,
    offered: Mutex<Vec<Snapshot>>,
    after_load: Mutex<Option<Append>>,
    after_look: Mutex<Option<Append>>,
}

impl Faulty {
    /// The next `times` appends find the store out of reach.
    pub fn unavailable(self, times: u32) -> Self {
        self.switches.unavailable.store(times, SeqCst);
        self
    }

    /// The next `times` appends fail for good.
    pub fn broken(self, times: u32) -> Self {
        self.switches.broken.store(times, SeqCst);
        self
    }

    /// Somebody else is faster at the next `times` appends.
    pub fn rivals(self, times: u32) -> Self {
        self.switches.rivals.store(times, SeqCst);
        self
    }

    /// The next `times` appends are stored, or were before, and nobody knows.
    pub fn forgetful(self, times: u32) -> Self {
        self.switches.forgetful.store(times, SeqCst);
        self
    }

    /// The next `times` appends are not stored, and nobody knows.
    pub fn mute(self, times: u32) -> Self {
        self.switches.mute.store(times, SeqCst);
        self
    }

    /// Somebody else appends right after the next load.
    pub fn after_load(self, append: Append) -> Self {
        *self.switches.after_load.lock().unwrap() = Some(append);
        self
    }

    /// Somebody else appends right after the next look at a key.
    pub fn after_look(self, append: Append) -> Self {
        *self.switches.after_look.lock().unwrap() = Some(append);
        self
    }

    async fn come_between(&self, append: &Mutex<Option<Append>>) -> Result<(), Error> {
        let append = append.lock().unwrap().take();
        match append {
            Some(append) => self.inner.append(append).await.map(drop),
            None => Ok(()),
        }
    }

    pub fn appends(&self) -> u32 {
        self.switches.appends.load(SeqCst)
    }

    /// The versions of the snapshots that were offered so far.
    pub fn offered(&self) -> Vec<u64> {
        self.switches.offered.lock().unwrap().iter().map(|snapshot| snapshot.version.0).collect()
    }
}

fn take_one(counter: &AtomicU32) -> bool {
    counter.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl EventStore for Faulty {
    es_test_support::forward! {
        inner: read_stream read_log read_conversation find_event log_end save_snapshot delete_snapshots
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.switches.appends.fetch_add(1, SeqCst);
        if take_one(&self.switches.unavailable) {
            return Err(Error::unavailable("connection refused"));
        }
        if take_one(&self.switches.broken) {
            return Err(Error::store("disk full"));
        }
        if take_one(&self.switches.rivals) {
            let rival = crate::Event::Deposited { amount: 1 };
            let id = append.stream.id().to_owned();
            self.inner.append_events::<crate::Account>(&id, es_core::ExpectedVersion::Any, rival).await?;
        }
        let unknown = Error::UnknownOutcome { stream: append.stream.clone(), source: "no answer".into() };
        if take_one(&self.switches.mute) {
            return Err(unknown);
        }
        let appended = self.inner.append(append).await?;
        if take_one(&self.switches.forgetful) { Err(unknown) } else { Ok(appended) }
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        let found = self.inner.find_key(key).await;
        self.come_between(&self.switches.after_look).await?;
        found
    }

    async fn fold_stream(
        &self,
        stream: &StreamId,
        state_version: Option<u32>,
        fold: &mut dyn Fold,
    ) -> Result<(), Error> {
        self.inner.fold_stream(stream, state_version, fold).await?;
        self.come_between(&self.switches.after_load).await
    }

    fn offer_snapshot(&self, snapshot: Snapshot) {
        self.switches.offered.lock().unwrap().push(snapshot.clone());
        self.inner.offer_snapshot(snapshot);
    }
}
