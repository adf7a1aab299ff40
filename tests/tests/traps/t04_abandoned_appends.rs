//! Appends that are rolled back, or whose connection is killed, leave nothing: no event, no gap, no stall.

use es_core::ExpectedVersion::{Any, Exact};
use es_core::{EventStore, Version};
use sqlx::{Connection, Executor};

use crate::support::{Follower, append, begun, connect, ids, ids_of, migrated};

#[tokio::test]
async fn abandoned_appends_leave_nothing_behind() {
    let (database, store) = migrated().await;
    let mut kept = append("stream", Any, 1);
    store.append(kept.clone()).await.unwrap();

    let mut rolled_back = begun(&database).await;
    store.in_transaction(&mut rolled_back).append(append("stream", Any, 3)).await.unwrap();
    rolled_back.execute("ROLLBACK").await.unwrap();

    let mut killed = begun(&database).await;
    store.in_transaction(&mut killed).append(append("stream", Any, 3)).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut killed).await.unwrap();
    let mut killer = connect(&database).await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut killer).await.unwrap();
    // Its transaction may take a moment to end; an append to the stream waits for that, and goes on.

    let next = append("stream", Any, 2);
    assert_eq!(store.append(next.clone()).await.unwrap().version, Version(3));
    assert_eq!(store.append(append("stream", Exact(Version(3)), 1)).await.unwrap().version, Version(4));
    assert!(killed.ping().await.is_err(), "the killed one is gone");

    kept.events.extend(next.events);
    let there = ids(&store, "stream").await;
    assert_eq!(there.len(), 4);
    assert_eq!(there[..3], ids_of(&kept));
    let mut follower = Follower::new(store);
    follower.read_until(4).await;
    assert_eq!(follower.seen.iter().map(|seen| seen.event.id).collect::<Vec<_>>(), there);
}
