mod chains;

use std::time::Duration;

use es_core::{Append, Conflict, EventStore, ExpectedVersion, NewEvent, Position, ReadLog, StreamId, Version};
use es_test_support::{Database, Proxy};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::queue::{Answer, Batch as _, FEW};

async fn store() -> (PgStore, Database) {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    (store, database)
}

fn stream(id: &str) -> StreamId {
    StreamId::new("order", id).unwrap()
}

fn at(id: &str, version: u64, count: usize) -> Append {
    let events = (0..count).map(|n| NewEvent::new("order.noted", 1, format!("{{\"n\":{n}}}"))).collect();
    Append::new(stream(id), ExpectedVersion::Exact(Version(version)), events)
}

/// What is stored, in the order of the log, as `7 1`.
async fn log(store: &PgStore) -> Vec<String> {
    let mut seen = Vec::new();
    let mut next = Position::START;
    loop {
        let read = ReadLog::after(next);
        let mut visit = |event: es_core::RawEvent<'_>| {
            seen.push(format!("{} {}", event.stream.id(), event.version));
            Ok(())
        };
        let page = store.read_log(read, &mut visit).await.unwrap();
        next = page.next;
        if page.at_end {
            return seen;
        }
    }
}

/// Sends these out as one statement, and says what became of each.
async fn together(store: &PgStore, appends: Vec<Append>) -> Vec<Result<Appended, Error>> {
    let mut waiting = Vec::new();
    let mut asked = Vec::new();
    for append in appends {
        let append = Arc::new(Prepared::new(append).unwrap());
        assert!(batch::may_join(&append));
        let (place, answered) = Waiting::new(Wish { append: Arc::clone(&append), flight: None });
        waiting.push(batch::Run::new(place));
        asked.push((append, answered));
    }
    let lent = store.connections().acquire().await.unwrap();
    Batch::new(waiting, batch::Room::default(), Vec::new()).run(store, lent).await;
    let mut outcomes = Vec::new();
    for (append, answered) in asked {
        let Ok(Answer::Outcome(outcome)) = answered.await else { panic!("no outcome") };
        outcomes.push(outcome.of(store, &append).await);
    }
    outcomes
}

