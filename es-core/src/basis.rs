//! What a command is decided upon: loaded for it, at hand, or ahead of the store.

use std::sync::Arc;
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
}

/// What is known of the events behind a state.
#[derive(Clone, Copy)]
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
    /// What a state rests on that was not loaded for this command, as long as nobody has asked the store.
    unconfirmed: Option<Seen>,
    /// What becomes of the append that leads to the state, while it is under way.
    rests_on: Option<Outlook>,
    chain: Arc<Chain>,
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

    /// What the command before has left for whoever has the turn, or else what is at hand. Who may not be decided ahead of the store
    /// waits for what is under way.
    pub(crate) async fn find_in_turn<S: EventStore>(
        store: &S,
        stream: &StreamId,
        snapshots: &Snapshots<A>,
        turn: &Turn<'_>,
        is_ahead: bool,
    ) -> Result<Self, Error> {
        let Some(ahead) = turn.ahead() else { return Self::find(store, stream, snapshots).await };
        if (is_ahead || ahead.outlook.clone().settled().await)
            && let Some(basis) = Self::ahead(stream, ahead)
        {
            return Ok(basis);
        }
        // Something went wrong, so what is at hand is behind, and has to be tried no more.
        let mut basis = Self::find(store, stream, snapshots).await?;
        basis.confirm(store, snapshots).await?;
        Ok(basis)
    }

    async fn load<S: EventStore>(store: &S, stream: &StreamId, snapshots: &Snapshots<A>) -> Result<Self, Error> {
        let load = Load::run(store, stream.clone(), snapshots).await?;
        Ok(Self { load, last: None, unconfirmed: None, rests_on: None, chain: Arc::default() })
    }

    fn at_hand<S: EventStore>(store: &S, stream: &StreamId) -> Option<Self> {
        let cache = store.cache().filter(|_| A::caching().is_kept())?;
        Self::of(stream, &*cache.get::<A>(stream)?)
    }

    fn ahead(stream: &StreamId, ahead: &Ahead) -> Option<Self> {
        let basis = Self::of(stream, &*ahead.baseline::<Baseline<A>>()?)?;
        let rests_on = (!ahead.outlook.is_stored()).then(|| ahead.outlook.clone());
        Some(Self { rests_on, chain: Arc::clone(&ahead.chain), ..basis })
    }

    fn of(stream: &StreamId, baseline: &Baseline<A>) -> Option<Self> {
        let Baseline { state, seen } = baseline;
        let loaded = Loaded::new(stream.clone(), seen.version, A::caching().copy(state)?);
        let load = Load::known(loaded, seen.snapshot, seen.load_time);
        Some(Self { load, last: Some(seen.last), unconfirmed: Some(*seen), rests_on: None, chain: Arc::default() })
    }

    /// The event that an append to the stream goes behind, where that is known.
    pub(crate) fn last(&self) -> Option<EventId> {
        self.last
    }

    /// Whether it rests on what is not stored yet, or on what nobody has asked the store about.
    pub(crate) fn is_unconfirmed(&self) -> bool {
        self.unconfirmed.is_some()
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
        let Some(seen) = self.unconfirmed.take() else { return Ok(false) };
        let (loaded, last) = (&mut self.load.loaded, &mut self.last);
        let mut is_the_same = false;
        let mut visit = |raw: RawEvent<'_>| {
            // The last one that is known comes along, as a proof that the store still holds what the state rests on.
            if raw.version == seen.version {
                is_the_same = raw.id == seen.last;
            } else if is_the_same {
                (loaded.version, *last) = (raw.version, Some(raw.id));
                loaded.state.apply(raw.decode::<A::Event>()?.event);
            }
            Ok(())
        };
        store.read_stream(ReadStream::forwards(loaded.stream.clone()).from(seen.version), &mut visit).await?;
        if is_the_same {
            return Ok(loaded.version > seen.version);
        }
        *self = Self::load(store, &self.load.loaded.stream, snapshots).await?;
        Ok(true)
    }

    /// Takes in what the command leads to, as a later load will. Nothing of that is stored yet, or all.
    pub(crate) fn take_in(&mut self, events: Vec<A::Event>, last: Option<EventId>) {
        let loaded = &mut self.load.loaded;
        loaded.version = loaded.version.after(events.len() as u64);
        events.into_iter().for_each(|event| loaded.state.apply(event));
        self.last = last;
    }

    /// Keeps the state at hand that the command has led to, unless a newer one is. One that was answered before may tell later.
    pub(crate) fn keep<S: EventStore>(&self, store: &S) {
        if A::caching().is_kept()
            && self.chain.keeps(self.load.loaded.version)
            && let Some(baseline) = store.cache().and_then(|_| self.baseline())
        {
            put(store, &self.load.loaded.stream, baseline);
        }
    }

    /// Leaves the state, which is stored, for the next command. Nothing is left where that finds it at hand, or loads it.
    pub(crate) fn leave(&self, turn: &mut Turn<'_>) {
        let is_for_the_next = turn.is_wanted() && !A::caching().is_kept();
        let ahead = is_for_the_next.then(|| self.baseline()).flatten().map(|baseline| {
            let (ahead, promise) = Ahead::new(baseline as _, Arc::clone(&self.chain));
            promise.stored();
            ahead
        });
        turn.leave(ahead);
    }

    /// Leaves the state for the next command, and the turn, while the append that leads to it is under way. Nothing happens where
    /// the state cannot be copied.
    pub(crate) fn lead(&self, turn: &mut Turn<'_>) -> Option<Lead<A>> {
        let (baseline, chain) = (self.baseline()?, Arc::clone(&self.chain));
        let (ahead, promise) = Ahead::new(Arc::clone(&baseline) as _, Arc::clone(&chain));
        turn.leave(Some(ahead));
        turn.pass_on();
        Some(Lead { baseline, promise, chain })
    }

    fn baseline(&self) -> Option<Arc<Baseline<A>>> {
        let Load { loaded, snapshot, load_time, .. } = &self.load;
        let seen = Seen { version: loaded.version, last: self.last?, snapshot: *snapshot, load_time: *load_time };
        Some(Arc::new(Baseline { state: A::caching().copy(&loaded.state)?, seen }))
    }
}

impl<A: Aggregate> Lead<A> {
    /// Tells those who rest on the append what became of it, `None` being that what it rests on was not stored. The state is kept at
    /// hand where it was, unless a newer one is.
    pub(crate) fn end<S: EventStore>(self, store: &S, stream: &StreamId, answer: Option<&Result<Appended, Error>>) {
        match answer {
            Some(Ok(_)) => {
                if A::caching().is_kept() && self.chain.keeps(self.baseline.seen.version) {
                    put(store, stream, self.baseline);
                }
                self.promise.stored();
            }
            // They find out by themselves.
            Some(Err(Error::UnknownOutcome { .. })) => {}
            Some(Err(_)) | None => self.promise.failed(),
        }
    }
}

fn put<A: Aggregate, S: EventStore>(store: &S, stream: &StreamId, baseline: Arc<Baseline<A>>) {
    if let Some(cache) = store.cache() {
        let heap = A::caching().weigh(&baseline.state);
        cache.put(stream.clone(), baseline, heap);
    }
}
