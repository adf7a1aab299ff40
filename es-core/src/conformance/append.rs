//! Streams grow by appends: all or nothing, behind what is there, and only if the stream is as expected.

use super::Candidate;
use super::support::{
    added, added_all, amounts, append, conflict, fill, ids, load, log, of_stream, read, stream, stream_in, whole,
};
use crate::error::{Conflict, Error, InvalidAppend};
use crate::metadata::{EventId, Metadata, TraceContext};
use crate::recorded::{Append, MAX_EVENT_TYPE_BYTES, NewEvent};
use crate::store::ReadStream;
use crate::stream::ExpectedVersion::{Any, Exact, Exists, NoStream};
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::{CausationId, CorrelationId};

/// Versions are 1, 2, 3, … without gaps, and an append answers with the last of them.
pub async fn versions_count_from_one_without_gaps<S: Candidate>(store: S) {
    let stream = stream("counted");
    let mut version = Version::NONE;
    for events in [1, 3, 1, 7, 2] {
        let appended = fill(&store, &stream, 0..events).await;
        version = version.after(events);
        assert_eq!(appended.version, version, "an append answers with the version of its last event");
        assert_eq!(whole(&store, &stream).await.len() as u64, version.0, "all events of an append are stored");
    }
}

/// `Any` is met by every stream; the events go behind what is there.
pub async fn any_goes_behind_whatever_is_there<S: Candidate>(store: S) {
    let stream = stream("any");
    for amount in 1..=3 {
        let appended = append(&store, &stream, Any, vec![added(amount)]).await;
        let appended = appended.expect("an append that expects any version is never a conflict");
        assert_eq!(appended.version, Version(amount), "the events go behind what is there");
    }
    assert_eq!(amounts(&whole(&store, &stream).await), [1, 2, 3], "the events are in the order of their appends");
}

/// `NoStream` is met by a stream without events, and by no other.
pub async fn no_stream_needs_an_empty_stream<S: Candidate>(store: S) {
    meets_or_conflicts(&store, NoStream, 0, true).await;
    meets_or_conflicts(&store, NoStream, 1, false).await;
    meets_or_conflicts(&store, NoStream, 3, false).await;
}

/// `Exists` is met by a stream with at least one event.
pub async fn exists_needs_at_least_one_event<S: Candidate>(store: S) {
    meets_or_conflicts(&store, Exists, 0, false).await;
    meets_or_conflicts(&store, Exists, 1, true).await;
    meets_or_conflicts(&store, Exists, 3, true).await;
}

/// `Exact(v)` is met by a stream at v. One that is behind v does not meet it either: version 7 of a stream at 3.
pub async fn exact_needs_that_very_version<S: Candidate>(store: S) {
    for at in [0, 1, 3] {
        for expected in [0, 1, 2, 3, 4, 7] {
            meets_or_conflicts(&store, Exact(Version(expected)), at, expected == at).await;
        }
    }
}

/// `Exact(0)` means the same as `NoStream`.
pub async fn exact_zero_is_no_stream<S: Candidate>(store: S) {
    meets_or_conflicts(&store, Exact(Version::NONE), 0, true).await;
    meets_or_conflicts(&store, Exact(Version::NONE), 1, false).await;
    meets_or_conflicts(&store, Exact(Version::NONE), 3, false).await;
}

/// Appends to a stream with `at` events, and checks that the answer is the right one of the two.
async fn meets_or_conflicts<S: Candidate>(store: &S, expected: ExpectedVersion, at: u64, meets: bool) {
    let stream = stream(&format!("{expected:?} of a stream at {at}"));
    if at > 0 {
        fill(store, &stream, 1..=at).await;
    }
    let result = append(store, &stream, expected, added_all([10, 11])).await;
    if meets {
        let appended = result.unwrap_or_else(|error| {
            panic!("expecting {expected} of a stream at {at} is no conflict, but the append failed: {error:?}")
        });
        assert_eq!(appended.version, Version(at + 2), "an append answers with the version of its last event");
    } else {
        assert!(result.is_err(), "expecting {expected} of a stream at {at} is a conflict");
        let actual = Version(at);
        assert_eq!(
            conflict(result),
            Conflict { stream: stream.clone(), expected, actual },
            "a conflict names the stream, what was expected, and the version that is there"
        );
    }
    let stored = whole(store, &stream).await.len() as u64;
    let should = if meets { at + 2 } else { at };
    assert_eq!(stored, should, "an append that is a conflict stores nothing, any other stores everything");
}

