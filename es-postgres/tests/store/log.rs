//! The log, beside transactions that are late, early, large, or none of our business.

use es_core::{EventFilter, EventStore, Position, ReadLog, Slices};
use es_test_support::Database;
use sqlx::Row;

use crate::fixture::{WAITERS, add, connection, insert, log, number, refusal, run, store, stream, until};

#[tokio::test]
async fn a_late_commit_comes_behind_what_was_read() {
    let (store, database) = store().await;
    let mut late = connection(database.url()).await;
    run(&mut late, &format!("BEGIN; {}", insert("late", 1))).await;
    for n in 0..100 {
        add(&store, &format!("{n}"), 10).await;
    }
    let (seen, end) = log(&store, Position::START, 300).await;
    assert_eq!(seen.len(), 1_000, "the open transaction holds nobody up");
    run(&mut late, "COMMIT").await;
    assert_eq!(log(&store, end, 300).await.0, ["order-late 1"]);
    assert_eq!(log(&store, Position::START, 300).await.0.len(), 1_001);
}

#[tokio::test]
async fn a_transaction_elsewhere_stalls_nobody() {
    let (store, database) = store().await;
    let elsewhere = Database::create_on(database.server()).await;
    let mut stranger = connection(elsewhere.url()).await;
    run(&mut stranger, "CREATE TABLE t (n int); BEGIN; INSERT INTO t VALUES (1)").await;
    let mut end = Position::START;
    for n in 0..5 {
        add(&store, &format!("{n}"), 1).await;
        let (seen, next) = log(&store, end, 10).await;
        assert_eq!(seen, [format!("order-{n} 1")]);
        end = next;
    }
}

#[tokio::test]
async fn an_early_transaction_number_does_not_turn_a_stream_round() {
    let (store, database) = store().await;
    let mut early = connection(database.url()).await;
    run(&mut early, "CREATE TABLE mine (n int); BEGIN; INSERT INTO mine VALUES (1)").await;
    add(&store, "7", 1).await; // by a younger transaction
    run(&mut early, &insert("7", 2)).await; // by the older one, which has seen version 1
    let (seen, end) = log(&store, Position::START, 10).await;
    assert_eq!(seen, ["order-7 1"]);
    run(&mut early, "COMMIT").await;
    assert_eq!(log(&store, end, 10).await.0, ["order-7 2"]);
    assert_eq!(log(&store, Position::START, 10).await.0, ["order-7 1", "order-7 2"]);
}

#[tokio::test]
async fn a_transaction_that_is_killed_leaves_nothing_behind() {
    let (store, database) = store().await;
    let mut victim = connection(database.url()).await;
    run(&mut victim, &format!("BEGIN; {}", insert("victim", 1))).await;
    add(&store, "7", 1).await;
    assert_eq!(log(&store, Position::START, 10).await.0, ["order-7 1"]);
    let pid = number(&mut victim, "SELECT pg_backend_pid()::bigint").await;
    let mut admin = connection(database.url()).await;
    run(&mut admin, &format!("SELECT pg_terminate_backend({pid})")).await;
    add(&store, "7", 1).await;
    assert_eq!(log(&store, Position::START, 10).await.0, ["order-7 1", "order-7 2"]);
}

#[tokio::test]
async fn a_giant_transaction_is_read_in_pages_that_cost_what_they_hold() {
    let (store, database) = store().await;
    add(&store, "before", 3).await;
    store.log_end().await.unwrap();
    add(&store, "giant", 20_000).await;
    store.log_end().await.unwrap();
    add(&store, "behind", 3).await;
    let (seen, end) = log(&store, Position::START, 100).await;
    assert_eq!(seen.len(), 20_006);
    assert_eq!((seen[2].as_str(), seen[3].as_str()), ("order-before 3", "order-giant 1"));
    assert_eq!((seen[20_002].as_str(), seen[20_003].as_str()), ("order-giant 20000", "order-behind 1"));
    assert_eq!(end.0, 20_006);

    let mut connection = connection(database.url()).await;
    let plan = "SELECT dense::int::bigint FROM es.log_window(1000, 100)";
    assert_eq!(number(&mut connection, plan).await, 1, "the primary key leads through the transaction");
    let sql = "SELECT count(*) FROM es.read_log(19000, 100) WHERE position BETWEEN 19001 AND 19100";
    assert_eq!(number(&mut connection, sql).await, 100);
}

