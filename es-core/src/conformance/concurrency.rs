//! Many tasks at once: nothing lost, nothing twice, nothing torn, nothing out of order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Candidate;
use super::support::{
    Folded, Lot, PollAtMost, Seen, added, added_all, amounts, append, fill, ids, load, log, log_after, of_stream, page,
    read, side_by_side, stream, whole,
};
use crate::error::Error;
use crate::metadata::EventId;
use crate::recorded::{Appended, NewEvent, Position, RawEvent};
use crate::snapshot::Snapshot;
use crate::store::{EventFilter, ReadLog, ReadStream};
use crate::stream::ExpectedVersion::{Any, Exact, NoStream};
use crate::stream::{ExpectedVersion, StreamId, Version};

/// Concurrent appends that expect any version all succeed, and all are stored.
pub async fn parallel_any_appends_are_all_stored<S: Candidate>(store: S) {
    for parallel in [20, 100] {
        let stream = stream(&format!("{parallel} at once"));
        let results = race(&store, &stream, Any, parallel).await;
        let mut versions = Vec::new();
        for result in results {
            let appended = result.expect("an append that expects any version is never a conflict");
            versions.push(appended.version.0);
        }
        versions.sort_unstable();
        let counted: Vec<u64> = (1..=parallel).collect();
        assert_eq!(versions, counted, "each append is answered with a version of its own");
        let mut stored = amounts(&whole(&store, &stream).await);
        stored.sort_unstable();
        assert_eq!(stored, counted, "{parallel} parallel appends that expect any version: {parallel} stored");
    }
}

/// One append of one event by each of so many tasks, with the amounts 1, 2, 3, ….
async fn race<S: Candidate>(
    store: &S,
    stream: &StreamId,
    expected: ExpectedVersion,
    parallel: u64,
) -> Vec<Result<Appended, Error>> {
    let tasks = (1..=parallel).map(|amount| {
        let (store, stream) = (store.clone(), stream.clone());
        async move { append(&store, &stream, expected, vec![added(amount)]).await }
    });
    side_by_side(tasks).await
}

