//! Processes that run projections are killed with SIGKILL, again and again, many of them in the middle of a batch, while
//! everybody writes: every event is taken in exactly once, and in the order of its stream.
//!
//! `ES_CRASH_SEED` makes the same choices again; the seed is printed. `ES_CRASH_RUNS` makes so many runs, each with the next
//! seed.

#[path = "oracle/checker.rs"]
mod checker;
#[allow(dead_code, reason = "the oracle dawdles")]
#[path = "oracle/random.rs"]
mod random;

#[path = "crash_runner/domain.rs"]
mod domain;
#[path = "crash_runner/process.rs"]
mod process;
#[path = "crash_runner/killer.rs"]
mod killer;
#[path = "crash_runner/writers.rs"]
mod writers;
#[path = "crash_runner/truth.rs"]
mod truth;

use std::time::Duration;

use es_core::Runner;
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::{Connection, Executor, PgConnection};

use checker::Violation;
use domain::Trail;
use killer::{Killer, Kills};
use process::{How, Notes};
use random::Random;
use truth::Truth;
use writers::Writers;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_taken_in_once_whenever_the_runner_is_killed() {
    const KILLS: u32 = 24;
    for seed in seeds() {
        let (truth, kills) = run(seed, How::Right, KILLS).await;
        println!("{truth}; {kills}");
        let violations = truth.violations();
        assert!(violations.is_empty(), "seed {seed}: {} violations, such as {:?}", violations.len(), violations[0]);
        truth.assert_the_same_everywhere(seed);
        assert!(truth.takeovers() > 5, "seed {seed}: too tame: {truth}; {kills}");
    }
}

/// The oracle must be able to tell. An effect that is committed before its checkpoint comes again after a kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_commits_its_effect_before_its_checkpoint_is_caught() {
    let seed = seeds().next().unwrap();
    let (truth, kills) = run(seed, How::EffectFirst, 6).await;
    let doubled = truth.violations().iter().filter(|violation| matches!(violation, Violation::Doubled(_))).count();
    assert!(doubled > 0, "seed {seed}: nothing was doubled: {truth}; {kills}");
}

/// And one that is committed after it is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_commits_its_checkpoint_before_its_effect_is_caught() {
    let seed = seeds().next().unwrap();
    let (truth, kills) = run(seed, How::CheckpointFirst, 6).await;
    let missed = truth.violations().iter().filter(|violation| matches!(violation, Violation::Missed(_))).count();
    assert!(missed > 0, "seed {seed}: nothing was missed: {truth}; {kills}");
}

/// Not a test, but what a killer starts. Without its variables it has nothing to do.
#[tokio::test]
async fn the_runner_process() {
    process::run_until_killed().await;
}

fn seeds() -> impl Iterator<Item = u64> {
    let number = |name| std::env::var(name).ok().and_then(|number: String| number.parse::<u64>().ok());
    let first = number("ES_CRASH_SEED").unwrap_or_else(Random::fresh_seed);
    (first..first + number("ES_CRASH_RUNS").unwrap_or(1)).inspect(|seed| println!("ES_CRASH_SEED={seed}"))
}

/// Writers write and runners are killed; then one more runner takes in what is left.
async fn run(seed: u64, how: How, kills: u32) -> (Truth, Kills) {
    let database = migrated().await;
    let writers = Writers::start(database.url(), seed).await;
    let killer = Killer::new(database.url(), how, Random::of(seed, 99));
    let kills = tokio::task::spawn_blocking(move || killer.kill_them(kills)).await.unwrap();
    let abandoned = writers.finish().await;
    assert!(abandoned.late > 0 && abandoned.rolled_back > 0, "seed {seed}: too tame: {abandoned:?}");

    let store = PgStore::connect(database.url()).await.unwrap();
    let last = Runner::new(store.clone()).settings(process::settings(100)).add(Notes::right()).document::<Trail>();
    let running = last.start().await.unwrap();
    running.catch_up_within(PATIENCE).await.unwrap();
    running.stop().await;
    (Truth::of(&store, database.url()).await, kills)
}

async fn migrated() -> Database {
    let database = Database::create().await;
    PgStore::connect(database.url()).await.unwrap().migrate().await.unwrap();
    PgConnection::connect(database.url()).await.unwrap().execute(process::ROOM_FOR_NOTES).await.unwrap();
    database
}
