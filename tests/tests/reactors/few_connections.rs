//! Reactions need connections beside those that checkpoints are moved by. However few there are, nobody waits for ever.

use es_core::{Reactor, Runner};
use es_postgres::PgStore;
use es_test_support::Database;

use crate::support::{Fulfil, assert_once, caught_up, place, settings, status};

const STREAMS: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_streams_react_at_once_over_two_connections() {
    let database = Database::create().await;
    let store = PgStore::options().max_connections(2).connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    let parts = settings().parts(20).lease(std::time::Duration::from_secs(10));
    let running = Runner::new(store.clone()).settings(parts).react(Fulfil::default()).start().await.unwrap();
    for n in 0..STREAMS * 5 {
        place(&store, &format!("order {}", n % STREAMS), &format!("ring {n}")).await;
    }
    caught_up(&running).await;
    assert_eq!(status(&store, Fulfil::NAME).await.events, u64::from(STREAMS * 5));
    running.stop().await;
    assert_once(&store).await;
}
