//! Events that are appended in the transaction that holds their effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::support::{
    CHANCE, WAKE_UP, advance, begin, commit, document, get, is_fenced, keys, owned, persistently, registered, some,
    status, taken,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::{
    Lot, Seen, added, added_all, amounts, conflict, fill, log, log_after, of_stream, side_by_side, stream, whole,
};
use crate::error::Error;
use crate::idempotency::{IdempotencyKey, Keyed};
use crate::read_model::{ProjectionId, ReadModelTransaction};
use crate::recorded::{Append, Appended, Position};
use crate::store::EventFilter;
use crate::stream::ExpectedVersion::{Any, Exact, NoStream};
use crate::stream::{ExpectedVersion, Version};

/// Appends one event in a transaction.
pub(super) async fn put(transaction: &mut impl ReadModelTransaction, id: &str, amount: u64) -> Result<Appended, Error> {
    put_expecting(transaction, id, Any, amount).await
}

async fn put_expecting(
    transaction: &mut impl ReadModelTransaction,
    id: &str,
    expected: ExpectedVersion,
    amount: u64,
) -> Result<Appended, Error> {
    transaction.append(Append::new(stream(id), expected, vec![added(amount)])).await
}

/// Neither in its stream nor in the log; and afterwards once in each.
pub async fn an_append_in_a_transaction_is_seen_after_the_commit<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "inside").await;
    fill(&store, &stream("inside"), [1]).await;
    let end = store.log_end().await.expect("the log has an end");
    let events = added_all([2, 3]);
    let mut writes = begin(&store).await;
    let appended = writes.append(Append::new(stream("inside"), Exact(Version(1)), events.clone())).await;
    assert_eq!(appended.expect("an append succeeds").version, Version(3), "it tells the version, as any append does");
    writes.save_documents(&id, &[document("n", "3")]).await.expect("documents can be saved");
    assert_eq!(amounts(&whole(&store, &stream("inside")).await), [1], "nobody reads what is not committed");
    assert_eq!(amounts(&log(&store).await), [1], "nor is it in the log");
    assert_eq!(get(&store, &id, &["n"]).await, [None], "nor is its effect there");
    commit(writes).await;
    assert_eq!(amounts(&whole(&store, &stream("inside")).await), [1, 2, 3], "everybody reads what is committed");
    assert_eq!(get(&store, &id, &["n"]).await, [some("3")], "and its effect");
    let (behind, _) = log_after(&store, end, &EventFilter::all(), 10).await;
    let behind: Vec<_> = behind.iter().map(Seen::as_new).collect();
    assert_eq!(behind, events, "the log has it once and whole, behind what was there");
    let recorded = whole(&store, &stream("inside")).await;
    assert!(recorded.iter().all(|event| event.recorded_at >= recorded[0].recorded_at), "and it was recorded later");
}

/// Of neither the events nor their effect is anything left, and the stream can be written.
pub async fn a_dropped_append_never_happened<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "undone").await;
    for round in 0..5 {
        let name = format!("undone {round}");
        let mut writes = begin(&store).await;
        put_expecting(&mut writes, &name, NoStream, 1).await.expect("an append succeeds");
        writes.save_documents(&id, &[document("n", "1")]).await.expect("documents can be saved");
        drop(writes);
        assert!(whole(&store, &stream(&name)).await.is_empty(), "a dropped append never happened");
        assert_eq!(get(&store, &id, &["n"]).await, [None], "nor did its effect");
        let appended = store.append(Append::new(stream(&name), NoStream, vec![added(2)])).await;
        assert_eq!(appended.expect("the stream is as it was").version, Version(1), "its version is free");
    }
    assert_eq!(amounts(&log(&store).await), [2; 5], "nor is it in the log");
}

/// A transaction may append as often as it likes, also to one stream.
pub async fn a_transaction_sees_its_own_appends<S: ReadModelCandidate>(store: S) {
    let mut writes = begin(&store).await;
    for (version, expected) in [(1, NoStream), (2, Exact(Version(1))), (3, Any), (4, ExpectedVersion::Exists)] {
        let appended = put_expecting(&mut writes, "own", expected, version).await.expect("the expectation is met");
        assert_eq!(appended.version, Version(version), "it goes behind what the transaction has appended");
        put_expecting(&mut writes, &format!("own {version}"), NoStream, version)
            .await
            .expect("another stream is another");
    }
    commit(writes).await;
    assert_eq!(amounts(&whole(&store, &stream("own")).await), [1, 2, 3, 4], "all of it is there, in order");
    let all = log(&store).await;
    assert_eq!(amounts(&of_stream(&all, &stream("own"))), [1, 2, 3, 4], "the log has it in the stream's order");
    assert_eq!(all.len(), 8, "and each once");
}

