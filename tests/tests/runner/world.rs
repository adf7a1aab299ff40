//! What the cases run on: a store that notes can be kept in, a projector that keeps them, and a script that it fails by.

use std::collections::HashSet;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::{
    Append, Batch, BoxError, Control, DeadLetter, Error, Event, EventFilter, EventStoreExt, ExpectedVersion, NewEvent,
    OnFailure, Position, ProjectionId, ProjectionStatus, Projector, ReadModelStore, Recorded, Retry, Settings,
    StreamId,
};
use serde::{Deserialize, Serialize};

use super::domain::{Account, AccountEvent, Order, OrderEvent, Told};

/// Long enough for the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a projector of the tests writes for each event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub stream: String,
    pub version: u64,
    pub position: u64,
    pub replay: bool,
    pub text: String,
}

/// A store that a projector can write notes to.
pub trait World: ReadModelStore {
    /// Writes a note behind all others.
    fn note(target: &mut Self::Target, note: Note) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Removes all notes.
    fn forget(target: &mut Self::Target) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Removes the notes about what comes behind a place.
    fn forget_behind(target: &mut Self::Target, place: u64) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// The committed notes, in the order in which they were written.
    fn notes(&self) -> impl Future<Output = Vec<Note>> + Send;
}

/// How a projector is to fail.
#[derive(Default)]
pub struct Script {
    broken: Mutex<HashSet<String>>,
    /// What it fails at as a store does, in a way that does not pass.
    shattered: Mutex<HashSet<String>>,
    /// How often trouble is still to come that will pass.
    pub trouble: AtomicU32,
    /// Has it wait inside an event, as code does that waits for something.
    pub held: AtomicBool,
    /// Has it wait inside an event, as code does that never gives way.
    pub blocked: AtomicBool,
    /// Has it refuse to remove what it has written.
    pub indelible: AtomicBool,
    /// How many events it was called with.
    pub calls: AtomicU32,
    /// How many milliseconds each event takes.
    pub slowness: AtomicU64,
    /// How many milliseconds each event keeps the thread.
    pub weight: AtomicU64,
    /// How many events each batch had that it was called with.
    pub batches: Mutex<Vec<usize>>,
}

impl Script {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn breaking(texts: &[&str]) -> Arc<Self> {
        let script = Self::new();
        script.broken.lock().unwrap().extend(texts.iter().map(|text| (*text).to_owned()));
        script
    }

    pub fn mend(&self, text: &str) {
        assert!(self.broken.lock().unwrap().remove(text));
    }

    pub fn shatter(&self, text: &str) {
        self.shattered.lock().unwrap().insert(text.to_owned());
    }

    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    async fn act(&self, text: &str) -> Result<(), BoxError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.broken.lock().unwrap().contains(text) {
            assert!(!text.starts_with("panic"), "panicked over {text}");
            return Err(format!("cannot take in {text}").into());
        }
        if self.shattered.lock().unwrap().contains(text) {
            return Err(Error::store("a disk is full").into());
        }
        let less = |left: u32| left.checked_sub(1);
        if self.trouble.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(Error::unavailable("a deadlock").into());
        }
        match self.slowness.load(Ordering::SeqCst) {
            0 => {}
            slowness => tokio::time::sleep(Duration::from_millis(slowness)).await,
        }
        match self.weight.load(Ordering::SeqCst) {
            0 => {}
            weight => std::thread::sleep(Duration::from_millis(weight)),
        }
        while self.held.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // Not for ever, because a runtime cannot end while one of its threads is blocked.
        let until = std::time::Instant::now() + PATIENCE;
        while self.blocked.load(Ordering::SeqCst) && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// Writes a note for each event.
pub struct Notes<S, E = AccountEvent> {
    script: Arc<Script>,
    filter: EventFilter,
    /// Whether it writes a note at the beginning and the end of history.
    tells: bool,
    of: PhantomData<fn() -> (S, E)>,
}

impl<S, E: Event> Notes<S, E> {
    pub fn new(script: &Arc<Script>) -> Self {
        Self { script: Arc::clone(script), filter: EventFilter::of::<E>(), tells: false, of: PhantomData }
    }

    pub fn only(script: &Arc<Script>, types: &'static [&'static str]) -> Self {
        let filter = EventFilter::of::<E>().types(types.iter().copied());
        Self { filter, ..Self::new(script) }
    }

    /// Writes notes about the beginning and the end of history, too.
    pub fn telling(self) -> Self {
        Self { tells: true, ..self }
    }
}

impl<S: World, E: Event + Told> Notes<S, E> {
    async fn take(&self, event: &Recorded<E>, replay: bool, target: &mut S::Target) -> Result<(), BoxError> {
        let text = event.event.text();
        // Written first, so that a failure leaves something to roll back.
        let position = event.position.unwrap_or_default().0;
        let (stream, version) = (event.stream.id().to_owned(), event.version.0);
        S::note(target, Note { stream, version, position, replay, text: text.clone() }).await?;
        self.script.act(&text).await
    }

