//! Appends inside a transaction of the caller's.

use es_core::{Error, EventStore, ExpectedVersion, Position, ReadLog, Snapshot, Version};
use es_postgres::PgStore;
use sqlx::Connection;

use crate::fixture::{
    WAITERS, add, append, connection, exact, log, number, run, setup_message, store, stream, versions,
};

#[tokio::test]
async fn what_is_committed_is_there_with_the_callers_rows() {
    let (store, database) = store().await;
    let mut connection = connection(database.url()).await;
    run(&mut connection, "CREATE TABLE mine (n int)").await;
    let mut transaction = connection.begin().await.unwrap();
    run(&mut transaction, "INSERT INTO mine VALUES (1)").await;
    let inside = store.in_transaction(&mut transaction);
    add(&inside, "7", 2).await;
    inside.append(append("7", exact(2), 1)).await.unwrap();
    assert_eq!(versions(&inside, "7").await, [1, 2, 3], "inside it is seen");
    assert_eq!(versions(&store, "7").await, [0; 0], "outside it is not");
    transaction.commit().await.unwrap();
    assert_eq!(versions(&store, "7").await, [1, 2, 3]);
    assert_eq!(number(&mut connection, "SELECT count(*) FROM mine").await, 1);
}

#[tokio::test]
async fn what_is_rolled_back_leaves_no_gap_and_no_stall() {
    let (store, database) = store().await;
    add(&store, "7", 1).await;
    let mut connection = connection(database.url()).await;
    let mut transaction = connection.begin().await.unwrap();
    add(&store.in_transaction(&mut transaction), "7", 5).await;
    transaction.rollback().await.unwrap();
    add(&store, "7", 1).await;
    assert_eq!(versions(&store, "7").await, [1, 2]);
    assert_eq!(log(&store, Position::START, 10).await.0, ["order-7 1", "order-7 2"]);
}

