//! Each test has an empty database of its own, on the server that was found or named.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "these are tests")]

use es_test_support::{Database, Server};
use sqlx::{Connection, PgConnection};

async fn exists(database: &str) -> bool {
    let mut connection = PgConnection::connect(&Server::shared().await.url("template1")).await.unwrap();
    let query = sqlx::query_as("SELECT count(*) FROM pg_database WHERE datname = $1").bind(database);
    let (count,): (i64,) = query.fetch_one(&mut connection).await.unwrap();
    count == 1
}

#[tokio::test]
async fn a_database_is_gone_after_its_test_even_when_it_is_in_use() {
    let db = Database::create().await;
    let name = db.name().to_owned();
    let _in_use = PgConnection::connect(db.url()).await.unwrap();
    assert!(exists(&name).await);

    drop(db);

    assert!(!exists(&name).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_are_made_side_by_side_and_share_nothing() {
    let making: Vec<_> = (0..8).map(|_| tokio::spawn(Database::create())).collect();
    for task in making {
        let db = task.await.unwrap();
        let mut connection = PgConnection::connect(db.url()).await.unwrap();
        sqlx::raw_sql("CREATE TABLE mine ()").execute(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn the_server_is_of_the_version_that_was_asked_for() {
    let server = Server::shared().await;
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    let (version,): (String,) = sqlx::query_as("SHOW server_version").fetch_one(&mut connection).await.unwrap();
    assert!(version.starts_with(&server.version().to_string()), "{version}");
    if let Ok(wanted) = std::env::var("TEST_POSTGRES_VERSION") {
        assert_eq!(server.version().to_string(), wanted);
    }
}

#[tokio::test]
async fn text_is_utf8() {
    let db = Database::create().await;
    let mut connection = PgConnection::connect(db.url()).await.unwrap();
    let (encoding,): (String,) = sqlx::query_as("SHOW server_encoding").fetch_one(&mut connection).await.unwrap();
    assert_eq!(encoding, "UTF8");
}