/// Also with what the transaction itself has appended.
pub async fn a_conflict_in_a_transaction_is_typed<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("taken"), 1..=3).await;
    for (expected, wrong) in [(Exact(Version(2)), "behind"), (Exact(Version(7)), "ahead"), (NoStream, "none")] {
        let mut writes = begin(&store).await;
        put(&mut writes, wrong, 1).await.expect("an append succeeds");
        let refused = conflict(put_expecting(&mut writes, "taken", expected, 9).await);
        assert_eq!((refused.stream, refused.expected), (stream("taken"), expected), "it names what was expected");
        assert_eq!(refused.actual, Version(3), "it names the version that is there");
        drop(writes);
        assert!(whole(&store, &stream(wrong)).await.is_empty(), "nothing of the transaction is there");
    }
    let mut writes = begin(&store).await;
    put_expecting(&mut writes, "taken", Exact(Version(3)), 4).await.expect("the expectation is met");
    let refused = conflict(put_expecting(&mut writes, "taken", Exact(Version(3)), 5).await);
    assert_eq!(refused.actual, Version(4), "what the transaction has appended is in its way");
    drop(writes);
    assert_eq!(amounts(&whole(&store, &stream("taken")).await), [1, 2, 3], "nothing of the transaction is there");
    let mut writes = begin(&store).await;
    let empty = writes.append(Append::new(stream("taken"), Any, vec![])).await;
    assert!(matches!(empty, Err(Error::InvalidAppend(_))), "what no store accepts is refused: {empty:?}");
}

/// With effect and all, or not at all.
pub async fn of_parallel_transactions_on_a_version_one_wins<S: ReadModelCandidate>(store: S) {
    let (id, mut lot) = (registered(&store, "rivals").await, Lot::new());
    for round in 0..20 {
        let rivals = (1..=4).map(|rival| {
            let (store, id, wait) = (store.clone(), id.clone(), lot.below(500));
            async move { rival_writes(&store, &id, round, rival, wait).await }
        });
        let results = side_by_side(rivals).await;
        let mut won = Vec::new();
        for (rival, result) in (1..).zip(results) {
            match result {
                Ok(()) => won.push(rival),
                Err(Error::Conflict(conflict)) => assert_eq!(conflict.actual, Version(1), "one event is in the way"),
                Err(other) => assert!(other.is_transient(), "who loses a race is told of a conflict, not of {other:?}"),
            }
        }
        assert_eq!(won.len(), 1, "of parallel transactions that expect the same version one wins");
        let stored = amounts(&whole(&store, &stream(&format!("rivals {round}"))).await);
        assert_eq!(stored, won, "the event that is stored is the winner's");
        assert_eq!(get(&store, &id, &["n"]).await, [Some(won[0].to_string())], "and so is the effect");
    }
}

async fn rival_writes<S: ReadModelCandidate>(
    store: &S,
    id: &ProjectionId,
    round: u64,
    rival: u64,
    wait: u64,
) -> Result<(), Error> {
    let mut writes = store.begin().await?;
    put_expecting(&mut writes, &format!("rivals {round}"), NoStream, rival).await?;
    tokio::time::sleep(Duration::from_micros(wait)).await;
    writes.save_documents(id, &[document("n", &rival.to_string())]).await?;
    writes.commit().await
}

/// The version that it was told is the one that its event has, or nothing of it is there.
pub async fn of_a_transaction_and_an_append_on_a_version_one_wins<S: ReadModelCandidate>(store: S) {
    for (name, expected) in [("first", NoStream), ("any", Any)] {
        let mut writes = begin(&store).await;
        let told = put_expecting(&mut writes, name, expected, 1).await.expect("the expectation is met").version;
        let appending = {
            let store = store.clone();
            tokio::spawn(async move { store.append(Append::new(stream(name), expected, vec![added(2)])).await })
        };
        tokio::time::sleep(CHANCE).await;
        let committed = writes.commit().await;
        let appended = appending.await.expect("the append comes to an end");
        let all = whole(&store, &stream(name)).await;
        let of = |amount| all.iter().find(|event| event.amount() == amount).map(|event| event.version);
        assert_eq!(
            of(1),
            committed.is_ok().then_some(told),
            "what is committed has the version that was told: {committed:?}"
        );
        assert_eq!(
            of(2),
            appended.as_ref().ok().map(|appended| appended.version),
            "so has what is appended: {appended:?}"
        );
        assert!(committed.is_ok() || appended.is_ok(), "one of them wins");
        assert!(expected == Any || all.len() == 1, "and only one, where both expect the same version");
    }
}

