//! What was paused stays so, whatever crashes; and a checkpoint never goes backwards, whoever races for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use es_core::{
    Claim, Control, EventStore, Phase, Position, ProjectionState, ReadModelKind, ReadModelStore, ReadModelTransaction,
    Registration, Runner, Running, Settings, Task,
};
use sqlx::{Executor, PgConnection, Row};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::domain::Statement;
use crate::homes::{Home, LEASE, Postgres, Process};
use crate::random::Random;
use crate::world::{Notes, PATIENCE, Script, World, assert_exactly_once, control, id, put_texts, status, until};

on_both_stores! {
    a_pause_outlives_crashes
    a_checkpoint_that_many_race_for_never_goes_backwards
}

async fn start<H: Home>(home: H) -> Running<H::Store> {
    let runner = Runner::new(home.open().await).settings(Settings::default().lease(LEASE));
    runner.add(Notes::<H::Store>::new(&Script::new())).document::<Statement<1>>().start().await.unwrap()
}

async fn a_pause_outlives_crashes<H: Home>(home: H) {
    let store = home.open().await;
    let process = Process::new();
    let running = process.run(start(home.clone())).await;
    put_texts(&store, "ada", &["one"]).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    control(&store, &id("notes"), Control::Pause).await;
    // It may have noticed, or not.
    process.kill();

    for _ in 0..2 {
        let process = Process::new();
        let running = process.run(start(home.clone())).await;
        put_texts(&store, "ada", &["more"]).await;
        let end = store.log_end().await.unwrap();
        until("its twin works", || async { status(&store, &id("statement")).await.position >= end }).await;
        until("it is paused", || async { running.progress()[0].1.phase == Phase::Paused }).await;
        let claimed = store.claim(&id("notes"), 0, Uuid::now_v7(), LEASE).await.unwrap();
        assert_eq!(claimed, Claim::Paused, "nobody may work");
        let seen = status(&store, &id("notes")).await;
        assert_eq!((seen.owner(), seen.events, seen.state), (None, 1, ProjectionState::Paused));
        assert_exactly_once(&store.notes().await, 1);
        process.kill();
    }

    let running = start(home.clone()).await;
    control(&store, &id("notes"), Control::Resume).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_exactly_once(&store.notes().await, 3);
    running.stop().await;
}

/// How many moves were made, and how many refused.
#[derive(Debug, Default)]
struct Tally {
    moved: u32,
    refused: u32,
}

/// One of many that take the lease away from each other all the time, and move to places before and behind the checkpoint.
async fn move_about<S: World>(store: S, owner: Uuid, mut random: Random) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..40 {
        let Claim::Granted(lease) = store.claim(&id("notes"), 0, owner, PATIENCE).await.unwrap() else {
            unreachable!("it is always their own")
        };
        let to = Position((lease.position.0 + random.below(6)).saturating_sub(2));
        let mut transaction = store.begin().await.unwrap();
        if random.percent(50) {
            tokio::task::yield_now().await;
        }
        let moved = transaction.advance(&lease, to, 1).await.is_ok() && transaction.commit().await.is_ok();
        assert!(!moved || to >= lease.position, "a move from {} to {to} goes backwards", lease.position);
        if moved { tally.moved += 1 } else { tally.refused += 1 }
    }
    tally
}

async fn watch<S: World>(store: S, over: Arc<AtomicBool>) {
    let mut before = Position::START;
    while !over.load(Ordering::SeqCst) {
        let now = status(&store, &id("notes")).await.position;
        assert!(now >= before, "it went from {before} back to {now}");
        before = now;
        tokio::task::yield_now().await;
    }
}

/// Answers with where it has come to.
async fn race<H: Home>(home: &H) -> Position {
    let store = home.open().await;
    store.register(&Registration::new(id("notes"), ReadModelKind::Projector)).await.unwrap();
    let (owner, seed, over) = (Uuid::now_v7(), Random::fresh_seed(), Arc::new(AtomicBool::new(false)));
    let watching = tokio::spawn(watch(home.open().await, Arc::clone(&over)));
    let mut racers = JoinSet::new();
    for racer in 0..6 {
        racers.spawn(move_about(home.open().await, owner, Random::of(seed, racer)));
    }
    let tallies = racers.join_all().await;
    over.store(true, Ordering::SeqCst);
    watching.await.unwrap();
    let sum = |of: fn(&Tally) -> u32| tallies.iter().map(of).sum::<u32>();
    let seen = status(&store, &id("notes")).await;
    assert_eq!(seen.events, u64::from(sum(|tally| tally.moved)), "seed {seed}: every move that was told of was made");
    assert!(sum(|tally| tally.moved) > 20 && sum(|tally| tally.refused) > 20, "seed {seed}: too tame: {tallies:?}");
    seen.position
}

async fn a_checkpoint_that_many_race_for_never_goes_backwards<H: Home>(home: H) {
    let reached = race(&home).await;
    let store = home.open().await;
    control(&store, &id("notes"), Control::Resume).await;
    let claimed = store.claim(&id("notes"), 0, Uuid::now_v7(), LEASE).await.unwrap();
    assert!(matches!(claimed, Claim::Granted(lease) if lease.position == reached), "the next owner begins there");
}

/// The database itself keeps a record of each move. An explicit reset is the only one that goes back, and is on record, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_of_a_checkpoint_goes_backwards() {
    const RECORD: &str = "
        CREATE TABLE moves (old bigint, new bigint);
        CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO public.moves VALUES (OLD.position, NEW.position); RETURN NULL; END $$;
        CREATE TRIGGER record AFTER UPDATE OF position ON es.projection_parts FOR EACH ROW EXECUTE FUNCTION record();";
    let home = Postgres::new().await;
    let mut sql = crate::support::connect(&home.0).await;
    sql.execute(RECORD).await.unwrap();
    let reached = race(&home).await;
    let (moves, back) = moves_of(&mut sql).await;
    assert!(moves > 20 && back == 0, "{back} of {moves} moves went backwards");

    let store = home.open().await;
    control(&store, &id("notes"), Control::Rebuild).await;
    let Claim::Granted(lease) = store.claim(&id("notes"), 0, Uuid::now_v7(), LEASE).await.unwrap() else {
        panic!("a word takes the lease away")
    };
    assert_eq!((lease.position, lease.task), (reached, Some(Task::Rebuild)));
    let mut transaction = store.begin().await.unwrap();
    transaction.reset(&lease, Position::START, reached).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(moves_of(&mut sql).await.1, 1, "the record can tell");
}

/// How many there were, and how many of them backwards.
async fn moves_of(sql: &mut PgConnection) -> (i64, i64) {
    let count = "SELECT count(*), count(*) FILTER (WHERE new < old) FROM moves";
    let row = sqlx::query(count).fetch_one(sql).await.unwrap();
    (row.get(0), row.get(1))
}
