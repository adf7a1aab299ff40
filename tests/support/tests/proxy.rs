//! The proxy counts round trips and breaks connections at the moment it was told.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "these are tests")]

use es_test_support::{Database, Proxy};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

struct Setting {
    db: Database,
    proxy: Proxy,
    connection: PgConnection,
}

/// A table, a proxy, and a connection through it that has prepared its INSERT.
async fn setting() -> Setting {
    let db = Database::create().await;
    let proxy = Proxy::start(db.url()).await;
    let mut connection = PgConnection::connect(&proxy.url(db.url())).await.unwrap();
    sqlx::raw_sql("CREATE TABLE entry (id int)").execute(&mut connection).await.unwrap();
    insert(&mut connection).await.unwrap();
    proxy.reset();
    Setting { db, proxy, connection }
}

async fn insert(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO entry VALUES (1)").execute(connection).await.map(|_| ())
}

/// Asked directly, past the proxy.
async fn entries(db: &Database) -> i64 {
    let mut connection = PgConnection::connect(db.url()).await.unwrap();
    let (count,) = sqlx::query_as("SELECT count(*) FROM entry").fetch_one(&mut connection).await.unwrap();
    count
}

#[tokio::test]
async fn each_wait_for_the_server_is_one_turn() {
    let Setting { db: _db, proxy, mut connection } = setting().await;

    insert(&mut connection).await.unwrap();
    assert_eq!(proxy.turns(), 1);

    let mut transaction = connection.begin().await.unwrap();
    insert(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(proxy.reset(), 1 + 3);

    let large = "x".repeat(3_000_000);
    let echo = sqlx::query_as("SELECT $1").bind(&large).fetch_one(&mut connection).await;
    let (echo,): (String,) = echo.unwrap();
    assert_eq!((echo.len(), proxy.turns()), (large.len(), 2)); // prepare, run: whatever the size
}

#[tokio::test]
async fn a_request_that_is_cut_after_it_ran_has_taken_effect() {
    let Setting { db, proxy, mut connection } = setting().await;
    proxy.cut_after_next_request();

    let error = insert(&mut connection).await.unwrap_err();

    assert!(matches!(error, sqlx::Error::Io(_)), "{error}");
    assert_eq!(entries(&db).await, 2);
}

#[tokio::test]
async fn a_commit_can_be_cut_after_it_ran() {
    let Setting { db, proxy, mut connection } = setting().await;
    let mut transaction = connection.begin().await.unwrap();
    insert(&mut transaction).await.unwrap();
    proxy.cut_after_next_request();

    transaction.commit().await.unwrap_err();

    assert_eq!(entries(&db).await, 2);
}

#[tokio::test]
async fn a_request_that_is_cut_before_it_ran_has_no_effect() {
    let Setting { db, proxy, mut connection } = setting().await;
    proxy.cut_before_next_request();

    let error = insert(&mut connection).await.unwrap_err();

    assert!(matches!(error, sqlx::Error::Io(_)), "{error}");
    assert_eq!(entries(&db).await, 1);
}

#[tokio::test]
async fn a_cut_holds_for_one_request() {
    let Setting { db, proxy, mut connection } = setting().await;
    proxy.cut_after_next_request();
    insert(&mut connection).await.unwrap_err();

    let mut connection = PgConnection::connect(&proxy.url(db.url())).await.unwrap();
    insert(&mut connection).await.unwrap();

    assert_eq!(entries(&db).await, 3);
}

#[tokio::test]
async fn cutting_now_breaks_every_connection_but_not_later_ones() {
    let Setting { db, proxy, mut connection } = setting().await;
    let mut other = PgConnection::connect(&proxy.url(db.url())).await.unwrap();

    proxy.cut_now();

    insert(&mut connection).await.unwrap_err();
    insert(&mut other).await.unwrap_err();
    let mut later = PgConnection::connect(&proxy.url(db.url())).await.unwrap();
    insert(&mut later).await.unwrap();
}

#[tokio::test]
async fn a_stalled_request_is_only_late() {
    let Setting { db, proxy, mut connection } = setting().await;
    proxy.stall();
    let request = tokio::spawn(async move { insert(&mut connection).await });
    // Nothing can be polled for here: the statement is that nothing happens.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((entries(&db).await, request.is_finished()), (1, false));

    proxy.resume();

    request.await.unwrap().unwrap();
    assert_eq!(entries(&db).await, 2);
}
