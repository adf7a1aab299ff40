//! A transaction that has written, in another database of the cluster, stays open while a projection follows live writers: it
//! takes no notice.
//!
//! `ES_TRAP_SECONDS=60` holds it open for that long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use es_core::{Runner, Running};
use es_postgres::PgStore;
use es_test_support::{Database, Server};
use sqlx::Executor;
use tokio::task::JoinSet;

use crate::homes::{Home, Postgres};
use crate::support::{begun, connect};
use crate::world::{Notes, PATIENCE, Script, World, assert_exactly_once, put_texts, until};

const WRITERS: u64 = 2;

/// So many events have to be taken in while the transaction is open.
const EVENTS: u64 = 1_000;

fn held_open_for() -> Duration {
    let seconds = std::env::var("ES_TRAP_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

/// Appends until it is over, and counts what is stored.
async fn write(store: PgStore, writer: u64, stored: Arc<AtomicU64>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::SeqCst) {
        put_texts(&store, &writer.to_string(), &["one", "two"]).await;
        stored.fetch_add(2, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// How often the projection came to where the log had ended, and the longest that it took.
#[derive(Debug, Default)]
struct Followed {
    rounds: u32,
    events: u64,
    longest: Duration,
}

impl Followed {
    /// What was stored by now is to be taken in, whatever else is open.
    async fn round(&mut self, running: &Running<PgStore>, stored: &AtomicU64) {
        let (wanted, began) = (stored.load(Ordering::SeqCst), Instant::now());
        let caught_up = running.catch_up_within(PATIENCE).await;
        assert!(caught_up.is_ok(), "{caught_up:?}, after {self:?}");
        self.longest = self.longest.max(began.elapsed());
        for (id, progress) in running.progress() {
            assert!(progress.events >= wanted, "{id} has taken in {} of {wanted}", progress.events);
        }
        self.events = wanted;
        self.rounds += 1;
    }
}

/// What a reader would see that waits for every transaction that is older than an event. The trap is armed if that is nothing.
async fn seen_by_a_reader_that_waits(database: &Database) -> i64 {
    let older = "SELECT count(*) FROM es.events WHERE xid < pg_snapshot_xmin(pg_current_snapshot())";
    sqlx::query_scalar(older).fetch_one(&mut connect(database).await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_follows_while_another_database_has_a_transaction_open() {
    // A server of its own, so that nobody else's transactions are open.
    let server = Server::private().await;
    let home = Postgres::on(Database::create_on(&server).await).await;
    let elsewhere = Database::create_on(&server).await;
    let mut idle = begun(&elsewhere).await;
    idle.execute("CREATE TABLE theirs AS SELECT 1").await.unwrap();

    let store = home.open().await;
    // In the writers' process, so that it is woken and need not look: what is measured is no poll interval.
    let runner = Runner::new(store.clone()).add(Notes::<PgStore>::new(&Script::new()));
    let running = runner.start().await.unwrap();
    let (stored, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(store.clone(), writer, Arc::clone(&stored), Arc::clone(&over)));
    }
    let (began, mut followed) = (Instant::now(), Followed::default());
    while followed.events < EVENTS || began.elapsed() < held_open_for() {
        followed.round(&running, &stored).await;
    }
    assert_eq!(seen_by_a_reader_that_waits(&home.0).await, 0, "the transaction is older than every event");
    over.store(true, Ordering::SeqCst);
    writers.join_all().await;
    followed.round(&running, &stored).await;
    println!("open for {:?}: {followed:?}", began.elapsed());
    let all = usize::try_from(followed.events).unwrap();
    assert_exactly_once(&store.notes().await, all);
    running.stop().await;

    idle.execute("COMMIT").await.unwrap();
    let all = i64::try_from(all).unwrap();
    until("it held others up", || async { seen_by_a_reader_that_waits(&home.0).await == all }).await;
}
