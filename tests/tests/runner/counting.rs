//! A store in memory that counts how often it is asked, and fails on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use es_core::{
    BoxError, Claim, Control, Document, Error, EventFilter, EventStore, FailureClass, IntoKeys, Lease, LogPage,
    OnFailure, ProjectionId, Pulse, ReadLog, ReadModelStore, ReadModels, Recorded, Renewal, Runner, Settings,
    StopReason, Visit,
};
use es_memory::{MemoryStore, Tables, Transaction};
use uuid::Uuid;

use super::suite::domain::{AccountEvent, noted};
use super::suite::world::{
    Note, Notes, PATIENCE, Script, World, assert_exactly_once, giving_up, id, put, put_texts, status, until,
};

/// How often each of these was called, and how often it is still to fail.
#[derive(Default)]
struct Calls {
    claims: AtomicU32,
    renewals: AtomicU32,
    transactions: AtomicU32,
    reads: AtomicU32,
    trouble: AtomicU32,
    /// Whether the trouble will never pass.
    is_lasting: std::sync::atomic::AtomicBool,
}

#[derive(Clone, Default)]
struct Counting {
    inner: MemoryStore,
    calls: Arc<Calls>,
}

impl Calls {
    fn count(&self, of: &AtomicU32) -> Result<(), Error> {
        of.fetch_add(1, Ordering::SeqCst);
        let less = |left: u32| left.checked_sub(1);
        match self.trouble.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) if self.is_lasting.load(Ordering::SeqCst) => Err(Error::store("the disk is gone")),
            Ok(_) => Err(Error::unavailable("the connection was lost")),
            Err(_) => Ok(()),
        }
    }
}

impl EventStore for Counting {
    es_test_support::forward! {
        inner: append find_key fold_stream read_stream read_conversation find_event log_end save_snapshot
        offer_snapshot delete_snapshots
    }

    async fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        self.calls.count(&self.calls.reads)?;
        self.inner.read_log(read, visit).await
    }
}

impl ReadModelStore for Counting {
    type Target = Tables;
    type Transaction = Transaction;

    es_test_support::forward! {
        inner: register taken_in take_up parts release report_stop control divide projections reached serving
        drop_projection list_dead_letters get_documents list_documents position_at appended advanced
    }

    async fn claim(&self, id: &ProjectionId, first: u16, owner: Uuid, lease: Duration) -> Result<Claim, Error> {
        self.calls.count(&self.calls.claims)?;
        self.inner.claim(id, first, owner, lease).await
    }
    async fn renew(&self, held: &Lease, lease: Duration, pulse: &Pulse) -> Result<Renewal, Error> {
        self.calls.renewals.fetch_add(1, Ordering::SeqCst);
        self.inner.renew(held, lease, pulse).await
    }
    async fn begin(&self) -> Result<Transaction, Error> {
        self.calls.count(&self.calls.transactions)?;
        self.inner.begin().await
    }
}

impl World for Counting {
    async fn note(tables: &mut Tables, note: Note) -> Result<(), BoxError> {
        MemoryStore::note(tables, note).await
    }
    async fn forget(tables: &mut Tables) -> Result<(), BoxError> {
        MemoryStore::forget(tables).await
    }
    async fn forget_behind(tables: &mut Tables, place: u64) -> Result<(), BoxError> {
        MemoryStore::forget_behind(tables, place).await
    }
    async fn notes(&self) -> Vec<Note> {
        self.inner.notes().await
    }
}

async fn start(store: &Counting) -> es_core::Running<Counting> {
    let runner = Runner::new(store.clone()).settings(giving_up(OnFailure::stop()));
    runner.add(Notes::<Counting>::new(&Script::new())).start().await.unwrap()
}

#[tokio::test]
async fn an_idle_projection_asks_seldom() {
    let store = Counting::default();
    put_texts(&store, "ada", &["one"]).await;
    let running = start(&store).await;
    running.catch_up().await.unwrap();
    let before = |of: &AtomicU32| of.swap(0, Ordering::SeqCst);
    let Calls { claims, renewals, transactions, reads, .. } = &*store.calls;
    // Long enough for the polls to have become rare.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let _ = [claims, renewals, transactions, reads].map(before);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let counted = [claims, renewals, transactions, reads].map(|of| of.load(Ordering::SeqCst));
    assert_eq!([counted[0], counted[2]], [0, 0], "it claims nothing and writes nothing");
    assert!((1..=3).contains(&counted[1]), "the lease is renewed about once a second: {counted:?}");
    assert!((4..=10).contains(&counted[3]), "the log is read about four times a second: {counted:?}");
    running.stop().await;
}

impl<const VERSION: u32> Document for Shown<VERSION> {
    const NAME: &'static str = "shown";
    const VERSION: u32 = VERSION;
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        event.stream.id().to_owned()
    }

    fn apply(&mut self, _: &Recorded<AccountEvent>) {
        self.events += 1;
    }

    fn filter() -> EventFilter {
        let all = EventFilter::of::<AccountEvent>();
        if VERSION == 1 { all.types(["account.closed"]) } else { all }
    }
}

/// How many events of an account there are, or how many ends of it.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Shown<const VERSION: u32> {
    events: u64,
}

async fn shown<const VERSION: u32>(store: &Counting) -> u64 {
    let all = store.documents::<Shown<VERSION>>().unwrap().list(None, 100).await.unwrap();
    all.into_iter().map(|(_, shown)| shown.events).sum()
}

fn five(store: &Counting) -> Runner<Counting> {
    let runner = Runner::new(store.clone()).document::<Shown<1>>().document::<Shown<2>>().document::<Shown<3>>();
    // One of them in parts, so that it wants slices.
    let runner = runner.settings(Settings::default().parts(3)).document::<Shown<4>>();
    runner.settings(Settings::default()).add(Notes::<Counting>::new(&Script::new()))
}

