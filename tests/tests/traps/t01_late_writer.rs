//! A writer takes its number and dawdles; a thousand others commit; a reader is given that one event exactly once.

use es_core::EventStore;
use es_core::ExpectedVersion::Any;
use sqlx::Executor;
use tokio::task::JoinSet;

use crate::checker::judge;
use crate::support::{Follower, append, begun, ids_of, migrated};

#[tokio::test]
async fn a_late_writer_is_delivered_once_behind_a_thousand_others() {
    let (database, store) = migrated().await;
    let mut follower = Follower::new(store.clone());
    let late = append("late", Any, 1);
    let mut transaction = begun(&database).await;
    store.in_transaction(&mut transaction).append(late.clone()).await.unwrap();

    let mut others = JoinSet::new();
    for writer in 0..10 {
        let store = store.clone();
        others.spawn(async move {
            for _ in 0..100 {
                store.append(append(&format!("{writer}"), Any, 1)).await.unwrap();
            }
        });
    }
    follower.read_until(1000).await;
    others.join_all().await;
    assert_eq!(follower.count(ids_of(&late)[0]), 0, "it is not committed");

    transaction.execute("COMMIT").await.unwrap();
    follower.read_until(1001).await;
    while !follower.read_page().await {}

    assert_eq!(follower.count(ids_of(&late)[0]), 1);
    assert_eq!(
        follower.seen.last().unwrap().event.id,
        ids_of(&late)[0],
        "it is the last, because it was committed last"
    );
    let committed: Vec<_> = follower.seen.iter().map(|seen| seen.event.clone()).collect();
    assert_eq!(judge(&committed, &follower.seen), []);
}