    async fn tell(&self, text: &str, target: &mut S::Target) -> Result<(), BoxError> {
        if !self.tells {
            return Ok(());
        }
        let (stream, text) = ("-".to_owned(), text.to_owned());
        S::note(target, Note { stream, version: 0, position: 0, replay: true, text: text.clone() }).await?;
        self.script.act(&text).await
    }
}

impl<S: World, E: Event + Told> Projector for Notes<S, E> {
    const NAME: &'static str = "notes";
    type Event = E;
    type Target = S::Target;
    type Error = BoxError;

    fn filter(&self) -> EventFilter {
        self.filter.clone()
    }

    async fn project(&self, event: &Recorded<E>, target: &mut S::Target) -> Result<(), BoxError> {
        self.take(event, false, target).await
    }

    async fn project_batch(&self, batch: &Batch<'_, E>, target: &mut S::Target) -> Result<(), BoxError> {
        self.script.batches.lock().unwrap().push(batch.len());
        for event in batch {
            self.take(event, batch.is_replay(), target).await?;
        }
        Ok(())
    }

    async fn clear(&self, target: &mut S::Target) -> Result<(), BoxError> {
        if self.script.indelible.load(Ordering::SeqCst) {
            return Err("it is indelible".into());
        }
        S::forget(target).await
    }

    async fn rewind(&self, to: Position, target: &mut S::Target) -> Result<(), BoxError> {
        S::forget_behind(target, to.0).await
    }

    async fn replay_begins(&self, target: &mut S::Target) -> Result<(), BoxError> {
        self.tell("begins", target).await
    }

    async fn replay_ends(&self, target: &mut S::Target) -> Result<(), BoxError> {
        self.tell("ends", target).await
    }
}

/// Writes notes, and cannot remove them.
pub struct Indelible<S>(pub PhantomData<fn() -> S>);

impl<S: World> Projector for Indelible<S> {
    const NAME: &'static str = "indelible";
    type Event = AccountEvent;
    type Target = S::Target;
    type Error = BoxError;

    async fn project(&self, event: &Recorded<AccountEvent>, target: &mut S::Target) -> Result<(), BoxError> {
        let position = event.position.expect("what comes from the log has a position").0;
        let (stream, version, text) = (event.stream.id().to_owned(), event.version.0, event.event.text());
        S::note(target, Note { stream, version, position, replay: false, text }).await
    }
}

pub fn id(name: &str) -> ProjectionId {
    ProjectionId::new(name, 1).unwrap()
}

pub fn account(name: &str) -> StreamId {
    StreamId::new("account", name).unwrap()
}

/// Fails fast, and then does as the policy says.
pub fn giving_up(on_failure: OnFailure) -> Settings {
    Settings::default().on_failure(on_failure.after(Retry::attempts(3).base(Duration::from_millis(1))))
}

pub async fn put<S: World>(store: &S, name: &str, events: impl IntoIterator<Item = AccountEvent>) {
    let events: Vec<AccountEvent> = events.into_iter().collect();
    store.append_events::<Account>(&name.to_owned(), ExpectedVersion::Any, events).await.unwrap();
}

pub async fn put_texts<S: World>(store: &S, name: &str, texts: &[&str]) {
    put(store, name, texts.iter().map(|text| super::domain::noted(*text))).await;
}

pub async fn put_raw<S: World>(store: &S, name: &str, event: NewEvent) {
    store.append(Append::new(account(name), ExpectedVersion::Any, vec![event])).await.unwrap();
}

pub async fn place<S: World>(store: &S, order: &str, account: &str) {
    let placed = OrderEvent::Placed { account: account.to_owned() };
    store.append_events::<Order>(&order.to_owned(), ExpectedVersion::Any, placed).await.unwrap();
}

pub async fn status<S: World>(store: &S, id: &ProjectionId) -> ProjectionStatus {
    store.projections().await.unwrap().into_iter().find(|status| status.id == *id).expect("it is registered")
}

pub async fn letters<S: World>(store: &S) -> Vec<DeadLetter> {
    store.dead_letters(&id("notes")).await.unwrap()
}

pub async fn control<S: World>(store: &S, id: &ProjectionId, word: Control) {
    assert!(store.control(id, word).await.unwrap().is_accepted());
}

/// The texts of the notes about one account, in the order in which they were written.
pub async fn texts<S: World>(store: &S, name: &str) -> Vec<String> {
    store.notes().await.into_iter().filter(|note| note.stream == name).map(|note| note.text).collect()
}

/// Asks until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asking).await.is_ok(), "it never came about that {what}");
}

/// Each event once, all streams in their order: the oracle of "exactly once".
pub fn assert_exactly_once(notes: &[Note], expected: usize) {
    assert!(notes.is_sorted_by(|a, b| a.position < b.position), "events take effect in log order, none twice");
    assert_each_once(notes, expected);
}

/// The same where several parts are at work: only the events of a stream are in order.
pub fn assert_each_once(notes: &[Note], expected: usize) {
    assert_eq!(notes.len(), expected, "every event takes effect exactly once");
    let mut versions = std::collections::HashMap::new();
    for note in notes {
        let version: &mut u64 = versions.entry(&note.stream).or_default();
        assert_eq!(note.version, *version + 1, "the events of `{}` take effect in order", note.stream);
        *version = note.version;
    }
}