/// Whoever commits late is found late, and never missed.
pub async fn a_late_commit_appears_before_no_reader<S: ReadModelCandidate>(store: S) {
    let (mut seen, mut after) = (Vec::new(), Position::START);
    let mut late = begin(&store).await;
    put(&mut late, "late", 1).await.expect("an append succeeds");
    for amount in 2..=4 {
        fill(&store, &stream("prompt"), [amount]).await;
        let (page, next) = log_after(&store, after, &EventFilter::all(), 10).await;
        seen.extend(amounts(&page));
        after = next;
    }
    assert_eq!(seen, [2, 3, 4], "what is committed is read, whoever else is under way");
    commit(late).await;
    let (page, _) = log_after(&store, after, &EventFilter::all(), 10).await;
    assert_eq!(amounts(&page), [1], "a late commit gets its place behind what was read");
    assert_eq!(amounts(&log(&store).await), [2, 3, 4, 1], "and it has it for ever");
}

/// A value that is written with the events is never wrong, whoever writes at the same time.
pub async fn effects_in_the_appends_transaction_count_every_event<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "exact").await;
    let done = Arc::new(AtomicBool::new(false));
    let watching = {
        let (store, id, done) = (store.clone(), id.clone(), Arc::clone(&done));
        tokio::spawn(async move { never_ahead(&store, &id, &done).await })
    };
    let writers = (0..4_u64).map(|writer| {
        let (store, id) = (store.clone(), id.clone());
        async move {
            for amount in 0..10 {
                persistently(|| count_one(&store, &id, writer, amount)).await;
            }
        }
    });
    side_by_side(writers).await;
    done.store(true, Ordering::Relaxed);
    watching.await.expect("whoever looks never finds an effect without its event");
    assert_eq!(log(&store).await.len(), 40, "each event is stored once");
    assert_eq!(get(&store, &id, &["n"]).await, [some("40")], "and counted once");
}

async fn count_one<S: ReadModelCandidate>(store: &S, id: &ProjectionId, writer: u64, amount: u64) -> Result<(), Error> {
    let mut writes = store.begin().await?;
    put(&mut writes, &format!("writer {writer}"), amount).await?;
    writes.lock_documents(id, &keys(&["n"])).await?;
    let before = writes.load_documents(id, &keys(&["n"])).await?.pop().flatten();
    let count: u64 = before.and_then(|json| json.trim().parse().ok()).unwrap_or(0);
    writes.save_documents(id, &[document("n", &(count + 1).to_string())]).await?;
    writes.commit().await
}

/// The count, asked first, is never higher than what is in the log, asked afterwards.
async fn never_ahead<S: ReadModelCandidate>(store: &S, id: &ProjectionId, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let count: usize = get(store, id, &["n"]).await[0].as_deref().and_then(|n| n.parse().ok()).unwrap_or(0);
        let stored = log(store).await.len();
        assert!(count <= stored, "{count} events were counted, but only {stored} are there");
    }
}

/// As any append does.
pub async fn a_committed_append_wakes_who_has_asked_before<S: ReadModelCandidate>(store: S) {
    for round in 0..10 {
        let appended = store.appended();
        let mut writes = begin(&store).await;
        put(&mut writes, "wake", round).await.expect("an append succeeds");
        commit(writes).await;
        let woken = tokio::time::timeout(WAKE_UP, appended).await;
        assert!(woken.is_ok(), "an append in a transaction wakes readers when it is committed");
    }
}

/// An event that is appended beside a checkpoint is there once, like any effect.
pub async fn an_append_under_an_old_lease_never_happens<S: ReadModelCandidate>(store: S) {
    let old = owned(&store, "reacting").await;
    let mut reacts = begin(&store).await;
    put(&mut reacts, "reaction", 1).await.expect("an append succeeds");
    reacts.advance(&old, Position(4), 4).await.expect("the holder moves the checkpoint");
    commit(reacts).await;
    store.release(&old).await.expect("a lease can be released");
    let newest = taken(&store, &old.id).await;
    let mut late = begin(&store).await;
    put(&mut late, "reaction", 2).await.expect("an append succeeds");
    is_fenced(late.advance(&old, Position(5), 1).await, &old.id);
    drop(late);
    advance(&store, &newest, 5, 1).await.expect("the holder moves the checkpoint");
    assert_eq!(amounts(&whole(&store, &stream("reaction")).await), [1], "what was fenced appended nothing");
    assert_eq!(status(&store, &old.id).await.events, 5, "and counted nothing");
}

