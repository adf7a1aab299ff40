//! What a command is decided upon: loaded for it, at hand, or ahead of the store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::aggregate::{Aggregate, Loaded};
use crate::ahead::{Ahead, Chain, Outlook, Promise};
use crate::error::Error;
use crate::load::Load;
use crate::metadata::EventId;
use crate::recorded::{Appended, RawEvent};
use crate::snapshot::Snapshots;
use crate::store::{EventStore, ReadStream};
use crate::stream::{StreamId, Version};
use crate::turns::Turn;

/// A state for commands to begin with.
pub(crate) struct Baseline<A> {
    state: A,
    seen: Seen,
    /// How many bytes it has on the heap, about.
    heap: usize,
}

/// Where the state of a stream is at hand. As long as it has the same weight, a newer one is put in its place without a word to the cache.
pub(crate) struct Slot<A>(Mutex<Arc<Baseline<A>>>);

/// What is known of the events behind a state.
struct Seen {
    version: Version,
    /// The event at that version.
    last: EventId,
    snapshot: Version,
    load_time: Duration,
}

/// What a command is decided upon.
pub(crate) struct Basis<A> {
    pub(crate) load: Load<A>,
    /// The event at the state's version, where that is known.
    last: Option<EventId>,
    /// Whether the state was not loaded for this command, and nobody has asked the store about it yet.
    is_unconfirmed: bool,
    /// What becomes of the append that leads to the state, while it is under way.
    rests_on: Option<Outlook>,
    /// The appends that go behind each other, where the state is one of theirs.
    chain: Option<Arc<Chain>>,
    /// Where the state was at hand.
    slot: Option<Arc<Slot<A>>>,
}

/// An append that is under way, while the next command is decided upon what it leads to.
pub(crate) struct Lead<A> {
    baseline: Arc<Baseline<A>>,
    promise: Promise,
    chain: Arc<Chain>,
}

impl<A: Aggregate> Basis<A> {
    /// What is at hand, or else what the store has.
    pub(crate) async fn find<S: EventStore>(
        store: &S,
        stream: &StreamId,
        snapshots: &Snapshots<A>,
    ) -> Result<Self, Error> {
        match Self::at_hand(store, stream) {
            Some(basis) => Ok(basis),
            None => Self::load(store, stream, snapshots).await,
        }
    }

    /// What the command before has left for whoever has the turn. Who may not be decided ahead of the store waits for what is under way.
    pub(crate) async fn find_ahead<S: EventStore>(
        store: &S,
        stream: &StreamId,
        snapshots: &Snapshots<A>,
        ahead: &Ahead,
        is_ahead: bool,
    ) -> Result<Self, Error> {
        if (is_ahead || Box::pin(ahead.outlook.clone().settled()).await)
            && let Some(basis) = Self::ahead(stream, ahead)
        {
            return Ok(basis);
        }
        // Something went wrong, so what is at hand is behind, and has to be tried no more.
        let mut basis = Box::pin(Self::find(store, stream, snapshots)).await?;
        Box::pin(basis.confirm(store, snapshots)).await?;
        Ok(basis)
    }

    async fn load<S: EventStore>(store: &S, stream: &StreamId, snapshots: &Snapshots<A>) -> Result<Self, Error> {
        let load = Load::run(store, stream.clone(), snapshots).await?;
        Ok(Self { load, last: None, is_unconfirmed: false, rests_on: None, chain: None, slot: None })
    }

    fn at_hand<S: EventStore>(store: &S, stream: &StreamId) -> Option<Self> {
        let cache = store.cache().filter(|_| A::caching().is_kept())?;
        let slot = cache.get::<A>(stream)?;
        let basis = Self::of(stream, &slot.lock())?;
        Some(Self { slot: Some(slot), ..basis })
    }

    fn ahead(stream: &StreamId, ahead: &Ahead) -> Option<Self> {
        let basis = Self::of(stream, &*ahead.baseline::<Baseline<A>>()?)?;
        let rests_on = (!ahead.outlook.is_stored()).then(|| ahead.outlook.clone());
        Some(Self { rests_on, chain: Some(Arc::clone(&ahead.chain)), ..basis })
    }