#[tokio::test]
async fn a_conflict_leaves_the_transaction_usable() {
    let (store, database) = store().await;
    add(&store, "7", 3).await;
    let mut connection = connection(database.url()).await;
    let mut transaction = connection.begin().await.unwrap();
    let inside = store.in_transaction(&mut transaction);
    for (expected, count) in
        [(exact(2), 1), (exact(7), 2), (ExpectedVersion::NoStream, 1), (ExpectedVersion::NoStream, 3)]
    {
        let error = inside.append(append("7", expected, count)).await.unwrap_err();
        assert!(matches!(error, Error::Conflict(ref conflict) if conflict.actual == Version(3)), "{error:?}");
    }
    inside.append(append("7", exact(3), 2)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(versions(&store, "7").await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_lost_race_under_a_stricter_isolation_is_transient() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        for expected in [exact(1), ExpectedVersion::Any] {
            let (store, database) = store().await;
            add(&store, "7", 1).await;
            let mut connection = connection(database.url()).await;
            let mut transaction = connection.begin().await.unwrap();
            run(&mut transaction, &format!("SET TRANSACTION ISOLATION LEVEL {level}")).await;
            let inside = store.in_transaction(&mut transaction);
            assert_eq!(versions(&inside, "7").await, [1]);
            add(&store, "7", 1).await;
            let error = inside.append(append("7", expected, 1)).await.unwrap_err();
            assert!(error.is_transient(), "{level}: {error:?}");
        }
    }
}

#[tokio::test]
async fn the_log_is_not_read_inside() {
    let (store, database) = store().await;
    let mut connection = connection(database.url()).await;
    let mut transaction = connection.begin().await.unwrap();
    let inside = store.in_transaction(&mut transaction);
    let read = inside.read_log(ReadLog::after(Position::START), &mut |_| Ok(())).await;
    assert!(setup_message(read).contains("cannot be read inside a transaction"));
    assert!(setup_message(inside.log_end().await).contains("cannot be read inside a transaction"));
}

#[tokio::test]
async fn snapshots_inside_go_with_the_transaction() {
    let (store, database) = store().await;
    add(&store, "7", 1).await;
    let mut connection = connection(database.url()).await;
    let mut transaction = connection.begin().await.unwrap();
    let inside = store.in_transaction(&mut transaction);
    add(&inside, "7", 1).await;
    inside.offer_snapshot(Snapshot::new(stream("7"), Version(2), 1, "{}"));
    inside.save_snapshot(Snapshot::new(stream("7"), Version(2), 2, "{}")).await.unwrap();
    assert_eq!(number(&mut transaction, "SELECT count(*) FROM es.snapshots").await, 1);
    transaction.rollback().await.unwrap();
    assert_eq!(number(&mut connection, "SELECT count(*) FROM es.snapshots").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_transient() {
    let (store, database) = store().await;
    let mut tasks = tokio::task::JoinSet::new();
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    for (first, second) in [("a", "b"), ("b", "a")] {
        let (store, barrier, url) = (store.clone(), barrier.clone(), database.url().to_owned());
        tasks.spawn(async move {
            let mut connection = connection(&url).await;
            run(&mut connection, "SET deadlock_timeout = '50ms'").await;
            let mut transaction = connection.begin().await.unwrap();
            let inside = store.in_transaction(&mut transaction);
            add(&inside, first, 1).await;
            barrier.wait().await;
            let outcome = inside.append(append(second, ExpectedVersion::Any, 1)).await;
            match outcome {
                Ok(_) => transaction.commit().await.unwrap(),
                Err(ref error) => assert!(error.is_transient(), "{error:?}"),
            }
            outcome.is_ok()
        });
    }
    let outcomes = tasks.join_all().await;
    assert!(outcomes.contains(&true) && outcomes.contains(&false), "{outcomes:?}");
}

mod commands {
    use super::*;
    use es_core::{Aggregate, Command, Context, Event, EventStoreExt, ExecuteError, Retry};
    use std::time::Duration;

    #[derive(Debug, Event, serde::Serialize, serde::Deserialize)]
    #[event(category = "order")]
    enum Noted {
        Noted { n: u64 },
    }

    #[derive(Aggregate, Default)]
    #[aggregate(id = String, event = Noted, apply = apply)]
    struct Order;

    fn apply(_: &mut Order, _: Noted) {}

    fn note(_: &Order, _: Note, _: &Context) -> Result<Noted, std::convert::Infallible> {
        Ok(Noted::Noted { n: 1 })
    }

    #[derive(Clone, Command)]
    #[command(aggregate = Order, handle = note, error = std::convert::Infallible)]
    struct Note {
        id: String,
    }

    /// A second try in a dead transaction would only hide why it died.
    #[tokio::test]
    async fn a_lost_race_ends_the_command_with_its_own_reason() {
        let (store, database) = store().await;
        add(&store, "7", 1).await;
        let mut connection = connection(database.url()).await;
        let mut transaction = connection.begin().await.unwrap();
        run(&mut transaction, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await;
        let inside = store.in_transaction(&mut transaction);
        assert_eq!(versions(&inside, "7").await, [1]);
        add(&store, "7", 1).await;
        let error = inside.execute(Note { id: "7".into() }).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        let ExecuteError::Store(Error::Unavailable { source }) = error else { panic!("{error:?}") };
        assert!(source.to_string().contains("could not serialize access"), "{source}");
    }

    #[tokio::test]
    async fn a_conflict_is_decided_again() {
        let (store, database) = store().await;
        let mut connection = connection(database.url()).await;
        let mut transaction = connection.begin().await.unwrap();
        let inside = store.in_transaction(&mut transaction);
        inside.execute(Note { id: "7".into() }).await.unwrap();
        add(&store, "8", 1).await;
        inside.execute(Note { id: "8".into() }).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!((versions(&store, "7").await, versions(&store, "8").await), (vec![1], vec![1, 2]));
    }

    /// A store that answers late is not asked many times over.
    #[tokio::test]
    async fn a_full_pool_is_not_queued_for_again_and_again() {
        let (_, database) = store().await;
        let options = PgStore::options().max_connections(1).acquire_timeout(Duration::from_millis(300));
        let store = options.connect(database.url()).await.unwrap();
        let mut locker = connection(database.url()).await;
        let mut lock = locker.begin().await.unwrap();
        run(&mut lock, "LOCK TABLE es.events IN ACCESS EXCLUSIVE MODE").await;
        let holding = tokio::spawn({
            let store = store.clone();
            async move { store.load::<Order>("7").await.map(drop) }
        });
        while number(&mut lock, WAITERS).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let start = std::time::Instant::now();
        let retry = Retry::default().within(Duration::from_millis(500));
        let error = store.execute(Note { id: "7".into() }).retry(retry).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(3), "16 tries would take 5 s: {:?}", start.elapsed());
        lock.rollback().await.unwrap();
        holding.await.unwrap().unwrap();
    }
}
