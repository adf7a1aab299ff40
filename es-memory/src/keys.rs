//! Idempotency keys: which append was stored under which, for a while.

use std::collections::{HashMap, VecDeque};
use std::sync::{RwLock, RwLockWriteGuard};
use std::time::Duration;

use es_core::{Appended, Error, IdempotencyKey, KEYS_KEPT_FOR, KeyUse, Keyed, StreamId};
use tokio::time::Instant;

use crate::commit::Commit;
use crate::lock;

/// Each append under a key forgets so many that have expired, if there are any: more than it adds, so that they become fewer.
const FORGOTTEN_AT_ONCE: usize = 8;

/// The keys that are known.
#[derive(Default)]
pub(crate) struct Keys(RwLock<Known>);

/// The keys while somebody uses one, and nobody else looks.
pub(crate) struct Using<'a>(RwLockWriteGuard<'a, Known>);

struct Known {
    uses: HashMap<IdempotencyKey, Entry>,
    /// The keys in the order in which they were used, and so in that in which they expire.
    order: VecDeque<(Instant, IdempotencyKey)>,
    kept_for: Duration,
}

struct Entry {
    since: Instant,
    first: KeyUse,
}

impl Default for Known {
    fn default() -> Self {
        Self { uses: HashMap::new(), order: VecDeque::new(), kept_for: KEYS_KEPT_FOR }
    }
}

impl Known {
    fn find(&self, key: &IdempotencyKey) -> Option<&KeyUse> {
        let entry = self.uses.get(key).filter(|entry| !self.has_expired(entry.since));
        entry.map(|entry| &entry.first)
    }

    fn has_expired(&self, since: Instant) -> bool {
        since.elapsed() >= self.kept_for
    }

    /// Forgets at most so many that have expired, and tells how many it did.
    fn forget(&mut self, most: usize) -> usize {
        let expired = self.order.iter().take(most).take_while(|(since, _)| self.has_expired(*since)).count();
        for (since, key) in self.order.drain(..expired) {
            // One that was used again after it had expired is known since then.
            if self.uses.get(&key).is_some_and(|entry| entry.since == since) {
                self.uses.remove(&key);
            }
        }
        expired
    }
}

impl Keys {
    pub(crate) fn keep_for(&self, time: Duration) {
        lock::write(&self.0).kept_for = time;
    }

    pub(crate) fn find(&self, key: &IdempotencyKey) -> Option<KeyUse> {
        lock::read(&self.0).find(key).cloned()
    }

    pub(crate) fn forget(&self) -> u64 {
        lock::write(&self.0).forget(usize::MAX) as u64
    }

    pub(crate) fn using(&self) -> Using<'_> {
        Using(lock::write(&self.0))
    }
}

impl Using<'_> {
    /// What is answered to an append under this key, if it was used before.
    pub(crate) fn answer(&self, keyed: &Keyed, stream: &StreamId) -> Result<Option<Appended>, Error> {
        let Some(first) = self.0.find(&keyed.key) else { return Ok(None) };
        keyed.check(first, stream)?;
        Ok(Some(Appended::again(first)))
    }

    /// Whether the key can still be used.
    pub(crate) fn is_free(&self, keyed: &Keyed) -> bool {
        self.0.find(&keyed.key).is_none()
    }

    pub(crate) fn keep(&mut self, keyed: Keyed, commit: &Commit) {
        self.0.forget(FORGOTTEN_AT_ONCE);
        let Keyed { key, fingerprint, .. } = keyed;
        let (first, last) = (commit.before.after(1), commit.version());
        let first = KeyUse::new(commit.stream.clone(), first, last, fingerprint, commit.recorded_at);
        let since = Instant::now();
        self.0.order.push_back((since, key.clone()));
        self.0.uses.insert(key, Entry { since, first });
    }
}
