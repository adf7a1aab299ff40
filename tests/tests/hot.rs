//! Many commands at once for one aggregate: decided ahead of the store, stored as one, and each with an answer of its own.
//!
//! `ES_HOT_SEED` makes the same choices again; the seed is printed.

#[path = "hot/by_hand.rs"]
mod by_hand;
#[path = "hot/clients.rs"]
mod clients;
#[path = "hot/domain.rs"]
mod domain;
#[path = "hot/judge.rs"]
mod judge;
#[allow(dead_code, reason = "the oracle dawdles")]
#[path = "oracle/random.rs"]
mod random;
#[path = "hot/slow.rs"]
mod slow;

use std::slice::from_ref;
use std::time::Duration;

use es_postgres::PgStore;
use es_test_support::{Database, Proxy};
use sqlx::{Connection, PgConnection, Row};
use tokio::time::sleep;

use clients::Habits;
use random::Random;
use slow::Slow;

const HABITS: Habits = Habits { clients: 16, commands: 60, impatient: 20, keyed: 15, large: 25, expecting: 12 };

fn seed() -> u64 {
    let named = std::env::var("ES_HOT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = named.unwrap_or_else(Random::fresh_seed);
    println!("ES_HOT_SEED={seed}");
    seed
}

async fn migrated() -> (PgStore, Database) {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    (store, database)
}

/// Each with states that are kept at hand, and with such that are only handed on while the account is busy.
macro_rules! tests {
    ($($case:ident),* $(,)?) => {
        mod kept {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case::<true>().await;
            })*
        }
        mod handed_on {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case::<false>().await;
            })*
        }
    };
}

tests!(
    every_answer_is_what_a_store_that_fails_now_and_then_holds,
    every_answer_is_what_postgres_holds,
    every_answer_is_what_postgres_holds_while_another_process_writes,
    every_answer_is_what_postgres_holds_where_each_process_has_one_client,
    every_answer_is_what_postgres_holds_while_connections_break,
    what_comes_at_once_goes_out_together,
);

async fn every_answer_is_what_a_store_that_fails_now_and_then_holds<const KEPT: bool>() {
    let seed = seed();
    for seed in seed..seed + 8 {
        let store = Slow::new(seed);
        let told = clients::run::<KEPT, _>(from_ref(&store), HABITS, seed).await;
        let seen = judge::judge(&store, told).await;
        assert!(
            seen.done > 100 && seen.refused > 0 && seen.unknown > 0 && seen.idle > 0 && seen.overtaken > 0,
            "{seen:?}"
        );
    }
}

async fn every_answer_is_what_postgres_holds<const KEPT: bool>() {
    let (store, _database) = migrated().await;
    let told = clients::run::<KEPT, _>(from_ref(&store), HABITS, seed()).await;
    let seen = judge::judge(&store, told).await;
    assert!(seen.done > 200 && seen.refused > 0 && seen.failed == 0, "{seen:?}");
}

async fn every_answer_is_what_postgres_holds_while_another_process_writes<const KEPT: bool>() {
    let (store, database) = migrated().await;
    let other = PgStore::connect(database.url()).await.unwrap();
    let habits = Habits { clients: 8, ..HABITS };
    let told = clients::run::<KEPT, _>(&[store.clone(), other], habits, seed()).await;
    let seen = judge::judge(&store, told).await;
    assert!(seen.done > 200 && seen.refused > 0 && seen.overtaken > 0 && seen.failed == 0, "{seen:?}");
}

/// Nobody else of the process meets what the other has written first.
async fn every_answer_is_what_postgres_holds_where_each_process_has_one_client<const KEPT: bool>() {
    let (store, database) = migrated().await;
    let other = PgStore::connect(database.url()).await.unwrap();
    let habits = Habits { clients: 1, commands: 150, impatient: u64::MAX, ..HABITS };
    let told = clients::run::<KEPT, _>(&[store.clone(), other], habits, seed()).await;
    let seen = judge::judge(&store, told).await;
    assert!(seen.done > 50 && seen.refused > 0 && seen.failed == 0, "{seen:?}");
}

async fn every_answer_is_what_postgres_holds_while_connections_break<const KEPT: bool>() {
    let (direct, database) = migrated().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::connect(&proxy.url(database.url())).await.unwrap();
    let seed = seed();
    let mut choices = Random::of(seed, u64::MAX);
    let cuts = async {
        loop {
            sleep(Duration::from_millis(40 + choices.below(120))).await;
            match choices.below(3) {
                0 => proxy.cut_now(),
                1 => proxy.cut_after_next_request(),
                _ => proxy.cut_before_next_request(),
            }
        }
    };
    let handles = [store];
    let told = tokio::select! {
        told = clients::run::<KEPT, _>(&handles, Habits { commands: 30, ..HABITS }, seed) => told,
        () = cuts => unreachable!("it goes on"),
    };
    let seen = judge::judge(&direct, told).await;
    assert!(seen.done > 100, "{seen:?}");
}

async fn what_comes_at_once_goes_out_together<const KEPT: bool>() {
    let (store, database) = migrated().await;
    let habits = Habits {
        clients: 16,
        commands: 40,
        impatient: u64::MAX,
        keyed: u64::MAX,
        large: u64::MAX,
        expecting: u64::MAX,
    };
    let told = clients::run::<KEPT, _>(from_ref(&store), habits, 7).await;
    let seen = judge::judge(&store, told).await;
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let count = sqlx::query("SELECT count(DISTINCT xid) FROM es.events").fetch_one(&mut connection).await.unwrap();
    let transactions = count.get::<i64, _>(0);
    assert!(transactions < i64::try_from(seen.done / 2).unwrap(), "{transactions} for {seen:?}");
}
