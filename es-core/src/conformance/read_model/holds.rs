//! Holding appends: what a transaction has read of the log is all there is when it is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::inline::put;
use super::support::{CHANCE, begin, commit, document, get, persistently, registered, some};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::{Lot, fill, log, stream};
use crate::error::Error;
use crate::read_model::{ProjectionId, ReadModelTransaction};

/// How many events each writer appends beside the one that counts.
const EACH: u64 = 40;

/// Holds appends, counts the log into a document, and commits. Answers the count, and how many appends had been answered when
/// the commit began.
async fn count<S: ReadModelCandidate>(
    store: &S,
    id: &ProjectionId,
    answered: &AtomicU64,
    wait: u64,
) -> Result<(u64, u64), Error> {
    let mut counts = store.begin().await?;
    counts.hold_appends().await?;
    let count = log(store).await.len() as u64;
    counts.save_documents(id, &[document("n", &count.to_string())]).await?;
    tokio::time::sleep(Duration::from_micros(wait)).await;
    let before = answered.load(Ordering::SeqCst);
    counts.commit().await?;
    Ok((count, before))
}

/// Appends in turn by itself and in a transaction, and says when each was answered.
async fn write<S: ReadModelCandidate>(store: S, name: String, answered: Arc<AtomicU64>, mut lot: Lot) {
    for amount in 0..EACH {
        if amount % 2 == 0 {
            fill(&store, &stream(&name), [amount]).await;
        } else {
            persistently(|| write_inside(&store, &name, amount)).await;
        }
        answered.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_micros(lot.below(3_000))).await;
    }
}

async fn write_inside<S: ReadModelCandidate>(store: &S, name: &str, amount: u64) -> Result<(), Error> {
    let mut writes = store.begin().await?;
    put(&mut writes, name, amount).await?;
    writes.commit().await
}

/// An append that races either comes after it, or makes the commit fail; and none is lost.
pub async fn nothing_is_appended_between_a_look_and_its_commit<S: ReadModelCandidate>(store: S) {
    let (id, mut lot) = (registered(&store, "held_count").await, Lot::new());
    let answered = Arc::new(AtomicU64::new(0));
    let writers = ["one", "two", "three"];
    let writing: Vec<_> = writers
        .iter()
        .map(|name| tokio::spawn(write(store.clone(), (*name).to_owned(), Arc::clone(&answered), lot.split())))
        .collect();
    let all = EACH * writers.len() as u64;
    while !writing.iter().all(JoinHandle::is_finished) {
        match count(&store, &id, &answered, lot.below(1_000)).await {
            Ok((count, before)) => assert!(
                count >= before,
                "{before} appends had been answered when the commit began, but only {count} events were counted"
            ),
            Err(error) => assert!(error.is_transient(), "an append in between is trouble that passes, not {error:?}"),
        }
        tokio::time::sleep(Duration::from_micros(lot.below(2_000))).await;
    }
    for writing in writing {
        writing.await.expect("every append comes to an end");
    }
    let (count, _) = persistently(|| count(&store, &id, &answered, 0)).await;
    assert_eq!(count, all, "no append is lost");
    assert_eq!(get(&store, &id, &["n"]).await, [Some(all.to_string())], "what was counted is there");
}

/// Of the appends of one kind, and of the other.
pub async fn an_append_waits_for_a_hold_or_undoes_it<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "waited").await;
    for (name, is_inside) in [("by itself", false), ("inside", true)] {
        let mut holds = begin(&store).await;
        holds.hold_appends().await.expect("appends can be held");
        let before = log(&store).await.len();
        let appending = {
            let store = store.clone();
            tokio::spawn(async move {
                if is_inside {
                    persistently(|| write_inside(&store, name, 1)).await;
                } else {
                    fill(&store, &stream(name), [1]).await;
                }
            })
        };
        tokio::time::sleep(CHANCE).await;
        let went_ahead = appending.is_finished();
        let there = log(&store).await.len();
        assert_eq!(there > before, went_ahead, "an append that waits is not in the log, and one that is answered is");
        holds.save_documents(&id, &[document(name, "1")]).await.expect("documents can be saved");
        let committed = holds.commit().await;
        match &committed {
            Ok(()) => assert!(!went_ahead, "what was in the log when appends were held is all there is at the commit"),
            Err(error) => assert!(error.is_transient(), "an append in between is trouble that passes, not {error:?}"),
        }
        appending.await.expect("the append comes to an end");
        assert_eq!(log(&store).await.len(), before + 1, "the append is not lost");
        let expected = if committed.is_ok() { some("1") } else { None };
        assert_eq!(get(&store, &id, &[name]).await, [expected], "what was refused never happened");
    }
}

/// One that has begun, but is not committed, is as good as one that comes later.
pub async fn an_append_under_way_waits_for_a_hold_or_undoes_it<S: ReadModelCandidate>(store: S) {
    let (id, mut lot) = (registered(&store, "under_way").await, Lot::new());
    for round in 0..10 {
        let mut writes = begin(&store).await;
        put(&mut writes, "under way", round).await.expect("an append succeeds");
        let answered = Arc::new(AtomicU64::new(round));
        let counting = {
            let (store, id, answered, wait) = (store.clone(), id.clone(), Arc::clone(&answered), lot.below(5_000));
            tokio::spawn(async move { count(&store, &id, &answered, wait).await })
        };
        tokio::time::sleep(Duration::from_micros(lot.below(10_000))).await;
        if let Err(error) = writes.commit().await {
            assert!(error.is_transient(), "a transaction that is held up fails with trouble that passes: {error:?}");
            fill(&store, &stream("under way"), [round]).await;
        }
        answered.fetch_add(1, Ordering::SeqCst);
        match counting.await.expect("the count comes to an end") {
            Ok((count, before)) => assert!(count >= before, "{before} events were there at the commit, not {count}"),
            Err(error) => assert!(error.is_transient(), "an append in between is trouble that passes, not {error:?}"),
        }
    }
    assert_eq!(log(&store).await.len(), 10, "no append is lost, and none is there twice");
}

/// What it appends itself is no other append.
pub async fn whoever_holds_appends_may_append<S: ReadModelCandidate>(store: S) {
    for (round, appends_first) in [(1, false), (2, true)] {
        persistently(|| hold_and_put(&store, round, appends_first)).await;
        assert_eq!(log(&store).await.len() as u64, round, "it is there once");
    }
}

async fn hold_and_put<S: ReadModelCandidate>(store: &S, amount: u64, appends_first: bool) -> Result<(), Error> {
    let mut holds = store.begin().await?;
    if appends_first {
        put(&mut holds, "own", amount).await?;
    }
    holds.hold_appends().await?;
    if !appends_first {
        put(&mut holds, "own", amount).await?;
    }
    holds.commit().await
}

/// Whoever holds appends may be gone before it is done.
pub async fn a_dropped_hold_lets_go<S: ReadModelCandidate>(store: S) {
    for round in 0..3 {
        let mut holds = begin(&store).await;
        holds.hold_appends().await.expect("appends can be held");
        drop(holds);
        fill(&store, &stream("let go"), [round]).await;
        let mut holds = begin(&store).await;
        holds.hold_appends().await.expect("appends can be held again");
        commit(holds).await;
        write_inside(&store, "let go", round).await.expect("and then they go on");
    }
    assert_eq!(log(&store).await.len(), 6, "nothing is left of a hold");
}
