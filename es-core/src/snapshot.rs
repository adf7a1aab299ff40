//! Snapshots: a cache of state, so that long streams load fast. Dropping them all changes no result.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::to_json;
use crate::stream::{StreamId, Version};

/// A state as a store keeps it.
///
/// # Example: what a store is given
///
/// ```
/// use es_core::{Snapshot, StreamId, Version};
///
/// let snapshot = Snapshot::new(StreamId::new("account", "7")?, Version(100), 1, r#"{"balance":5}"#);
/// assert_eq!(snapshot.version, Version(100));
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The stream it was folded from.
    pub stream: StreamId,
    /// The version of the last event it contains.
    pub version: Version,
    /// The version of the state's shape and meaning. Another one is another state, kept apart.
    pub state_version: u32,
    /// The state, as JSON text.
    pub state: String,
    /// The version of a snapshot that was found to be unreadable, which this one may replace although it is not newer.
    pub replaces: Option<Version>,
}

impl Snapshot {
    /// Puts the parts together.
    pub fn new(stream: StreamId, version: Version, state_version: u32, state: impl Into<String>) -> Self {
        Self { stream, version, state_version, state: state.into(), replaces: None }
    }

    /// Whether this snapshot should take the place of one at `stored`, the same stream and state version provided: a
    /// stale snapshot never overwrites a newer one, an unreadable one gives way.
    pub fn supersedes(&self, stored: Version) -> bool {
        self.version > stored || self.replaces == Some(stored)
    }
}

/// What a policy may look at.
///
/// # Example: after fifty events, or when loading was slow
///
/// ```
/// use std::time::Duration;
/// use es_core::SnapshotInfo;
///
/// fn worth_it(info: &SnapshotInfo) -> bool {
///     info.events_since_snapshot >= 50 || info.load_time > Duration::from_millis(20)
/// }
/// # let _: fn(&SnapshotInfo) -> bool = worth_it;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// The version the aggregate has reached.
    pub version: Version,
    /// How many events no snapshot holds yet.
    pub events_since_snapshot: u64,
    /// How long the load before the decision took.
    pub load_time: Duration,
}

/// When snapshots of an aggregate are taken, and in which version of its state.
///
/// Raise the state version whenever the state's shape changes *or events are applied in another way*: snapshots of other
/// versions are ignored, and replaced in time. Only the policies that take snapshots ask for serde on the state.
///
/// # Example: every hundred events
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// use es_core::Snapshots;
///
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// struct Account { balance: u64 }
///
/// impl Aggregate for Account {
///     type Id = String;
///     type Event = AccountEvent;
///     fn apply(&mut self, event: AccountEvent) {
///         let AccountEvent::Deposited { amount } = event;
///         self.balance += amount;
///     }
///     fn snapshots() -> Snapshots<Self> {
///         Snapshots::every(100).state_version(2)
///     }
/// }
/// ```
pub struct Snapshots<A> {
    policy: Policy,
    state_version: u32,
    codec: Option<Codec<A>>,
}

#[derive(Clone, Copy, Debug)]
enum Policy {
    Never,
    Every(u64),
    SlowerThan(Duration),
    When(fn(&SnapshotInfo) -> bool),
}

/// The serde bounds of a state, kept as functions so that `Aggregate` need not carry them.
struct Codec<A> {
    encode: fn(&A) -> Result<String, serde_json::Error>,
    decode: fn(&str) -> Result<A, serde_json::Error>,
}

impl<A> Snapshots<A> {
    /// No snapshots: every load replays the whole stream.
    pub const fn never() -> Self {
        Self { policy: Policy::Never, state_version: 1, codec: None }
    }

    /// Sets the version of the state. The default is 1.
    #[must_use]
    pub fn state_version(self, state_version: u32) -> Self {
        Self { state_version, ..self }
    }

    /// The state version to ask a store for, `None` when no snapshots are taken.
    pub(crate) fn wanted(&self) -> Option<u32> {
        self.codec.as_ref().map(|_| self.state_version)
    }

    pub(crate) fn decode(&self, state: &str) -> Option<A> {
        (self.codec.as_ref()?.decode)(state).ok()
    }

    /// The text of a state, `None` when no snapshots are taken.
    #[cfg(feature = "testing")]
    pub(crate) fn state_text(&self, state: &A) -> Option<Result<String, serde_json::Error>> {
        self.codec.as_ref().map(|codec| (codec.encode)(state))
    }

    pub(crate) fn is_due(&self, info: &SnapshotInfo) -> bool {
        info.events_since_snapshot > 0
            && match self.policy {
                Policy::Never => false,
                Policy::Every(events) => info.events_since_snapshot >= events,
                Policy::SlowerThan(limit) => info.load_time > limit,
                Policy::When(predicate) => predicate(info),
            }
    }

    /// The snapshot of a state; `None` when none are taken, or when serde refuses the state or could not read it back.
    /// A cache that cannot be filled is no reason to fail.
    pub(crate) fn take(&self, stream: &StreamId, version: Version, state: &A) -> Option<Snapshot> {
        let codec = self.codec.as_ref()?;
        let json = (codec.encode)(state).ok()?;
        (codec.decode)(&json).ok()?;
        Some(Snapshot::new(stream.clone(), version, self.state_version, json))
    }
}

impl<A: Serialize + DeserializeOwned> Snapshots<A> {
    /// Whenever `events` events have come since the last one. 0 counts as 1.
    pub fn every(events: u64) -> Self {
        Self::with(Policy::Every(events.max(1)))
    }

    /// Whenever loading the aggregate took longer than `limit`.
    pub fn slower_than(limit: Duration) -> Self {
        Self::with(Policy::SlowerThan(limit))
    }

    /// Whenever `predicate` says so. It is asked after each command that produced events.
    pub fn when(predicate: fn(&SnapshotInfo) -> bool) -> Self {
        Self::with(Policy::When(predicate))
    }

    fn with(policy: Policy) -> Self {
        let codec = Codec { encode: to_json::<A>, decode: |json| serde_json::from_str(json) };
        Self { policy, state_version: 1, codec: Some(codec) }
    }
}

impl<A> fmt::Debug for Snapshots<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots")
            .field("policy", &self.policy)
            .field("state_version", &self.state_version)
            .finish_non_exhaustive()
    }
}
