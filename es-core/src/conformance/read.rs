//! Reads of one stream: every direction, start and limit.

use std::sync::mpsc;
use std::time::Duration;

use super::Candidate;
use super::support::{Folded, SeenEnough, added, append, assert_seen_enough, fill, load, read, stream, whole};
use crate::error::Error;
use crate::event::EncodedEvent;
use crate::store::{Direction, Fold, ReadStream};
use crate::stream::ExpectedVersion::Any;
use crate::stream::{StreamId, Version};

/// How long a visitor waits for another task before it counts as locked out.
const LOCKED_OUT: Duration = Duration::from_secs(3);

/// A read begins at `from`, that event included, or at the stream's first event forwards and its last backwards; it goes
/// in the direction asked for, and visits at most `limit` events.
pub async fn every_direction_start_and_limit<S: Candidate>(store: S) {
    let stream = stream("read");
    for amounts in [1..=1, 2..=4, 5..=5] {
        fill(&store, &stream, amounts).await;
    }
    fill(&store, &super::support::stream("beside"), 1..=9).await;
    let numbers = || (0..=7).chain([u64::MAX]).map(Some).chain([None]);
    for from in numbers() {
        for limit in numbers() {
            for direction in [Direction::Forwards, Direction::Backwards] {
                let start = ReadStream { direction, limit, ..ReadStream::forwards(stream.clone()) };
                let start = ReadStream { from: from.map(Version), ..start };
                let seen: Vec<u64> = read(&store, start).await.iter().map(|event| event.version.0).collect();
                assert_eq!(
                    seen,
                    versions_wanted(direction, from, limit),
                    "a read visits what is asked for, in that order: {direction:?} from {from:?}, limit {limit:?}"
                );
            }
        }
    }
}

/// What a read of a stream with five events must visit.
fn versions_wanted(direction: Direction, from: Option<u64>, limit: Option<u64>) -> Vec<u64> {
    let mut versions: Vec<u64> = match direction {
        Direction::Forwards => (1..=5).filter(|version| from.is_none_or(|from| *version >= from)).collect(),
        Direction::Backwards => (1..=5).rev().filter(|version| from.is_none_or(|from| *version <= from)).collect(),
    };
    versions.truncate(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    versions
}

/// A stream without events has nothing to visit, and a load of it nothing to fold. Neither is an error.
pub async fn an_unknown_stream_has_nothing_to_visit<S: Candidate>(store: S) {
    fill(&store, &stream("known"), 1..=3).await;
    let unknown = stream("unknown");
    for start in [ReadStream::forwards(unknown.clone()), ReadStream::backwards(unknown.clone())] {
        for from in [None, Some(Version::NONE), Some(Version(1)), Some(Version(u64::MAX))] {
            let seen = read(&store, ReadStream { from, ..start.clone() }).await;
            assert!(seen.is_empty(), "a stream without events has nothing to visit");
        }
    }
    for state_version in [None, Some(1)] {
        let loaded = load(&store, &unknown, state_version).await;
        assert!(loaded.snapshot.is_none(), "a stream without events has no snapshot to hand out");
        assert!(loaded.events.is_empty(), "a stream without events has none to fold");
    }
}

/// An error of the visitor ends the read and comes back from it.
pub async fn an_error_of_the_visitor_ends_the_read<S: Candidate>(store: S) {
    let stream = stream("stopped");
    fill(&store, &stream, 1..=5).await;
    fill(&store, &stream, 6..=10).await;
    for start in [ReadStream::forwards(stream.clone()), ReadStream::backwards(stream.clone())] {
        let mut visited = 0;
        let mut visit = |_: crate::RawEvent<'_>| {
            visited += 1;
            if visited == 3 { Err(Error::store(SeenEnough)) } else { Ok(()) }
        };
        let result = store.read_stream(start, &mut visit).await;
        assert_seen_enough(result);
        assert_eq!(visited, 3, "an error of the visitor ends the read: nothing is visited after it");
    }
    assert_eq!(whole(&store, &stream).await.len(), 10, "a read that ended early leaves the store usable");
}

