//! A wake-up is a hint. It may come before there is anything to read, or not at all: polling finds every event all the same.
//!
//! Two stores of one test are as two processes: they share nothing but the database.

use std::time::Duration;

use es_core::ExpectedVersion::Any;
use es_core::{Document, EventStore, IntoKeys, ReadModelStore, ReadModels, Recorded, Runner, Running, Settings};
use es_postgres::{PgStore, WakeUps};
use es_test_support::Database;
use serde::{Deserialize, Serialize};
use sqlx::Connection;

use crate::support::{PATIENCE, TallyEvent, append, connect, migrated};

/// A projection that polls so seldom finds nothing without being woken.
const HARDLY_EVER: Duration = Duration::from_secs(3_600);

/// How many events each stream has.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Count(u64);

impl Document for Count {
    const NAME: &'static str = "count";
    type Event = TallyEvent;

    fn key(event: &Recorded<TallyEvent>) -> impl IntoKeys {
        event.stream.id()
    }

    fn apply(&mut self, _: &Recorded<TallyEvent>) {
        self.0 += 1;
    }
}

async fn counted(store: &PgStore, running: &Running<PgStore>, id: &str) -> u64 {
    running.catch_up_within(PATIENCE).await.unwrap();
    store.documents::<Count>().unwrap().get(id).await.unwrap().map_or(0, |count| count.0)
}

#[tokio::test]
async fn events_that_wake_nobody_are_found() {
    let (database, store) = migrated().await;
    let running = Runner::new(store.clone()).document::<Count>().start().await.unwrap();
    assert_eq!(counted(&store, &running, "quiet").await, 0);

    let another_process = PgStore::connect(database.url()).await.unwrap();
    another_process.append(append("quiet", Any, 3)).await.unwrap();
    assert_eq!(counted(&store, &running, "quiet").await, 3);

    let mut connection = connect(&database).await;
    let mut transaction = connection.begin().await.unwrap();
    store.in_transaction(&mut transaction).append(append("quiet", Any, 2)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(counted(&store, &running, "quiet").await, 5);
    running.stop().await;
}

#[tokio::test]
async fn a_wake_up_that_comes_before_the_event_can_be_read_loses_nothing() {
    let (database, store) = migrated().await;
    let running = Runner::new(store.clone()).document::<Count>().start().await.unwrap();
    let mut connection = connect(&database).await;
    for round in 1..=20 {
        let mut transaction = connection.begin().await.unwrap();
        store.in_transaction(&mut transaction).append(append("late", Any, 1)).await.unwrap();
        // Wakes the projection, which cannot see the other event yet.
        store.append(append("waker", Any, 1)).await.unwrap();
        assert_eq!(counted(&store, &running, "waker").await, round);
        assert_eq!(counted(&store, &running, "late").await, round - 1);
        transaction.commit().await.unwrap();
        assert_eq!(counted(&store, &running, "late").await, round);
    }
    running.stop().await;
}

/// The test needs several threads then: its own waits while the database is dropped, and the server waits for those who are
/// only just connecting.
async fn process(database: &Database) -> PgStore {
    PgStore::options().wake_ups(WakeUps::AcrossProcesses).connect(database.url()).await.unwrap()
}

/// Ends the connections that listen, and tells how many there were.
async fn kill_listeners(database: &Database) -> i64 {
    const KILL: &str = "
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE '%listener'";
    sqlx::query_scalar(KILL).fetch_one(&mut connect(database).await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_up_from_another_process_is_enough() {
    let (database, _) = migrated().await;
    let (writer, store) = (process(&database).await, process(&database).await);
    let seldom = Settings::default().lease(HARDLY_EVER).poll(HARDLY_EVER);
    let running = Runner::new(store.clone()).settings(seldom).document::<Count>().start().await.unwrap();
    for round in 1..=20 {
        writer.append(append("far", Any, 1)).await.unwrap();
        assert_eq!(counted(&store, &running, "far").await, round);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_appended_while_nobody_listened_wakes_when_somebody_does() {
    let (database, _) = migrated().await;
    let (writer, store) = (process(&database).await, process(&database).await);
    let seldom = Settings::default().lease(HARDLY_EVER).poll(HARDLY_EVER);
    let running = Runner::new(store.clone()).settings(seldom).document::<Count>().start().await.unwrap();
    let mut killed = 0;
    for round in 1..=20 {
        let listens_again = store.appended();
        match kill_listeners(&database).await {
            0 => {}
            listeners => {
                killed += listeners;
                writer.append(append("deaf", Any, 1)).await.unwrap();
                tokio::time::timeout(PATIENCE, listens_again).await.unwrap();
            }
        }
        writer.append(append("far", Any, 1)).await.unwrap();
        assert_eq!(counted(&store, &running, "far").await, round);
    }
    assert!(killed > 0, "nobody listened");
    assert_eq!(counted(&store, &running, "deaf").await, u64::try_from(killed).unwrap());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_connection_to_listen_on_the_events_are_found() {
    let (database, writer) = migrated().await;
    let store = process(&database).await;
    let running = Runner::new(store.clone()).document::<Count>().start().await.unwrap();
    for round in 1..=20 {
        // The writer announces nothing, and listening begins anew all the time.
        kill_listeners(&database).await;
        writer.append(append("far", Any, 1)).await.unwrap();
        assert_eq!(counted(&store, &running, "far").await, round);
    }
    running.stop().await;
}
