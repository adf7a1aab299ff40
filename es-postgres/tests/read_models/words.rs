//! Words, divisions and claims that race.

use es_core::{Claim, Control, Position, ProjectionId, ReadModelStore, ReadModelTransaction, Slices};
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::Row;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::*;

#[tokio::test]
async fn the_database_divides_like_the_library() {
    let (_store, database) = store().await;
    let mut admin = connection(&database).await;
    for parts in 1..=1024_u16 {
        let query = sqlx::query("SELECT first_slice, last_slice FROM es.divided($1) ORDER BY 1").bind(i32::from(parts));
        let rows = query.fetch_all(&mut admin).await.unwrap();
        let slice = |row: &sqlx::postgres::PgRow, column| u16::try_from(row.get::<i16, _>(column)).unwrap();
        let divided: Vec<Slices> = rows.iter().map(|row| Slices::new(slice(row, 0), slice(row, 1)).unwrap()).collect();
        assert_eq!(divided, Slices::divide(parts).unwrap());
    }
}

/// Documents in four parts, a store for each of three processes, and the database.
async fn contested() -> (Vec<PgStore>, ProjectionId, Database) {
    let (store, database) = store().await;
    let registration = documents("contested", 4, &[]);
    store.register(&registration).await.unwrap();
    let mut stores = vec![store];
    for _ in 0..2 {
        stores.push(PgStore::connect(database.url()).await.unwrap());
    }
    (stores, registration.id, database)
}

/// Claims whatever there is, again and again, until the projection is paused.
fn claim_until_paused(tasks: &mut JoinSet<()>, store: &PgStore, id: &ProjectionId) {
    let (store, id, owner) = (store.clone(), id.clone(), Uuid::now_v7());
    tasks.spawn(async move {
        loop {
            for part in store.parts(&id).await.unwrap() {
                if store.claim(&id, part.first(), owner, LONG).await.unwrap() == Claim::Paused {
                    return;
                }
            }
        }
    });
}

/// A claim that began before a word, and is granted behind it, would leave an owner that never hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pause_nobody_holds_a_lease_whatever_raced_with_it() {
    let (stores, id, database) = contested().await;
    let mut admin = connection(&database).await;
    for round in 0..60 {
        let mut claims = JoinSet::new();
        for store in &stores {
            claim_until_paused(&mut claims, store, &id);
        }
        until(&mut admin, "SELECT count(*) FROM es.projection_parts WHERE owner IS NOT NULL").await;
        // All parts are at one place, so they are divided at once, and the pause may meet the parts of before.
        let parts = 2 + round % 5;
        assert!(stores[0].control(&id, Control::Divide { parts }).await.unwrap().is_accepted());
        let divides = tokio::spawn({
            let (store, id) = (stores[1].clone(), id.clone());
            async move { store.divide(&id).await.unwrap() }
        });
        assert!(stores[2].control(&id, Control::Pause).await.unwrap().is_accepted());
        claims.join_all().await;
        assert_eq!(number(&mut admin, "SELECT count(*) FROM es.projection_parts WHERE owner IS NOT NULL").await, 0);
        divides.await.unwrap();
        stores[0].divide(&id).await.unwrap();
        assert_eq!(stores[0].parts(&id).await.unwrap(), Slices::divide(parts).unwrap());
        assert!(stores[0].control(&id, Control::Resume).await.unwrap().is_accepted());
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_words() {
    let (store, id, _database) = registered("refused").await;
    let refused = async |word| setup_message(store.control(&id, word).await);
    assert_eq!(
        refused(Control::Divide { parts: 0 }).await,
        "projection `refused v1` cannot be divided into 0 parts: there can be 1 to 1024"
    );
    assert!(refused(Control::Divide { parts: 1025 }).await.contains("into 1025 parts"));
    assert!(refused(Control::Rewind { to: Position(3) }).await.contains("cannot be rewound: documents would count"));
    assert!(store.control(&id, Control::Rebuild).await.unwrap().is_accepted());
    assert!(refused(Control::Divide { parts: 2 }).await.contains("is to be rebuilt or rewound first"));

    let lease = granted(&store, &id, Uuid::now_v7()).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.reset(&lease, Position::START, Position(9)).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(store.control(&id, Control::Divide { parts: 2 }).await.unwrap().is_accepted());
    assert!(refused(Control::Rebuild).await.contains("is about to be divided"));

    let mut second = documents("refused", 1, &[]);
    second.id = ProjectionId::new("refused", 2).unwrap();
    store.register(&second).await.unwrap();
    let dropped = setup_message(store.drop_projection(&id).await);
    assert!(dropped.contains("cannot be dropped while it serves"), "{dropped}");
    assert!(store.control(&second.id, Control::Serve).await.unwrap().is_accepted());
    let behind = refused(Control::Serve).await;
    assert_eq!(behind, "projection `refused v1` has not caught up: it is at 0, and history reaches to 9");
    let held = granted(&store, &second.id, Uuid::now_v7()).await;
    let dropped = setup_message(store.drop_projection(&held.id).await);
    assert!(dropped.contains("cannot be dropped while somebody works on it"), "{dropped}");
}
