//! The late-commit oracle: whatever writers do, every reader of the log sees every committed event once, in one order.
//!
//! | variable | says | default |
//! |---|---|---|
//! | `ES_ORACLE_SEED` | the choices of the first run; it is printed, and later runs count on from it | random |
//! | `ES_ORACLE_RUNS` | how many runs | 3 |
//! | `ES_ORACLE_SECONDS` | how long the writers write in each | 3 |
//!
//! What the server and the scheduler make of the choices is theirs, so a seed repeats a workload, not a run.

#[path = "oracle/checker.rs"]
mod checker;
#[path = "oracle/gates.rs"]
mod gates;
#[path = "oracle/random.rs"]
mod random;
#[path = "oracle/readers.rs"]
mod readers;
#[path = "oracle/truth.rs"]
mod truth;
#[path = "oracle/world.rs"]
mod world;
#[path = "oracle/writers.rs"]
mod writers;

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::{Error, EventFilter, EventStore};
use es_test_support::Database;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use checker::{Seen, Stored, Violation};
use random::Random;
use readers::{Habits, Reader};
use world::World;
use writers::Writer;

const WRITERS: u32 = 24;
const TICKERS: u64 = 3;

/// A writer at its slowest, and a deadlock that the server has to notice, take some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much longer than asked for the writers may write until the naive reader has lost something.
const EXTENSIONS: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reader_sees_every_event_once_and_a_naive_one_does_not() {
    let first = number_from("ES_ORACLE_SEED").unwrap_or_else(Random::fresh_seed);
    for seed in (first..).take(number_from("ES_ORACLE_RUNS").unwrap_or(3)) {
        println!("ES_ORACLE_SEED={seed}");
        let started = Instant::now();
        Run::start(seed).await.judge().await;
        println!("  in {:.1?}", started.elapsed());
    }
}

fn number_from<N: FromStr>(variable: &str) -> Option<N> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A run whose writers have stopped and whose readers have come to the end.
struct Run {
    world: Arc<World>,
    committed: Vec<Stored>,
    /// What each reader has seen, and what it was to see.
    readers: Vec<(&'static str, EventFilter, Vec<Seen>)>,
    naive: Vec<Seen>,
}

impl Run {
    async fn start(seed: u64) -> Self {
        let world = Arc::new(World::new(seed, WRITERS).await);
        let _stranger = Stranger::idle().await;
        let readers: Vec<_> = (0..).zip(habits()).map(|(number, habits)| reader(&world, number, habits)).collect();
        let by_sql = tokio::spawn(readers::follow_by_sql(Arc::clone(&world)));
        let naive = tokio::spawn(readers::follow_naively(Arc::clone(&world)));
        let tickers: Vec<_> = (0..TICKERS).map(|number| tokio::spawn(tick(Arc::clone(&world), number))).collect();
        let killer = tokio::spawn(kill(Arc::clone(&world)));

        write(&world).await;

        let ended = "the run comes to its end";
        timeout(PATIENCE, killer).await.expect(ended).unwrap();
        let end = world.writing[0].log_end().await.unwrap();
        let committed = world.committed().await;
        world.announce_end(end);
        let mut seen = Vec::new();
        for (name, filter, reader) in readers {
            seen.push((name, filter, timeout(PATIENCE, reader).await.expect(ended).unwrap()));
        }
        seen.push(("plain SQL", EventFilter::all(), timeout(PATIENCE, by_sql).await.expect(ended).unwrap()));
        for ticker in tickers {
            timeout(PATIENCE, ticker).await.expect(ended).unwrap();
        }
        let naive = timeout(PATIENCE, naive).await.expect(ended).unwrap();
        Self { world, committed, readers: seen, naive }
    }