#[tokio::test]
async fn several_that_idle_share_their_reads() {
    let store = Counting::default();
    put_texts(&store, "ada", &["one"]).await;
    let running = five(&store).start().await.unwrap();
    running.catch_up().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    store.calls.reads.store(0, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let reads = store.calls.reads.load(Ordering::SeqCst);
    // Seven readers, each of which looks four times a second: 84 if each read for itself.
    assert!(reads <= 42, "the log is read about as often as for one: {reads} times in three seconds");
    running.stop().await;
}

#[tokio::test]
async fn several_that_share_their_reads_get_each_its_own() {
    let store = Counting::default();
    put(&store, "old", [AccountEvent::Closed, noted("one")]).await;
    let running = five(&store).start().await.unwrap();
    let (mut all, mut closed) = (2, 1);
    for n in 0_u64..200 {
        let name = format!("a{}", n % 9);
        match n % 4 {
            0 => put(&store, &name, [AccountEvent::Closed]).await,
            _ => put(&store, &name, [noted("now")]).await,
        }
        (all, closed) = (all + 1, closed + u64::from(n % 4 == 0));
        if n % 20 == 0 {
            running.catch_up().await.unwrap();
        }
    }
    running.catch_up().await.unwrap();
    assert_eq!(shown::<1>(&store).await, closed, "only what it wants");
    assert_eq!([shown::<2>(&store).await, shown::<3>(&store).await, shown::<4>(&store).await], [all; 3]);
    assert_exactly_once(&store.notes().await, usize::try_from(all).unwrap());
    running.stop().await;
}

/// With a poll interval of seconds, a reader that takes an old answer for a new one would show.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_append_is_seen_by_all_that_share_their_reads() {
    let store = Counting::default();
    let settings = Settings::default().poll(Duration::from_secs(5));
    let runner = Runner::new(store.clone()).settings(settings).document::<Shown<1>>().document::<Shown<2>>();
    let running = runner.document::<Shown<3>>().start().await.unwrap();
    let began = std::time::Instant::now();
    for n in 1..=500 {
        put(&store, "ada", [noted("now")]).await;
        put(&store, "ada", [AccountEvent::Closed]).await;
        let is_there = || async { [shown::<1>(&store).await, shown::<2>(&store).await] == [n, 2 * n] };
        until("all have seen it", is_there).await;
    }
    assert!(began.elapsed() < Duration::from_secs(5), "somebody was not woken: {:?}", began.elapsed());
    running.stop().await;
}

#[tokio::test]
async fn batches_are_as_large_as_is_done_in_good_time() {
    let store = Counting::default();
    for _ in 0..20 {
        put_texts(&store, "ada", &["now"; 100]).await;
    }
    let script = Script::new();
    let run = || Runner::new(store.clone()).settings(Settings::default().batch(1_200));
    run().add(Notes::<Counting>::new(&script)).run_to_end().await.unwrap();
    let lengths = std::mem::take(&mut *script.batches.lock().unwrap());
    assert_eq!(lengths[0], 250, "it begins small");
    assert!(lengths.iter().sum::<usize>() == 2_000 && lengths.len() < 8, "quick ones grow: {lengths:?}");
    assert!(lengths.iter().all(|length| *length <= 1_200), "as far as they may: {lengths:?}");

    assert!(store.control(&id("notes"), Control::Rebuild).await.unwrap().is_accepted());
    script.slowness.store(4, Ordering::SeqCst);
    let running = run().add(Notes::<Counting>::new(&script)).start().await.unwrap();
    until("batches have shrunk", || async { script.batches.lock().unwrap().iter().any(|length| *length < 100) }).await;
    script.slowness.store(0, Ordering::SeqCst);
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_exactly_once(&store.notes().await, 2_000);
    running.stop().await;
}

#[tokio::test]
async fn trouble_with_the_store_is_waited_out() {
    let store = Counting::default();
    let running = start(&store).await;
    for n in 1..=6 {
        store.calls.trouble.store(n, Ordering::SeqCst);
        put_texts(&store, "ada", &["one", "two"]).await;
        running.catch_up_within(PATIENCE).await.unwrap();
    }
    assert_exactly_once(&store.notes().await, 12);
    running.stop().await;
}

#[tokio::test]
async fn trouble_with_the_store_that_lasts_is_told_to_everybody() {
    let store = Counting::default();
    let running = start(&store).await;
    until("it works", || async { status(&store, &id("notes")).await.owner().is_some() }).await;
    store.calls.is_lasting.store(true, Ordering::SeqCst);
    store.calls.trouble.store(1, Ordering::SeqCst);
    let (_, reason) = running.stopped().await;
    assert_eq!(reason, StopReason::Store { error: "the store failed: the disk is gone".into() });
    let seen = status(&store, &id("notes")).await;
    assert_eq!(
        seen.state,
        es_core::ProjectionState::Stopped { reason: reason.to_string(), class: Some(FailureClass::Store) }
    );
    assert_eq!(seen.owner(), None, "the lease is given back");
    running.stop().await;
}

/// The lease of one that is stopped while it waits for trouble to pass is given back too.
#[tokio::test]
async fn a_stop_in_trouble_gives_the_lease_back() {
    let store = Counting::default();
    let running = start(&store).await;
    until("it works", || async { status(&store, &id("notes")).await.owner().is_some() }).await;
    store.calls.trouble.store(u32::MAX, Ordering::SeqCst);
    until("it is in trouble", || async { matches!(running.progress()[0].1.phase, es_core::Phase::Retrying { .. }) })
        .await;
    running.stop().await;
    assert_eq!(status(&store, &id("notes")).await.owner(), None);
}
