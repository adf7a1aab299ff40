//! Conversations, inside and outside of transactions, and the indexes that they are read by.

use es_core::{
    Append, CorrelationId, Error, EventId, EventStore, EventStoreExt, ExpectedVersion, Metadata, NewEvent, StreamId,
};
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::fixture::{connection, refusal, run, store};

/// How the indexes can be made beforehand.
const DOCUMENTED: &str = include_str!("../../../docs/POSTGRES.md");
const MIGRATION: &str = include_str!("../../migrations/0005_conversations.sql");

async fn say(store: &impl EventStore, stream: (&'static str, &str), correlation: CorrelationId) -> EventId {
    let mut event = NewEvent::new("order.noted", 1, "{}");
    event.metadata = Metadata::default().with_correlation(correlation);
    let id = event.id;
    let stream = StreamId::new(stream.0, stream.1).unwrap();
    store.append(Append::new(stream, ExpectedVersion::Any, vec![event])).await.unwrap();
    id
}

async fn said(store: &impl EventStore, correlation: CorrelationId) -> Vec<EventId> {
    let events = store.untyped_conversation(correlation).collect().await.unwrap();
    events.into_iter().map(|event| event.id).collect()
}

#[tokio::test]
async fn a_transaction_sees_what_it_has_said_and_nobody_else_does() {
    let (store, database) = store().await;
    let (correlation, mut yours) = (CorrelationId::new(), connection(database.url()).await);
    let before = say(&store, ("order", "1"), correlation).await;
    let mut transaction = yours.begin().await.unwrap();
    let inside = store.in_transaction(&mut transaction);
    let within = say(&inside, ("invoice", "1"), correlation).await;
    let beside = say(&store, ("order", "2"), correlation).await;
    assert_eq!(said(&inside, correlation).await, [before, within, beside]);
    assert_eq!(inside.untyped_event(within).await.unwrap().unwrap().id, within);
    assert_eq!(said(&store, correlation).await, [before, beside]);
    assert_eq!(store.untyped_event(within).await.unwrap(), None);
    transaction.commit().await.unwrap();
    assert_eq!(
        said(&store, correlation).await,
        [before, within, beside],
        "the order is that in which they were written"
    );
    let ticks = "SELECT count(*) FROM es.ticks";
    assert_eq!(crate::fixture::number(&mut yours, ticks).await, 1, "all that without a place in the log");
}

#[tokio::test]
async fn the_first_of_several_events_under_one_id_is_found() {
    let (store, database) = store().await;
    let mut sql = connection(database.url()).await;
    let id = EventId::new();
    for stream in ["7", "6", "5"] {
        let insert = crate::fixture::insert(stream, 1).replace("gen_random_uuid()", &format!("'{id}'"));
        run(&mut sql, &insert).await;
    }
    let found = store.untyped_event(id).await.unwrap().unwrap();
    assert_eq!(found.stream.id(), "7");
    let tree = store.causation_tree_of(id).await.unwrap().unwrap();
    assert_eq!(tree.len(), 3, "each of them begins the conversation, and none is lost");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let (store, database) = store().await;
    let mut sql = connection(database.url()).await;
    let id = EventId::new();
    let insert = crate::fixture::insert("7", 1).replace("gen_random_uuid()", &format!("'{id}'"));
    let insert =
        insert.replace("payload, slice)", "payload, metadata, slice)").replace("'{}', ", "'{}', '{\"actor\": 7}', ");
    run(&mut sql, &insert).await;
    for refused in [
        store.untyped_event(id).await.map(drop).unwrap_err(),
        store.untyped_conversation(CorrelationId(id.0)).collect().await.map(drop).unwrap_err(),
    ] {
        let Error::Store { source } = refused else { panic!("{refused}") };
        assert_eq!(source.to_string(), "the row of event 1 of stream `order-7` cannot be read");
    }
}

async fn indexes(sql: &mut PgConnection) -> Vec<String> {
    let query = "SELECT pg_get_indexdef(indexrelid) || ' ' || indisvalid FROM pg_index
                  WHERE indrelid = 'es.events'::regclass ORDER BY 1";
    let rows = sqlx::query(query).fetch_all(sql).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The statements of the manual, one by one: what is made beside appends cannot be made in a transaction.
fn documented() -> Vec<&'static str> {
    let start = DOCUMENTED.find("CREATE INDEX CONCURRENTLY").unwrap();
    let block = DOCUMENTED[start..].split("```").next().unwrap();
    block.split_inclusive(';').map(str::trim).filter(|statement| !statement.is_empty()).collect()
}

async fn without_indexes() -> (PgStore, Database, PgConnection) {
    let (store, database) = store().await;
    let mut sql = connection(database.url()).await;
    run(&mut sql, "DROP INDEX es.events_conversation, es.events_event_id").await;
    (store, database, sql)
}

#[tokio::test]
async fn indexes_that_were_made_beforehand_are_those_of_the_migration() {
    let (_store, database) = store().await;
    let made = indexes(&mut connection(database.url()).await).await;
    let (_store, _database, mut sql) = without_indexes().await;
    let statements = documented();
    assert_eq!(statements.len(), 2, "one for each index: {statements:?}");
    for statement in statements {
        run(&mut sql, statement).await;
    }
    assert_eq!(indexes(&mut sql).await, made);
    run(&mut sql, &MIGRATION.replace("{schema}", "es")).await;
    assert_eq!(indexes(&mut sql).await, made, "the migration finds them, and makes no others");
}

#[tokio::test]
async fn an_index_that_was_not_made_to_its_end_is_refused() {
    let (store, _database, mut sql) = without_indexes().await;
    say(&store, ("order", "1"), CorrelationId::new()).await;
    // What is left of one that could not be made, for whatever reason.
    let failing = "CREATE UNIQUE INDEX CONCURRENTLY events_event_id ON es.events ((1 / (version - 1)))";
    sqlx::raw_sql(AssertSqlSafe(failing.to_owned())).execute(&mut sql).await.unwrap_err();
    let refused = refusal(&mut sql, &MIGRATION.replace("{schema}", "es")).await;
    assert!(refused.contains("index es.events_event_id was not made to its end"), "{refused}");
}
