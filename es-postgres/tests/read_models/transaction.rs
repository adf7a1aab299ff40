//! What failures leave behind.

use std::time::Duration;

use es_core::{
    AdvanceError, Append, BoxError, Error, EventStore, ExpectedVersion, Position, ProjectionId, ReadModelStore,
    ReadModelTransaction,
};
use es_postgres::{PgReadModelTransaction, PgStore};
use es_test_support::{Database, Proxy};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use crate::fixture::*;
use crate::killed::KILL_OWNERS;

#[tokio::test]
async fn an_append_wakes_whoever_waits_on_another_handle() {
    let (store, _id, database) = registered("balances").await;
    let waiting = store.clone();
    let woken = waiting.appended();
    store.append(deposit("ada", 1)).await.unwrap();
    tokio::time::timeout(LONG, woken).await.expect("counted from the call");

    let stranger = PgStore::connect(database.url()).await.unwrap();
    let woken = waiting.appended();
    stranger.append(deposit("ada", 1)).await.unwrap();
    let refused = store.append(Append { expected: ExpectedVersion::NoStream, ..deposit("ada", 1) }).await;
    assert!(refused.unwrap_err().is_conflict());
    tokio::time::timeout(Duration::from_millis(50), woken).await.expect_err("nothing was stored here");
}

