//! A dump that is restored into another cluster, where transactions are counted differently.

use std::process::{Command, Stdio};

use es_core::{EventStore, ExpectedVersion, Position};
use es_postgres::PgStore;
use es_test_support::{Database, Server};

use crate::fixture::{add, append, connection, log, refusal, run, setup_message, versions};

fn move_to(from: &Database, to: &Database) {
    let bin = |program| Command::new(from.server().bin(program));
    let mut dump = bin("pg_dump").arg(from.url()).stdout(Stdio::piped()).spawn().unwrap();
    let restored = bin("psql")
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-d", to.url()])
        .stdin(dump.stdout.take().unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(dump.wait().unwrap().success() && restored.success());
}

#[tokio::test]
async fn after_a_move_nothing_is_skipped_and_nothing_doubled() {
    let old_database = Database::create_on(&Server::private().await).await;
    let old = PgStore::connect(old_database.url()).await.unwrap();
    old.migrate().await.unwrap();
    let mut stranger = connection(old_database.url()).await;
    // The old cluster is far ahead in counting transactions.
    run(&mut stranger, "DO $$ BEGIN FOR n IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
        .await;
    add(&old, "7", 3).await;
    let (read_there, reached) = log(&old, Position::START, 2).await;
    add(&old, "7", 2).await; // without a place when the dump is taken

    let new_database = Database::create_on(&Server::private().await).await;
    move_to(&old_database, &new_database);
    let refused = setup_message(PgStore::connect(new_database.url()).await);
    assert!(refused.contains("were restored from another cluster") && refused.contains("es.reanchor()"), "{refused}");
    let mut by_hand = connection(new_database.url()).await;
    assert!(refusal(&mut by_hand, "SELECT es.tick()").await.contains("restored from another cluster"));

    let new = PgStore::options().reanchor(new_database.url()).await.unwrap();
    new.append(append("7", ExpectedVersion::Exact(es_core::Version(5)), 2)).await.unwrap();
    add(&new, "8", 1).await;
    assert_eq!(versions(&new, "7").await, [1, 2, 3, 4, 5, 6, 7]);

    let (read_here, end) = log(&new, reached, 2).await;
    assert_eq!(read_here, ["order-7 4", "order-7 5", "order-7 6", "order-7 7", "order-8 1"]);
    let (all, _) = log(&new, Position::START, 3).await;
    assert_eq!(all, [read_there, read_here].concat(), "places given in the old cluster have stayed");

    let again = PgStore::options().reanchor(new_database.url()).await.unwrap();
    assert_eq!(log(&again, end, 10).await.0, [""; 0], "where events are at home, re-anchoring does nothing");
    assert_eq!(again.log_end().await.unwrap(), end);
}

#[tokio::test]
async fn a_cluster_that_has_counted_further_is_told_by_its_name() {
    let server = Server::private().await;
    let database = Database::create_on(&server).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    add(&store, "7", 2).await;
    let (_, end) = log(&store, Position::START, 10).await;
    add(&store, "7", 1).await;
    let mut by_hand = connection(database.url()).await;
    run(&mut by_hand, "UPDATE es.cluster SET system_identifier = 1").await; // as if the events came from there
    assert!(setup_message(store.log_end().await).contains("were restored from another cluster"));
    assert!(setup_message(PgStore::connect(database.url()).await).contains("were restored from another cluster"));
    let store = PgStore::options().reanchor(database.url()).await.unwrap();
    add(&store, "7", 1).await;
    assert_eq!(log(&store, end, 10).await.0, ["order-7 3", "order-7 4"]);
    assert_eq!(log(&store, Position::START, 1).await.0, ["order-7 1", "order-7 2", "order-7 3", "order-7 4"]);
}

#[tokio::test]
async fn a_copy_within_the_cluster_goes_on_as_it_is() {
    let server = Server::private().await;
    let database = Database::create_on(&server).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    add(&store, "7", 3).await;
    let (_, end) = log(&store, Position::START, 10).await;
    add(&store, "7", 1).await;
    let copy = Database::create_on(&server).await;
    move_to(&database, &copy);
    let store = PgStore::connect(copy.url()).await.unwrap();
    add(&store, "7", 1).await;
    assert_eq!(log(&store, end, 10).await.0, ["order-7 4", "order-7 5"]);
}
