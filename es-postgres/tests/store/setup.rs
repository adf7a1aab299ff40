//! What a person reads when the store cannot work.

use std::time::Duration;

use es_core::{Error, EventStore, ExpectedVersion};
use es_postgres::PgStore;
use es_test_support::{Database, Proxy, Server};

use crate::fixture::{WAITERS, append, connection, insert, run, setup_message, store, until, versions, words};

#[tokio::test]
async fn no_server() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = setup_message(PgStore::connect(&format!("postgres://me@{free}/mine")).await);
    assert!(refused.starts_with(&format!("no PostgreSQL server answers at `mine` at {free}")), "{refused}");
}

#[tokio::test]
async fn a_server_that_never_answers() {
    let database = Database::create().await;
    let proxy = Proxy::start(database.url()).await;
    proxy.stall();
    let options = PgStore::options().acquire_timeout(Duration::from_millis(50));
    let error = options.connect(&proxy.url(database.url())).await.unwrap_err();
    assert!(error.is_transient() && words(&error).contains("did not answer within 50ms"), "{}", words(&error));
}

#[tokio::test]
async fn a_wrong_password() {
    let database = Database::create().await;
    let server: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let refused = setup_message(PgStore::options().connect_with(server.password("wrong")).await);
    assert!(refused.contains("refused the user or the password"), "{refused}");
}

#[tokio::test]
async fn no_such_database() {
    let url = Server::shared().await.url("nowhere");
    let refused = setup_message(PgStore::connect(&url).await);
    assert!(refused.contains("no such database as `nowhere`"), "{refused}");
}

#[tokio::test]
async fn not_a_url() {
    let refused = setup_message(PgStore::connect("localhost:5432").await);
    assert!(refused.contains("write `postgres://user:password@host:5432/database`"), "{refused}");
}

#[tokio::test]
async fn no_connections_at_all() {
    let refused = setup_message(PgStore::options().max_connections(0).connect("postgres://localhost").await);
    assert!(refused.contains("max_connections(0)"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_connections() {
    let (_store, database) = store().await;
    let options = PgStore::options().max_connections(1).acquire_timeout(Duration::from_millis(100));
    let small = options.connect(database.url()).await.unwrap();
    // Somebody else holds the stream, so the only connection waits.
    let mut blocker = connection(database.url()).await;
    run(&mut blocker, &format!("BEGIN; {}", insert("7", 1))).await;
    let waiting = tokio::spawn({
        let small = small.clone();
        async move { small.append(append("7", ExpectedVersion::Any, 1)).await }
    });
    let mut observer = connection(database.url()).await;
    until(&mut observer, WAITERS).await;

    let error = small.append(append("8", ExpectedVersion::Any, 1)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }));
    assert!(
        words(&error).contains("no connection became free within 100ms: all 1 are in use; raise `max_connections`"),
        "{}",
        words(&error)
    );
    run(&mut blocker, "COMMIT").await;
    waiting.await.unwrap().unwrap();
    assert_eq!(versions(&small, "7").await, [1, 2]);
}

#[tokio::test]
async fn connections_that_died_while_idle_are_not_felt() {
    let server = Server::private().await;
    let database = Database::create_on(&server).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    store.append(append("7", ExpectedVersion::Any, 1)).await.unwrap();
    let mut admin = connection(&server.url("postgres")).await;
    for _ in 0..2 {
        run(
            &mut admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'es-postgres'",
        )
        .await;
        assert_eq!(versions(&store, "7").await.len() % 2, 1);
        run(
            &mut admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'es-postgres'",
        )
        .await;
        store.append(append("7", ExpectedVersion::Any, 2)).await.unwrap();
    }
    assert_eq!(versions(&store, "7").await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn the_sessions_are_set_as_the_statements_need_them() {
    let (_store, database) = store().await;
    let mut admin = connection(database.url()).await;
    let name = database.name();
    run(&mut admin, &format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")).await;
    run(&mut admin, &format!("ALTER DATABASE {name} SET jit = on")).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.append(append("7", ExpectedVersion::NoStream, 2)).await.unwrap();
    assert_eq!(store.log_end().await.unwrap().0, 2, "a tick refuses any other isolation than READ COMMITTED");
}

#[tokio::test]
async fn the_password_is_not_in_the_debug_output() {
    let (store, database) = store().await;
    let password = database.url().split([':', '@']).nth(2).unwrap().to_owned();
    assert!(password.len() > 5 && !format!("{store:?}").contains(&password));
}

#[tokio::test]
async fn calls_that_are_dropped_leave_no_connection_in_a_muddle() {
    let (store, database) = store().await;
    let narrow = PgStore::options().max_connections(1).connect(database.url()).await.unwrap();
    for n in 0..100_u64 {
        let dropped =
            tokio::time::timeout(Duration::from_micros(n * 20), narrow.append(append("a", ExpectedVersion::Any, 2)));
        dropped.await.ok();
        let dropped = tokio::time::timeout(Duration::from_micros(n * 20), async { versions(&narrow, "a").await });
        dropped.await.ok();
        let number = n.to_string();
        narrow.append(append(&number, ExpectedVersion::NoStream, 1)).await.unwrap();
        assert_eq!(versions(&narrow, &number).await, [1]);
    }
    let stored = versions(&store, "a").await;
    assert!(stored.len() % 2 == 0 && stored.iter().copied().eq(1..=stored.len() as u64), "all or nothing, no gap");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_writers_that_take_any_version_all_succeed() {
    let (store, _database) = store().await;
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..100 {
        let store = store.clone();
        writers.spawn(async move { store.append(append("hot", ExpectedVersion::Any, 1 + n % 3)).await.unwrap() });
    }
    let count: usize = (0..100).map(|n| 1 + n % 3).sum();
    let highest = writers.join_all().await.iter().map(|appended| appended.version.0).max();
    assert_eq!(highest, Some(count as u64));
    assert_eq!(versions(&store, "hot").await.len(), count);
}