    fn of(stream: &StreamId, baseline: &Baseline<A>) -> Option<Self> {
        let Baseline { state, seen, .. } = baseline;
        let loaded = Loaded::new(stream.clone(), seen.version, A::caching().copy(state)?);
        let load = Load::known(loaded, seen.snapshot, seen.load_time);
        Some(Self { load, last: Some(seen.last), is_unconfirmed: true, rests_on: None, chain: None, slot: None })
    }

    /// The event that an append to the stream goes behind, where that is known.
    pub(crate) fn last(&self) -> Option<EventId> {
        self.last
    }

    /// Whether it rests on what is not stored yet, or on what nobody has asked the store about.
    pub(crate) fn is_unconfirmed(&self) -> bool {
        self.is_unconfirmed
    }

    pub(crate) fn is_ahead(&self) -> bool {
        self.rests_on.is_some()
    }

    /// Waits until what it rests on is not under way any more. Tells whether that is known to be stored.
    pub(crate) async fn settle(&mut self) -> bool {
        match self.rests_on.take() {
            Some(mut outlook) => outlook.settled().await,
            None => true,
        }
    }

    /// Ends when it is certain that what it rests on was not stored.
    pub(crate) fn failed(&mut self) -> impl Future<Output = ()> + Send + use<A> {
        let outlook = self.rests_on.take();
        async {
            match outlook {
                Some(mut outlook) => outlook.failed().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Asks the store what has come since, where nobody has asked yet, and takes it in. Tells whether that was anything.
    pub(crate) async fn confirm<S: EventStore>(&mut self, store: &S, snapshots: &Snapshots<A>) -> Result<bool, Error> {
        if !std::mem::take(&mut self.is_unconfirmed) {
            return Ok(false);
        }
        let (seen, seen_last) = (self.load.loaded.version, self.last);
        let (loaded, last) = (&mut self.load.loaded, &mut self.last);
        let mut is_the_same = false;
        let mut visit = |raw: RawEvent<'_>| {
            // The last one that is known comes along, as a proof that the store still holds what the state rests on.
            if raw.version == seen {
                is_the_same = Some(raw.id) == seen_last;
            } else if is_the_same {
                (loaded.version, *last) = (raw.version, Some(raw.id));
                loaded.state.apply(raw.decode::<A::Event>()?.event);
            }
            Ok(())
        };
        store.read_stream(ReadStream::forwards(loaded.stream.clone()).from(seen), &mut visit).await?;
        if is_the_same {
            return Ok(loaded.version > seen);
        }
        *self = Self::load(store, &self.load.loaded.stream, snapshots).await?;
        Ok(true)
    }

    /// Takes in what the command leads to, as a later load will. Nothing of that is stored yet, or all.
    pub(crate) fn take_in(&mut self, events: impl IntoIterator<Item = A::Event>, last: Option<EventId>) {
        let loaded = &mut self.load.loaded;
        for event in events {
            loaded.version = loaded.version.after(1);
            loaded.state.apply(event);
        }
        self.last = last;
    }

    /// Keeps the state at hand that the command has led to, unless a newer one is. One that was answered before may tell later.
    pub(crate) fn keep<S: EventStore>(&self, store: &S) {
        if A::caching().is_kept()
            && self.chain.as_ref().is_none_or(|chain| chain.keeps(self.load.loaded.version))
            && let Some(cache) = store.cache()
            && let Some(baseline) = self.baseline()
            && let Err(baseline) = Slot::renew(self.slot.as_deref(), baseline)
        {
            let heap = baseline.heap;
            cache.put(self.load.loaded.stream.clone(), Slot::new(Arc::new(baseline)), heap);
        }
    }

    /// Leaves the state, which is stored, for the next command. Nothing is left where that finds it at hand, or loads it.
    pub(crate) fn leave(&mut self, turn: &mut Turn<'_>) {
        let is_for_the_next = A::caching().is_handed_on() && turn.is_wanted();
        let ahead = is_for_the_next.then(|| self.baseline()).flatten().map(|baseline| {
            let chain = Arc::clone(self.chain.get_or_insert_default());
            let (ahead, promise) = Ahead::new(Arc::new(baseline), chain);
            promise.stored();
            ahead
        });
        turn.leave(ahead);
    }

    /// Leaves the state for the next command, and the turn, while the append that leads to it is under way. Nothing happens where
    /// the state cannot be copied.
    pub(crate) fn lead(&mut self, turn: &mut Turn<'_>) -> Option<Lead<A>> {
        let (baseline, chain) = (Arc::new(self.baseline()?), Arc::clone(self.chain.get_or_insert_default()));
        let (ahead, promise) = Ahead::new(Arc::clone(&baseline) as _, Arc::clone(&chain));
        turn.leave(Some(ahead));
        turn.pass_on();
        Some(Lead { baseline, promise, chain })
    }

    fn baseline(&self) -> Option<Baseline<A>> {
        let Load { loaded, snapshot, load_time, .. } = &self.load;
        let seen = Seen { version: loaded.version, last: self.last?, snapshot: *snapshot, load_time: *load_time };
        let state = A::caching().copy(&loaded.state)?;
        let heap = A::caching().weigh(&state);
        Some(Baseline { state, seen, heap })
    }
}

impl<A: Aggregate> Lead<A> {
    /// Tells those who rest on the append what became of it, `None` being that what it rests on was not stored. The state is kept at
    /// hand where it was, unless a newer one is.
    pub(crate) fn end<S: EventStore>(self, store: &S, stream: &StreamId, answer: Option<&Result<Appended, Error>>) {
        match answer {
            Some(Ok(_)) => {
                if A::caching().is_kept()
                    && self.chain.keeps(self.baseline.seen.version)
                    && let Some(cache) = store.cache()
                {
                    let heap = self.baseline.heap;
                    cache.put(stream.clone(), Slot::new(self.baseline), heap);
                }
                self.promise.stored();
            }
            // They find out by themselves.
            Some(Err(Error::UnknownOutcome { .. })) => {}
            Some(Err(_)) | None => self.promise.failed(),
        }
    }
}

impl<A> Slot<A> {
    fn new(baseline: Arc<Baseline<A>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(baseline)))
    }

