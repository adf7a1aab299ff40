//! What is special about imports here: what is in the table, who may do it, and what happens when the connection breaks.

use es_core::{
    Append, CausationId, CorrelationId, Error, EventId, EventStore, EventStoreExt, ExpectedVersion, ImportError,
    Imported, Metadata, NewEvent, PastEvent, Position, Timestamp, Version,
};
use es_postgres::PgStore;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::fixture::{add, connection, log, number, run, setup_message, store, stream, until, versions};

const WAITS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%COPY%'";

fn past(id: &str, version: u64) -> PastEvent {
    PastEvent::new(stream(id), Version(version), "order.noted", 1, format!("{{ \"n\" : {version} }}")).identified()
}

fn timed(id: &str, version: u64) -> PastEvent {
    past(id, version)
        .recorded_at(Timestamp::from_micros(1_551_432_600_000_001) + std::time::Duration::from_micros(version))
}

/// Events with and without metadata, ids that follow each other and that do not.
fn all_kinds(id: &str) -> Vec<PastEvent> {
    let metadata = Metadata::default().with_actor("ada \u{1f600} \" \\ \0").with_header("a", "b");
    let mut within = metadata.clone();
    within.correlation_id = Some(CorrelationId::new());
    within.causation_id = Some(CausationId::from(EventId::new()));
    vec![timed(id, 1), timed(id, 2).metadata(metadata), timed(id, 3).metadata(within), timed(id, 4)]
}

/// Every column of a stream's events but those that differ by their nature, as text.
async fn rows(connection: &mut PgConnection, id: &str) -> Vec<String> {
    let sql = format!(
        "SELECT (category, version, event_id, type, schema_version, payload::text, correlation_id, causation_id,
                 metadata::text, epoch)::text FROM es.events WHERE stream_id = '{id}' ORDER BY version"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn an_imported_row_is_one_that_an_append_would_have_written() {
    let (store, database) = store().await;
    let events = all_kinds("imported");
    store.import(events.clone()).await.unwrap();
    for (version, event) in events.iter().enumerate() {
        let new = NewEvent {
            id: event.id.unwrap(),
            metadata: event.metadata.clone(),
            ..NewEvent::new("order.noted", 1, event.payload.clone().to_string())
        };
        let expected = ExpectedVersion::Exact(Version(version as u64));
        store.append(Append::new(stream("appended"), expected, vec![new])).await.unwrap();
    }
    let mut connection = connection(database.url()).await;
    let (imported, appended) = (rows(&mut connection, "imported").await, rows(&mut connection, "appended").await);
    assert_eq!(imported, appended, "in every column");
    assert_eq!(imported.len(), 4);
    for id in ["imported", "appended"] {
        let of_slice =
            format!("SELECT count(*) FROM es.events WHERE stream_id = '{id}' AND slice = {}", stream(id).slice());
        assert_eq!(number(&mut connection, &of_slice).await, 4);
    }
    let one = "SELECT count(DISTINCT xid) FROM es.events WHERE stream_id = 'imported' AND xid < pg_current_xact_id()";
    assert_eq!(number(&mut connection, one).await, 1, "a batch is one transaction");
}

#[tokio::test]
async fn an_export_moves_a_store_into_another_database() {
    let ((old, _database), (new, _other)) = (store().await, store().await);
    old.import([all_kinds("a"), all_kinds("b"), vec![past("a", 5)]].concat()).await.unwrap();
    add(&old, "c", 3).await;
    assert_eq!(new.import_stream(old.export().pages_of(5)).await.unwrap().stored, 12);
    let (mut before, mut after, mut moved) = (old.export(), new.export().pages_of(7), 0);
    while let Some(event) = before.next().await.unwrap() {
        assert_eq!(after.next().await.unwrap(), Some(event));
        moved += 1;
    }
    assert_eq!((moved, after.next().await.unwrap()), (12, None));
}

