//! What the tests have in common.

use std::time::Duration;

use es_core::{
    AdvanceError, Append, Claim, DeadLetter, DeadLetterStatus, Error, Event, EventId, ExpectedVersion, Lease, Metadata,
    NewEvent, Position, ProjectionId, ProjectionStatus, Pulse, ReadModelKind, ReadModelStore, ReadModelTransaction,
    Registration, Renewal, StreamId, Timestamp, Version,
};
use es_postgres::PgStore;
use es_test_support::Database;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// As if the holder had slept for longer than its lease.
pub(crate) const LEASES_RUN_OUT: &str =
    "UPDATE es.projection_parts SET leased_until = clock_timestamp() - interval '1 second'";

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
pub(crate) enum AccountEvent {
    Deposited { amount: i64 },
}

pub(crate) async fn register(store: &PgStore, id: &ProjectionId, kind: ReadModelKind) -> bool {
    store.register(&Registration::new(id.clone(), kind)).await.unwrap()
}

/// Documents in so many parts, with these fields to be asked for.
pub(crate) fn documents(name: &str, parts: u16, indexed: &'static [&'static str]) -> Registration {
    let mut registration = Registration::new(id(name), ReadModelKind::Documents);
    (registration.parts, registration.indexed) = (parts, indexed);
    registration
}

pub(crate) async fn keeps(store: &PgStore, held: &Lease, lease: Duration) -> bool {
    store.renew(held, lease, &Pulse::default()).await.unwrap() != Renewal::Lost
}

pub(crate) fn setup_message(result: Result<impl std::fmt::Debug, Error>) -> String {
    match result {
        Err(error @ Error::Setup { .. }) => error.to_string(),
        other => panic!("a set-up error was expected, not {other:?}"),
    }
}

pub(crate) async fn store() -> (PgStore, Database) {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    (store, database)
}

/// A store with a registered projection of documents.
pub(crate) async fn registered(name: &str) -> (PgStore, ProjectionId, Database) {
    let (store, database) = store().await;
    let id = id(name);
    register(&store, &id, ReadModelKind::Documents).await;
    (store, id, database)
}

pub(crate) fn id(name: &str) -> ProjectionId {
    ProjectionId::new(name, 1).unwrap()
}

pub(crate) fn stream(id: &str) -> StreamId {
    StreamId::new("account", id).unwrap()
}

pub(crate) fn deposit(id: &str, amount: i64) -> Append {
    let event = NewEvent::encode(&AccountEvent::Deposited { amount }, &Metadata::default()).unwrap();
    Append::new(stream(id), ExpectedVersion::Any, vec![event])
}

pub(crate) async fn connection(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

pub(crate) async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

pub(crate) async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap().get(0)
}

/// How many wait for a lock. Only of this database: other tests are at work on the server's others.
pub(crate) const WAITERS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";

pub(crate) async fn until(connection: &mut PgConnection, sql: &str) {
    for _ in 0..2_000 {
        if number(connection, sql).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to be: {sql}");
}

pub(crate) async fn granted(store: &PgStore, id: &ProjectionId, owner: Uuid) -> Lease {
    match store.claim(id, 0, owner, LONG).await.unwrap() {
        Claim::Granted(lease) => lease,
        other => panic!("a lease was expected, not {other:?}"),
    }
}

pub(crate) async fn advance(store: &PgStore, lease: &Lease, to: u64, events: u64) -> Result<(), AdvanceError> {
    let mut transaction = store.begin().await.unwrap();
    transaction.advance(lease, Position(to), events).await?;
    Ok(transaction.commit().await?)
}

pub(crate) async fn save(store: &PgStore, id: &ProjectionId, documents: &[(&str, Option<&str>)]) {
    let owned = |(key, body): &(&str, Option<&str>)| ((*key).to_owned(), body.map(str::to_owned));
    let documents: Vec<_> = documents.iter().map(owned).collect();
    let mut transaction = store.begin().await.unwrap();
    transaction.save_documents(id, &documents).await.unwrap();
    transaction.commit().await.unwrap();
}

pub(crate) async fn get(store: &PgStore, id: &ProjectionId, keys: &[&str]) -> Vec<Option<String>> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    store.get_documents(id, &keys).await.unwrap()
}

pub(crate) async fn status(store: &PgStore, id: &ProjectionId) -> ProjectionStatus {
    store.projections().await.unwrap().into_iter().find(|status| status.id == *id).unwrap()
}

pub(crate) fn is_fenced<T>(result: &Result<T, AdvanceError>) -> bool {
    matches!(result, Err(AdvanceError::Fenced(fenced)) if fenced.to_string().contains("taken over"))
}

pub(crate) fn letter(stream: &StreamId, first: u64, position: u64, status: DeadLetterStatus) -> DeadLetter {
    let failed_at = Timestamp::from_micros(1_700_000_000_123_456);
    let error = "it would not go in";
    let mut letter =
        DeadLetter::new(stream.clone(), Version(first), Position(position), EventId::new(), error, status, failed_at);
    letter.last = Version(first + 4);
    letter.attempts = u32::MAX;
    letter.last_failed_at = Timestamp::from_micros(1_700_000_001_000_001);
    letter
}

pub(crate) async fn post(store: &PgStore, id: &ProjectionId, letter: &DeadLetter) {
    let mut transaction = store.begin().await.unwrap();
    transaction.save_dead_letter(id, letter).await.unwrap();
    transaction.commit().await.unwrap();
}
