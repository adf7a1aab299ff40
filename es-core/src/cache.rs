//! Aggregates at hand: the state that a command left behind, for the next one to begin with.
//!
//! A cached state is never believed, only tried. What is decided upon it is appended behind its version, and the store lets that in
//! only where the version is still the newest. Where it is not, what has come since is read, and decided upon. What stores nothing, a
//! rejection for example, proves nothing; so there the store is asked whether anything has come since, before the answer is given. A
//! stale cache therefore costs time, and changes no result.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, Weighter};

use crate::aggregate::Aggregate;
use crate::basis::{Baseline, Slot};
use crate::stream::StreamId;
use crate::turns::{Turn, Turns};

/// What becomes of the state that a command has led to: whether the next command may begin with a copy of it.
///
/// | | a busy aggregate | any other | the short way to say so |
/// |---|---|---|---|
/// | [`never`](Self::never) | loads anew | loads anew | `one_at_a_time`, or a type that is not `Clone` |
/// | [`while_busy`](Self::while_busy) | hands it on | loads anew | `#[derive(Aggregate)]` of a type that is `Clone` |
/// | [`cloned`](Self::cloned) | hands it on | finds it at hand | `#[aggregate(…, cached)]` |
///
/// Busy is an aggregate while commands of this process wait for each other.
///
/// # Example: by hand
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// use es_core::Caching;
///
/// #[derive(Clone, Default)]
/// struct Account { balance: u64, notes: Vec<String> }
///
/// impl Aggregate for Account {
///     type Id = String;
///     type Event = AccountEvent;
///     fn apply(&mut self, event: AccountEvent) {
///         let AccountEvent::Deposited { amount } = event;
///         self.balance += amount;
///     }
///     fn caching() -> Caching<Self> {
///         Caching::cloned().weighing(|account| account.notes.iter().map(String::len).sum())
///     }
/// }
/// ```
pub struct Caching<A> {
    copy: Option<Copy<A>>,
    is_kept: bool,
    decides_ahead: bool,
}

/// How a state is handled by a cache that does not know its type.
struct Copy<A> {
    clone: fn(&A) -> A,
    weigh: fn(&A) -> usize,
}

impl<A> Caching<A> {
    /// Every command loads the aggregate anew, when the one before it is stored. This is the default where nobody knows whether the
    /// state can be copied: of an `impl Aggregate` by hand, and of a type that is not `Clone`.
    pub const fn never() -> Self {
        Self { copy: None, is_kept: false, decides_ahead: false }
    }

    /// Hands a clone of the state to the next command, if one is waiting already, and keeps nothing otherwise. So many commands at once
    /// for one aggregate load it once, and are stored together, and all others are as with [`never`](Self::never). This is the default of
    /// `#[derive(Aggregate)]` for types that are `Clone`.
    ///
    /// # Example: as the derive does, by hand
    ///
    /// ```
    /// # use es_core::{Aggregate, Event};
    /// # #[derive(Event, serde::Serialize, serde::Deserialize)]
    /// # #[event(category = "counter")]
    /// # enum CounterEvent { Counted }
    /// use es_core::Caching;
    ///
    /// #[derive(Clone, Default)]
    /// struct Counter(u64);
    ///
    /// impl Aggregate for Counter {
    ///     type Id = String;
    ///     type Event = CounterEvent;
    ///     fn apply(&mut self, _: CounterEvent) {
    ///         self.0 += 1;
    ///     }
    ///     fn caching() -> Caching<Self> {
    ///         Caching::while_busy()
    ///     }
    /// }
    /// ```
    pub const fn while_busy() -> Self
    where
        A: Clone,
    {
        Self { is_kept: false, ..Self::cloned() }
    }

    /// Keeps a clone of the state that a command has led to, within the limits of the store's [cache](AggregateCache).
    pub const fn cloned() -> Self
    where
        A: Clone,
    {
        Self { copy: Some(Copy { clone: A::clone, weigh: |_| 0 }), is_kept: true, decides_ahead: true }
    }

    /// How many bytes a state has on the heap, about, for the cache's limit. By default none: say so where states hold collections or long
    /// texts.
    #[must_use]
    pub fn weighing(self, weigh: fn(&A) -> usize) -> Self {
        Self { copy: self.copy.map(|copy| Copy { weigh, ..copy }), ..self }
    }

    /// Has each command wait until the one before it is stored. Otherwise a command for a busy aggregate is decided upon the state
    /// that the one before leads to, while that one is still on its way to the store, so that both can go out together; see
    /// [`EventStore::appends_in_order`](crate::EventStore::appends_in_order). If the one before is not stored after all, the command is decided again. So a decision is
    /// now and then made in vain: choose this where it costs more than the wait.
    ///
    /// # Example: an aggregate whose decisions take long
    ///
    /// ```
    /// use es_core::Caching;
    ///
    /// #[derive(Clone)]
    /// struct Timetable;
    ///
    /// let caching = Caching::<Timetable>::cloned().one_at_a_time();
    /// # let _ = caching;
    /// ```
    #[must_use]
    pub fn one_at_a_time(self) -> Self {
        Self { decides_ahead: false, ..self }
    }

