//! Wake-ups across processes. Two stores of one test are as two processes: they share nothing but the database.
//!
//! Several threads, because the one of the test waits while its database is dropped, and the server waits for those who are
//! only just connecting.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test has nobody to hand an error to")]

use std::collections::HashSet;
use std::time::Duration;

use es_core::{Append, EventStore, ExpectedVersion, NewEvent, ReadModelStore, StreamId};
use es_postgres::{PgStore, PgStoreOptions, WakeUps};
use es_test_support::Database;
use sqlx::postgres::{PgConnectOptions, PgListener};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// For what must happen, on a machine that does a lot of other things.
const PATIENCE: Duration = Duration::from_secs(30);

fn across() -> PgStoreOptions {
    PgStore::options().wake_ups(WakeUps::AcrossProcesses)
}

async fn process(database: &Database) -> PgStore {
    across().connect(database.url()).await.unwrap()
}

async fn migrated() -> Database {
    let database = Database::create().await;
    PgStore::connect(database.url()).await.unwrap().migrate().await.unwrap();
    database
}

async fn append(store: &impl EventStore, id: &str) {
    let event = NewEvent::new("order.noted", 1, "{}");
    let append = Append::new(StreamId::new("order", id).unwrap(), ExpectedVersion::Any, vec![event]);
    store.append(append).await.unwrap();
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

/// Waits until a query of the server's own views says so.
async fn until(connection: &mut PgConnection, sql: &str) {
    for _ in 0..6_000 {
        if number(connection, sql).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to be: {sql}");
}

async fn connection(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

/// Asks about those of the store's connections that do one thing.
fn of_those_that(what: &str, ask: &str) -> String {
    format!(
        "SELECT {ask} FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'es-postgres%{what}'"
    )
}

async fn end(database: &Database, what: &str) {
    let ended = of_those_that(what, "count(pg_terminate_backend(pid))");
    assert!(number(&mut connection(database).await, &ended).await > 0);
}

async fn soon(what: impl Future<Output = ()>) {
    tokio::time::timeout(PATIENCE, what).await.expect("it never came");
}

/// The store, listening. The first wake-up says so, because something may have happened before.
async fn listening(database: &Database) -> PgStore {
    let store = process(database).await;
    soon(store.appended()).await;
    store
}

async fn wakes(from: &PgStore, to: &PgStore) {
    let appended = to.appended();
    append(from, "7").await;
    soon(appended).await;
}

/// Hears every single notification.
async fn ears(database: &Database, channels: &[&str]) -> PgListener {
    let mut ears = PgListener::connect(database.url()).await.unwrap();
    ears.listen_all(channels.iter().copied()).await.unwrap();
    ears
}

async fn heard(ears: &mut PgListener) -> (String, String) {
    let heard = tokio::time::timeout(PATIENCE, ears.recv()).await.expect("nothing was announced").unwrap();
    (heard.channel().to_owned(), heard.payload().to_owned())
}

/// What was announced in schema `es`, when all that will be is.
async fn all_heard(ears: &mut PgListener, database: &Database) -> Vec<i64> {
    let mut admin = connection(database).await;
    until(&mut admin, &of_those_that("announcer", "1 - count(*)")).await;
    run(&mut admin, "NOTIFY \"es.ticks\", 'end'").await;
    let mut all = Vec::new();
    while let (_, payload) = heard(ears).await
        && payload != "end"
    {
        all.push(payload.parse().unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_in_one_process_wakes_another() {
    let database = migrated().await;
    let (one, other) = (listening(&database).await, listening(&database).await);
    for _ in 0..20 {
        wakes(&one, &other).await;
        wakes(&other, &one).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_announced_unless_asked_for() {
    let database = migrated().await;
    let mut ears = ears(&database, &["es.ticks"]).await;
    let quiet = PgStore::connect(database.url()).await.unwrap();
    let appended = quiet.appended();
    append(&quiet, "7").await;
    soon(appended).await;
    quiet.log_end().await.unwrap();
    let mut admin = connection(&database).await;
    assert_eq!(number(&mut admin, &of_those_that("er", "count(*)")).await, 0, "no connection announces or listens");
    assert_eq!(all_heard(&mut ears, &database).await, [0_i64; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_is_announced_once_however_many_append() {
    let database = migrated().await;
    let mut ears = ears(&database, &["es.ticks"]).await;
    let mut appends = tokio::task::JoinSet::new();
    for process in [process(&database).await, process(&database).await] {
        for n in 0..100 {
            let process = process.clone();
            appends.spawn(async move { append(&process, &n.to_string()).await });
        }
    }
    appends.join_all().await;
    let announced = all_heard(&mut ears, &database).await;
    assert!(announced.is_sorted_by(|a, b| a < b), "each announcement tells something new: {announced:?}");

    let mut admin = connection(&database).await;
    let ticks: Vec<i64> = sqlx::query_scalar("SELECT upto FROM es.ticks").fetch_all(&mut admin).await.unwrap();
    assert!(announced.iter().all(|upto| ticks.contains(upto)), "{announced:?} of {ticks:?}");
    assert_eq!(announced.last(), ticks.iter().max(), "all that was appended is announced");
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_share_an_announcement() {
    let database = migrated().await;
    let mut ears = ears(&database, &["es.ticks"]).await;
    let mut admin = connection(&database).await;
    run(&mut admin, "BEGIN; SELECT es.tick()").await;
    let busy = process(&database).await;
    for n in 0..200 {
        append(&busy, &n.to_string()).await;
    }
    let mut watcher = connection(&database).await;
    until(&mut watcher, &of_those_that("announcer", "count(*) FILTER (WHERE wait_event = 'advisory')")).await;
    run(&mut admin, "COMMIT").await;
    drop(busy);
    assert_eq!(all_heard(&mut ears, &database).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_has_ticked_is_announced_too() {
    let database = migrated().await;
    let mut ears = ears(&database, &["es.ticks"]).await;
    let quiet = PgStore::connect(database.url()).await.unwrap();
    append(&quiet, "7").await;
    let end = quiet.log_end().await.unwrap();

    let loud = process(&database).await;
    loud.announce();
    assert_eq!(heard(&mut ears).await.1, end.to_string());
    loud.announce();
    drop(loud);
    assert_eq!(all_heard(&mut ears, &database).await, [0_i64; 0], "nobody is told twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_in_a_transaction_is_announced_by_hand() {
    let database = migrated().await;
    let (one, other) = (process(&database).await, listening(&database).await);
    let mut yours = connection(&database).await;
    let mut transaction = yours.begin().await.unwrap();
    append(&one.in_transaction(&mut transaction), "7").await;
    transaction.commit().await.unwrap();
    let (here, there) = (one.appended(), other.appended());
    one.announce();
    soon(here).await;
    soon(there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_listener_comes_back() {
    let database = migrated().await;
    let (one, other) = (process(&database).await, listening(&database).await);
    for _ in 0..3 {
        let missed = other.appended();
        end(&database, "listener").await;
        soon(missed).await;
        wakes(&one, &other).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_announcer_comes_back() {
    let database = migrated().await;
    let (one, other) = (process(&database).await, listening(&database).await);
    wakes(&one, &other).await;
    for _ in 0..3 {
        end(&database, "announcer").await;
        wakes(&one, &other).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_one_database_do_not_wake_each_other() {
    let database = Database::create().await;
    let long = |last: &str| "a".repeat(62) + last;
    let mut stores = Vec::new();
    for schema in ["es", "Es", &long("b"), &long("c")] {
        let store = across().schema(schema).connect(database.url()).await.unwrap();
        store.migrate().await.unwrap();
        stores.push((schema.to_owned(), store));
    }
    let mut admin = connection(&database).await;
    let mut channels = Vec::new();
    for (schema, _) in &stores {
        let channel = format!("SELECT \"{schema}\".channel()");
        channels.push(sqlx::query_scalar::<_, String>(AssertSqlSafe(channel)).fetch_one(&mut admin).await.unwrap());
    }
    assert_eq!(channels[..2], ["es.ticks", "Es.ticks"]);
    assert!(channels.iter().all(|channel| channel.len() <= 63), "{channels:?}");
    assert_eq!(channels.iter().collect::<HashSet<_>>().len(), stores.len(), "each has its own: {channels:?}");

    let names: Vec<&str> = channels.iter().map(String::as_str).collect();
    let mut ears = ears(&database, &names).await;
    for ((_, store), channel) in stores.iter().zip(&channels) {
        append(store, "7").await;
        assert_eq!(heard(&mut ears).await, (channel.clone(), "1".to_owned()));
        soon(store.appended()).await;
        wakes(store, store).await;
        heard(&mut ears).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_dropped_leaves_nothing_behind() {
    let database = migrated().await;
    let mut admin = connection(&database).await;
    let (one, other) = (listening(&database).await, listening(&database).await);
    wakes(&one, &other).await;
    until(&mut admin, &of_those_that("announcer", "count(*)")).await;
    assert_eq!(
        number(&mut admin, &of_those_that("listener", "count(*)")).await,
        2,
        "one each, however many have waited"
    );

    let another_handle = one.clone();
    drop(one);
    wakes(&another_handle, &other).await;
    drop((another_handle, other));
    until(&mut admin, &of_those_that("", "1 - count(*)")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_role_may_wake_and_be_woken() {
    let database = migrated().await;
    let mut admin = connection(&database).await;
    let role = database.name();
    run(&mut admin, &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    run(&mut admin, &format!("SELECT es.grant_to('{role}')")).await;
    let url: PgConnectOptions = database.url().parse().unwrap();
    let application = across().connect_with(url.username(role).password("secret")).await.unwrap();
    soon(application.appended()).await;
    let owner = listening(&database).await;
    wakes(&application, &owner).await;
    wakes(&owner, &application).await;
    drop(application);
    run(&mut admin, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
