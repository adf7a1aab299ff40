//! Snapshots: for each stream at most one of each state version.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use es_core::{Snapshot, StreamId};
use foldhash::fast::RandomState;

use crate::lock;

/// A stream has few state versions at a time: the one in use, and for a while the one before. A list finds them fast.
#[derive(Default)]
pub(crate) struct Snapshots(RwLock<HashMap<StreamId, Vec<Arc<Snapshot>>, RandomState>>);

impl Snapshots {
    pub(crate) fn get(&self, stream: &StreamId, state_version: u32) -> Option<Arc<Snapshot>> {
        let snapshots = lock::read(&self.0);
        let kept = snapshots.get(stream)?;
        kept.iter().find(|kept| kept.state_version == state_version).cloned()
    }

    /// Keeps the snapshot, unless a better one of its state version is there.
    pub(crate) fn keep(&self, snapshot: Snapshot) {
        let mut snapshots = lock::write(&self.0);
        let kept = snapshots.entry(snapshot.stream.clone()).or_default();
        match kept.iter_mut().find(|kept| kept.state_version == snapshot.state_version) {
            None => kept.push(Arc::new(snapshot)),
            Some(kept) if snapshot.supersedes(kept.version) => *kept = Arc::new(snapshot),
            Some(_) => {}
        }
    }

    pub(crate) fn forget(&self, stream: &StreamId) {
        lock::write(&self.0).remove(stream);
    }
}
