//! Checkpoints: they move beside their effects, forwards, and everybody sees how far.

use std::time::Duration;

use super::inline::put;
use super::support::{
    WAKE_UP, advance, begin, commit, document, get, is_fenced, keys, letter, listed, loaded, moved, owned, projection,
    reached, registered, reset, save, some, status,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::{Lot, Seen, fill, log, stream};
use crate::error::{BoxError, Error};
use crate::read_model::ReadModelTransaction;
use crate::recorded::Position;
use crate::timestamp::Timestamp;

/// It may stay, but it never goes back.
pub async fn the_checkpoint_moves_forwards_only<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "forwards").await;
    for to in [3, 3, 9] {
        advance(&store, &lease, to, 1).await.expect("the checkpoint moves forwards, or stays");
    }
    is_fenced(advance(&store, &lease, 8, 1).await, &lease.id);
    let seen = status(&store, &lease.id).await;
    assert_eq!((seen.position, seen.events), (Position(9), 3), "a checkpoint never goes back");
}

/// What was written and the checkpoint appear together.
pub async fn effect_and_checkpoint_are_one<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "atomic").await;
    let mut transaction = begin(&store).await;
    transaction.save_documents(&lease.id, &[document("a", "1")]).await.expect("documents can be saved");
    transaction.advance(&lease, Position(4), 4).await.expect("the holder moves the checkpoint");
    commit(transaction).await;
    let seen = status(&store, &lease.id).await;
    assert_eq!((seen.position, seen.events), (Position(4), 4), "a committed checkpoint is there");
    assert_eq!(get(&store, &lease.id, &["a"]).await, [some("1")], "a committed effect is there");
}

/// Documents, checkpoint and dead letters: of all of it nothing is left.
pub async fn a_dropped_transaction_leaves_nothing<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "dropped").await;
    save(&store, &lease.id, &[document("kept", "1")]).await;
    let mut transaction = begin(&store).await;
    transaction.clear_documents(&lease.id).await.expect("documents can be cleared");
    transaction.save_documents(&lease.id, &[document("a", "1")]).await.expect("documents can be saved");
    transaction.save_dead_letter(&lease.id, &letter(1, 1)).await.expect("a dead letter can be saved");
    transaction.advance(&lease, Position(4), 4).await.expect("the holder moves the checkpoint");
    drop(transaction);
    assert_eq!(get(&store, &lease.id, &["kept", "a"]).await, [some("1"), None], "a dropped transaction never happened");
    assert_eq!(store.dead_letters(&lease.id).await.expect("they can be listed"), [], "nor did its dead letters");
    assert_eq!(status(&store, &lease.id).await.position, Position::START, "nor did its checkpoint");
}

/// The transaction itself sees what it wrote; others see it after the commit.
pub async fn what_is_not_committed_is_seen_by_nobody<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "unseen").await;
    let id = &lease.id;
    save(&store, id, &[document("old", "1"), document("gone", "1")]).await;
    let mut writes = begin(&store).await;
    let changes = [document("old", "2"), document("new", "3"), ("gone".to_owned(), None)];
    writes.save_documents(id, &changes).await.expect("documents can be saved");
    writes.advance(&lease, Position(4), 4).await.expect("the holder moves the checkpoint");
    let all = ["old", "new", "gone"];
    let after = [some("2"), some("3"), None];
    assert_eq!(loaded(&mut writes, id, &all).await, after, "a transaction sees what it has written");
    let before = [some("1"), None, some("1")];
    assert_eq!(get(&store, id, &all).await, before, "nobody sees what is not committed");
    assert_eq!(listed(&store, id, None, 9).await, ["gone", "old"], "nobody lists what is not committed");
    assert_eq!(reached(&store, id).await, Some(Position::START), "it has not come so far yet");
    commit(writes).await;
    assert_eq!(get(&store, id, &all).await, after, "everybody sees what is committed");
    assert_eq!(listed(&store, id, None, 9).await, keys(&["new", "old"]), "everybody lists what is committed");
    assert_eq!(reached(&store, id).await, Some(Position(4)), "it has come so far");
}

/// Back, and forth.
pub async fn a_reset_moves_the_checkpoint_anywhere<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "rewound").await;
    advance(&store, &lease, 5, 5).await.expect("the holder moves the checkpoint");
    for to in [2, 9] {
        reset(&store, &lease, to, 9).await.expect("the holder resets the checkpoint");
        let seen = status(&store, &lease.id).await;
        assert_eq!((seen.position, seen.events), (Position(to), 5), "a reset moves the checkpoint, and counts nothing");
    }
    reset(&store, &lease, 0, 9).await.expect("the holder resets the checkpoint");
    assert_eq!(status(&store, &lease.id).await.events, 0, "back at the start it has taken in nothing");
    advance(&store, &lease, 1, 1).await.expect("from there it moves forwards again");
    let mut both = begin(&store).await;
    both.reset(&lease, Position(0), Position(0)).await.expect("the holder resets the checkpoint");
    both.save_documents(&lease.id, &[document("a", "1")]).await.expect("documents can be saved");
    drop(both);
    assert_eq!(status(&store, &lease.id).await.position, Position(1), "a dropped reset never happened");
}

