//! Leases by the database's clock, fencing, and words.

use std::time::Duration;

use es_core::{
    Claim, Control, DeadLetterStatus, Error, EventStore, FailureClass, Lease, Position, ProjectionState, ReadModelKind,
    ReadModelStore, ReadModelTransaction, Task,
};
use es_postgres::PgStore;
use uuid::Uuid;

use crate::fixture::*;

#[tokio::test]
async fn a_lease_is_given_to_one_at_a_time() {
    let (store, id, _database) = registered("balances").await;
    let (ada, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let first = granted(&store, &id, ada).await;
    assert_eq!(store.claim(&id, 0, bob, LONG).await.unwrap(), Claim::Held { owner: ada });

    let second = granted(&store, &id, ada).await;
    assert!(second.token > first.token);
    assert!(!keeps(&store, &first, LONG).await);
    assert!(keeps(&store, &second, LONG).await);
    assert!(is_fenced(&advance(&store, &first, 1, 1).await));

    store.release(&first).await.unwrap();
    assert_eq!(
        store.claim(&id, 0, bob, LONG).await.unwrap(),
        Claim::Held { owner: ada },
        "an old lease releases nothing"
    );
    store.release(&second).await.unwrap();
    assert!(!keeps(&store, &second, LONG).await);
    assert!(is_fenced(&advance(&store, &second, 1, 1).await));
    assert!(granted(&store, &id, bob).await.token > second.token);

    let unknown = store.claim(&crate::fixture::id("unheard_of"), 0, ada, LONG).await.unwrap_err();
    assert!(
        matches!(unknown, Error::Store { source } if source.to_string().ends_with("`unheard_of v1` was never registered"))
    );
}

#[tokio::test]
async fn a_lease_runs_out_by_the_databases_clock() {
    let (store, id, database) = registered("balances").await;
    let (ada, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let Claim::Granted(lease) = store.claim(&id, 0, ada, Duration::from_millis(200)).await.unwrap() else { panic!() };
    let mut admin = connection(&database).await;
    until(&mut admin, "SELECT count(*) FROM es.projection_parts WHERE leased_until <= clock_timestamp()").await;

    assert_eq!(status(&store, &id).await.owner(), None);
    assert!(keeps(&store, &lease, Duration::from_millis(1)).await, "nobody else has claimed it");
    until(&mut admin, "SELECT count(*) FROM es.projection_parts WHERE leased_until <= clock_timestamp()").await;
    granted(&store, &id, bob).await;
    assert!(!keeps(&store, &lease, LONG).await);
    assert_eq!(status(&store, &id).await.owner(), Some(bob));
}

#[tokio::test]
async fn an_owner_that_slept_past_its_lease_commits_nothing() {
    let (store, id, database) = registered("balances").await;
    let mut admin = connection(&database).await;
    run(&mut admin, "CREATE TABLE effects (of text)").await;
    let sleeper = granted(&store, &id, Uuid::now_v7()).await;
    let mut asleep = store.begin().await.unwrap();
    sqlx::query("INSERT INTO effects VALUES ('the sleeper')").execute(&mut *asleep.target()).await.unwrap();
    asleep.save_documents(&id, &[("7".to_owned(), Some("1".to_owned()))]).await.unwrap();

    run(&mut admin, LEASES_RUN_OUT).await;
    let successor = granted(&store, &id, Uuid::now_v7()).await;
    advance(&store, &successor, 5, 5).await.unwrap();

    assert!(is_fenced(&asleep.advance(&sleeper, Position(9), 9).await));
    assert!(is_fenced(&asleep.reset(&sleeper, Position(9), Position(9)).await));
    drop(asleep);
    assert_eq!(number(&mut admin, "SELECT count(*) FROM effects").await, 0);
    assert_eq!(get(&store, &id, &["7"]).await, [None]);
    let status = status(&store, &id).await;
    assert_eq!((status.position, status.events), (Position(5), 5));
    advance(&store, &successor, 6, 1).await.unwrap();
}

#[tokio::test]
async fn nobody_claims_between_a_moved_checkpoint_and_its_commit() {
    let (store, id, database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let lease = granted(&store, &id, owner).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.advance(&lease, Position(3), 3).await.unwrap();
    let claim = tokio::spawn({
        let (store, id) = (store.clone(), id.clone());
        async move { granted(&store, &id, owner).await }
    });
    until(&mut connection(&database).await, WAITERS).await;
    transaction.commit().await.unwrap();
    assert_eq!(claim.await.unwrap().position, Position(3), "the claim waited, and tells where the checkpoint is now");
}

#[tokio::test]
async fn an_owner_that_froze_before_its_commit_keeps_nobody_out_for_long() {
    let (store, id, _database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let frozen = granted(&store, &id, owner).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.advance(&frozen, Position(3), 3).await.unwrap();
    let successor = tokio::time::timeout(LONG / 2, granted(&store, &id, owner)).await.unwrap();
    assert_eq!(successor.position, Position::START);
    let refused = transaction.commit().await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    assert_eq!(status(&store, &id).await.position, Position::START);
}

#[tokio::test]
async fn a_checkpoint_never_goes_backwards() {
    let (store, id, _database) = registered("balances").await;
    let lease = granted(&store, &id, Uuid::now_v7()).await;
    advance(&store, &lease, 7, 3).await.unwrap();
    advance(&store, &lease, 7, 0).await.unwrap();
    assert!(is_fenced(&advance(&store, &lease, 6, 1).await));
    let status = status(&store, &id).await;
    assert_eq!((status.position, status.events), (Position(7), 3));

    let strange = Lease::new(crate::fixture::id("unheard_of"), 1, Position::START, Position::START);
    assert!(is_fenced(&advance(&store, &strange, 1, 1).await));
}

#[tokio::test]
async fn a_pause_outlives_the_process_that_asked_for_it() {
    let (store, id, database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let lease = granted(&store, &id, owner).await;
    assert!(store.control(&id, Control::Pause).await.unwrap().is_accepted());
    assert!(!keeps(&store, &lease, LONG).await);
    assert!(is_fenced(&advance(&store, &lease, 1, 1).await));
    drop(store);

    let store = PgStore::connect(database.url()).await.unwrap();
    register(&store, &id, ReadModelKind::Documents).await;
    assert_eq!(store.claim(&id, 0, owner, LONG).await.unwrap(), Claim::Paused);
    assert_eq!(status(&store, &id).await.state, ProjectionState::Paused);
    assert!(store.control(&id, Control::Resume).await.unwrap().is_accepted());
    granted(&store, &id, owner).await;
    assert!(!store.control(&crate::fixture::id("unheard_of"), Control::Pause).await.unwrap().is_accepted());
}

#[tokio::test]
async fn a_stop_is_told_with_its_reason_until_somebody_works_again() {
    let (store, id, _database) = registered("balances").await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let old = granted(&store, &id, first).await;
    let lease = granted(&store, &id, first).await;
    store.report_stop(&old, "an old story", FailureClass::Store).await.unwrap();
    assert_eq!(status(&store, &id).await.state, ProjectionState::Running);
    store.report_stop(&lease, "event 3\0 failed", FailureClass::Panicked).await.unwrap();
    let (reason, class) = ("event 3\u{fffd} failed".to_owned(), Some(FailureClass::Panicked));
    let stopped = ProjectionState::Stopped { reason, class };
    assert_eq!(status(&store, &id).await.state, stopped);
    granted(&store, &id, second).await;
    assert_eq!(status(&store, &id).await.state, ProjectionState::Running);
}

#[tokio::test]
async fn a_rebuild_is_asked_for_seen_and_done() {
    let (store, id, _database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let lease = granted(&store, &id, owner).await;
    advance(&store, &lease, 7, 3).await.unwrap();
    post(&store, &id, &letter(&stream("ada"), 1, 2, DeadLetterStatus::Parked)).await;
    post(&store, &id, &letter(&stream("bob"), 1, 5, DeadLetterStatus::Skipped)).await;
    assert!(store.control(&id, Control::Rebuild).await.unwrap().is_accepted());
    assert!(!keeps(&store, &lease, LONG).await, "whoever works has to look");

    let lease = granted(&store, &id, owner).await;
    assert_eq!(lease.task, Some(Task::Rebuild));
    let mut transaction = store.begin().await.unwrap();
    transaction.reset(&lease, Position(2), Position(9)).await.unwrap();
    transaction.commit().await.unwrap();
    let letters = store.dead_letters(&id).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.position.0).collect::<Vec<_>>(), [2]);
    assert_eq!(status(&store, &id).await.events, 3);
    advance(&store, &lease, 3, 1).await.unwrap();

    let mut transaction = store.begin().await.unwrap();
    transaction.reset(&lease, Position::START, Position(9)).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(store.dead_letters(&id).await.unwrap().is_empty());
    let lease = granted(&store, &id, owner).await;
    assert_eq!((lease.position, lease.live_from, lease.task), (Position::START, Position(9), None));
    assert_eq!(status(&store, &id).await.events, 0);
}

#[tokio::test]
async fn a_status_tells_how_far_behind_a_projection_is() {
    let (store, id, _database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let lease = granted(&store, &id, owner).await;
    let start = status(&store, &id).await;
    assert_eq!((start.lag_events, start.lag, start.owner()), (0, Duration::ZERO, Some(owner)));

    for amount in 0..3 {
        store.append(deposit("ada", amount)).await.unwrap();
        store.log_end().await.unwrap();
    }
    store.append(deposit("ada", 4)).await.unwrap();
    let behind = status(&store, &id).await;
    assert_eq!(behind.lag_events, 4, "an event without a place gets one by looking");
    assert!(behind.lag > Duration::ZERO && behind.lag < LONG, "{behind:?}");
    advance(&store, &lease, 1, 1).await.unwrap();
    let closer = status(&store, &id).await;
    assert_eq!(closer.lag_events, 3);
    assert!(closer.updated_at > behind.updated_at);
    advance(&store, &lease, store.log_end().await.unwrap().0, 3).await.unwrap();
    let there = status(&store, &id).await;
    assert_eq!((there.lag_events, there.lag, there.events), (0, Duration::ZERO, 4));
}