/// A projector's own errors, as people write them.
#[derive(Debug, thiserror::Error)]
enum ProjectorError {
    #[error(transparent)]
    Shown(sqlx::Error),
    #[error("the table could not be written")]
    Wrapped(#[source] sqlx::Error),
}

#[tokio::test]
async fn errors_of_a_projector_are_told_apart() {
    let (store, database) = store().await;
    let mut admin = connection(&database).await;
    for (code, transient) in [
        ("40P01", true),
        ("40001", true),
        ("57P01", true),
        ("57014", false), // a statement that took too long
        ("25P03", false), // a transaction in which nothing was said for too long
        ("23505", false),
        ("22012", false),
    ] {
        let kinds: [fn(sqlx::Error) -> BoxError; 3] =
            [BoxError::from, |e| ProjectorError::Shown(e).into(), |e| ProjectorError::Wrapped(e).into()];
        for kind in kinds {
            let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{code}'; END $$");
            let error = sqlx::raw_sql(AssertSqlSafe(raise)).execute(&mut admin).await.unwrap_err();
            let error = kind(error);
            assert_eq!(store.is_transient(&error), transient, "{code}");
            assert_eq!(store.is_too_slow(&error), matches!(code, "57014" | "25P03"), "{code}");
        }
    }
    let killed = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").execute(&mut admin).await.unwrap_err();
    assert!(store.is_transient(&ProjectorError::Wrapped(killed).into()));
    let gone = sqlx::query("SELECT 1").execute(&mut admin).await.unwrap_err();
    assert!(store.is_transient(&gone.into()));
    assert!(!store.is_transient(&"the amount is negative".into()));
    assert!(!store.is_too_slow(&"the amount is negative".into()));
    assert!(store.is_transient(&Error::unavailable("try later").into()));
}

#[tokio::test]
async fn a_transaction_is_undone_by_dropping_it_and_leaves_a_clean_connection() {
    let database = Database::create().await;
    let store = PgStore::options().max_connections(1).connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    run(&mut connection(&database).await, "CREATE TABLE effects (nth int PRIMARY KEY)").await;
    let insert = "INSERT INTO effects VALUES (1)";
    for broken in [false, true] {
        let mut transaction = store.begin().await.unwrap();
        sqlx::query(insert).execute(&mut *transaction.target()).await.unwrap();
        if broken {
            sqlx::query(insert).execute(&mut *transaction.target()).await.unwrap_err();
        }
        drop(transaction);
        assert_eq!(store.log_end().await.unwrap(), Position::START, "the only connection is free again");
    }

    let mut transaction = store.begin().await.unwrap();
    let mut inner = transaction.target().begin().await.unwrap();
    sqlx::query(insert).execute(&mut *inner).await.unwrap();
    inner.commit().await.unwrap();
    drop(transaction);

    let backend = async |store: &PgStore| {
        let mut transaction = store.begin().await.unwrap();
        let pid = number(transaction.target(), "SELECT pg_backend_pid()::bigint").await;
        assert_eq!(number(transaction.target(), "SELECT count(*) FROM effects").await, 0);
        transaction.commit().await.unwrap();
        pid
    };
    assert_eq!(backend(&store).await, backend(&store).await, "a committed one gives its connection back");

    run(&mut connection(&database).await, KILL_OWNERS).await;
    backend(&store).await;
}

/// The server takes `COMMIT` for `ROLLBACK` then, and calls it done.
#[tokio::test]
async fn a_failure_that_a_projector_kept_to_itself_is_found_out_at_the_commit() {
    let (store, id, _database) = registered("statements").await;
    let mut transaction = store.begin().await.unwrap();
    transaction.append(deposit("ada", 1)).await.unwrap();
    transaction.save_documents(&id, &[("ada".to_owned(), Some("1".to_owned()))]).await.unwrap();
    sqlx::query("SELECT 1 / 0").execute(&mut *transaction.target()).await.unwrap_err();
    let refused = transaction.commit().await.unwrap_err();
    assert!(store.is_spoiled(&refused), "{refused:?}");
    assert_eq!(store.log_end().await.unwrap(), Position::START);
    assert_eq!(get(&store, &id, &["ada"]).await, [None]);
}

/// The next one who has the connection would fail for no reason of his own, or see what he must not.
#[tokio::test]
async fn what_a_projector_sets_goes_with_its_transaction() {
    let (_store, _id, database) = registered("sets").await;
    let store = PgStore::options().max_connections(1).connect(database.url()).await.unwrap();
    let asked = "SELECT pg_backend_pid()::text || ' ' || session_user || ' ' || current_user || ' '
                     || string_agg(name || '=' || setting, ' ' ORDER BY name)
                   FROM pg_settings WHERE source IN ('session', 'client') OR name = 'enable_seqscan'";
    let session = async || {
        let mut transaction = store.begin().await.unwrap();
        let all: String = sqlx::query_scalar(asked).fetch_one(transaction.target()).await.unwrap();
        transaction.commit().await.unwrap();
        all
    };
    let before = session().await;
    assert!(before.contains("enable_seqscan=off"), "{before}");
    for set in [
        "SET default_transaction_read_only = on",
        "SET enable_seqscan = on",
        "SET ROLE pg_monitor",
        "SET SESSION AUTHORIZATION pg_monitor",
        "SET statement_timeout = '1ms'; SELECT set_config('search_path', 'nowhere', false)",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    ] {
        let mut transaction = store.begin().await.unwrap();
        run(transaction.target(), set).await;
        transaction.commit().await.unwrap();
        store.append(deposit("ada", 1)).await.unwrap_or_else(|error| panic!("after {set}: {error:?}"));
        assert_eq!(session().await, before, "after {set}");
    }
}

/// The role that a connection is opened with is not the one who has logged in, and is the one to go back to.
#[tokio::test]
async fn a_role_that_the_connection_was_opened_with_stays() {
    let (_store, _id, database) = registered("roles").await;
    run(&mut connection(&database).await, "SELECT es.grant_to('pg_monitor')").await;
    let separator = if database.url().contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}options=-c%20role%3Dpg_monitor", database.url());
    let store = PgStore::options().max_connections(1).connect(&url).await.unwrap();
    for set in ["SELECT 1", "SET ROLE pg_read_all_stats", "RESET ROLE", "SET ROLE NONE"] {
        let mut transaction = store.begin().await.unwrap();
        let role: String =
            sqlx::query_scalar("SELECT current_user::text").fetch_one(transaction.target()).await.unwrap();
        assert_eq!(role, "pg_monitor", "before {set}");
        run(transaction.target(), set).await;
        transaction.commit().await.unwrap();
    }
    store.append(deposit("ada", 1)).await.unwrap();
}

