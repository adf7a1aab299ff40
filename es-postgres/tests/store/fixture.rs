//! What the tests have in common.

use es_core::{
    Append, Appended, Error, EventStore, ExpectedVersion, NewEvent, Position, ReadLog, ReadStream, StreamId, Version,
};
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

/// A migrated store in a database of its own.
pub(crate) async fn store() -> (PgStore, Database) {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    (store, database)
}

pub(crate) fn stream(id: &str) -> StreamId {
    StreamId::new("order", id).unwrap()
}

/// An append of `count` events.
pub(crate) fn append(id: &str, expected: ExpectedVersion, count: usize) -> Append {
    let events = (0..count).map(|n| NewEvent::new("order.noted", 1, format!("{{\"n\":{n}}}"))).collect();
    Append::new(stream(id), expected, events)
}

pub(crate) async fn add(store: &impl EventStore, id: &str, count: usize) -> Appended {
    store.append(append(id, ExpectedVersion::Any, count)).await.unwrap()
}

pub(crate) const fn exact(version: u64) -> ExpectedVersion {
    ExpectedVersion::Exact(Version(version))
}

pub(crate) async fn versions(store: &impl EventStore, id: &str) -> Vec<u64> {
    let mut versions = Vec::new();
    let read = ReadStream::forwards(stream(id));
    store
        .read_stream(read, &mut |event| {
            versions.push(event.version.0);
            Ok(())
        })
        .await
        .unwrap();
    versions
}

/// The log behind a place, page by page, as `order-7 1`, and where it ended.
pub(crate) async fn log(store: &PgStore, after: Position, limit: u32) -> (Vec<String>, Position) {
    let (mut seen, mut next) = (Vec::new(), after);
    loop {
        let mut last = next;
        let read = ReadLog::after(next).limit(limit);
        let page = store
            .read_log(read, &mut |event| {
                let position = event.position.unwrap();
                assert!(position > last, "places go up: {position} behind {last}");
                last = position;
                seen.push(format!("{} {}", event.stream, event.version));
                Ok(())
            })
            .await
            .unwrap();
        assert!(page.next >= last);
        next = page.next;
        if page.at_end {
            return (seen, next);
        }
    }
}

pub(crate) async fn connection(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

pub(crate) async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

pub(crate) async fn refusal(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap_err().to_string()
}

pub(crate) async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap().get(0)
}

/// How many wait for a lock. Only of this database: other tests are at work on the server's others.
pub(crate) const WAITERS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";

/// Waits until a query of the server's own views says so.
pub(crate) async fn until(connection: &mut PgConnection, sql: &str) {
    for _ in 0..2_000 {
        if number(connection, sql).await > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it never came to be: {sql}");
}

/// An insert as the library does it, for connections that do it by hand.
pub(crate) fn insert(id: &str, version: u64) -> String {
    format!(
        "INSERT INTO es.events (category, stream_id, version, event_id, type, schema_version, payload, slice) \
         VALUES ('order', '{id}', {version}, gen_random_uuid(), 'order.noted', 1, '{{}}', {})",
        stream(id).slice()
    )
}

/// The error and what caused it, as a person would see it.
pub(crate) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

pub(crate) fn setup_message(result: Result<impl std::fmt::Debug, Error>) -> String {
    match result {
        Err(error @ Error::Setup { .. }) => words(&error),
        other => panic!("a set-up error was expected, not {other:?}"),
    }
}