#[tokio::test]
async fn an_application_may_import_but_not_say_when_it_was() {
    let (store, database) = store().await;
    let mut owner = connection(database.url()).await;
    let role = database.name();
    run(&mut owner, &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'; SELECT es.grant_to('{role}')")).await;
    let url: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let application = PgStore::options().connect_with(url.username(role).password("secret")).await.unwrap();
    assert_eq!(application.import([past("7", 1)]).await.unwrap().stored, 1);
    let Err(ImportError::Store { imported, source }) =
        application.import([past("7", 1), past("7", 2), timed("7", 3)]).await
    else {
        panic!("the time is the database's to say")
    };
    assert_eq!(imported.events(), 0);
    let message = setup_message(Err::<(), Error>(source));
    assert!(message.starts_with("the database role may not say when events were recorded"), "{message}");
    assert_eq!(application.import([past("7", 1), past("7", 2)]).await.unwrap(), Imported { stored: 1, there: 1 });
    assert_eq!(versions(&store, "7").await, [1, 2]);
}

/// It is not known whether the last batch was stored. The next import finds out.
#[tokio::test]
async fn an_import_whose_connection_breaks_is_ended_by_another() {
    let (direct, database) = store().await;
    let mut watch = connection(database.url()).await;
    let history = || (1..=40_u64).map(|version| past(if version % 2 == 0 { "a" } else { "b" }, version.div_ceil(2)));
    // Holds the next version of a stream, so that the import waits in the middle of its third batch.
    let mut holder = connection(database.url()).await;
    direct.import(history().take(20)).await.unwrap();
    run(&mut holder, "BEGIN").await;
    run(&mut holder, &crate::fixture::insert("b", 13)).await;
    let store = direct.clone();
    let importing = tokio::spawn(async move { store.import(history()).batches_of(10).await });
    until(&mut watch, WAITS).await;
    run(
        &mut watch,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%COPY%'",
    )
    .await;
    // On a new connection the same batch waits again, and goes on when the holder has given up.
    until(&mut watch, WAITS).await;
    run(&mut holder, "ROLLBACK").await;
    let imported = importing.await.unwrap().unwrap();
    assert_eq!(imported, Imported { stored: 20, there: 20 });
    assert_eq!(versions(&direct, "a").await, (1..=20).collect::<Vec<_>>());
    let (seen, _) = log(&direct, Position::START, 7).await;
    let expected: Vec<String> = history().map(|event| format!("{} {}", event.stream, event.version)).collect();
    assert_eq!(seen, expected, "each event is there once, in the order of the source");
}

/// Dropped in the middle of a batch, it leaves whole batches behind.
#[tokio::test]
async fn an_import_that_is_dropped_leaves_whole_batches() {
    let (store, database) = store().await;
    let mut watch = connection(database.url()).await;
    let mut holder = connection(database.url()).await;
    run(&mut holder, "BEGIN").await;
    run(&mut holder, &crate::fixture::insert("a", 13)).await;
    let other = store.clone();
    let importing =
        tokio::spawn(async move { other.import((1..=30).map(|version| past("a", version))).batches_of(10).await });
    until(&mut watch, WAITS).await;
    importing.abort();
    assert!(importing.await.unwrap_err().is_cancelled());
    run(&mut holder, "ROLLBACK").await;
    let none =
        "SELECT (count(*) = 0)::int::bigint FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%STDIN%'
                   AND pid <> pg_backend_pid()";
    until(&mut watch, none).await;
    let there = versions(&store, "a").await.len() as u64;
    assert!([10, 20].contains(&there), "the batch was stored as a whole, or not at all: {there}");
    let again = store.import((1..=30).map(|version| past("a", version))).batches_of(10).await.unwrap();
    assert_eq!(again, Imported { stored: 30 - there, there });
}

/// Each has stored what the other wants next. The database ends one of them, which finds what the other has stored.
#[tokio::test]
async fn imports_that_wait_for_each_other_both_end() {
    let (store, database) = store().await;
    let mut watch = connection(database.url()).await;
    let mut holder = connection(database.url()).await;
    run(&mut holder, "BEGIN").await;
    run(&mut holder, &crate::fixture::insert("held", 1)).await;
    let [one, other] = [["a", "held", "b"], ["b", "held", "a"]].map(|ids| {
        let store = store.clone();
        tokio::spawn(async move { store.import(ids.map(|id| past(id, 1))).await })
    });
    until(&mut watch, &WAITS.replace("count(*)", "count(*) / 2")).await;
    run(&mut holder, "ROLLBACK").await;
    let stored = [one.await.unwrap().unwrap().stored, other.await.unwrap().unwrap().stored];
    assert_eq!(stored.iter().sum::<u64>(), 3, "each event is stored by one of them: {stored:?}");
}

/// What only the database refuses, after everything was sent, leaves the connection in order.
#[tokio::test]
async fn a_batch_that_the_database_refuses_is_not_stored() {
    let (store, database) = store().await;
    run(&mut connection(database.url()).await, "ALTER TABLE es.events ADD CHECK (type <> 'order.refused')").await;
    let refused = PastEvent::new(stream("7"), Version(4), "order.refused", 1, "{}");
    let events = (1..=3).map(|version| past("7", version)).chain([refused]);
    let Err(ImportError::Store { imported, source: Error::Store { .. } }) = store.import(events).batches_of(2).await
    else {
        panic!("the database has refused it")
    };
    assert_eq!(imported.stored, 2, "the batch before it is there");
    assert_eq!(versions(&store, "7").await, [1, 2]);
    assert_eq!(
        store.import((1..=3).map(|version| past("7", version))).await.unwrap(),
        Imported { stored: 1, there: 2 }
    );
}
