//! What the cases have in common: short ways to write, to read everything, and to draw by lot.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use super::Candidate;
use super::tally::{ADDED, CATEGORY};
use crate::error::{Conflict, Error};
use crate::event::EncodedEvent;
use crate::metadata::{EventId, Metadata};
use crate::recorded::{Append, Appended, NewEvent, Position, RawEvent};
use crate::store::{EventFilter, Fold, LogPage, ReadLog, ReadStream};
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::timestamp::Timestamp;

/// How often a reader finds nothing new before it counts as stuck. Every second time it waits a little.
const MOST_EMPTY_PAGES: u32 = 2_000;

/// A stream of the suite's own category.
pub(super) fn stream(id: &str) -> StreamId {
    stream_in(CATEGORY, id)
}

pub(super) fn stream_in(category: &str, id: &str) -> StreamId {
    StreamId::new(category, id).expect("the suite names streams that can exist")
}

pub(super) fn added(amount: u64) -> NewEvent {
    NewEvent::new(ADDED, 1, format!(r#"{{"amount":{amount}}}"#))
}

pub(super) fn added_all(amounts: impl IntoIterator<Item = u64>) -> Vec<NewEvent> {
    amounts.into_iter().map(added).collect()
}

pub(super) async fn append<S: Candidate>(
    store: &S,
    stream: &StreamId,
    expected: impl Into<ExpectedVersion>,
    events: Vec<NewEvent>,
) -> Result<Appended, Error> {
    store.append(Append::new(stream.clone(), expected.into(), events)).await
}

/// Appends what must be accepted.
pub(super) async fn fill<S: Candidate>(
    store: &S,
    stream: &StreamId,
    amounts: impl IntoIterator<Item = u64>,
) -> Appended {
    append(store, stream, ExpectedVersion::Any, added_all(amounts))
        .await
        .expect("an append that expects any version succeeds")
}

/// The conflict that a result must be.
#[track_caller]
pub(super) fn conflict(result: Result<Appended, Error>) -> Conflict {
    match result {
        Err(Error::Conflict(conflict)) => conflict,
        other => panic!("when the stream is not as expected, the answer is `Error::Conflict`, not {other:?}"),
    }
}

/// An event as a reader saw it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) id: EventId,
    pub(super) stream: StreamId,
    pub(super) version: Version,
    pub(super) position: Option<Position>,
    pub(super) event_type: String,
    pub(super) schema_version: u32,
    pub(super) payload: String,
    pub(super) metadata: Metadata,
    pub(super) recorded_at: Timestamp,
}

impl Seen {
    pub(super) fn place(&self) -> Position {
        self.position.expect("an event that was read from the log has a position")
    }

    pub(super) fn amount(&self) -> u64 {
        let digits: String = self.payload.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("the payload is one that the suite wrote")
    }

    /// What was handed to the store, to compare with what was handed to it.
    pub(super) fn as_new(&self) -> NewEvent {
        NewEvent {
            id: self.id,
            event_type: self.event_type.clone().into(),
            schema_version: self.schema_version,
            payload: self.payload.clone().into(),
            metadata: self.metadata.clone(),
        }
    }
}

impl From<RawEvent<'_>> for Seen {
    fn from(raw: RawEvent<'_>) -> Self {
        Self {
            id: raw.id,
            stream: raw.stream,
            version: raw.version,
            position: raw.position,
            event_type: raw.event_type.to_owned(),
            schema_version: raw.schema_version,
            payload: raw.payload.to_owned(),
            metadata: raw.metadata,
            recorded_at: raw.recorded_at,
        }
    }
}

pub(super) fn amounts(events: &[Seen]) -> Vec<u64> {
    events.iter().map(Seen::amount).collect()
}

pub(super) fn ids(events: &[Seen]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

pub(super) async fn read<S: Candidate>(store: &S, read: ReadStream) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut visit = |raw: RawEvent<'_>| {
        seen.push(Seen::from(raw));
        Ok(())
    };
    store.read_stream(read, &mut visit).await.expect("a stream can be read");
    seen
}

/// All events of a stream, with the check that their versions have no gaps.
pub(super) async fn whole<S: Candidate>(store: &S, stream: &StreamId) -> Vec<Seen> {
    let events = read(store, ReadStream::forwards(stream.clone())).await;
    let versions: Vec<u64> = events.iter().map(|event| event.version.0).collect();
    let counted: Vec<u64> = (1..=events.len() as u64).collect();
    assert_eq!(versions, counted, "versions are 1, 2, 3, … without gaps");
    assert!(events.iter().all(|event| event.stream == *stream), "a stream has only its own events");
    events
}

/// One page of the log, with the checks that hold for every page.
pub(super) async fn page<S: Candidate>(store: &S, read: ReadLog) -> (Vec<Seen>, LogPage) {
    let (after, limit, filter, slices) = (read.after, read.limit, read.filter.clone(), read.slices);
    let mut seen = Vec::new();
    let mut visit = |raw: RawEvent<'_>| {
        seen.push(Seen::from(raw));
        Ok(())
    };
    let page = store.read_log(read, &mut visit).await.expect("the log can be read");
    let places: Vec<Position> = seen.iter().map(Seen::place).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "the log is visited in log order, no place twice: {places:?}");
    assert!(
        places.iter().all(|place| *place > after && *place <= page.next),
        "what is visited lies behind `after` {after} and not behind `next` {}: {places:?}",
        page.next
    );
    assert!(page.next >= after, "`next` is never before the place the read began at");
    assert!(seen.len() as u64 <= u64::from(limit), "no more than `limit` events are visited");
    let wanted = |event: &Seen| filter.allows(event.stream.category(), &event.event_type);
    assert!(seen.iter().all(wanted), "only events that the filter lets pass are visited");
    let in_slices = |event: &Seen| slices.contains_slice(event.stream.slice());
    assert!(seen.iter().all(in_slices), "only events of the streams in the slices {slices} are visited");
    (seen, page)
}

