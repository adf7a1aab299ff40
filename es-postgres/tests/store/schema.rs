//! Migrations.

use es_core::{EventStore, ExpectedVersion};
use es_postgres::PgStore;
use es_test_support::Database;

use crate::fixture::{add, append, connection, number, run, setup_message, store, versions};

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_migrate_at_once() {
    let database = Database::create().await;
    let mut migrations = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = PgStore::connect(database.url()).await.unwrap();
        migrations.spawn(async move { store.migrate().await });
    }
    while let Some(migrated) = migrations.join_next().await {
        migrated.unwrap().unwrap();
    }
    let mut connection = connection(database.url()).await;
    assert_eq!(number(&mut connection, "SELECT count(*) FROM es.ticks").await, 1, "the first tick is made once");
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let (store, _database) = store().await;
    add(&store, "7", 2).await;
    store.migrate().await.unwrap();
    assert_eq!(versions(&store, "7").await, [1, 2]);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (store, database) = store().await;
    let mut connection = connection(database.url()).await;
    run(&mut connection, "INSERT INTO es._migrations VALUES (9999, 'the future', now(), true, '', 0)").await;
    for refused in [setup_message(PgStore::connect(database.url()).await), setup_message(store.migrate().await)] {
        assert!(refused.starts_with("schema `es` is newer than this library: migration 9999"), "{refused}");
    }
}

#[tokio::test]
async fn two_schemas_know_nothing_of_each_other() {
    let database = Database::create().await;
    let mut stores = Vec::new();
    for schema in ["one", "Two_2"] {
        let store = PgStore::options().schema(schema).connect(database.url()).await.unwrap();
        store.migrate().await.unwrap();
        store.append(append("7", ExpectedVersion::NoStream, 2)).await.unwrap();
        stores.push(store);
    }
    assert_eq!(stores[0].log_end().await.unwrap().0, 2);
    assert_eq!(stores[1].log_end().await.unwrap().0, 2);
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_named_with_the_remedy() {
    let database = Database::create().await;
    let store = PgStore::options().schema("ledger").connect(database.url()).await.unwrap();
    let refused = setup_message(store.append(append("7", ExpectedVersion::Any, 1)).await);
    assert!(refused.starts_with("schema `ledger` is not there or not complete: call `store.migrate()`"), "{refused}");
    let refused = setup_message(store.log_end().await);
    assert!(refused.starts_with("schema `ledger` is not there"), "{refused}");
}

#[tokio::test]
async fn a_role_without_rights_on_the_database_migrates_a_schema_it_owns() {
    let database = Database::create().await;
    let mut admin = connection(database.url()).await;
    let role = database.name();
    run(&mut admin, &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'; CREATE SCHEMA es AUTHORIZATION {role}"))
        .await;
    let url: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let store = PgStore::options().connect_with(url.username(role).password("secret")).await.unwrap();
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    add(&store, "7", 1).await;
    drop(store);
    run(&mut admin, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_role_that_may_not_migrate_is_told_who_may() {
    let database = Database::create().await;
    let mut admin = connection(database.url()).await;
    let role = database.name();
    run(&mut admin, &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    let url: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let store = PgStore::options().connect_with(url.username(role).password("secret")).await.unwrap();
    let refused = setup_message(store.migrate().await);
    assert!(refused.contains("CREATE SCHEMA es AUTHORIZATION the_role"), "{refused}");
    drop(store);
    run(&mut admin, &format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn names_that_sql_could_trip_over_are_refused() {
    let long = "a".repeat(64);
    for name in ["", "1st", "a-b", "a\"b", "a'b", "a b", "pg_mine", "päivä", long.as_str()] {
        let refused = setup_message(PgStore::options().schema(name).connect("postgres://localhost").await);
        assert!(refused.contains("cannot be the name of the store's schema"), "{name}: {refused}");
    }
}