fn under_key(id: &str, expected: ExpectedVersion, amount: u64) -> Append {
    let key = IdempotencyKey::new("one key").expect("it can be a key");
    Append::new(stream(id), expected, vec![added(amount)]).keyed(Keyed::new(key, Uuid::from_u128(amount.into())))
}

/// Of a transaction that is dropped, the key goes as the events do.
pub async fn a_key_is_there_when_its_transaction_is_committed<S: ReadModelCandidate>(store: S) {
    let key = IdempotencyKey::new("one key").expect("it can be a key");
    for (is_last, version) in [(false, 1), (true, 1)] {
        let mut writes = begin(&store).await;
        let appended = writes.append(under_key("keyed", Any, 5)).await.expect("an append succeeds");
        assert_eq!((appended.version, appended.repeated), (Version(version), false), "it is told as any append is");
        assert_eq!(
            store.find_key(&key).await.expect("a key can be looked up"),
            None,
            "nobody finds what is not committed"
        );
        if is_last {
            commit(writes).await;
        }
    }
    let first = store.find_key(&key).await.expect("a key can be looked up").expect("everybody finds what is committed");
    assert_eq!(
        (first.stream, first.first, first.last),
        (stream("keyed"), Version(1), Version(1)),
        "it tells what was stored"
    );
    let again = store.append(under_key("keyed", NoStream, 5)).await.expect("a repeat is answered");
    assert!(again.repeated, "outside, it is a repeat");
}

/// Whether the first one was stored before, or in this very transaction; and the transaction goes on.
pub async fn a_repeat_in_a_transaction_appends_nothing<S: ReadModelCandidate>(store: S) {
    for round in 0..2 {
        let mut writes = begin(&store).await;
        let first = writes.append(under_key("again", Any, 5)).await.expect("an append succeeds");
        assert_eq!(first.repeated, round > 0, "it is told whether it was stored before");
        let again = writes.append(under_key("again", NoStream, 5)).await.expect("a repeat is answered");
        assert_eq!((again.version, again.repeated), (Version(1), true), "a repeat is answered as the first was");
        let refused = writes.append(under_key("again", Any, 6)).await;
        assert!(matches!(refused, Err(Error::KeyReused(_))), "another append under the key is refused: {refused:?}");
        put(&mut writes, "beside", round).await.expect("the transaction goes on");
        commit(writes).await;
    }
    assert_eq!(amounts(&whole(&store, &stream("again")).await), [5], "a repeat stores nothing");
    assert_eq!(amounts(&whole(&store, &stream("beside")).await), [0, 1], "what was appended beside it is stored");
}

/// Whoever comes second finds out, and finds what became of the first when it begins anew.
pub async fn of_a_transaction_and_an_append_under_a_key_one_wins<S: ReadModelCandidate>(store: S) {
    for round in 0..6_u64 {
        let key = Keyed::new(IdempotencyKey::from(Uuid::now_v7()), Uuid::nil());
        let ids = [format!("inside {round}"), format!("outside {round}")];
        let append = |id: &str| Append::new(stream(id), Any, vec![added(round)]).keyed(key.clone());
        let mut writes = begin(&store).await;
        let rival = (store.clone(), append(&ids[1]));
        // In every second round the rival comes when the transaction has appended.
        let later = round % 2 == 0;
        let (start, begun) = tokio::sync::oneshot::channel();
        let rival = tokio::spawn(async move {
            begun.await.expect("the rival is told to begin");
            rival.0.append(rival.1).await
        });
        let mut start = Some(start);
        let mut begin_rival = || start.take().map_or(Ok(()), |start| start.send(())).expect("the rival waits for it");
        if !later {
            begin_rival();
        }
        let inside = writes.append(append(&ids[0])).await;
        begin_rival();
        if later {
            // It waits for the transaction, or it does not.
            tokio::time::sleep(CHANCE).await;
        }
        let inside = match inside {
            Ok(_) => writes.commit().await,
            Err(error) => Err(error),
        };
        let outside = rival.await.expect("the rival does not panic");
        assert_ne!(inside.is_ok(), outside.is_ok(), "of two under one key one is stored: {inside:?}, {outside:?}");
        for error in [inside.err(), outside.err()].into_iter().flatten() {
            assert!(error.is_transient() || error.is_key_reused(), "the other is told why: {error:?}");
        }
        let stored = whole(&store, &stream(&ids[0])).await.len() + whole(&store, &stream(&ids[1])).await.len();
        assert_eq!(stored, 1, "and one is there");
    }
}
