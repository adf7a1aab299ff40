//! A batch of an import is stored as one, whoever looks and whatever happens: what [`ImportStore`](crate::ImportStore) says,
//! without the comfort of an [`Import`](crate::Import).

use std::time::Duration;

use super::ImportCandidate;
use super::support::{Lot, PollAtMost, amounts, fill, log, side_by_side, stream, whole};
use crate::error::Error;
use crate::metadata::EventId;
use crate::past::PastEvent;
use crate::store::ImportBatch;
use crate::stream::ExpectedVersion::Exact;
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

/// The events of a stream at these versions, which are their amounts.
fn history(stream: &StreamId, versions: impl IntoIterator<Item = u64>) -> impl Iterator<Item = PastEvent> {
    versions.into_iter().map(|version| {
        PastEvent::new(stream.clone(), Version(version), "tally.added", 1, format!(r#"{{"amount":{version}}}"#))
    })
}

fn batch(events: impl IntoIterator<Item = PastEvent>) -> ImportBatch {
    let mut batch = ImportBatch::default();
    for event in events {
        assert_eq!(batch.push(event).expect("the event is well formed"), None, "the event follows those of its stream");
    }
    batch
}

/// It tells how many events it has stored, which are those that were not there.
pub async fn a_batch_tells_what_it_stored<S: ImportCandidate>(store: S) {
    let (a, b) = (stream("told a"), stream("told b"));
    for (events, expected) in [(3, 6), (3, 0), (5, 4)] {
        let stored = store.import_batch(&batch(history(&a, 1..=events).chain(history(&b, 1..=events)))).await;
        assert_eq!(stored.expect("it is stored"), expected, "a batch tells how many of its events were not there");
    }
    let (ahead, in_a_moment) = (stream("ahead"), Timestamp::now() + Duration::from_secs(30));
    let from_elsewhere = history(&ahead, 1..=1).map(|event| event.recorded_at(in_a_moment));
    let stored = store.import_batch(&batch(from_elsewhere)).await;
    assert_eq!(stored.expect("clocks differ"), 1, "an event of a clock that is a little ahead is stored");
    let stored = store.import_batch(&ImportBatch::default()).await.expect("there is nothing to fail");
    assert_eq!((stored, log(&store).await.len()), (0, 11), "a batch without events stores nothing");
}

/// An event that does not fit is named, and nothing of its batch is stored: neither before nor behind it.
pub async fn a_refused_batch_stores_nothing<S: ImportCandidate>(store: S) {
    let taken = stream("taken");
    fill(&store, &taken, [7, 8, 9]).await;
    store.import_batch(&batch(history(&stream("known"), 1..=3))).await.expect("it is stored");
    let before = log(&store).await;
    // Those before the third are there, and are the same.
    let mut known: Vec<_> = history(&stream("known"), 1..=5).collect();
    known[2].id = Some(EventId::new());
    let answer = store.import_batch(&batch(known)).await;
    let Err(Error::Conflict(conflict)) = answer else { panic!("another event in its place is a conflict") };
    assert_eq!(
        (conflict.expected, conflict.actual),
        (Exact(Version(2)), Version(3)),
        "a conflict names the first event that does not fit, and what is there"
    );
    assert_eq!(log(&store).await, before, "of a batch that is refused nothing is stored");
    for (first, actual, name) in [(1, 3, "taken"), (3, 3, "taken"), (5, 3, "taken"), (2, 0, "nothing there")] {
        let (good, bad, other) = (stream("good"), stream(name), stream("other"));
        let events = history(&good, 1..=2).chain(history(&bad, first..=6)).chain(history(&other, 1..=2));
        let answer = store.import_batch(&batch(events.chain(history(&good, 3..=4)))).await;
        let Err(Error::Conflict(conflict)) = answer else {
            panic!("an event that does not fit is a conflict, but the answer was {answer:?}")
        };
        let said = (conflict.stream, conflict.expected, conflict.actual);
        let expected = (bad, Exact(Version(first - 1)), Version(actual));
        assert_eq!(said, expected, "a conflict names the first event that does not fit, and what is there");
        assert_eq!(log(&store).await, before, "of a batch that is refused nothing is stored");
    }
}

/// Who reads beside an import sees each batch whole or not at all, over all of its streams.
pub async fn readers_see_whole_batches<S: ImportCandidate>(store: S) {
    const BATCHES: u64 = 40;
    let (a, b) = (stream("whole a"), stream("whole b"));
    let (to, streams) = (store.clone(), [a.clone(), b.clone()]);
    let importing = tokio::spawn(async move {
        for nth in 0..BATCHES {
            let versions = nth * 3 + 1..=nth * 3 + 3;
            let events = streams.iter().flat_map(|stream| history(stream, versions.clone()));
            assert_eq!(to.import_batch(&batch(events)).await.expect("it is stored"), 6);
        }
    });
    let mut seen = [0; 2];
    let mut is_over = false;
    while !is_over {
        is_over = importing.is_finished();
        for [first, second] in [[&a, &b], [&b, &a]] {
            seen = [whole(&store, first).await.len() as u64, whole(&store, second).await.len() as u64];
            assert!(seen.iter().all(|seen| seen % 3 == 0), "a batch is seen whole or not at all: {seen:?}");
            assert!(seen[0] <= seen[1], "a batch is seen whole or not at all, in all its streams: {seen:?}");
        }
    }
    importing.await.expect("the import ends");
    assert_eq!(seen, [3 * BATCHES; 2], "what was stored is seen");
}

/// A batch whose future is dropped is stored whole or not at all, and does no harm to what comes behind it.
pub async fn dropped_batches_are_whole_or_absent<S: ImportCandidate>(store: S) {
    let mut lot = Lot::new();
    let importers = (0..6).map(|importer| {
        let (store, mut lot) = (store.clone(), lot.split());
        async move {
            let mut dropped = Vec::new();
            for round in 0..25 {
                let streams = [stream(&format!("{importer} {round} a")), stream(&format!("{importer} {round} b"))];
                let batch = batch(streams.iter().flat_map(|stream| history(stream, 1..=4)));
                let answer = PollAtMost::new(1 + lot.below(8), store.import_batch(&batch)).await;
                dropped.push((streams, matches!(answer, Some(Ok(_)))));
            }
            dropped
        }
    });
    for (streams, acknowledged) in side_by_side(importers).await.into_iter().flatten() {
        let mut stored = Vec::new();
        for stream in &streams {
            let again = store.import_batch(&batch(history(stream, 1..=4))).await;
            stored.push(again.expect("a dropped batch can be imported again"));
            assert_eq!(amounts(&whole(&store, stream).await), [1, 2, 3, 4], "each event is there once");
        }
        assert!(
            stored == [0, 0] || stored == [4, 4],
            "a dropped batch is stored whole or not at all, but of it {stored:?} were missing"
        );
        assert!(!acknowledged || stored == [0, 0], "what was acknowledged is stored");
    }
}
