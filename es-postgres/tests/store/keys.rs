//! Idempotency keys: how long they are known, who removes them, and what they cost.

use std::time::Duration;

use es_core::{Append, Appended, Error, EventStore, ExpectedVersion, IdempotencyKey, KeyUse, Keyed, Version};
use es_postgres::PgStore;
use es_test_support::Proxy;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::fixture::{WAITERS, add, append, connection, exact, number, refusal, run, store, until, versions, words};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

fn keyed(text: &str, id: &str, fingerprint: u128) -> Append {
    append(id, ExpectedVersion::Any, 1).keyed(Keyed::new(key(text), Uuid::from_u128(fingerprint)))
}

async fn under(store: &impl EventStore, text: &str, fingerprint: u128) -> Result<Appended, Error> {
    store.append(keyed(text, "7", fingerprint)).await
}

async fn find(store: &impl EventStore, text: &str) -> Option<KeyUse> {
    store.find_key(&key(text)).await.unwrap()
}

/// Makes all keys older.
async fn age(connection: &mut PgConnection, by: &str) {
    run(connection, &format!("UPDATE es.idempotency_keys SET recorded_at = recorded_at - interval '{by}'")).await;
}

/// Makes so many keys that have expired.
async fn make_old(connection: &mut PgConnection, keys: u32) {
    let insert = format!(
        "INSERT INTO es.idempotency_keys (key, fingerprint, category, stream_id, first_version, last_version, recorded_at)
         SELECT 'old ' || g, gen_random_uuid(), 'order', 1, g, g, now() - interval '8 days' FROM generate_series(1, {keys}) g"
    );
    run(connection, &insert).await;
}

/// 1 when nothing is left of them.
const NO_OLD_KEYS: &str = "SELECT (count(*) = 0)::int::bigint FROM es.idempotency_keys WHERE key LIKE 'old %'";

async fn count(connection: &mut PgConnection) -> i64 {
    number(connection, "SELECT count(*) FROM es.idempotency_keys").await
}

#[tokio::test]
async fn keys_are_known_for_seven_days() {
    let (store, database) = store().await;
    let mut connection = connection(database.url()).await;
    under(&store, "k", 1).await.unwrap();
    age(&mut connection, "6 days 23 hours 59 minutes").await;
    assert!(under(&store, "k", 1).await.unwrap().repeated);
    assert!(under(&store, "k", 2).await.unwrap_err().is_key_reused());
    age(&mut connection, "1 minute").await;
    assert_eq!(find(&store, "k").await, None, "an expired key is as if it had never been used");
    let appended = under(&store, "k", 2).await.unwrap();
    assert_eq!((appended.repeated, appended.version), (false, Version(2)));
    assert!(under(&store, "k", 2).await.unwrap().repeated, "and is known anew from its new use on");
    assert_eq!(versions(&store, "7").await, [1, 2]);
}