/// An append that names the event it goes behind is met by a stream that ends with that event, and by no other of that version.
pub async fn an_append_goes_behind_the_event_that_it_names<S: Candidate>(store: S) {
    for events in [1, 3] {
        let stream = stream(&format!("behind, by {events}"));
        fill(&store, &stream, 1..=3).await;
        let stored = ids(&whole(&store, &stream).await);
        let append = |version, event: EventId| {
            let append = Append::new(stream.clone(), Exact(Version(version)), added_all(10..10 + events));
            store.append(append.behind(event))
        };
        for (version, event) in [(3, EventId::new()), (3, stored[1]), (2, stored[1]), (4, stored[2])] {
            let refused = Conflict { stream: stream.clone(), expected: Exact(Version(version)), actual: Version(3) };
            assert_eq!(conflict(append(version, event).await), refused, "another event is there, or none");
        }
        assert_eq!(whole(&store, &stream).await.len(), 3, "an append that is a conflict stores nothing");
        let appended = append(3, stored[2]).await.expect("the stream ends with that event");
        assert_eq!(appended.version, Version(3 + events), "the events go behind it");
    }
}

/// Under a key, it goes behind that event too, and a repeat is known as one although the event is the last no more.
pub async fn an_append_under_a_key_goes_behind_the_event_that_it_names<S: Candidate>(store: S) {
    for events in [1, 3] {
        let stream = stream(&format!("behind under a key, by {events}"));
        fill(&store, &stream, [1]).await;
        let last = ids(&whole(&store, &stream).await)[0];
        let append = Append::new(stream.clone(), Exact(Version(1)), added_all(10..10 + events)).idempotent();
        conflict(store.append(append.clone().behind(EventId::new())).await);
        let first = store.append(append.clone().behind(last)).await.expect("the stream ends with that event");
        assert_eq!((first.version, first.repeated), (Version(1 + events), false), "the events go behind it");
        let again = store.append(append.behind(last)).await.expect("a repeat is never a conflict");
        assert_eq!((again.version, again.repeated), (first.version, true), "a repeat stores nothing");
    }
}

/// Only an append that expects a version can name the event that is there.
pub async fn an_append_behind_an_event_expects_its_version<S: Candidate>(store: S) {
    let stream = stream("behind no version");
    fill(&store, &stream, [1]).await;
    let last = ids(&whole(&store, &stream).await)[0];
    for expected in [Any, Exists, NoStream, Exact(Version::NONE)] {
        let refused = store.append(Append::new(stream.clone(), expected, vec![added(2)]).behind(last)).await;
        let is_refused =
            matches!(&refused, Err(Error::InvalidAppend(InvalidAppend::BehindNoVersion(event))) if *event == last);
        assert!(is_refused, "expecting {expected} says no version: {refused:?}");
    }
}

/// A conflict names the stream, what was expected, and the version that is there.
pub async fn a_conflict_names_stream_expected_and_actual<S: Candidate>(store: S) {
    let stream = stream("conflicting");
    fill(&store, &stream, 1..=3).await;
    for expected in [NoStream, Exact(Version(2)), Exact(Version(4)), Exact(Version(7)), Exact(Version::NONE)] {
        let refused = conflict(append(&store, &stream, expected, vec![added(9)]).await);
        assert_eq!(refused.stream, stream, "a conflict names the stream");
        assert_eq!(refused.expected, expected, "a conflict names what was expected, as the writer put it");
        assert_eq!(refused.actual, Version(3), "a conflict names the version that is there");
    }
}