fn versions(outcomes: &[Result<Appended, Error>]) -> Vec<u64> {
    outcomes.iter().map(|outcome| outcome.as_ref().unwrap().version.0).collect()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

async fn transactions_of_events(database: &Database) -> i64 {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let count = "SELECT count(DISTINCT xid) FROM es.events";
    sqlx::query(count).fetch_one(&mut connection).await.unwrap().get(0)
}

#[tokio::test]
async fn each_append_is_stored_as_a_whole_in_its_place() {
    let (store, database) = store().await;
    let outcomes = together(&store, vec![at("b", 0, 1), at("a", 0, 3), at("c", 0, 2)]).await;
    assert_eq!(versions(&outcomes), [1, 3, 2]);
    assert_eq!(transactions_of_events(&database).await, 1);
    let outcomes = together(&store, vec![at("a", 3, 1), at("b", 1, 2)]).await;
    assert_eq!(versions(&outcomes), [4, 3]);
    assert_eq!(log(&store).await, ["a 1", "b 1", "c 1", "a 2", "a 3", "c 2", "a 4", "b 2", "b 3"]);
}

#[tokio::test]
async fn one_that_loses_takes_nobody_along_and_stores_nothing() {
    let (store, database) = store().await;
    store.append(at("taken", 0, 2)).await.unwrap();
    for count in [1, 3] {
        let (id, other) = (format!("new {count}"), format!("other {count}"));
        let all = vec![at("taken", 1, count), at(&id, 0, count), at("hole", 5, count), at(&other, 0, count)];
        let outcomes = together(&store, all).await;
        let conflict = |outcome: &Result<Appended, Error>| match outcome {
            Err(Error::Conflict(Conflict { actual, .. })) => actual.0,
            other => panic!("{other:?}"),
        };
        assert_eq!(conflict(&outcomes[0]), 2);
        assert_eq!(conflict(&outcomes[2]), 0);
        for stored in [&outcomes[1], &outcomes[3]] {
            assert_eq!(stored.as_ref().unwrap().version.0, count as u64);
        }
    }
    assert_eq!(transactions_of_events(&database).await, 3);
    assert_eq!(log(&store).await.len(), 2 + 2 * (1 + 3));
}

#[tokio::test]
async fn what_the_server_refuses_fails_alone() {
    let (store, database) = store().await;
    let mut owner = PgConnection::connect(database.url()).await.unwrap();
    run(&mut owner, "ALTER TABLE es.events ADD CONSTRAINT whole CHECK (stream_id <> 'broken')").await;
    let outcomes = together(&store, vec![at("a", 0, 1), at("broken", 0, 1), at("z", 0, 2)]).await;
    assert_eq!(outcomes[0].as_ref().unwrap().version.0, 1);
    assert!(matches!(outcomes[1], Err(Error::Store { .. })), "{:?}", outcomes[1]);
    assert_eq!(outcomes[2].as_ref().unwrap().version.0, 2);
    assert!(store.group().unwrap().lines.is_empty());
}

#[tokio::test]
async fn keys_are_kept_with_the_events_and_answer_repeats() {
    let (store, database) = store().await;
    let first = at("a", 0, 2).idempotent();
    let outcomes = together(&store, vec![first.clone(), at("b", 0, 1), at("c", 0, 1).idempotent()]).await;
    assert_eq!(versions(&outcomes), [2, 1, 1]);
    assert_eq!(transactions_of_events(&database).await, 1);
    let again = together(&store, vec![first, at("d", 0, 1)]).await;
    assert_eq!(versions(&again), [2, 1]);
    assert!(again[0].as_ref().unwrap().repeated && !again[1].as_ref().unwrap().repeated);
    // The version is taken, but not by it: nothing is kept under the key.
    let lost = at("a", 1, 1).idempotent();
    assert!(together(&store, vec![lost.clone(), at("e", 0, 1)]).await[0].as_ref().unwrap_err().is_conflict());
    assert_eq!(store.find_key(&lost.key.unwrap().key).await.unwrap(), None);
}

#[tokio::test]
async fn a_lost_answer_is_found_out_by_each() {
    let (direct, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    for (round, count, was_stored) in [(0, 1, true), (1, 1, false), (2, 3, true), (3, 3, false)] {
        let id = |name: &str| format!("{name} {round}");
        // The statement is prepared.
        together(&store, vec![at(&id("warm"), 0, count)]).await;
        if was_stored {
            proxy.cut_after_next_request()
        } else {
            proxy.cut_before_next_request()
        }
        let before = log(&direct).await.len();
        let all = vec![at(&id("a"), 0, count), at(&id("warm"), 0, count), at(&id("b"), 0, count)];
        let outcomes = together(&store, all).await;
        assert_eq!(outcomes[0].as_ref().unwrap().version.0, count as u64);
        assert!(outcomes[1].as_ref().unwrap_err().is_conflict());
        assert_eq!(outcomes[2].as_ref().unwrap().version.0, count as u64);
        assert_eq!(log(&direct).await.len(), before + 2 * count, "stored once");
    }
}

#[tokio::test]
async fn a_stream_that_a_stranger_holds_keeps_nobody_else_waiting() {
    let (store, database) = store().await;
    let mut stranger = PgConnection::connect(database.url()).await.unwrap();
    let insert = |id: &str| {
        format!(
            "INSERT INTO es.events (category, stream_id, version, event_id, type, schema_version, payload, slice) \
             VALUES ('order', '{id}', 1, gen_random_uuid(), 'order.noted', 1, '{{}}', {})",
            stream(id).slice()
        )
    };
    // Those that go out at once, and one in the queue behind them.
    let ids: Vec<_> = (0..=FEW).map(|nth| format!("held {nth}")).collect();
    let inserts = ids.iter().map(|id| insert(id)).collect::<Vec<_>>().join("; ");
    run(&mut stranger, &format!("BEGIN; {inserts}")).await;
    let mut held = JoinSet::new();
    for id in &ids {
        let (store, append) = (store.clone(), at(id, 0, 1));
        held.spawn(async move { store.append(append).await });
    }
    let mut others = JoinSet::new();
    for n in 0..40 {
        let store = store.clone();
        others.spawn(async move { store.append(at(&n.to_string(), 0, 1)).await.unwrap().version.0 });
    }
    assert_eq!(others.join_all().await, [1; 40], "while the stranger holds the others");
    assert!(held.try_join_next().is_none());
    // What comes for a stream that is held goes alone from now on, and delays no statement.
    assert!(store.group().unwrap().lines.has_alone(&stream(&ids[FEW])));
    run(&mut stranger, "ROLLBACK").await;
    assert!(held.join_all().await.iter().all(Result::is_ok));
    assert!(store.group().unwrap().lines.is_empty());
}

#[tokio::test]
async fn who_gives_up_stops_nobody() {
    let (store, _database) = store().await;
    for round in 0..20 {
        let mut impatient = JoinSet::new();
        let mut patient = JoinSet::new();
        for n in 0..60 {
            let (store, append) = (store.clone(), at(&format!("{round} {n}"), 0, 1));
            if n % 3 == 2 {
                patient.spawn(async move { store.append(append).await.unwrap().version.0 });
            } else {
                let within = Duration::from_micros(n * 50);
                impatient.spawn(async move { tokio::time::timeout(within, store.append(append)).await.is_ok() });
            }
        }
        assert_eq!(patient.join_all().await, [1; 20]);
        impatient.join_all().await;
    }
    assert_eq!(store.group().unwrap().queue.collect(|waiting| waiting.len()), 0);
    store.append(at("last", 0, 1)).await.unwrap();
}

#[test]
fn a_runtime_that_ends_takes_no_turn_along() {
    let lasting = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (store, _database) = lasting.block_on(store());
    for round in 0..10 {
        let passing = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        for n in 0..50 {
            let store = store.clone();
            passing.spawn(async move { store.append(at(&format!("passing {round} {n}"), 0, 1)).await });
        }
        std::thread::sleep(Duration::from_millis(round));
        passing.shutdown_background();
        let last = store.append(at(&format!("lasting {round}"), 0, 1));
        lasting.block_on(async { timeout(Duration::from_secs(60), last).await.unwrap().unwrap() });
    }
}

#[tokio::test]
async fn many_callers_share_few_transactions() {
    let (store, database) = store().await;
    for round in 0..5 {
        let mut callers = JoinSet::new();
        for n in 0..200 {
            let store = store.clone();
            callers.spawn(async move { store.append(at(&format!("{round} {n}"), 0, 1)).await.unwrap() });
        }
        callers.join_all().await;
    }
    let transactions = transactions_of_events(&database).await;
    assert!(transactions <= 500, "{transactions} for 1,000 appends");
    let alone = PgStore::options().group_append(false).connect(database.url()).await.unwrap();
    assert!(alone.group().is_none());
}
