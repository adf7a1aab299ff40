//! A wake-up is a hint. It may come before there is anything to read, or not at all: polling finds every event all the same.
//!
//! There is no listening connection that could be killed: projections are woken inside their own process, and poll.

use es_core::ExpectedVersion::Any;
use es_core::{Document, EventStore, IntoKeys, ReadModels, Recorded, Runner, Running};
use es_postgres::PgStore;
use serde::{Deserialize, Serialize};
use sqlx::Connection;

use crate::support::{TallyEvent, append, connect, migrated};

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
    running.catch_up().await.unwrap();
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