/// Checks that one contender has won, and that the others were told of a version that really is in their way.
async fn assert_one_winner<S: Candidate>(store: &S, stream: &StreamId, expected: ExpectedVersion, before: u64) {
    let results = race(store, stream, expected, 8).await;
    let mut winners = Vec::new();
    for (amount, result) in (1..).zip(results) {
        match result {
            Ok(appended) => {
                assert_eq!(appended.version, Version(before + 1), "the winner's event is the next of the stream");
                winners.push(amount);
            }
            Err(Error::Conflict(conflict)) => assert!(
                !expected.allows(conflict.actual),
                "a conflict names the version that is in the way, but {} is what was expected",
                conflict.actual
            ),
            Err(other) => panic!("who loses a race is told of a conflict, not of {other:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "of parallel appends that expect {expected} exactly one wins");
    let newest = read(store, ReadStream::backwards(stream.clone()).limit(1)).await;
    assert_eq!(amounts(&newest), winners, "the event that is stored is the winner's");
    assert_eq!(newest.first().map(|event| event.version.0), Some(before + 1), "no loser stored anything");
}

/// Of parallel appends that expect the same version exactly one wins, in every round.
pub async fn one_of_parallel_exact_appends_wins<S: Candidate>(store: S) {
    let stream = stream("exact");
    for before in 0..60 {
        assert_one_winner(&store, &stream, Exact(Version(before)), before).await;
    }
    assert_eq!(whole(&store, &stream).await.len(), 60, "one event a round is stored");
}

/// Of parallel appends that begin the same stream exactly one wins, in every round.
pub async fn one_of_parallel_no_stream_appends_wins<S: Candidate>(store: S) {
    for round in 0..40 {
        let stream = stream(&format!("new {round}"));
        assert_one_winner(&store, &stream, NoStream, 0).await;
        assert_eq!(whole(&store, &stream).await.len(), 1, "the stream has the winner's event and no other");
    }
}

/// The events of an append stand behind each other in their stream, whoever else appends meanwhile.
pub async fn appends_of_several_events_never_interleave<S: Candidate>(store: S) {
    let stream = stream("interleaved");
    let mut lot = Lot::new();
    let writers = (1..=8_u64).map(|writer| {
        let (store, stream, mut lot) = (store.clone(), stream.clone(), lot.split());
        async move {
            let mut batches = Vec::new();
            for batch in 0..6 {
                let first = writer * 10_000 + batch * 100;
                let events = first..=first + lot.below(7);
                let appended = fill(&store, &stream, events.clone()).await;
                batches.push((appended.version.0, events.collect::<Vec<u64>>()));
            }
            batches
        }
    });
    let batches: Vec<(u64, Vec<u64>)> = side_by_side(writers).await.into_iter().flatten().collect();
    let stored = amounts(&whole(&store, &stream).await);
    let appended: usize = batches.iter().map(|(_, batch)| batch.len()).sum();
    assert_eq!(stored.len(), appended, "every event of every acknowledged append is stored once");
    for (version, batch) in batches {
        let end = usize::try_from(version).unwrap_or(usize::MAX);
        assert_eq!(
            stored[end - batch.len()..end],
            batch,
            "the events of an append stand behind each other, up to the version it was answered with"
        );
    }
}

/// An append is all or nothing to readers too: whenever they look, they see whole appends.
pub async fn stream_readers_see_whole_appends<S: Candidate>(store: S) {
    const BATCH: u64 = 5;
    let stream = stream("whole");
    let writing = Arc::new(AtomicBool::new(true));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, stream, writing) = (store.clone(), stream.clone(), Arc::clone(&writing));
            tokio::spawn(async move {
                let mut before = 0;
                while writing.load(Ordering::Relaxed) {
                    let seen = whole(&store, &stream).await.len() as u64;
                    assert_eq!(seen % BATCH, 0, "a reader sees an append whole or not at all");
                    assert!(seen >= before, "what was seen once does not vanish");
                    before = seen;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let writers = (0..4).map(|_| {
        let (store, stream) = (store.clone(), stream.clone());
        async move {
            for _ in 0..15 {
                fill(&store, &stream, 1..=BATCH).await;
            }
        }
    });
    side_by_side(writers).await;
    writing.store(false, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("a reader sees what it should");
    }
    assert_eq!(whole(&store, &stream).await.len(), 300, "every append is stored");
}

/// How many tasks write beside the readers of the log, how many appends each makes, and to how many streams.
const WRITERS: u64 = 8;
const APPENDS: u64 = 30;
const STREAMS: u64 = 5;

/// A reader that has passed a place never later finds a new event at or before it. So readers that follow the log while it
/// is written see every event once, in stream order, and all of them the same.
pub async fn log_readers_beside_writers_miss_nothing<S: Candidate>(store: S) {
    let mut lot = Lot::new();
    let written = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> =
        [1, 2, 7, 50, 500].map(|limit| tokio::spawn(follow(store.clone(), limit, Arc::clone(&written)))).into();
    let writers = (0..WRITERS).map(|_| write_anywhere(store.clone(), lot.split()));
    let acknowledged: HashSet<EventId> = side_by_side(writers).await.into_iter().flatten().collect();
    written.store(true, Ordering::SeqCst);

    let quiet = log(&store).await;
    assert_eq!(quiet.len(), acknowledged.len(), "the log has every acknowledged event once");
    assert!(ids(&quiet).iter().all(|id| acknowledged.contains(id)), "the log has every acknowledged event");
    for stream in streams() {
        assert_eq!(
            ids(&of_stream(&quiet, &stream)),
            ids(&whole(&store, &stream).await),
            "places within a stream are in version order"
        );
    }
    for reader in readers {
        let (limit, followed) = reader.await.expect("a reader of the log sees what it should");
        assert_same_log(&followed, &quiet, limit);
    }
}

fn streams() -> Vec<StreamId> {
    (0..STREAMS).map(|i| stream(&format!("written {i}"))).collect()
}

async fn write_anywhere<S: Candidate>(store: S, mut lot: Lot) -> Vec<EventId> {
    let streams = streams();
    let mut written = Vec::new();
    for _ in 0..APPENDS {
        let events = added_all(0..=lot.below(4));
        let new_ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        append(&store, lot.one_of(&streams), Any, events).await.expect("the append succeeds");
        written.extend(new_ids);
        match lot.below(4) {
            // Even a fast store is to be written to for so long that readers overtake.
            0 | 1 => tokio::time::sleep(Duration::from_millis(1)).await,
            2 => tokio::task::yield_now().await,
            _ => {}
        }
    }
    written
}

/// Reads on from page to page until everything is written and read.
async fn follow<S: Candidate>(store: S, limit: u32, written: Arc<AtomicBool>) -> (u32, Vec<Seen>) {
    let (mut followed, mut next) = (Vec::new(), Position::START);
    while !written.load(Ordering::SeqCst) {
        let (seen, page) = page(&store, ReadLog::after(next).limit(limit)).await;
        followed.extend(seen);
        next = page.next;
        if page.at_end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let (rest, _) = log_after(&store, next, &EventFilter::all(), limit.max(50)).await;
    followed.extend(rest);
    (limit, followed)
}

fn assert_same_log(followed: &[Seen], quiet: &[Seen], limit: u32) {
    let seen: HashSet<EventId> = ids(followed).into_iter().collect();
    let missed = quiet.iter().filter(|event| !seen.contains(&event.id)).count();
    assert_eq!(
        missed,
        0,
        "a reader that has passed a place never later finds a new event at or before it, but with pages of {limit} \
         it missed {missed} of {} events",
        quiet.len()
    );
    assert_eq!(followed.len(), seen.len(), "a reader that reads on from `next` sees nothing twice");
    assert!(followed == quiet, "every reader sees the same events at the same places, in the same order");
}

/// Whoever has written finds what was written up to the log's end, while others write too.
pub async fn writers_find_their_own_events_in_the_log<S: Candidate>(store: S) {
    let writers = (0..6_u64).map(|writer| {
        let store = store.clone();
        async move {
            let stream = stream(&format!("own {writer}"));
            let mut next = Position::START;
            for amount in 1..=10 {
                fill(&store, &stream, [amount]).await;
                let (seen, end) = log_after(&store, next, &EventFilter::all(), 100).await;
                let own = amounts(&of_stream(&seen, &stream));
                assert_eq!(
                    own,
                    [amount],
                    "an event that was committed before `log_end` lies before that end, and is visited once"
                );
                next = end;
            }
        }
    });
    side_by_side(writers).await;
    assert_eq!(log(&store).await.len(), 60, "every event is in the log once");
}

/// An append whose future was dropped may or may not have been stored, but never in part, and leaves no gap.
pub async fn dropped_appends_are_whole_or_absent<S: Candidate>(store: S) {
    let mut lot = Lot::new();
    let writers = (0..6).map(|_| {
        let (store, mut lot) = (store.clone(), lot.split());
        async move {
            let streams = streams();
            let mut batches = Vec::new();
            for _ in 0..25 {
                let (stream, events) = (lot.one_of(&streams), added_all(0..=lot.below(5)));
                let batch: Vec<EventId> = events.iter().map(|event: &NewEvent| event.id).collect();
                let appending = append(&store, stream, Any, events);
                let answer = PollAtMost::new(1 + lot.below(6), appending).await;
                batches.push((stream.clone(), batch, matches!(answer, Some(Ok(_)))));
            }
            batches
        }
    });
    let batches: Vec<_> = side_by_side(writers).await.into_iter().flatten().collect();
    for stream in streams() {
        append(&store, &stream, Any, added_all(1..=2)).await.expect("a stream with dropped appends takes more");
    }
    let stored = store_of_ids(&store).await;
    for (stream, batch, acknowledged) in batches {
        let events = &stored[&stream];
        let first = batch.first().and_then(|id| events.iter().position(|stored| stored == id));
        match first {
            Some(first) => assert_eq!(
                events.get(first..first + batch.len()),
                Some(&batch[..]),
                "a dropped append is stored whole or not at all, its events behind each other"
            ),
            None => {
                assert!(!acknowledged, "what was acknowledged is stored");
                let part = batch.iter().any(|id| events.contains(id));
                assert!(!part, "a dropped append is stored whole or not at all");
            }
        }
    }
}

/// The ids of the events of each stream, after the check that versions have no gaps.
async fn store_of_ids<S: Candidate>(store: &S) -> HashMap<StreamId, Vec<EventId>> {
    let mut stored = HashMap::new();
    for stream in streams() {
        let events = ids(&whole(store, &stream).await);
        stored.insert(stream, events);
    }
    stored
}

/// Futures may be dropped at any time: whatever was going on, every handle on the store stays usable.
pub async fn dropped_calls_leave_the_store_usable<S: Candidate>(store: S) {
    let mut lot = Lot::new();
    let stream = stream("interrupted");
    fill(&store, &stream, 1..=20).await;
    for _ in 0..150 {
        let polls = 1 + lot.below(5);
        let (mut visit, mut fold) = (|_: RawEvent<'_>| Ok(()), Folded::default());
        match lot.below(5) {
            0 => {
                drop(PollAtMost::new(polls, store.read_stream(ReadStream::forwards(stream.clone()), &mut visit)).await)
            }
            1 => drop(PollAtMost::new(polls, store.read_log(ReadLog::after(Position::START), &mut visit)).await),
            2 => drop(PollAtMost::new(polls, store.fold_stream(&stream, Some(1), &mut fold)).await),
            3 => drop(PollAtMost::new(polls, store.log_end()).await),
            _ => {
                let snapshot = Snapshot::new(stream.clone(), Version(1 + lot.below(20)), 1, "{}");
                drop(PollAtMost::new(polls, store.save_snapshot(snapshot)).await);
            }
        }
    }
    assert_eq!(whole(&store, &stream).await.len(), 20, "a dropped call leaves streams readable");
    fill(&store, &stream, [21]).await;
    let rest = 21 - load(&store, &stream, Some(1)).await.snapshot_version().unwrap_or(0);
    let loaded = load(&store, &stream, Some(1)).await.events.len() as u64;
    assert_eq!(loaded, rest, "a dropped call leaves streams loadable");
    assert_eq!(log(&store).await.len(), 21, "a dropped call leaves the log readable");
}