#[tokio::test]
async fn filters_work_inside_a_giant_transaction() {
    let (store, _database) = store().await;
    add(&store, "giant", 60_000).await;
    let filter = EventFilter::categories(["order"]).types(["order.noted"]);
    let mut count = 0;
    let mut next = Position::START;
    loop {
        let read = ReadLog::after(next).limit(25_000).filter(filter.clone());
        let mut visit = |event: es_core::RawEvent<'_>| {
            count += 1;
            assert_eq!(event.stream, stream("giant"));
            Ok(())
        };
        let page = store.read_log(read, &mut visit).await.unwrap();
        next = page.next;
        if page.at_end {
            break;
        }
    }
    assert_eq!(count, 60_000);
}

#[tokio::test]
async fn slices_work_inside_a_giant_transaction() {
    let (store, database) = store().await;
    add(&store, "giant", 41_000).await;
    add(&store, "small", 3).await;
    let end = store.log_end().await.unwrap();
    let mut connection = connection(database.url()).await;
    let plan = "SELECT dense::int::bigint FROM es.log_window(0, 10000)";
    assert_eq!(number(&mut connection, plan).await, 1, "the primary key leads through the transaction");
    let (giant, small) = (stream("giant").slice(), stream("small").slice());
    for (slices, wanted) in [(0..=1023, 41_003), (giant..=giant, 41_000), (small..=small, 3)] {
        let (mut seen, mut next) = (0, Position::START);
        while next < end {
            let slices = Slices::new(*slices.start(), *slices.end()).unwrap();
            let mut visit = |event: es_core::RawEvent<'_>| {
                assert!(slices.contains(&event.stream));
                seen += 1;
                Ok(())
            };
            next = store.read_log(ReadLog::after(next).slices(slices).limit(9_000), &mut visit).await.unwrap().next;
        }
        assert_eq!(seen, wanted, "{slices:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_whoever_is_ticking() {
    let (store, database) = store().await;
    let mut other = connection(database.url()).await;
    run(&mut other, "BEGIN; SELECT es.tick()").await; // it looked before the append, and holds the lock
    add(&store, "7", 1).await;
    let end = tokio::spawn({
        let store = store.clone();
        async move { store.log_end().await.unwrap() }
    });
    let mut observer = connection(database.url()).await;
    until(&mut observer, WAITERS).await;
    run(&mut other, "COMMIT").await;
    assert_eq!(end.await.unwrap(), Position(1));
}

#[tokio::test]
async fn a_tick_refuses_to_be_part_of_something_longer() {
    let (store, database) = store().await;
    add(&store, "7", 1).await;
    let mut connection = connection(database.url()).await;
    run(&mut connection, &format!("BEGIN; {}", insert("8", 1))).await;
    assert!(refusal(&mut connection, "SELECT es.tick()").await.contains("must be a transaction of its own"));
    run(&mut connection, "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    assert!(refusal(&mut connection, "SELECT es.tick()").await.contains("needs READ COMMITTED"));
    run(&mut connection, "ROLLBACK").await;
}

#[tokio::test]
async fn plain_sql_reads_the_same_log() {
    let (store, database) = store().await;
    for n in 0..50 {
        add(&store, &format!("{n}"), 3).await;
        if n % 7 == 0 {
            store.log_end().await.unwrap();
        }
    }
    let (seen, _) = log(&store, Position::START, 500).await;
    let mut connection = connection(database.url()).await;
    let (mut after, mut plain) = (0_i64, Vec::new());
    loop {
        let rows = sqlx::query("SELECT position, stream || ' ' || version FROM es.read_log($1, 7)").bind(after);
        let rows = rows.fetch_all(&mut connection).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = last.get(0);
        plain.extend(rows.iter().map(|row| row.get::<String, _>(1)));
    }
    assert_eq!(plain, seen);
}
