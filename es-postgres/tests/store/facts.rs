//! Events are facts: the database itself refuses to change them.

use es_core::{EventStore, ExpectedVersion};
use es_postgres::PgStore;

use crate::fixture::{add, append, connection, log, refusal, run, setup_message, store, versions};

#[tokio::test]
async fn nobody_changes_or_removes_an_event() {
    let (store, database) = store().await;
    add(&store, "7", 3).await;
    let mut owner = connection(database.url()).await;
    for change in ["UPDATE es.events SET payload = '{}'", "DELETE FROM es.events", "TRUNCATE es.events"] {
        let refused = refusal(&mut owner, change).await;
        assert!(refused.contains("events are facts, and are only ever added"), "{change}: {refused}");
    }
    assert_eq!(versions(&store, "7").await, [1, 2, 3]);
}

#[tokio::test]
async fn an_applications_role_appends_and_reads_and_nothing_else() {
    let (owner, database) = store().await;
    let mut connection = connection(database.url()).await;
    let role = database.name();
    run(&mut connection, &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    let url: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let url = url.username(role).password("secret");

    let refused = setup_message(PgStore::options().connect_with(url.clone()).await);
    assert!(refused.contains("grant_to"), "{refused}");

    run(&mut connection, &format!("SELECT es.grant_to('{role}')")).await;
    let store = PgStore::options().connect_with(url).await.unwrap();
    store.migrate().await.unwrap(); // there is nothing to do
    store.append(append("7", ExpectedVersion::NoStream, 2)).await.unwrap();
    assert_eq!(versions(&store, "7").await, [1, 2]);
    assert_eq!(log(&store, es_core::Position::START, 10).await.0.len(), 2);
    store
        .save_snapshot(es_core::Snapshot::new(crate::fixture::stream("7"), es_core::Version(2), 1, "{}"))
        .await
        .unwrap();
    store.delete_snapshots(&crate::fixture::stream("7")).await.unwrap();

    run(&mut connection, &format!("SET ROLE {role}")).await;
    for change in [
        "UPDATE es.events SET payload = '{}'",
        "DELETE FROM es.events",
        "TRUNCATE es.events",
        "DROP TABLE es.events",
        // A tick of its own making would disturb every reader, and so would an event in a transaction of its choice.
        "INSERT INTO es.ticks SELECT upto + 1, shift, events, at, epoch, snap, prev FROM es.ticks ORDER BY upto DESC LIMIT 1",
        "INSERT INTO es.events (category, stream_id, version, slice, event_id, type, schema_version, payload, xid)
         VALUES ('order', '8', 1, 1, gen_random_uuid(), 'order.noted', 1, '{}', '1')",
    ] {
        let refused = refusal(&mut connection, change).await;
        assert!(refused.contains("permission denied") || refused.contains("must be owner"), "{change}: {refused}");
    }
    run(
        &mut connection,
        "INSERT INTO es.events (category, stream_id, version, slice, event_id, type, schema_version, payload)
         VALUES ('order', '8', 1, 1, gen_random_uuid(), 'order.noted', 1, '{}')",
    )
    .await;
    assert_eq!(
        log(&store, es_core::Position::START, 10).await.0.len(),
        3,
        "what is written by hand has its place, too"
    );
    run(&mut connection, &format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await;
    drop(owner);
}

/// A row that no reader could read would stand in the way of them all, and could not be removed.
#[tokio::test]
async fn rows_that_nobody_could_read_are_refused() {
    let (store, database) = store().await;
    let mut owner = connection(database.url()).await;
    for (column, value) in [
        ("schema_version", "-1"),
        ("schema_version", "0"),
        ("stream_id", "''"),
        ("category", "''"),
        ("category", "'a-b'"),
        ("type", "''"),
        ("slice", "1024"),
        ("metadata", "'[1]'"),
    ] {
        let mut row = std::collections::BTreeMap::from([
            ("category", "'order'"),
            ("stream_id", "'7'"),
            ("version", "1"),
            ("slice", "1"),
            ("event_id", "gen_random_uuid()"),
            ("type", "'order.noted'"),
            ("schema_version", "1"),
            ("payload", "'{}'"),
        ]);
        row.insert(column, value);
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let insert = format!("INSERT INTO es.events ({}) VALUES ({})", columns.join(", "), values.join(", "));
        let refused = refusal(&mut owner, &insert).await;
        assert!(refused.contains("violates check constraint"), "{column} = {value}: {refused}");
    }
    assert_eq!(versions(&store, "7").await, [0; 0]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let (store, database) = store().await;
    let mut owner = connection(database.url()).await;
    run(
        &mut owner,
        "INSERT INTO es.events (category, stream_id, version, slice, event_id, type, schema_version, payload, metadata)
         VALUES ('order', '7', 1, 1, gen_random_uuid(), 'order.noted', 1, '{}', '{\"trace\": 5}')",
    )
    .await;
    let read = es_core::ReadLog::after(es_core::Position::START);
    let error = store.read_log(read, &mut |_| Ok(())).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the row of event 1 of stream `order-7` cannot be read");
}