    pub(crate) fn decides_ahead(&self) -> bool {
        self.decides_ahead
    }

    /// Whether a state is kept where no command waits for it.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whether a state is copied for those only who wait for it.
    pub(crate) fn is_handed_on(&self) -> bool {
        self.copy.is_some() && !self.is_kept
    }

    /// `None` where states are not copied.
    pub(crate) fn copy(&self, state: &A) -> Option<A> {
        self.copy.as_ref().map(|copy| (copy.clone)(state))
    }

    pub(crate) fn weigh(&self, state: &A) -> usize {
        self.copy.as_ref().map_or(0, |copy| (copy.weigh)(state))
    }
}

impl<A> fmt::Debug for Caching<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caching")
            .field("cloned", &self.copy.is_some())
            .field("is_kept", &self.is_kept)
            .field("decides_ahead", &self.decides_ahead)
            .finish()
    }
}

/// The aggregates that a store keeps at hand, of all kinds, the ones that were not used lately making room for others. A store has
/// one, and shares it between its clones.
///
/// # Example: limits of one's own
///
/// ```
/// use es_core::AggregateCache;
///
/// let cache = AggregateCache::new(50_000, 256 << 20);
/// assert!(cache.is_empty());
/// let store = es_memory::MemoryStore::with_cache(cache);
/// # let _ = store;
/// ```
pub struct AggregateCache {
    entries: Cache<Key, Entry, Weight, RandomState>,
    /// What one weighs at the least, so that the limit of bytes holds the limit of their number, too.
    least: u64,
    turns: Turns,
}

#[derive(PartialEq, Eq, Hash)]
struct Key(TypeId, StreamId);

/// A key to look for. It has the hash of the other one.
#[derive(Hash)]
struct Wanted<'a>(TypeId, &'a StreamId);

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.0 && *self.1 == key.1
    }
}

#[derive(Clone)]
struct Entry {
    slot: Arc<dyn Any + Send + Sync>,
    weight: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Entry> for Weight {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        entry.weight
    }
}

/// What an entry takes beside the state: its key, and its places in the cache's tables.
const OVERHEAD: u64 = 200;

impl AggregateCache {
    /// How many aggregates are kept at the most, by default.
    pub const DEFAULT_AGGREGATES: usize = 10_000;
    /// How many bytes they take at the most, by default: 64 MiB.
    pub const DEFAULT_BYTES: u64 = 64 << 20;

    /// An empty cache for so many aggregates, of so many bytes together as [`Caching::weighing`] counts them. With 0 nothing is
    /// ever at hand.
    pub fn new(max_aggregates: usize, max_bytes: u64) -> Self {
        let least = max_bytes / u64::try_from(max_aggregates).unwrap_or(u64::MAX).max(1);
        Self {
            entries: Cache::with(
                max_aggregates,
                max_bytes,
                Weight,
                RandomState::default(),
                DefaultLifecycle::default(),
            ),
            least: least.max(1),
            turns: Turns::new(),
        }
    }

    /// The right to decide upon a stream, in the order in which it was asked for. It may have to be waited for.
    pub(crate) fn turn(&self, stream: &StreamId) -> Option<Turn<'_>> {
        self.turns.join(stream)
    }

    /// How many aggregates are at hand.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get<A: Aggregate>(&self, stream: &StreamId) -> Option<Arc<Slot<A>>> {
        let entry = self.entries.get(&Wanted(TypeId::of::<A>(), stream))?;
        entry.slot.downcast().ok()
    }

    /// Of two commands that end at the same time, the one that ended first may come last. The next command finds that out.
    pub(crate) fn put<A: Aggregate>(&self, stream: StreamId, slot: Arc<Slot<A>>, heap: usize) {
        let bytes = u64::try_from(heap.saturating_add(size_of::<Baseline<A>>())).unwrap_or(u64::MAX);
        let weight = bytes.saturating_add(OVERHEAD).max(self.least);
        self.entries.insert(Key(TypeId::of::<A>(), stream), Entry { slot, weight });
    }

    /// Forgets everything. For stores, when what they hold may have been replaced under them, by a backup for example.
    pub fn clear(&self) {
        self.entries.clear();
    }
}

impl Default for AggregateCache {
    fn default() -> Self {
        Self::new(Self::DEFAULT_AGGREGATES, Self::DEFAULT_BYTES)
    }
}

impl fmt::Debug for AggregateCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateCache").field("aggregates", &self.len()).finish_non_exhaustive()
    }
}
