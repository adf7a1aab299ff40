//! From a stream to the state it adds up to, with a snapshot's help where there is one.

use std::time::{Duration, Instant};

use crate::aggregate::{Aggregate, Loaded};
use crate::error::Error;
use crate::event::{EncodedEvent, Event};
use crate::snapshot::{Snapshot, SnapshotInfo, Snapshots};
use crate::store::{EventStore, Fold};
use crate::stream::{StreamId, Version};

/// A load, with what a snapshot policy wants to know of it.
pub(crate) struct Load<A> {
    pub(crate) loaded: Loaded<A>,
    /// The version up to which a usable snapshot stands in the store.
    pub(crate) snapshot: Version,
    /// The version of a snapshot that did not decode.
    unreadable: Option<Version>,
    pub(crate) load_time: Duration,
}

impl<A: Aggregate> Load<A> {
    pub(crate) async fn run<S: EventStore>(
        store: &S,
        stream: StreamId,
        snapshots: &Snapshots<A>,
    ) -> Result<Self, Error> {
        // Only policies of snapshots ask how long it took.
        let start = snapshots.wanted().map(|_| Instant::now());
        let mut folding = Folding::new(&stream, snapshots);
        store.fold_stream(&stream, snapshots.wanted(), &mut folding).await?;
        if let Some(unreadable) = folding.unreadable {
            // What came behind the snapshot is of no use without it: replay from the first event.
            folding = Folding::new(&stream, snapshots);
            store.fold_stream(&stream, None, &mut folding).await?;
            folding.unreadable = Some(unreadable);
        }
        let Folding { state, version, snapshot, unreadable, .. } = folding;
        let load_time = start.map(|start| start.elapsed()).unwrap_or_default();
        Ok(Self { loaded: Loaded::new(stream, version, state), snapshot, unreadable, load_time })
    }

    /// One that was done for an earlier command.
    pub(crate) fn known(loaded: Loaded<A>, snapshot: Version, load_time: Duration) -> Self {
        Self { loaded, snapshot, unreadable: None, load_time }
    }

    /// The snapshot of the aggregate as it is now, if it is due.
    pub(crate) fn due_snapshot(&self, snapshots: &Snapshots<A>) -> Option<Snapshot> {
        let info = SnapshotInfo {
            version: self.loaded.version,
            events_since_snapshot: self.loaded.version.0.saturating_sub(self.snapshot.0),
            load_time: self.load_time,
        };
        if snapshots.is_due(&info) { self.snapshot(snapshots) } else { None }
    }

    /// The snapshot of the aggregate as it is now.
    pub(crate) fn snapshot(&self, snapshots: &Snapshots<A>) -> Option<Snapshot> {
        let Loaded { stream, version, state } = &self.loaded;
        let taken = snapshots.take(stream, *version, state)?;
        Some(Snapshot { replaces: self.unreadable, ..taken })
    }
}

struct Folding<'a, A> {
    stream: &'a StreamId,
    snapshots: &'a Snapshots<A>,
    state: A,
    version: Version,
    snapshot: Version,
    unreadable: Option<Version>,
}

impl<'a, A: Aggregate> Folding<'a, A> {
    fn new(stream: &'a StreamId, snapshots: &'a Snapshots<A>) -> Self {
        Self {
            stream,
            snapshots,
            state: A::default(),
            version: Version::NONE,
            snapshot: Version::NONE,
            unreadable: None,
        }
    }
}

impl<A: Aggregate> Fold for Folding<'_, A> {
    fn snapshot(&mut self, version: Version, state: &str) {
        match self.snapshots.decode(state) {
            Some(state) => {
                self.state = state;
                self.version = version;
                self.snapshot = version;
            }
            None => self.unreadable = Some(version),
        }
    }

    fn event(&mut self, version: Version, event: EncodedEvent<'_>) -> Result<(), Error> {
        if self.unreadable.is_some() {
            return Ok(());
        }
        let next = self.version.after(1);
        if version != next {
            return Err(Error::store(BrokenStream { stream: self.stream.clone(), expected: next, found: version }));
        }
        let event =
            A::Event::decode(event).map_err(|source| Error::Decode { stream: self.stream.clone(), version, source })?;
        self.state.apply(event);
        self.version = version;
        Ok(())
    }
}

/// Events are missing from a stream, or came out of order. State built from the rest would be silently wrong.
#[derive(Debug, thiserror::Error)]
#[error("stream `{stream}` goes on with version {found} where {expected} should be")]
struct BrokenStream {
    stream: StreamId,
    expected: Version,
    found: Version,
}
