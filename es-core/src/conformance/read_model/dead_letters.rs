//! Dead letters: they come back whole, and are forgotten when their events come again.

use std::time::Duration;

use super::support::{LONG, begin, commit, control, letter, letters, owned, post, registered, reset, status, taken};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::stream;
use crate::read_model::{
    Control, DeadLetter, DeadLetterStatus, FailureClass, Missing, ProjectionState, Pulse, ReadModelTransaction, Written,
};
use crate::recorded::Position;
use crate::stream::Version;

/// Every part of them, oldest position first.
pub async fn dead_letters_come_back<S: ReadModelCandidate>(store: S) {
    let (id, other) = (registered(&store, "letters").await, registered(&store, "no_letters").await);
    let reason = "'; drop table dead_letters; -- 🦀".to_owned();
    let statuses = [
        DeadLetterStatus::Parked,
        DeadLetterStatus::RetryRequested,
        DeadLetterStatus::DiscardRequested { reason: reason.clone() },
        DeadLetterStatus::Skipped,
        DeadLetterStatus::Discarded { reason },
    ];
    // As many as there are statuses.
    let classes = FailureClass::ALL;
    let all: Vec<DeadLetter> = (1..)
        .zip(statuses.into_iter().zip(classes))
        .map(|(n, (status, class))| {
            let failed = letter(n, n * 10);
            DeadLetter {
                first: Version(n),
                last: Version(n + 7),
                error: "long ".repeat(2_000) + "'quoted' 🦀\n",
                attempts: u32::try_from(n).unwrap_or(1) * 3,
                last_failed_at: failed.first_failed_at + Duration::from_secs(n),
                status,
                class: Some(class),
                ..failed
            }
        })
        .collect();
    let shuffled: Vec<_> = all.iter().rev().cloned().collect();
    post(&store, &id, &shuffled).await;
    assert_eq!(letters(&store, &id).await, all, "dead letters come back whole, oldest position first");
    assert_eq!(letters(&store, &other).await, [], "each projection has dead letters of its own");
    let seen = status(&store, &id).await;
    assert_eq!((seen.parked, seen.requested), (3, 2), "the status counts the streams that wait, and what is asked for");
    assert_eq!((seen.skipped, seen.discarded), (1, 1), "the status counts what was left out");
    let none = status(&store, &other).await;
    assert_eq!((none.parked, none.requested, none.skipped, none.discarded), (0, 0, 0, 0), "each counts its own");
    let mut transaction = begin(&store).await;
    for letter in &all {
        transaction.delete_dead_letter(&id, &letter.stream, letter.first).await.expect("it can be forgotten");
    }
    transaction.delete_dead_letter(&id, &all[0].stream, Version(99)).await.expect("forgetting nothing is no error");
    commit(transaction).await;
    assert_eq!(letters(&store, &id).await, [], "dead letters can be forgotten");
}

/// There may be more of them than anybody wants to see at once.
pub async fn dead_letters_come_page_by_page<S: ReadModelCandidate>(store: S) {
    let (id, other) = (registered(&store, "paged").await, registered(&store, "not_paged").await);
    let all: Vec<_> = (1..=7).map(|n| letter(n, n * 10)).collect();
    post(&store, &id, &all.iter().rev().cloned().collect::<Vec<_>>()).await;
    post(&store, &other, &[letter(8, 15)]).await;
    let page = async |after: u64, limit: u32| {
        store.list_dead_letters(&id, Position(after), limit).await.expect("dead letters can be listed")
    };
    for (after, limit, expected, why) in [
        (0, 3, &all[..3], "the oldest come first"),
        (30, 3, &all[3..6], "the next page is behind the last one"),
        (60, 3, &all[6..], "the last page is as short as it is"),
        (70, 3, &[], "there is nothing behind the last"),
        (35, 2, &all[3..5], "no letter need be at the place"),
        (0, 0, &[], "nobody has asked for any"),
        (0, u32::MAX, &all[..], "all of them fit on a large page"),
        (u64::MAX, 3, &[], "no event is this far"),
    ] {
        assert_eq!(page(after, limit).await, expected, "{limit} behind {after}: {why}");
    }
}

/// Of the same stream and first version there is one.
pub async fn a_dead_letter_takes_the_place_of_its_like<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "like").await;
    let first = DeadLetter { class: Some(FailureClass::TooSlow), ..letter(1, 10) };
    let (last, attempts, error) = (Version(5), 4, "still no".to_owned());
    let class = Some(FailureClass::Panicked);
    let second = DeadLetter { last, attempts, error, class, status: DeadLetterStatus::RetryRequested, ..first.clone() };
    // Of one that an earlier release has written, no class is known.
    let other =
        DeadLetter { first: Version(9), last: Version(9), position: Position(20), class: None, ..first.clone() };
    post(&store, &id, &[first, other.clone()]).await;
    post(&store, &id, std::slice::from_ref(&second)).await;
    assert_eq!(
        letters(&store, &id).await,
        [second, other],
        "a dead letter takes the place of its like, and no other's"
    );
}