    /// Puts the state in the place of an older one of the same weight, if there is such a place. Gives it back otherwise.
    fn renew(slot: Option<&Self>, mut baseline: Baseline<A>) -> Result<(), Baseline<A>> {
        let Some(slot) = slot else { return Err(baseline) };
        let mut kept = slot.lock();
        if kept.heap != baseline.heap {
            return Err(baseline);
        }
        if kept.seen.version >= baseline.seen.version {
            return Ok(());
        }
        match Arc::get_mut(&mut kept) {
            Some(kept) => std::mem::swap(kept, &mut baseline),
            None => *kept = Arc::new(baseline),
        }
        Ok(())
    }

    /// Every change is complete before the lock is given back.
    fn lock(&self) -> MutexGuard<'_, Arc<Baseline<A>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(state: &'static str, version: u64, heap: usize) -> Baseline<&'static str> {
        let seen = Seen {
            version: Version(version),
            last: EventId::new(),
            snapshot: Version::NONE,
            load_time: Duration::ZERO,
        };
        Baseline { state, seen, heap }
    }

    #[test]
    fn a_newer_state_of_the_same_weight_takes_the_place_of_the_one_at_hand_and_nothing_else_does() {
        let slot = Slot::new(Arc::new(baseline("first", 1, 0)));
        let kept = || slot.lock().state;
        assert!(Slot::renew(Some(&slot), baseline("second", 2, 0)).is_ok() && kept() == "second");
        assert!(Slot::renew(Some(&slot), baseline("older", 1, 0)).is_ok() && kept() == "second");
        assert!(Slot::renew(Some(&slot), baseline("heavier", 3, 9)).is_err() && kept() == "second");
        assert!(Slot::renew(None, baseline("of no stream", 3, 0)).is_err());
    }

    #[test]
    fn who_still_has_the_older_state_keeps_it() {
        let first = Arc::new(baseline("first", 1, 0));
        let slot = Slot::new(Arc::clone(&first));
        assert!(Slot::renew(Some(&slot), baseline("second", 2, 0)).is_ok());
        assert_eq!((first.state, slot.lock().state), ("first", "second"));
    }
}