/// For each that was asked about, in the order of the question.
pub async fn it_is_told_how_far_projections_have_come<S: ReadModelCandidate>(store: S) {
    let (one, two) = (owned(&store, "told_one").await, owned(&store, "told_two").await);
    moved(&store, &one, 4).await;
    moved(&store, &two, 9).await;
    let unknown = projection("told_none", 1);
    let asked = [two.id.clone(), unknown, one.id.clone(), two.id];
    let told = store.reached(&asked, None).await.expect("it is answered");
    let told: Vec<_> = told.into_iter().map(|reached| reached.map(|reached| reached.position)).collect();
    let expected = [Some(Position(9)), None, Some(Position(4)), Some(Position(9))];
    assert_eq!(told, expected, "answers come in the order of the question, and none for one that is unknown");
    assert!(store.reached(&[], None).await.expect("it is answered").is_empty(), "nothing for nothing");
    let start = registered(&store, "told_start").await;
    assert_eq!(reached(&store, &start).await, Some(Position::START), "one that has not begun is at the start");
}

/// A reader that begins there meets everything that was recorded since.
pub async fn a_time_has_its_place_in_the_log<S: ReadModelCandidate>(store: S) {
    let now = Timestamp::now();
    assert_eq!(position_at(&store, now).await, Position::START, "in an empty log every time is before the first event");
    let (mut ends, mut times) = (vec![Position::START], Vec::new());
    for round in 0..4 {
        // So that the rounds are apart by any clock.
        tokio::time::sleep(Duration::from_millis(30)).await;
        times.push(fill(&store, &stream("times"), [round, round + 10]).await.recorded_at);
        ends.push(log(&store).await.last().map(Seen::place).unwrap_or_default());
    }
    for (time, before) in times.iter().zip(&ends) {
        assert_eq!(position_at(&store, *time).await, *before, "what was recorded at that time comes behind its place");
    }
    let ever = Timestamp::from_micros(times[3].as_micros() + 3_600_000_000);
    assert_eq!(position_at(&store, ever).await, ends[4], "everything was recorded before a time to come");
    assert_eq!(position_at(&store, Timestamp::UNIX_EPOCH).await, Position::START, "nothing was before the first event");
}

/// Also where an event was recorded early and found its place late.
pub async fn nothing_that_was_recorded_since_a_time_lies_before_its_place<S: ReadModelCandidate>(store: S) {
    for round in 0..5 {
        let mut late = begin(&store).await;
        put(&mut late, "late", round).await.expect("an append in a transaction succeeds");
        for prompt in 0..3 {
            fill(&store, &stream("prompt"), [prompt]).await;
            log(&store).await;
        }
        commit(late).await;
    }
    let all = log(&store).await;
    for time in all.iter().map(|event| event.recorded_at) {
        let place = position_at(&store, time).await;
        let passed = all.iter().find(|event| event.recorded_at >= time && event.place() <= place);
        assert!(passed.is_none(), "a reader that begins at {place} meets every event since {time}, but not {passed:?}");
    }
}

async fn position_at<S: ReadModelCandidate>(store: &S, time: Timestamp) -> Position {
    store.position_at(time).await.expect("a time has a place")
}

/// Somebody who asks, then looks, then waits, misses nothing.
pub async fn a_moved_checkpoint_wakes_who_has_asked_before<S: ReadModelCandidate>(store: S) {
    let (lease, mut lot) = (owned(&store, "waking").await, Lot::new());
    for round in 1..=20 {
        let advanced = store.advanced();
        advance(&store.clone(), &lease, round, 1).await.expect("the holder moves the checkpoint");
        tokio::time::sleep(Duration::from_millis(lot.below(3))).await;
        let woken = tokio::time::timeout(WAKE_UP, advanced).await;
        assert!(woken.is_ok(), "a move behind the call wakes, also when it came before the first poll");
        assert_eq!(reached(&store, &lease.id).await, Some(Position(round)), "who is woken sees the move");
    }
}

/// A reader that asks, then reads, then waits, misses nothing.
pub async fn an_append_wakes_who_has_asked_before<S: ReadModelCandidate>(store: S) {
    let mut lot = Lot::new();
    for round in 0..20 {
        let appended = store.appended();
        fill(&store.clone(), &stream("wake"), [round]).await;
        tokio::time::sleep(Duration::from_millis(lot.below(3))).await;
        let woken = tokio::time::timeout(WAKE_UP, appended).await;
        assert!(woken.is_ok(), "an append behind the call wakes, also when it came before the first poll");
    }
}

/// At the least for the store's own errors.
pub async fn trouble_that_passes_is_told_from_trouble_that_lasts<S: ReadModelCandidate>(store: S) {
    let passing: BoxError = Box::new(Error::unavailable("the connection was lost"));
    assert!(store.is_transient(&passing), "a store that is not available will be");
    let lasting: BoxError = Box::new(Error::store("the disk is gone"));
    assert!(!store.is_transient(&lasting), "a store that failed has failed");
    assert!(!store.is_transient(&BoxError::from("the projector's own")), "another's error is not taken for trouble");
}