/// Everything behind `after` that was committed before the call, and where the reading ended.
pub(super) async fn log_after<S: Candidate>(
    store: &S,
    after: Position,
    filter: &EventFilter,
    limit: u32,
) -> (Vec<Seen>, Position) {
    read_on(store, ReadLog::after(after).filter(filter.clone()).limit(limit)).await
}

/// Everything that a read and those that go on from where it ended visit, and where they ended.
pub(super) async fn read_on<S: Candidate>(store: &S, read: ReadLog) -> (Vec<Seen>, Position) {
    let end = store.log_end().await.expect("the log has an end");
    let (mut all, mut next, mut empty) = (Vec::new(), read.after, 0);
    while next < end {
        let (seen, page) = page(store, ReadLog { after: next, ..read.clone() }).await;
        empty = if page.next > next { 0 } else { empty + 1 };
        assert!(
            !(page.at_end && page.next < end),
            "`log_end` said {end}, but a page that begins at {next} ends at {} and says that this is the end",
            page.next
        );
        pause_when_stuck(empty).await;
        all.extend(seen);
        next = page.next;
    }
    (all, next)
}

async fn pause_when_stuck(empty: u32) {
    assert!(empty < MOST_EMPTY_PAGES, "a reader that reads on from `next` reaches the end of the log");
    if empty % 2 == 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The whole log.
pub(super) async fn log<S: Candidate>(store: &S) -> Vec<Seen> {
    log_after(store, Position::START, &EventFilter::all(), ReadLog::DEFAULT_LIMIT).await.0
}

/// The events of one stream out of many.
pub(super) fn of_stream(events: &[Seen], stream: &StreamId) -> Vec<Seen> {
    events.iter().filter(|event| event.stream == *stream).cloned().collect()
}

/// Takes in a load, and keeps what it saw.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) snapshot: Option<(Version, String)>,
    pub(super) events: Vec<(Version, String)>,
}

impl Fold for Folded {
    fn snapshot(&mut self, version: Version, state: &str) {
        assert!(self.events.is_empty(), "the snapshot comes before any event");
        assert!(self.snapshot.is_none(), "a load hands out one snapshot at the most");
        self.snapshot = Some((version, state.to_owned()));
    }

    fn event(&mut self, version: Version, event: EncodedEvent<'_>) -> Result<(), Error> {
        self.events.push((version, event.payload.to_owned()));
        Ok(())
    }
}

impl Folded {
    pub(super) fn versions(&self) -> Vec<u64> {
        self.events.iter().map(|(version, _)| version.0).collect()
    }

    pub(super) fn snapshot_version(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|(version, _)| version.0)
    }
}

pub(super) async fn load<S: Candidate>(store: &S, stream: &StreamId, state_version: Option<u32>) -> Folded {
    let mut folded = Folded::default();
    store.fold_stream(stream, state_version, &mut folded).await.expect("a stream can be loaded");
    folded
}

/// An error that only a visitor of the suite can have made.
#[derive(Debug, thiserror::Error)]
#[error("the visitor has seen enough")]
pub(super) struct SeenEnough;

#[track_caller]
pub(super) fn assert_seen_enough<T: std::fmt::Debug>(result: Result<T, Error>) {
    let came_back = matches!(&result, Err(Error::Store { source }) if source.is::<SeenEnough>());
    assert!(came_back, "an error of the visitor comes back from the read as it is, but this did: {result:?}");
}

/// Draws by lot, and can draw the same again.
#[derive(Clone, Debug)]
pub(super) struct Lot(u64);

impl Lot {
    /// Draws from a fresh seed, which it prints, or from `CONFORMANCE_SEED`.
    pub(super) fn new() -> Self {
        let seed = std::env::var("CONFORMANCE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(seed_of_the_moment);
        println!("CONFORMANCE_SEED={seed}");
        Self(seed)
    }

    /// Another lot, for a task of its own.
    pub(super) fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// The next number of SplitMix64, by Guy Steele, Doug Lea and Christine Flood.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let index = self.below(all.len() as u64);
        &all[usize::try_from(index).unwrap_or(0)]
    }
}

fn seed_of_the_moment() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ (now.as_secs() << 20)
}

/// Polls a future so often and no more, then drops it.
pub(super) struct PollAtMost<F> {
    future: Option<Pin<Box<F>>>,
    polls: u64,
}

impl<F> PollAtMost<F> {
    pub(super) fn new(polls: u64, future: F) -> Self {
        Self { future: Some(Box::pin(future)), polls }
    }
}

impl<F: Future> Future for PollAtMost<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Ready(None) };
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            self.future = None;
            return Poll::Ready(Some(output));
        }
        self.polls = self.polls.saturating_sub(1);
        if self.polls > 0 {
            return Poll::Pending;
        }
        self.future = None;
        Poll::Ready(None)
    }
}

/// Runs tasks side by side and gives back what each came to, in their order.
pub(super) async fn side_by_side<F>(tasks: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(running.len());
    for task in running {
        match task.await {
            Ok(result) => results.push(result),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    results
}
