//! Appends whose answer got lost.

use es_core::{Error, EventStore, ExpectedVersion};
use es_postgres::PgStore;
use es_test_support::{Database, Proxy};

use crate::fixture::{WAITERS, add, append, connection, exact, insert, run, store, until, versions};

const CASES: [(ExpectedVersion, usize); 6] = [
    (ExpectedVersion::Any, 1),
    (ExpectedVersion::Any, 3),
    (ExpectedVersion::Exists, 1),
    (ExpectedVersion::Exists, 3),
    (exact(2), 1),
    (exact(2), 3),
];

/// A stream at version 2, and a store that reaches it through a proxy and has its statements prepared.
async fn behind_proxy() -> (PgStore, Proxy, PgStore, Database) {
    let (direct, database) = store().await;
    add(&direct, "7", 2).await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    for (expected, count) in CASES {
        store.append(append("warm", expected, count)).await.ok();
    }
    (store, proxy, direct, database)
}

#[tokio::test]
async fn what_was_stored_is_found_and_not_stored_again() {
    let (store, proxy, direct, _database) = behind_proxy().await;
    for (expected, count) in CASES {
        let before = versions(&direct, "7").await.len();
        let expected = if matches!(expected, ExpectedVersion::Exact(_)) { exact(before as u64) } else { expected };
        proxy.cut_after_next_request();
        let appended = store.append(append("7", expected, count)).await.unwrap();
        assert_eq!(appended.version.0, (before + count) as u64, "{expected:?} {count}");
        assert_eq!(versions(&direct, "7").await.len(), before + count, "{expected:?} {count}: stored once");
    }
}

#[tokio::test]
async fn what_was_not_stored_is_stored() {
    let (store, proxy, direct, _database) = behind_proxy().await;
    for (expected, count) in CASES {
        let before = versions(&direct, "7").await.len();
        let expected = if matches!(expected, ExpectedVersion::Exact(_)) { exact(before as u64) } else { expected };
        proxy.cut_before_next_request();
        let appended = store.append(append("7", expected, count)).await.unwrap();
        assert_eq!(appended.version.0, (before + count) as u64, "{expected:?} {count}");
        assert_eq!(versions(&direct, "7").await.len(), before + count, "{expected:?} {count}: stored once");
    }
}

#[tokio::test]
async fn a_new_stream_is_begun_once() {
    let (store, proxy, direct, _database) = behind_proxy().await;
    proxy.cut_after_next_request();
    assert_eq!(store.append(append("8", ExpectedVersion::NoStream, 2)).await.unwrap().version.0, 2);
    assert_eq!(versions(&direct, "8").await, [1, 2]);
}

#[tokio::test]
async fn a_conflict_with_somebody_else_stays_one() {
    let (store, proxy, direct, _database) = behind_proxy().await;
    proxy.cut_after_next_request();
    let error = store.append(append("7", exact(1), 1)).await.unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!(versions(&direct, "7").await, [1, 2]);
}

#[tokio::test]
async fn when_nobody_can_be_asked_the_outcome_is_unknown() {
    let (store, proxy, direct, database) = behind_proxy().await;
    let mut admin = connection(&database.server().url("postgres")).await;
    run(&mut admin, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", database.name())).await;
    proxy.cut_after_next_request();
    let error = store.append(append("7", exact(2), 1)).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { .. }), "{error:?}");
    assert!(!error.is_transient(), "a repeat is for the caller to decide");
    assert_eq!(versions(&direct, "7").await, [1, 2, 3], "this time it was stored");
    run(&mut admin, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", database.name())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_still_waits_on_the_server_is_not_doubled() {
    let (store, proxy, direct, database) = behind_proxy().await;
    let mut blocker = connection(database.url()).await;
    let mut observer = connection(database.url()).await;
    run(&mut blocker, &format!("BEGIN; {}", insert("7", 3))).await;
    let waiting = tokio::spawn(async move { store.append(append("7", ExpectedVersion::Any, 2)).await });
    until(&mut observer, WAITERS).await;
    proxy.cut_now();
    // The server has not noticed that nobody listens to the first try any more, and the second one is waiting as well.
    let second = "SELECT count(*) FROM pg_stat_activity a
                   WHERE wait_event_type = 'Lock'
                     AND backend_start > (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())";
    until(&mut observer, second).await;
    run(&mut blocker, "ROLLBACK").await;
    assert_eq!(waiting.await.unwrap().unwrap().version.0, 4);
    assert_eq!(versions(&direct, "7").await, [1, 2, 3, 4]);
}