/// After a conflict nothing of the append is in the store, in no stream and not in the log.
pub async fn a_refused_append_stores_nothing<S: Candidate>(store: S) {
    let (stream, other) = (stream("refusing"), stream("beside"));
    fill(&store, &stream, 1..=3).await;
    for expected in [NoStream, Exact(Version(2)), Exact(Version(7))] {
        conflict(append(&store, &stream, expected, added_all(100..200)).await);
        assert_eq!(amounts(&whole(&store, &stream).await), [1, 2, 3], "a refused append stores nothing at all");
    }
    conflict(append(&store, &other, Exists, added_all(100..200)).await);
    assert!(whole(&store, &other).await.is_empty(), "a refused append does not begin a stream");
    assert_eq!(log(&store).await.len(), 3, "a refused append leaves nothing in the log");
    let next = append(&store, &stream, Exact(Version(3)), vec![added(4)]).await;
    assert_eq!(next.expect("the stream is as expected").version, Version(4), "a refused append uses up no version");
}

/// An append that no store can accept is refused with `InvalidAppend`, and stores nothing.
pub async fn a_malformed_append_stores_nothing<S: Candidate>(store: S) {
    let stream = stream("malformed");
    for (events, reason) in malformed_appends() {
        let result = append(&store, &stream, Any, events).await;
        match result {
            Err(Error::InvalidAppend(refused)) => {
                assert_eq!(std::mem::discriminant(&refused), std::mem::discriminant(&reason), "{refused}");
            }
            other => panic!("an append is refused that no store can accept ({reason}), but the answer is {other:?}"),
        }
    }
    assert!(whole(&store, &stream).await.is_empty(), "a malformed append stores nothing, not even its good events");
    assert!(log(&store).await.is_empty(), "a malformed append leaves nothing in the log");
}

/// The malformed event always comes behind a good one, which must not be stored either.
fn malformed_appends() -> Vec<(Vec<NewEvent>, InvalidAppend)> {
    let twice = added(1);
    let with = |event_type: &str, schema_version, payload: &str| {
        vec![added(1), NewEvent::new(event_type.to_owned(), schema_version, payload)]
    };
    let name = || InvalidAppend::EventTypeName(String::new());
    let payload = || InvalidAppend::Payload { index: 1, message: String::new() };
    vec![
        (vec![], InvalidAppend::Empty),
        (vec![twice.clone(), added(2), twice.clone()], InvalidAppend::RepeatedEventId(twice.id)),
        (with("", 1, "{}"), name()),
        (with("nul\0", 1, "{}"), name()),
        (with(&"n".repeat(MAX_EVENT_TYPE_BYTES + 1), 1, "{}"), name()),
        (with("tally.added", 0, "{}"), InvalidAppend::SchemaVersion(0)),
        (with("tally.added", i32::MAX.unsigned_abs() + 1, "{}"), InvalidAppend::SchemaVersion(0)),
        (with("tally.added", u32::MAX, "{}"), InvalidAppend::SchemaVersion(0)),
        (with("tally.added", 1, ""), payload()),
        (with("tally.added", 1, "{"), payload()),
        (with("tally.added", 1, "{} {}"), payload()),
        (with("tally.added", 1, "not json"), payload()),
        (with("tally.added", 1, "{'single': 1}"), payload()),
        (with("tally.added", 1, "NaN"), payload()),
    ]
}

/// Whether an append is malformed is looked at first, so the answer does not depend on the stream.
pub async fn malformed_comes_before_conflict<S: Candidate>(store: S) {
    let stream = stream("malformed");
    let result = append(&store, &stream, Exact(Version(7)), vec![]).await;
    assert!(
        matches!(result, Err(Error::InvalidAppend(InvalidAppend::Empty))),
        "an append that no store can accept is refused with `InvalidAppend` whatever the stream: {result:?}"
    );
}

/// What was acknowledged is seen by every later read of the stream, at once, through every handle.
pub async fn what_was_acknowledged_is_seen_at_once<S: Candidate>(store: S) {
    let stream = stream("seen");
    let other = store.clone();
    for version in 1..=20 {
        fill(&store, &stream, [version]).await;
        for handle in [&store, &other] {
            let newest = read(handle, ReadStream::backwards(stream.clone()).limit(1)).await;
            assert_eq!(amounts(&newest), [version], "a read sees at once what was acknowledged");
            let loaded = load(handle, &stream, None).await;
            assert_eq!(loaded.events.len() as u64, version, "a load sees at once what was acknowledged");
        }
    }
}