#[tokio::test]
async fn keys_are_known_for_as_long_as_was_said() {
    let (week, database) = store().await;
    let mut connection = connection(database.url()).await;
    let hour = PgStore::options().idempotency_keys_for(HOUR).connect(database.url()).await.unwrap();
    let never = PgStore::options().idempotency_keys_for(Duration::ZERO).connect(database.url()).await.unwrap();
    let ever = PgStore::options().idempotency_keys_for(Duration::MAX).connect(database.url()).await.unwrap();
    // Nothing is ever too old for this one, also not when it looks around later.
    under(&ever, "k", 1).await.unwrap();
    age(&mut connection, "61 minutes").await;
    assert!(find(&week, "k").await.is_some());
    assert!(find(&hour, "k").await.is_none());
    age(&mut connection, "500 years").await;
    assert!(under(&ever, "k", 1).await.unwrap().repeated);
    for _ in 0..3 {
        assert!(!under(&never, "k", 1).await.unwrap().repeated);
    }
    assert_eq!(versions(&week, "7").await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn an_expired_key_can_be_used_inside_a_transaction() {
    let (store, database) = store().await;
    let mut connection = connection(database.url()).await;
    under(&store, "k", 1).await.unwrap();
    age(&mut connection, "7 days").await;
    run(&mut connection, "BEGIN").await;
    let inside = store.in_transaction(&mut connection);
    assert_eq!(find(&inside, "k").await, None);
    assert!(!under(&inside, "k", 2).await.unwrap().repeated);
    assert!(under(&inside, "k", 2).await.unwrap().repeated, "it sees its own");
    assert!(under(&inside, "k", 3).await.unwrap_err().is_key_reused());
    run(&mut connection, "COMMIT").await;
    assert_eq!(find(&store, "k").await.unwrap().fingerprint, Uuid::from_u128(2));
}

#[tokio::test]
async fn a_rival_inside_a_transaction_is_told_to_begin_anew() {
    let (store, database) = store().await;
    let (mut one, mut two) = (connection(database.url()).await, connection(database.url()).await);
    let mut observer = connection(database.url()).await;
    run(&mut one, "BEGIN").await;
    run(&mut two, "BEGIN").await;
    store.in_transaction(&mut one).append(keyed("k", "7", 1)).await.unwrap();
    let rival = store.clone();
    let waiting = tokio::spawn(async move {
        let refused = rival.in_transaction(&mut two).append(keyed("k", "8", 1)).await.unwrap_err();
        run(&mut two, "ROLLBACK; BEGIN").await;
        let again = rival.in_transaction(&mut two).append(keyed("k", "7", 1)).await.unwrap();
        (refused, again)
    });
    until(&mut observer, WAITERS).await;
    run(&mut one, "COMMIT").await;
    let (refused, again) = waiting.await.unwrap();
    assert!(refused.is_transient(), "{refused:?}");
    assert!(words(&refused).contains("idempotency key `k` was used by somebody else at the same time"));
    assert!(again.repeated, "the next try finds what became of the first");
    assert!(versions(&store, "8").await.is_empty());
}

#[tokio::test]
async fn old_keys_are_removed_batch_by_batch() {
    let (store, database) = store().await;
    let mut connection = connection(database.url()).await;
    under(&store, "young", 1).await.unwrap();
    make_old(&mut connection, 2_500).await;
    assert_eq!(store.forget_keys().await.unwrap(), 2_500);
    assert_eq!(count(&mut connection).await, 1);
    assert!(find(&store, "young").await.is_some());
}

#[tokio::test]
async fn a_process_removes_old_keys_when_it_uses_one() {
    let (store, database) = store().await;
    let mut connection = connection(database.url()).await;
    make_old(&mut connection, 10).await;
    store.append(append("8", ExpectedVersion::Any, 1)).await.unwrap();
    assert_eq!(count(&mut connection).await, 10, "an append without a key looks for none");
    under(&store, "new", 1).await.unwrap();
    until(&mut connection, NO_OLD_KEYS).await;
    assert!(find(&store, "new").await.is_some());
}

#[tokio::test]
async fn a_key_costs_an_append_nothing_and_a_repeat_one_look() {
    let (_store, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let mut observer = connection(database.url()).await;
    make_old(&mut observer, 1).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    // The statements are prepared, and the process has looked for old keys.
    for n in 0..3 {
        under(&store, &n.to_string(), 1).await.unwrap();
        under(&store, &n.to_string(), 1).await.unwrap();
        under(&store, &n.to_string(), 2).await.unwrap_err();
    }
    until(&mut observer, NO_OLD_KEYS).await;
    proxy.reset();
    under(&store, "new", 1).await.unwrap();
    assert_eq!(proxy.turns(), 1, "one statement stores events and key");
    proxy.reset();
    under(&store, "new", 1).await.unwrap();
    assert_eq!(proxy.turns(), 2, "a repeat is refused by the key, and then looked up");
    proxy.reset();
    under(&store, "new", 2).await.unwrap_err();
    assert_eq!(proxy.turns(), 2, "nor does another append under the key cost the connection");
}

#[tokio::test]
async fn an_application_may_use_keys_and_not_change_them() {
    let (_store, database) = store().await;
    let mut owner = connection(database.url()).await;
    let role = format!("app_{}", Uuid::now_v7().simple());
    run(&mut owner, &format!("CREATE ROLE {role} LOGIN; SELECT es.grant_to('{role}'); SET ROLE {role}")).await;
    let inside = PgStore::connect(database.url()).await.unwrap();
    run(&mut owner, "BEGIN").await;
    under(&inside.in_transaction(&mut owner), "k", 1).await.unwrap();
    run(&mut owner, "COMMIT").await;
    let refused = refusal(&mut owner, "UPDATE es.idempotency_keys SET fingerprint = gen_random_uuid()").await;
    assert!(refused.contains("permission denied"), "{refused}");
    run(&mut owner, "DELETE FROM es.idempotency_keys WHERE recorded_at < now() - interval '7 days'").await;
    run(&mut owner, &format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_stored_once_and_is_no_repeat() {
    let (direct, database) = store().await;
    add(&direct, "7", 2).await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    // So that the process does not look for old keys in between.
    make_old(&mut connection(database.url()).await, 1).await;
    under(&store, "first", 1).await.unwrap();
    until(&mut connection(database.url()).await, NO_OLD_KEYS).await;
    for (n, stored) in [(1, true), (2, false), (3, true), (4, false)] {
        let before = versions(&direct, "7").await.len();
        let expected = if n > 2 { exact(before as u64) } else { ExpectedVersion::Any };
        let append = append("7", expected, 2).idempotent();
        // The statements are prepared.
        for warm in [ExpectedVersion::Any, exact(0)] {
            store.append(crate::fixture::append("warm", warm, 2).idempotent()).await.ok();
        }
        if stored {
            proxy.cut_after_next_request()
        } else {
            proxy.cut_before_next_request()
        }
        let appended = store.append(append.clone()).await.unwrap();
        assert!(!appended.repeated, "{n}: it is the one that was stored");
        assert_eq!(appended.version.0, before as u64 + 2);
        let again = store.append(append).await.unwrap();
        assert_eq!((again.version, again.repeated), (appended.version, true));
        assert_eq!(versions(&direct, "7").await.len(), before + 2, "{n}: stored once");
    }
}
