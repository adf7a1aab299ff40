//! Locks on documents: several may write the same ones, and no write is lost.

use std::time::Duration;

use super::support::{
    CHANCE, begin, commit, document, get, keys, listed, loaded, persistently, registered, save, some,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::{Lot, side_by_side};
use crate::error::Error;
use crate::read_model::{ProjectionId, ReadModelTransaction};

/// Locks, loads, adds one to each, saves.
async fn add_one<S: ReadModelCandidate>(store: &S, id: &ProjectionId, to: &[String], wait: u64) -> Result<(), Error> {
    let mut transaction = store.begin().await?;
    transaction.lock_documents(id, to).await?;
    let before = transaction.load_documents(id, to).await?;
    // So that whoever is not kept waiting comes in between.
    tokio::time::sleep(Duration::from_micros(wait)).await;
    let count = |json: Option<String>| json.and_then(|json| json.trim().parse::<u64>().ok()).unwrap_or(0);
    let after = to.iter().zip(before).map(|(key, json)| document(key, &(count(json) + 1).to_string()));
    transaction.save_documents(id, &after.collect::<Vec<_>>()).await?;
    transaction.commit().await
}

/// Both of two, in every round, on documents that are there.
pub async fn no_write_under_a_lock_is_lost<S: ReadModelCandidate>(store: S) {
    let (id, mut lot) = (registered(&store, "counted").await, Lot::new());
    save(&store, &id, &[document("n", "0")]).await;
    for _ in 0..50 {
        both_add_one(&store, &id, &["n", "n"], &mut lot).await;
    }
    assert_eq!(get(&store, &id, &["n"]).await, [some("100")], "where each locks, loads and saves, no write is lost");
}

/// Has two tasks add one, each to the key of its own, which may be the same.
async fn both_add_one<S: ReadModelCandidate>(store: &S, id: &ProjectionId, to: &[&str], lot: &mut Lot) {
    let tasks = to.iter().map(|key| {
        let (store, id, key, wait) = (store.clone(), id.clone(), keys(&[key]), lot.below(500));
        async move { persistently(|| add_one(&store, &id, &key, wait)).await }
    });
    side_by_side(tasks).await;
}

/// There is no document yet that could be locked.
pub async fn no_first_write_under_a_lock_is_lost<S: ReadModelCandidate>(store: S) {
    let (id, mut lot) = (registered(&store, "made").await, Lot::new());
    for round in 0..50 {
        let key = format!("new {round}");
        both_add_one(&store, &id, &[&key, &key], &mut lot).await;
        assert_eq!(get(&store, &id, &[&key]).await, [some("2")], "one makes the document, and the other changes it");
    }
}

/// One that is removed and made again is the same to a lock.
pub async fn a_document_that_comes_and_goes_stays_locked<S: ReadModelCandidate>(store: S) {
    let (id, mut lot) = (registered(&store, "flicker").await, Lot::new());
    for round in 0..20 {
        save(&store, &id, &[document("n", "5")]).await;
        let mut removes = begin(&store).await;
        removes.lock_documents(&id, &keys(&["n"])).await.expect("documents can be locked");
        removes.save_documents(&id, &[("n".to_owned(), None)]).await.expect("documents can be removed");
        let adding = {
            let (store, id, key, wait) = (store.clone(), id.clone(), keys(&["n"]), lot.below(500));
            tokio::spawn(async move { persistently(|| add_one(&store, &id, &key, wait)).await })
        };
        tokio::time::sleep(Duration::from_millis(lot.below(if round == 0 { 1 } else { 10 }))).await;
        commit(removes).await;
        adding.await.expect("whoever waited goes on");
        assert_eq!(get(&store, &id, &["n"]).await, [some("1")], "whoever waited for a removal finds nothing there");
    }
}

/// Whoever locks next waits, or is refused; whoever only reads does not care.
pub async fn a_lock_lasts_until_the_transaction_ends<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "lasting").await;
    save(&store, &id, &[document("n", "7")]).await;
    for commits in [true, false] {
        let mut holds = begin(&store).await;
        holds.lock_documents(&id, &keys(&["n", "m"])).await.expect("documents can be locked");
        let adding = {
            let (store, id, key) = (store.clone(), id.clone(), keys(&["m", "n"]));
            tokio::spawn(async move { add_one(&store, &id, &key, 0).await })
        };
        tokio::time::sleep(CHANCE).await;
        let went_ahead = adding.is_finished();
        assert_eq!(get(&store, &id, &["n", "m"]).await, [some("7"), None], "whoever reads does not wait for a lock");
        assert_eq!(listed(&store, &id, None, 9).await, ["n"], "a lock makes no document");
        assert_eq!(loaded(&mut holds, &id, &["n", "m"]).await, [some("7"), None], "nobody changes what is locked");
        if commits {
            commit(holds).await;
        } else {
            drop(holds);
        }
        let added = adding.await.expect("whoever waited goes on");
        assert!(!(went_ahead && added.is_ok()), "what somebody has locked is changed by nobody else");
        if added.is_ok() {
            assert_eq!(
                get(&store, &id, &["n", "m"]).await,
                [some("8"), some("1")],
                "whoever waited finds it as it was"
            );
        }
        save(&store, &id, &[document("n", "7"), ("m".to_owned(), None)]).await;
    }
}

/// Neither a document, nor a lock.
pub async fn a_lock_without_a_write_leaves_nothing<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "traceless").await;
    save(&store, &id, &[document("there", "1")]).await;
    for commits in [true, false] {
        let mut holds = begin(&store).await;
        let locked = keys(&["there", "missing", "it's 🦀"]);
        holds.lock_documents(&id, &locked).await.expect("documents can be locked");
        holds.lock_documents(&id, &locked[1..]).await.expect("what is locked by the transaction itself is no obstacle");
        holds.lock_documents(&id, &[]).await.expect("no documents can be locked");
        assert_eq!(loaded(&mut holds, &id, &["missing"]).await, [None], "a lock makes no document");
        if commits {
            commit(holds).await;
        } else {
            drop(holds);
        }
        assert_eq!(listed(&store, &id, None, 9).await, ["there"], "a lock without a write leaves nothing");
        persistently(|| add_one(&store, &id, &locked[1..2], 0)).await;
        assert_eq!(get(&store, &id, &["missing"]).await, [some("1")], "what was locked can be written when it is over");
        save(&store, &id, &[("missing".to_owned(), None)]).await;
    }
}

/// Each takes them in an order of its own.
pub async fn locks_in_any_order_come_to_an_end<S: ReadModelCandidate>(store: S) {
    let (id, mut lot) = (registered(&store, "crossed").await, Lot::new());
    let all = keys(&["a", "b", "c", "d"]);
    for _ in 0..25 {
        let tasks = (0..4).map(|turn| {
            let (store, id, mut to, wait) = (store.clone(), id.clone(), all.clone(), lot.below(300));
            to.rotate_left(turn);
            async move { persistently(|| add_one(&store, &id, &to, wait)).await }
        });
        side_by_side(tasks).await;
    }
    let expected = vec![some("100"); 4];
    assert_eq!(
        get(&store, &id, &["a", "b", "c", "d"]).await,
        expected,
        "locks in any order come to an end, without loss"
    );
}
