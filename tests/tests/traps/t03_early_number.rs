//! A transaction gets its number early, then appends to a stream that a younger transaction has extended meanwhile.

use es_core::EventStore;
use es_core::ExpectedVersion::Any;
use sqlx::Executor;

use crate::support::{Follower, append, begun, ids_of, migrated};

#[tokio::test]
async fn an_older_transaction_extends_a_stream_behind_a_younger_one() {
    for ticks_between in [false, true] {
        let (database, store) = migrated().await;
        let mut older = begun(&database).await;
        let (first, second) = (append("shared", Any, 2), append("shared", Any, 2));

        store.append(first.clone()).await.unwrap();
        if ticks_between {
            store.log_end().await.unwrap();
        }
        store.in_transaction(&mut older).append(second.clone()).await.unwrap();
        if ticks_between {
            store.log_end().await.unwrap();
        }
        older.execute("COMMIT").await.unwrap();

        let mut follower = Follower::new(store.clone());
        follower.read_until(4).await;
        let order: Vec<_> = follower.seen.iter().map(|seen| seen.event.id).collect();
        assert_eq!(order, [ids_of(&first), ids_of(&second)].concat(), "with ticks between: {ticks_between}");
    }
}

/// Cause before effect, across streams: whoever appends because of an event it has read comes behind it.
#[tokio::test]
async fn an_effect_comes_behind_its_cause() {
    let (database, store) = migrated().await;
    let mut older = begun(&database).await;
    let (cause, effect) = (append("cause", Any, 1), append("effect", Any, 1));

    store.append(cause.clone()).await.unwrap();
    assert_eq!(crate::support::ids(&store.in_transaction(&mut older), "cause").await, ids_of(&cause));
    store.in_transaction(&mut older).append(effect.clone()).await.unwrap();
    older.execute("COMMIT").await.unwrap();

    let mut follower = Follower::new(store);
    follower.read_until(2).await;
    let order: Vec<_> = follower.seen.iter().map(|seen| seen.event.id).collect();
    assert_eq!(order, [ids_of(&cause), ids_of(&effect)].concat());
}