/// The transaction in which it was reset is not left open on the server, in whose eyes it would hold others up.
#[tokio::test]
async fn a_session_that_was_lent_is_idle_after_the_commit() {
    let (store, _id, database) = registered("idle").await;
    let mut admin = connection(&database).await;
    let mut transaction = store.begin().await.unwrap();
    let pid = number(transaction.target(), "SELECT pg_backend_pid()::bigint").await;
    transaction.commit().await.unwrap();
    until(&mut admin, &format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND state = 'idle'")).await;
    store.append(deposit("ada", 1)).await.unwrap();
}

/// A store behind a proxy that has its statements prepared, the projection, and a store beside it.
async fn behind_proxy() -> (PgStore, Proxy, ProjectionId, PgStore, Database) {
    let (direct, id, database) = registered("statements").await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    write_both(&store, &id, "warm").await.unwrap().commit().await.unwrap();
    (store, proxy, id, direct, database)
}

/// A transaction with an event and a document, to be committed.
async fn write_both(store: &PgStore, id: &ProjectionId, key: &str) -> Result<PgReadModelTransaction, Error> {
    let mut transaction = store.begin().await?;
    transaction.append(deposit(key, 1)).await?;
    transaction.save_documents(id, &[(key.to_owned(), Some("1".to_owned()))]).await?;
    Ok(transaction)
}

#[tokio::test]
async fn a_lost_commit_with_an_append_in_it_is_found_out() {
    let (store, proxy, id, direct, _database) = behind_proxy().await;
    let end = direct.log_end().await.unwrap();
    let transaction = write_both(&store, &id, "after").await.unwrap();
    let woken = store.appended();
    proxy.cut_after_next_request();
    transaction.commit().await.unwrap();
    woken.await;
    assert_eq!(get(&direct, &id, &["after"]).await, [Some("1".to_owned())], "it was committed");
    assert!(direct.log_end().await.unwrap() > end);

    let end = direct.log_end().await.unwrap();
    let transaction = write_both(&store, &id, "before").await.unwrap();
    proxy.cut_before_next_request();
    let refused = transaction.commit().await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    assert_eq!(get(&direct, &id, &["before"]).await, [None], "it was not");
    assert_eq!(direct.log_end().await.unwrap(), end);
    write_both(&store, &id, "before").await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn a_batch_costs_three_round_trips_beside_its_own() {
    let (store, proxy, id, _direct, _database) = behind_proxy().await;
    let lease = granted(&store, &id, Uuid::now_v7()).await;
    let keys = ["warm".to_owned(), "new".to_owned()];
    // Each statement is prepared once, which takes a turn more.
    for (locks, turns) in [(false, None), (true, None), (false, Some(5)), (true, Some(6))] {
        proxy.reset();
        let mut transaction = store.begin().await.unwrap();
        if locks {
            transaction.lock_documents(&id, &keys).await.unwrap();
        }
        transaction.load_documents(&id, &keys).await.unwrap();
        let documents = keys.clone().map(|key| (key, Some("2".to_owned())));
        transaction.save_documents(&id, &documents).await.unwrap();
        transaction.advance(&lease, Position(7), 2).await.unwrap();
        transaction.commit().await.unwrap();
        assert!(turns.is_none_or(|turns| proxy.turns() == turns), "{} turns, locks: {locks}", proxy.turns());
    }
}

#[tokio::test]
async fn appends_are_not_held_up_for_long_by_whoever_waits_to_hold_them() {
    let (store, _id, database) = registered("statements").await;
    let mut stranger = connection(&database).await;
    run(&mut stranger, "BEGIN").await;
    store.in_transaction(&mut stranger).append(deposit("idle", 1)).await.unwrap();
    let mut holds = store.begin().await.unwrap();
    let refused = holds.hold_appends().await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    drop(holds);
    store.append(deposit("ada", 1)).await.unwrap();
    run(&mut stranger, "COMMIT").await;
    assert_eq!(store.log_end().await.unwrap(), Position(2));
}

async fn waits_for_the_disk(transaction: &mut PgReadModelTransaction) -> bool {
    let set: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(transaction.target()).await.unwrap();
    set == "on"
}

/// What was appended must be on the disk when it is called stored. A batch is taken in again after a crash.
#[tokio::test]
async fn only_a_batch_that_appends_nothing_is_committed_without_the_disk() {
    let (store, id, _database) = registered("balances").await;
    let lease = granted(&store, &id, Uuid::now_v7()).await;

    let mut batch = store.begin().await.unwrap();
    assert!(waits_for_the_disk(&mut batch).await);
    batch.advance(&lease, Position(1), 1).await.unwrap();
    assert!(!waits_for_the_disk(&mut batch).await);
    batch.append(deposit("ada", 1)).await.unwrap();
    assert!(waits_for_the_disk(&mut batch).await, "an append behind the checkpoint");
    batch.commit().await.unwrap();

    let mut batch = store.begin().await.unwrap();
    batch.append(deposit("ada", 1)).await.unwrap();
    batch.advance(&lease, Position(2), 1).await.unwrap();
    assert!(waits_for_the_disk(&mut batch).await, "an append before it");
    batch.commit().await.unwrap();

    let mut next = store.begin().await.unwrap();
    assert!(waits_for_the_disk(&mut next).await, "it was for one transaction only");
}

/// What it committed stays without its checkpoint, and would come again. So nothing more of it is done, and it is said.
#[tokio::test]
async fn a_projector_that_ends_the_transaction_is_found_out() {
    const PLACE: &str = "SELECT position FROM es.projection_parts";
    let (store, id, database) = registered("ended").await;
    let mut admin = connection(&database).await;
    run(&mut admin, "CREATE TABLE effects (nth int)").await;
    let held = granted(&store, &id, Uuid::now_v7()).await;
    for ending in ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN", "COMMIT AND CHAIN"] {
        let lend = async |sql: &'static str| {
            let mut transaction = store.begin().await.unwrap();
            run(transaction.target(), "INSERT INTO effects VALUES (1)").await;
            run(transaction.target(), sql).await;
            transaction
        };
        let found_out = |error: Error| {
            let Error::Store { source } = &error else { panic!("{ending}: {error:?}") };
            assert!(source.to_string().contains("must not say COMMIT or ROLLBACK"), "{ending}: {source}");
        };
        let mut transaction = lend(ending).await;
        match transaction.advance(&held, Position(1), 1).await.unwrap_err() {
            AdvanceError::Store(error) => found_out(error),
            fenced => panic!("{ending}: it holds the lease, but {fenced:?}"),
        }
        drop(transaction);
        found_out(lend(ending).await.commit().await.unwrap_err());
        let mut transaction = lend(ending).await;
        found_out(transaction.save_documents(&id, &[("ada".into(), Some("1".into()))]).await.unwrap_err());
        drop(transaction);
        let mut transaction = lend(ending).await;
        found_out(transaction.append(deposit("ada", 1)).await.unwrap_err());
        drop(transaction);
        assert_eq!(store.log_end().await.unwrap(), Position::START, "{ending}");
        assert_eq!(get(&store, &id, &["ada"]).await, [None], "{ending}");
        assert_eq!(number(&mut admin, PLACE).await, 0, "{ending}");
    }
    // A savepoint is no such thing.
    let mut transaction = store.begin().await.unwrap();
    let mut inner = transaction.target().begin().await.unwrap();
    run(&mut inner, "INSERT INTO effects VALUES (2)").await;
    inner.rollback().await.unwrap();
    run(transaction.target(), "SAVEPOINT here; ROLLBACK TO here; RELEASE here").await;
    transaction.advance(&held, Position(1), 1).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(number(&mut admin, PLACE).await, 1);
}