    async fn judge(self) {
        let seed = self.world.seed;
        assert_eq!(checker::judge_streams(&self.committed), [], "seed {seed}: streams count from 1 without gaps");
        let mut orders = Vec::new();
        for (name, filter, seen) in &self.readers {
            let wanted = self.wanted(filter);
            let found = checker::judge(&wanted, seen);
            assert!(found.is_empty(), "seed {seed}, reader `{name}`: {} violations, {:#?}", found.len(), first(&found));
            for page in [7, 500] {
                let again = readers::reread(&self.world, filter.clone(), page).await;
                assert_eq!(
                    first_difference(seen, &again),
                    None,
                    "seed {seed}, reader `{name}`: read again from the start"
                );
            }
            if filter == &EventFilter::all() {
                orders.push(seen);
            }
        }
        assert!(orders.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: all readers see one order");
        let positions: HashMap<_, _> = orders[0].iter().map(|seen| (seen.event.id, seen.position)).collect();
        let contradictions = self.world.truth.contradictions(&self.committed, &positions);
        assert!(
            contradictions.is_empty(),
            "seed {seed}: {} contradictions: {:#?}",
            contradictions.len(),
            first(&contradictions)
        );
        self.judge_the_naive_reader(orders[0]);
        assert!(self.world.truth.counts().contains_key("transactions"), "seed {seed}: somebody has written");
    }

    /// The same judge must find fault with the reader that everybody writes first.
    fn judge_the_naive_reader(&self, right: &[Seen]) {
        let found = checker::judge(&self.committed, &self.naive);
        let missed = found.iter().filter(|found| matches!(found, Violation::Missed(_))).count();
        println!("  {} events; the naive reader missed {missed}; {:?}", right.len(), self.world.truth.counts());
        assert!(
            missed > 0,
            "seed {}: the workload is too tame: a reader of `pk > last` missed nothing, so this run proves nothing",
            self.world.seed
        );
    }

    fn wanted(&self, filter: &EventFilter) -> Vec<Stored> {
        let category = |stored: &Stored| stored.stream.split_once('-').unwrap().0.to_owned();
        let wanted = self.committed.iter().filter(|stored| filter.allows(&category(stored), "order.changed"));
        wanted.cloned().collect()
    }
}

fn habits() -> [Habits; 4] {
    let habits = |name, smallest_page, largest_page, restarts| Habits {
        name,
        smallest_page,
        largest_page,
        restarts,
        filter: EventFilter::all(),
    };
    [
        habits("one by one", 1, 3, 0),
        habits("any page", 1, 500, 0),
        habits("restarting", 1, 60, 25),
        Habits { filter: EventFilter::categories(["invoice"]), ..habits("invoices only", 1, 40, 10) },
    ]
}

type Reading = (&'static str, EventFilter, JoinHandle<Vec<Seen>>);

fn reader(world: &Arc<World>, number: u64, habits: Habits) -> Reading {
    let (name, filter) = (habits.name, habits.filter.clone());
    (name, filter, tokio::spawn(Reader::new(Arc::clone(world), number, habits).run()))
}

/// Lets the writers write for the time asked for, and on until the naive reader has lost something.
async fn write(world: &Arc<World>) {
    let writers: Vec<_> =
        (0..u64::from(WRITERS)).map(|n| tokio::spawn(Writer::new(Arc::clone(world), n).run())).collect();
    let span = Duration::from_secs(number_from("ES_ORACLE_SECONDS").unwrap_or(3));
    for _ in 0..EXTENSIONS {
        sleep(span).await;
        if world.naive_has_missed_something().await {
            break;
        }
    }
    world.stop_writing();
    for writer in writers {
        timeout(PATIENCE, writer).await.expect("writers come to their end").unwrap();
    }
    world.calm_down();
}

/// Asks for the log's end all the time, which ticks. The end never moves back.
async fn tick(world: Arc<World>, number: u64) {
    let mut random = Random::of(world.seed, 2000 + number);
    let mut last = es_core::Position::START;
    while world.end().is_none() {
        match world.reading.log_end().await {
            Ok(end) if end < last => world.truth.scandal(format!("the log's end moved from {last} back to {end}")),
            Ok(end) => last = end,
            Err(Error::Unavailable { .. }) => world.truth.count("ticks unavailable"),
            Err(error) => world.truth.scandal(format!("log_end: {error:?}")),
        }
        sleep(Duration::from_millis(random.below(20))).await;
    }
}

/// Ends anybody's process on the server: a writer's, a reader's, a ticker's.
async fn kill(world: Arc<World>) {
    const ANYBODY: &str = "
        SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid";
    let mut random = Random::of(world.seed, 3000);
    while world.is_wild() {
        sleep(Duration::from_millis(40 + random.below(160))).await;
        let Ok(mut connection) = PgConnection::connect(world.database.url()).await else { continue };
        let pids: Vec<i32> = sqlx::query_scalar(ANYBODY).fetch_all(&mut connection).await.unwrap_or_default();
        if !pids.is_empty() {
            world.kill(pids[random.index(pids.len())]).await;
        }
    }
}

/// Somebody in another database of the cluster who has written something and forgotten to commit.
struct Stranger {
    _connection: PgConnection,
    _database: Database,
}

impl Stranger {
    async fn idle() -> Self {
        let database = Database::create().await;
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql("BEGIN; CREATE TABLE forgotten (); SELECT pg_current_xact_id()")
            .execute(&mut connection)
            .await
            .unwrap();
        Self { _connection: connection, _database: database }
    }
}

fn first<T>(all: &[T]) -> &[T] {
    &all[..all.len().min(5)]
}

fn first_difference<'a>(one: &'a [Seen], other: &'a [Seen]) -> Option<(usize, Option<&'a Seen>, Option<&'a Seen>)> {
    (0..one.len().max(other.len())).map(|n| (n, one.get(n), other.get(n))).find(|(_, one, other)| one != other)
}
