//! A dump is restored into another cluster, with a projection that was half way and a stream that was parked: it goes on there,
//! and skips nothing and doubles nothing.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use es_core::{Control, EventStoreExt, OnFailure, ReadModelStore, ReadModels, Runner, Running, Version};
use es_postgres::PgStore;
use es_test_support::{Database, Server};
use sqlx::Executor;

use crate::domain::Statement;
use crate::homes::{Home, LEASE, Postgres, Process, log};
use crate::support::connect;
use crate::world::{
    Notes, PATIENCE, Script, World, account, control, giving_up, id, letters, put_texts, status, texts, until,
};

fn restore(from: &Database, to: &Database) {
    let bin = |program| Command::new(from.server().bin(program));
    let mut dump = bin("pg_dump").arg(from.url()).stdout(Stdio::piped()).spawn().unwrap();
    let restored = bin("psql")
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-d", to.url()])
        .stdin(dump.stdout.take().unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(dump.wait().unwrap().success() && restored.success());
}

async fn start(store: PgStore, script: Arc<Script>) -> Running<PgStore> {
    // Batches of two, so that "half way" has many places to be.
    let runner = Runner::new(store).settings(giving_up(OnFailure::park()).lease(LEASE).batch(2));
    runner.add(Notes::<PgStore>::new(&script)).document::<Statement<1>>().start().await.unwrap()
}

/// Each event of the log once, with its own place, and each document as a fold of the log has it.
async fn assert_nothing_is_skipped_or_doubled(store: &PgStore) {
    let mut notes: Vec<_> =
        store.notes().await.into_iter().map(|note| (note.stream, note.version, note.position)).collect();
    notes.sort_by_key(|(.., position)| *position);
    assert_eq!(notes, log(store).await);
    for name in ["ada", "bob", "eve"] {
        let kept = store.documents::<Statement<1>>().unwrap().get(name).await.unwrap();
        assert!(kept.is_some() && kept == store.fold_document(name).await.unwrap(), "the statement of {name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_goes_on_in_another_cluster_where_it_was() {
    const FAR_AHEAD: &str = "DO $$ BEGIN FOR n IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$";
    const WITHOUT_PLACE: &str = "SELECT (SELECT count(*) FROM es.events) - (SELECT max(events) FROM es.ticks)";
    let old_home = Postgres::on(Database::create_on(&Server::private().await).await).await;
    connect(&old_home.0).await.execute(FAR_AHEAD).await.unwrap();
    let (old, process, script) = (old_home.open().await, Process::new(), Script::breaking(&["poison"]));
    let home = old_home.clone();
    let theirs = Arc::clone(&script);
    let running = process.run(async move { start(home.open().await, theirs).await }).await;
    put_texts(&old, "ada", &["one", "two", "three"]).await;
    put_texts(&old, "eve", &["one", "poison", "three"]).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    script.held.store(true, Ordering::SeqCst);
    let calls = script.calls();
    put_texts(&old, "bob", &["one", "two", "three", "four", "five"]).await;
    until("it is half way", || async { script.calls() == calls + 1 }).await;
    until("its twin is not", || async { status(&old, &id("statement")).await.lag_events == 0 }).await;
    // It has no place in the log when the dump is taken, because nobody gets to give it one.
    let mut keeps_others_from_it = connect(&old_home.0).await;
    keeps_others_from_it.execute("SELECT pg_advisory_lock(es.tick_lock())").await.unwrap();
    put_texts(&old, "ada", &["four"]).await;

    let new_database = Database::create_on(&Server::private().await).await;
    restore(&old_home.0, &new_database);
    process.kill();
    let without_place: i64 =
        sqlx::query_scalar(WITHOUT_PLACE).fetch_one(&mut connect(&new_database).await).await.unwrap();
    assert_eq!(without_place, 1);
    let refused = PgStore::connect(new_database.url()).await.unwrap_err();
    assert!(format!("{refused:?}").contains("were restored from another cluster"), "{refused:?}");

    let new = PgStore::options().reanchor(new_database.url()).await.unwrap();
    let half_way = status(&new, &id("notes")).await;
    assert_eq!((half_way.events, half_way.parked, new.notes().await.len()), (4, 1, 4), "it is as it was");
    put_texts(&new, "bob", &["six"]).await;
    let mended = Script::new();
    let running = start(PgStore::connect(new_database.url()).await.unwrap(), Arc::clone(&mended)).await;
    put_texts(&new, "eve", &["four"]).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_eq!(texts(&new, "eve").await, ["one"], "it is parked here, too");
    let (stream, first) = (account("eve"), Version(2));
    control(&new, &id("notes"), Control::RetryDeadLetter { stream, first }).await;
    until("nothing waits", || async { letters(&new).await.is_empty() }).await;
    put_texts(&new, "ada", &["five"]).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    running.stop().await;

    assert_eq!(texts(&new, "ada").await, ["one", "two", "three", "four", "five"]);
    assert_eq!(texts(&new, "bob").await, ["one", "two", "three", "four", "five", "six"]);
    assert_eq!(texts(&new, "eve").await, ["one", "poison", "three", "four"]);
    assert_nothing_is_skipped_or_doubled(&new).await;
    assert_eq!(new.projections().await.unwrap().iter().map(|seen| seen.lag_events).sum::<u64>(), 0);
    assert_eq!(new.load::<crate::domain::Account>(&"ada".to_owned()).await.unwrap().version, Version(5));
}