/// The same id in another category is another stream.
pub async fn ids_of_different_categories_never_collide<S: Candidate>(store: S) {
    let streams: Vec<StreamId> =
        [("order", "7"), ("invoice", "7"), ("order", "70"), ("order7", "0"), ("o", "rder-7"), ("order", "-7")]
            .map(|(category, id)| stream_in(category, id))
            .into();
    for (amount, stream) in (1..).zip(&streams) {
        let result = append(&store, stream, NoStream, added_all([amount, amount])).await;
        assert!(result.is_ok(), "`{stream}` is a stream of its own: {result:?}");
    }
    let logged = log(&store).await;
    for (amount, stream) in (1..).zip(&streams) {
        assert_eq!(amounts(&whole(&store, stream).await), [amount, amount], "`{stream}` has its own events");
        assert_eq!(amounts(&of_stream(&logged, stream)), [amount, amount], "the log names the stream of each event");
    }
}

/// Event id, type, schema version, payload and every field of the metadata come back as they were handed in.
pub async fn every_part_of_an_event_comes_back<S: Candidate>(store: S) {
    let stream = stream("parts");
    let events = events_with_every_part();
    append(&store, &stream, NoStream, events.clone()).await.expect("the events are well formed");
    for (seen, from) in [(whole(&store, &stream).await, "its stream"), (log(&store).await, "the log")] {
        assert_eq!(seen.len(), events.len(), "each event is read once from {from}");
        for (seen, event) in seen.iter().zip(&events) {
            assert_eq!(seen.as_new(), *event, "every part of an event comes back from {from} as it was handed in");
        }
    }
}

fn events_with_every_part() -> Vec<NewEvent> {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = TraceContext::new(trace).expect("the trace parent is well formed");
    let each = [
        Metadata::default(),
        Metadata::default().with_correlation(CorrelationId::new()),
        Metadata::default().with_causation(CausationId::new()),
        Metadata::default().with_actor("ada"),
        Metadata::default().with_source("back-office"),
        Metadata::default().with_trace(trace.clone()),
        Metadata::default().with_trace(trace.clone().with_state("vendor=1,other=2")),
        Metadata::default().with_header("ticket", "4711").with_header("another", "one"),
        Metadata::default()
            .with_correlation(CorrelationId::new())
            .with_causation(CausationId::new())
            .with_actor("ada")
            .with_source("back-office")
            .with_trace(trace.with_state("vendor=1"))
            .with_header("actor", "not the actor")
            .with_header("correlation_id", "not the correlation"),
    ];
    let ids = [EventId(uuid::Uuid::nil()), EventId(uuid::Uuid::max())];
    let ids = ids.into_iter().chain(std::iter::repeat_with(EventId::new));
    let versions = [1, 2, i32::MAX.unsigned_abs()];
    let types = ["tally.added", "tally.noted", "Another\u{b7}Name"];
    let parts = versions.into_iter().cycle().zip(types.into_iter().cycle());
    ids.zip(parts)
        .zip(each)
        .map(|((id, (version, event_type)), metadata)| NewEvent {
            id,
            metadata,
            ..NewEvent::new(event_type, version, r#"{"amount":1}"#)
        })
        .collect()
}

/// The time is the store's own: the same in the answer, the stream and the log, the same for all events of an append, and
/// never earlier than that of an event before it in the stream.
pub async fn recorded_time_is_the_stores_and_never_runs_backwards<S: Candidate>(store: S) {
    let stream = stream("timed");
    let mut times = Vec::new();
    for _ in 0..10 {
        let appended = fill(&store, &stream, [1, 2]).await;
        times.extend([appended.recorded_at; 2]);
    }
    let seen = whole(&store, &stream).await;
    let read: Vec<_> = seen.iter().map(|event| event.recorded_at).collect();
    assert_eq!(read, times, "an append answers with the time at which all its events are recorded");
    assert!(times.is_sorted(), "the recorded time never runs backwards along a stream: {times:?}");
    let logged: Vec<_> = log(&store).await.iter().map(|event| event.recorded_at).collect();
    assert_eq!(logged, times, "the log shows the same recorded time as the stream");
    assert_eq!(ids(&seen).len(), 20, "every event of every append is there");
}
