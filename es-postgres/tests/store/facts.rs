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
    for change in
        ["UPDATE es.events SET payload = '{}'", "DELETE FROM es.events", "TRUNCATE es.events", "DROP TABLE es.events"]
    {
        refusal(&mut connection, change).await;
    }
    run(&mut connection, &format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await;
    drop(owner);
}
