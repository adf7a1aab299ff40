//! How long the store in memory knows idempotency keys: by tokio's clock, which a test can stop and move.
#![allow(clippy::unwrap_used, reason = "a test has nobody to hand an error to")]

use std::time::Duration;

use es_core::{
    Append, Appended, Error, EventStore, ExpectedVersion, IdempotencyKey, KEYS_KEPT_FOR, Keyed, NewEvent, StreamId,
};
use es_memory::MemoryStore;
use tokio::time::advance;
use uuid::Uuid;

const MOMENT: Duration = Duration::from_millis(1);

async fn under(store: &MemoryStore, key: &str, fingerprint: u128) -> Result<Appended, Error> {
    let event = vec![NewEvent::new("order.noted", 1, "{}")];
    let append = Append::new(StreamId::new("order", "7").unwrap(), ExpectedVersion::Any, event);
    let keyed = Keyed::new(IdempotencyKey::new(key).unwrap(), Uuid::from_u128(fingerprint));
    store.append(append.keyed(keyed)).await
}

async fn is_known(store: &MemoryStore, key: &str) -> bool {
    store.find_key(&IdempotencyKey::new(key).unwrap()).await.unwrap().is_some()
}

async fn check_expiry(store: MemoryStore, kept_for: Duration) {
    under(&store, "k", 1).await.unwrap();
    advance(kept_for - MOMENT).await;
    assert!(is_known(&store, "k").await, "a key is known for as long as was said");
    assert!(under(&store, "k", 1).await.unwrap().repeated);
    assert_eq!(store.forget_keys(), 0);
    advance(MOMENT).await;
    assert!(!is_known(&store, "k").await, "a repeat does not make it last longer");
    let appended = under(&store, "k", 2).await.unwrap();
    assert_eq!((appended.repeated, appended.version.0), (false, 2), "an expired key is as if it had never been used");
    advance(kept_for - MOMENT).await;
    assert!(under(&store, "k", 2).await.unwrap().repeated, "and is known anew from its new use on");
    assert_eq!(store.forget_keys(), 0, "of the old use nothing is left that could be forgotten in its place");
    assert!(is_known(&store, "k").await);
}

#[tokio::test(start_paused = true)]
async fn keys_are_known_for_seven_days() {
    check_expiry(MemoryStore::new(), KEYS_KEPT_FOR).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_known_for_as_long_as_was_said() {
    let hour = Duration::from_secs(3_600);
    check_expiry(MemoryStore::new().idempotency_keys_for(hour), hour).await;
}

#[tokio::test(start_paused = true)]
async fn old_keys_are_forgotten_on_the_way() {
    let store = MemoryStore::new();
    for n in 0..100 {
        under(&store, &format!("old {n}"), 1).await.unwrap();
    }
    advance(KEYS_KEPT_FOR).await;
    for n in 0..10 {
        under(&store, &format!("new {n}"), 1).await.unwrap();
    }
    assert_eq!(store.forget_keys(), 20, "each append under a key forgets eight old ones");
    assert!(is_known(&store, "new 0").await);
}