/// What people and their code say about failures may hold anything; not every store can keep this.
pub async fn a_nul_character_is_replaced_in_what_is_told<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "nul").await;
    let reason = || "no\0body".to_owned();
    let skipped = DeadLetter { error: "b\0ad".to_owned(), ..letter(1, 10) };
    let discarded = DeadLetter { status: DeadLetterStatus::Discarded { reason: reason() }, ..letter(2, 20) };
    let parked = letter(3, 30);
    let (stream, first) = (parked.stream.clone(), parked.first);
    post(&store, &lease.id, &[skipped, discarded, parked]).await;
    assert!(control(&store, &lease.id, Control::DiscardDeadLetter { stream, first, reason: reason() }).await);
    let told = letters(&store, &lease.id).await;
    assert_eq!(told[0].error, "b\u{fffd}ad");
    assert_eq!(told[1].status, DeadLetterStatus::Discarded { reason: "no\u{fffd}body".to_owned() });
    assert_eq!(told[2].status, DeadLetterStatus::DiscardRequested { reason: "no\u{fffd}body".to_owned() });

    let lease = taken(&store, &lease.id).await;
    let pulse = Pulse { error: Some("b\0ad".to_owned()), ..Pulse::default() };
    store.renew(&lease, LONG, &pulse).await.expect("a renewal is answered");
    assert_eq!(status(&store, &lease.id).await.last_error.as_deref(), Some("b\u{fffd}ad"));
    store.report_stop(&lease, "b\0ad", FailureClass::Refused).await.expect("a stop can be reported");
    let stopped = ProjectionState::Stopped { reason: "b\u{fffd}ad".to_owned(), class: Some(FailureClass::Refused) };
    assert_eq!(status(&store, &lease.id).await.state, stopped);
}

/// Their events come again.
pub async fn a_reset_forgets_the_dead_letters_behind_it<S: ReadModelCandidate>(store: S) {
    let (lease, other) = (owned(&store, "forgetful").await, registered(&store, "unforgetful").await);
    for id in [&lease.id, &other] {
        post(&store, id, &[letter(1, 10), letter(2, 20), letter(3, 30)]).await;
    }
    reset(&store, &lease, 20, 20).await.expect("the holder resets the checkpoint");
    let left: Vec<_> = letters(&store, &lease.id).await.iter().map(|letter| letter.position.0).collect();
    assert_eq!(left, [10, 20], "dead letters behind the checkpoint are forgotten, and no others");
    assert_eq!(letters(&store, &other).await.len(), 3, "those of other projections stay");
}

/// One question tells how far it has come and what is missing, so that no answer was never true.
pub async fn it_is_told_what_is_missing_of_a_stream<S: ReadModelCandidate>(store: S) {
    let (id, other) = (registered(&store, "lacking").await, registered(&store, "complete").await);
    let in_stream = |name: &str, first: u64, last: u64, status: DeadLetterStatus| {
        let letter = letter(first, first * 10);
        DeadLetter { stream: stream(name), first: Version(first), last: Version(last), status, ..letter }
    };
    let reason = "'; drop table dead_letters; -- 🦀".to_owned();
    let discarded = DeadLetterStatus::Discarded { reason: reason.clone() };
    let wanted = DeadLetterStatus::DiscardRequested { reason };
    let all = [
        in_stream("lacks", 3, 3, DeadLetterStatus::Skipped),
        in_stream("lacks", 5, 5, discarded.clone()),
        in_stream("lacks", 7, 9, DeadLetterStatus::Parked),
        in_stream("lacks_otherwise", 1, 9, DeadLetterStatus::RetryRequested),
        in_stream("lacks_soon", 2, 2, wanted.clone()),
    ];
    post(&store, &id, &all).await;
    let missing = async |name: &str, first: u64, last: u64| {
        let written = Written { stream: stream(name), first: Version(first), last: Version(last) };
        let told = store.reached(&[other.clone(), id.clone()], Some(&written)).await.expect("it is answered");
        let told: Vec<_> = told.into_iter().flatten().map(|reached| reached.missing).collect();
        assert_eq!((told.len(), &told[0]), (2, &None), "each projection has dead letters of its own");
        told[1].clone()
    };
    let of = |failed, status| Some(Missing::new(Version(failed), status));
    let skipped = of(3, DeadLetterStatus::Skipped);
    let parked = of(7, DeadLetterStatus::Parked);
    for (first, last, expected, why) in [
        (1, 2, None, "what came before is there"),
        (3, 3, skipped.clone(), "this very event was left out"),
        (1, 9, skipped, "of several, the first is told"),
        (4, 4, None, "what came behind one that was left out is there"),
        (5, 6, of(5, discarded), "with the reason"),
        (6, 6, None, "what came between is there"),
        (7, 7, parked.clone(), "it failed"),
        (9, 9, parked.clone(), "it waits behind one that failed"),
        (9, 12, parked, "the first of them waits"),
        (10, 10, None, "this one does not wait"),
        (u64::MAX, u64::MAX, None, "no event is this far"),
    ] {
        assert_eq!(missing("lacks", first, last).await, expected, "events {first} to {last}: {why}");
    }
    let retried = of(1, DeadLetterStatus::RetryRequested);
    assert_eq!(missing("lacks_otherwise", 9, 9).await, retried, "what is asked for is told, and was not done");
    assert_eq!(missing("lacks_soon", 2, 2).await, of(2, wanted), "and with the reason");
    assert_eq!(missing("lacks_nothing", 1, 9).await, None, "each stream has dead letters of its own");
    let told = store.reached(std::slice::from_ref(&id), None).await.expect("it is answered");
    assert_eq!(
        told[0].as_ref().map(|reached| &reached.missing),
        Some(&None),
        "who asks about no event is told of none"
    );
}
