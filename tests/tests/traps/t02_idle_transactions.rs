//! Somebody's open transaction holds up nobody: in another database of the cluster, in this one, one of our own.

use std::time::{Duration, Instant};

use es_core::EventStore;
use es_core::ExpectedVersion::Any;
use es_test_support::Database;
use sqlx::{Executor, PgConnection};

use crate::support::{Follower, append, begun, connect, migrated};

/// The longest that an event may take to its readers while somebody else idles. It takes milliseconds.
const SOON: Duration = Duration::from_secs(2);

/// Appends, and reads it while `_idle` is open.
async fn is_read_soon(_idle: &mut PgConnection, database: &Database, store: &es_postgres::PgStore) {
    let mut follower = Follower::new(store.clone());
    while !follower.read_page().await {}
    let before = follower.seen.len();
    for round in 1..=5 {
        store.append(append("prompt", Any, 1)).await.unwrap();
        let appended = Instant::now();
        follower.read_until(before + round).await;
        assert!(appended.elapsed() < SOON, "it took {:?}", appended.elapsed());
    }
    let mut sql = connect(database).await;
    let given = sqlx::query("SELECT FROM es.read_log(0, 1000)").fetch_all(&mut sql).await.unwrap();
    assert_eq!(given.len(), before + 5);
    store.log_end().await.unwrap();
}

#[tokio::test]
async fn a_writing_transaction_in_another_database_stalls_nobody() {
    let (database, store) = migrated().await;
    let elsewhere = Database::create().await;
    let mut idle = begun(&elsewhere).await;
    idle.execute("CREATE TABLE theirs ()").await.unwrap();
    is_read_soon(&mut idle, &database, &store).await;
}

#[tokio::test]
async fn a_writing_transaction_in_this_database_stalls_nobody() {
    let (database, store) = migrated().await;
    let mut idle = begun(&database).await;
    idle.execute("CREATE TABLE theirs ()").await.unwrap();
    is_read_soon(&mut idle, &database, &store).await;
}

#[tokio::test]
async fn an_appending_transaction_stalls_nobody() {
    let (database, store) = migrated().await;
    store.append(append("slow", Any, 1)).await.unwrap();
    let mut idle = begun(&database).await;
    store.in_transaction(&mut idle).append(append("slow", Any, 3)).await.unwrap();
    is_read_soon(&mut idle, &database, &store).await;
}

/// A report, say, or somebody with `psql` who has gone to lunch.
#[tokio::test]
async fn a_transaction_that_has_read_the_log_stalls_nobody() {
    let (database, store) = migrated().await;
    store.append(append("first", Any, 1)).await.unwrap();
    let mut idle = connect(&database).await;
    idle.execute("BEGIN").await.unwrap();
    idle.execute("SELECT FROM es.read_log(0)").await.unwrap();
    is_read_soon(&mut idle, &database, &store).await;
}