/// A visitor that panics takes its own task with it, and nothing else.
pub async fn a_panic_of_the_visitor_does_no_harm<S: Candidate>(store: S) {
    let stream = stream("panicking");
    fill(&store, &stream, 1..=5).await;
    for _ in 0..3 {
        let (store, stream) = (store.clone(), stream.clone());
        let reading = tokio::spawn(async move {
            let mut visit = |_: crate::RawEvent<'_>| panic!("this visitor panics, as it is meant to");
            store.read_stream(ReadStream::forwards(stream), &mut visit).await
        });
        if let Ok(result) = reading.await {
            panic!("after a visitor's panic the store is as usable as before, and swallows no panic: {result:?}");
        }
    }
    fill(&store, &stream, [6]).await;
    assert_eq!(whole(&store, &stream).await.len(), 6, "after a visitor's panic the store is as usable as before");
}

struct StopAt(u64, u64);

impl Fold for StopAt {
    fn snapshot(&mut self, _: Version, _: &str) {}

    fn event(&mut self, _: Version, _: EncodedEvent<'_>) -> Result<(), Error> {
        self.1 += 1;
        if self.1 == self.0 { Err(Error::store(SeenEnough)) } else { Ok(()) }
    }
}

/// An error of the fold ends the load and comes back from it.
pub async fn an_error_of_the_fold_ends_the_load<S: Candidate>(store: S) {
    let stream = stream("stopped");
    fill(&store, &stream, 1..=10).await;
    let mut fold = StopAt(3, 0);
    let result = store.fold_stream(&stream, None, &mut fold).await;
    assert_seen_enough(result);
    assert_eq!(fold.1, 3, "an error of the fold ends the load: nothing is folded after it");
    assert_eq!(load(&store, &stream, None).await.events.len(), 10, "a load that ended early does no harm");
}

/// No lock is held while the visitor runs: another task can append to the very stream that is being read.
pub async fn no_lock_is_held_while_a_stream_is_visited<S: Candidate>(store: S) {
    let stream = stream("unlocked");
    fill(&store, &stream, 1..=3).await;
    let mut appended = append_meanwhile(&store, &stream);
    let mut visit = |_: crate::RawEvent<'_>| {
        appended();
        Ok(())
    };
    store.read_stream(ReadStream::forwards(stream.clone()).limit(1), &mut visit).await.expect("the read succeeds");
    assert_eq!(whole(&store, &stream).await.len(), 4, "what was appended while a visitor ran is stored");
}

struct AppendWhileFolding<'a>(&'a mut (dyn FnMut() + Send), Folded);

impl Fold for AppendWhileFolding<'_> {
    fn snapshot(&mut self, version: Version, state: &str) {
        self.1.snapshot(version, state);
    }

    fn event(&mut self, version: Version, event: EncodedEvent<'_>) -> Result<(), Error> {
        if version == Version::FIRST {
            (self.0)();
        }
        self.1.event(version, event)
    }
}

/// No lock is held while a fold runs: another task can append to the very stream that is being loaded.
pub async fn no_lock_is_held_while_a_load_folds<S: Candidate>(store: S) {
    let stream = stream("unlocked");
    fill(&store, &stream, 1..=3).await;
    let mut appended = append_meanwhile(&store, &stream);
    let mut fold = AppendWhileFolding(&mut appended, Folded::default());
    store.fold_stream(&stream, None, &mut fold).await.expect("the load succeeds");
    let versions = fold.1.versions();
    assert!(
        versions == [1, 2, 3] || versions == [1, 2, 3, 4],
        "a load folds the stream as it was at some moment, in order: {versions:?}"
    );
    assert_eq!(whole(&store, &stream).await.len(), 4, "what was appended while a fold ran is stored");
}

/// Something to call from within a visitor: it returns when another task's append to the stream is acknowledged.
pub(super) fn append_meanwhile<S: Candidate>(store: &S, stream: &StreamId) -> impl FnMut() + Send + use<S> {
    let (store, stream) = (store.clone(), stream.clone());
    let runtime = tokio::runtime::Handle::current();
    move || {
        let (done, wait) = mpsc::channel();
        let (store, stream) = (store.clone(), stream.clone());
        runtime.spawn(async move {
            let result = append(&store, &stream, Any, vec![added(4)]).await;
            done.send(result.is_ok()).ok();
        });
        let appended = wait.recv_timeout(LOCKED_OUT);
        assert_eq!(appended, Ok(true), "a store holds no lock while it calls a visitor");
    }
}
