//! Events of the past come in as they were: each at its version, once, however often and in whatever batches they are imported.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::ImportCandidate;
use super::support::{Lot, Seen, added_all, amounts, append, fill, log, side_by_side, stream, whole};
use crate::error::{Error, InvalidAppend};
use crate::import::{ImportError, Imported};
use crate::metadata::{CausationId, CorrelationId, EventId, Metadata};
use crate::past::PastEvent;
use crate::recorded::MAX_EVENT_TYPE_BYTES;
use crate::store::EventStoreExt;
use crate::stream::ExpectedVersion::{Exact, NoStream};
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::timestamp::Timestamp;

/// A moment in the past, later for a higher number.
fn moment(number: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + std::time::Duration::from_millis(1_500 * number)
}

fn past(stream: &StreamId, version: u64, amount: u64) -> PastEvent {
    let payload = format!(r#"{{"amount":{amount}}}"#);
    PastEvent::new(stream.clone(), Version(version), "tally.added", 1, payload)
}

/// The events of one stream, with their versions for amounts.
fn history(stream: &StreamId, versions: impl IntoIterator<Item = u64>) -> Vec<PastEvent> {
    versions
        .into_iter()
        .map(|version| past(stream, version, version).recorded_at(moment(version)).identified())
        .collect()
}

/// Events of several streams, mixed by lot, with all that an event can have.
pub(super) fn mixed(lot: &mut Lot, streams: u64, events: u64) -> Vec<PastEvent> {
    let mut versions = BTreeMap::new();
    let mut event = |number: u64| {
        let name = lot.below(streams);
        let version = versions.entry(name).or_insert(0);
        *version += 1;
        let mut metadata = Metadata::default();
        if lot.below(2) == 0 {
            metadata.correlation_id = Some(CorrelationId::new());
            metadata.causation_id = Some(CausationId::from(EventId::new()));
        }
        if lot.below(2) == 0 {
            metadata = metadata.with_actor("ada").with_header("number", number.to_string());
        }
        let stream = stream(&format!("mixed {name}"));
        let event = past(&stream, *version, number).id(EventId::new()).metadata(metadata).recorded_at(moment(number));
        PastEvent { schema_version: 1 + u32::try_from(lot.below(4)).unwrap_or(0), ..event }
    };
    (0..events).map(&mut event).collect()
}

/// What was stored, as it was given.
pub(super) fn as_past(seen: &Seen) -> PastEvent {
    PastEvent::new(
        seen.stream.clone(),
        seen.version,
        seen.event_type.clone(),
        seen.schema_version,
        seen.payload.clone(),
    )
    .id(seen.id)
    .metadata(seen.metadata.clone())
    .recorded_at(seen.recorded_at)
}

pub(super) async fn import<S: ImportCandidate>(store: &S, events: Vec<PastEvent>) -> Imported {
    store.import(events).await.expect("what can be imported is")
}

async fn refused<S: ImportCandidate>(store: &S, events: Vec<PastEvent>) -> (u64, StreamId, Version, Error) {
    match store.import(events).await {
        Err(ImportError::Event { imported, stream, version, source }) => (imported.events(), stream, version, source),
        other => panic!("an event that cannot be imported is named, but the answer was {other:?}"),
    }
}

/// Every part of an event is as it was given, in its stream and in the log, and the log has the order of the source.
pub async fn every_part_of_a_past_event_comes_back<S: ImportCandidate>(store: S) {
    let given = mixed(&mut Lot::new(), 7, 300);
    assert_eq!(import(&store, given.clone()).await, Imported { stored: 300, there: 0 });
    let stored = log(&store).await;
    assert_eq!(
        stored.iter().map(as_past).collect::<Vec<_>>(),
        given,
        "the log has the events as they were given, in order"
    );
    for name in 0..7 {
        let stream = stream(&format!("mixed {name}"));
        let of_stream: Vec<_> = given.iter().filter(|event| event.stream == stream).cloned().collect();
        let read: Vec<_> = whole(&store, &stream).await.iter().map(as_past).collect();
        assert_eq!(read, of_stream, "a stream has its events as they were given");
    }
}

/// An imported event is like an appended one to whoever reads, folds or goes on.
pub async fn imported_equals_appended<S: ImportCandidate>(store: S) {
    let (imported, appended) = (stream("imported"), stream("appended"));
    for part in [1..4, 4..5, 5..9] {
        import(&store, part.clone().map(|version| past(&imported, version, version)).collect()).await;
        append(&store, &appended, Exact(Version(part.start - 1)), added_all(part))
            .await
            .expect("the stream is as expected");
    }
    let (a, b) = (whole(&store, &imported).await, whole(&store, &appended).await);
    let told = |seen: &Seen| (seen.version, seen.event_type.clone(), seen.schema_version, seen.payload.clone());
    let [a, b] = [a, b].map(|events| events.iter().map(told).collect::<Vec<_>>());
    assert_eq!(a, b, "an imported event reads as an appended one");
    let folded =
        [super::support::load(&store, &imported, None).await, super::support::load(&store, &appended, None).await];
    assert_eq!(folded[0].events, folded[1].events, "a load folds imported events as it does others");
    let behind =
        append(&store, &imported, Exact(Version(8)), added_all([9])).await.expect("a stream goes on behind an import");
    assert_eq!(behind.version, Version(9));
}

/// An event without a time of its own has that of the store, which does not lie before that of an append before it.
pub async fn without_a_time_it_is_now<S: ImportCandidate>(store: S) {
    let before = fill(&store, &stream("before"), [1]).await.recorded_at;
    let stream = stream("timeless");
    let mut events = vec![past(&stream, 1, 1), past(&stream, 2, 2).recorded_at(moment(7)), past(&stream, 3, 3)];
    import(&store, events.clone()).await;
    events.push(past(&stream, 4, 4));
    assert_eq!(
        import(&store, events).await,
        Imported { stored: 1, there: 3 },
        "an event is known again without a time"
    );
    let times: Vec<_> = whole(&store, &stream).await.iter().map(|event| event.recorded_at).collect();
    assert_eq!(times[1], moment(7), "a time that is given is kept");
    assert!([times[0], times[2], times[3]].iter().all(|time| *time >= before), "{times:?} since {before}");
}

/// What is there is passed over, and stays as and where it is.
pub async fn importing_again_changes_nothing<S: ImportCandidate>(store: S) {
    let given = mixed(&mut Lot::new(), 5, 200);
    import(&store, given.clone()).await;
    let first = log(&store).await;
    let again = import(&store, given.clone()).await;
    assert_eq!(again, Imported { stored: 0, there: 200 }, "what is there is passed over");
    assert_eq!(import(&store, given[120..].to_vec()).await, Imported { stored: 0, there: 80 });
    assert_eq!(log(&store).await, first, "what is imported again is where it was");
}

/// An import that ended anywhere is ended by another one, whatever its batches are.
pub async fn an_import_goes_on_where_one_ended<S: ImportCandidate>(store: S) {
    let mut lot = Lot::new();
    let given = mixed(&mut lot, 6, 240);
    let mut come = 0;
    while come < given.len() {
        let part = given[..(come + 1 + usize::try_from(lot.below(60)).unwrap_or(0)).min(given.len())].to_vec();
        let expected = Imported { stored: (part.len() - come) as u64, there: come as u64 };
        come = part.len();
        let size = 1 + usize::try_from(lot.below(50)).unwrap_or(0);
        assert_eq!(store.import(part).batches_of(size).await.expect("it goes on"), expected, "it goes on");
    }
    let stored: Vec<_> = log(&store).await.iter().map(as_past).collect();
    assert_eq!(stored, given, "it ends as one that was never interrupted");
}

/// The same event twice in the source is one event, in whichever batches it comes.
pub async fn an_event_that_comes_twice_is_stored_once<S: ImportCandidate>(store: S) {
    for size in [1, 2, 3, 5, 100] {
        let stream = stream(&format!("twice by {size}"));
        let events = history(&stream, [1, 2, 2, 3, 1, 2, 3, 4, 4]);
        let imported = store.import(events).batches_of(size).await.expect("an event is known again");
        let there = whole(&store, &stream).await.len();
        assert_eq!((imported, there), (Imported { stored: 4, there: 5 }, 4), "an event that comes twice is one event");
    }
}

/// Another event in the place of one is a conflict; everything before it is stored, and nothing behind.
pub async fn another_event_in_its_place_is_a_conflict<S: ImportCandidate>(store: S) {
    let (stream, other) = (stream("taken"), stream("not taken"));
    fill(&store, &stream, [1, 2, 3]).await;
    for (version, size) in [(1, 100), (3, 100), (3, 1)] {
        let other = super::support::stream(&format!("not taken {version} {size}"));
        let before = history(&other, 1..=4);
        let events = [before.clone(), history(&stream, version..6), history(&other, 5..=6)].concat();
        let Err(ImportError::Event { imported, source: Error::Conflict(conflict), .. }) =
            store.import(events).batches_of(size).await
        else {
            panic!("another event in its place is a conflict");
        };
        assert_eq!(imported.events(), 4, "everything before it is stored");
        assert_eq!((conflict.stream, conflict.actual), (stream.clone(), Version(3)));
        assert_eq!(conflict.expected, Exact(Version(version - 1)));
        assert_eq!(whole(&store, &other).await.iter().map(as_past).collect::<Vec<_>>(), before, "and nothing behind");
    }
    assert_eq!(amounts(&whole(&store, &stream).await), [1, 2, 3]);
    assert!(whole(&store, &other).await.is_empty());
    let known = super::support::stream("known");
    import(&store, history(&known, 1..=3)).await;
    let events = [history(&known, 1..=2), vec![past(&known, 3, 77)], history(&other, 1..=2)].concat();
    let (imported, of, version, _) = refused(&store, events).await;
    assert_eq!((imported, of, version), (2, known, Version(3)), "what is there and the same is no conflict");
}

/// A version that the stream is too short for is a conflict, whether the gap is in the source or before it.
pub async fn a_gap_is_a_conflict<S: ImportCandidate>(store: S) {
    for (there, versions, come) in [(0, vec![2, 3], 0), (3, vec![5], 0), (0, vec![1, 2, 4, 5], 2), (2, vec![3, 2], 1)] {
        let stream = stream(&format!("gap {there} {versions:?}"));
        import(&store, history(&stream, 1..=there)).await;
        let mut events = history(&stream, versions);
        if there == 2 {
            events[1] = past(&stream, 2, 77);
        }
        let named = events[come].version;
        let (imported, of, version, source) = refused(&store, events).await;
        assert_eq!((imported, of, version), (come as u64, stream.clone(), named));
        assert!(source.is_conflict(), "{source:?}");
        assert_eq!(whole(&store, &stream).await.len() as u64, there + come as u64, "no stream has a gap");
    }
}

/// Events go behind those that were appended, if they say so.
pub async fn an_import_goes_behind_an_append<S: ImportCandidate>(store: S) {
    let stream = stream("begun");
    append(&store, &stream, NoStream, added_all([1, 2])).await.expect("the stream is empty");
    import(&store, history(&stream, 3..=5)).await;
    append(&store, &stream, Exact(Version(5)), added_all([6])).await.expect("the stream is as expected");
    assert_eq!(amounts(&whole(&store, &stream).await), [1, 2, 3, 4, 5, 6], "imports and appends go behind each other");
}

/// What an append refuses, an import refuses, and tells which event it is. Everything before it is stored.
pub async fn a_malformed_event_ends_the_import<S: ImportCandidate>(store: S) {
    type Spoil = fn(PastEvent) -> PastEvent;
    type IsIt = fn(&InvalidAppend) -> bool;
    let spoilt: [(&str, Spoil, IsIt); 7] = [
        ("torn", |e| PastEvent { payload: "{".into(), ..e }, |e| matches!(e, InvalidAppend::Payload { .. })),
        (
            "nested",
            |e| PastEvent { payload: "[".repeat(200).into(), ..e },
            |e| matches!(e, InvalidAppend::Payload { .. }),
        ),
        ("nameless", |e| PastEvent { event_type: "".into(), ..e }, |e| matches!(e, InvalidAppend::EventTypeName(_))),
        (
            "long",
            |e| PastEvent { event_type: "x".repeat(MAX_EVENT_TYPE_BYTES + 1).into(), ..e },
            |e| matches!(e, InvalidAppend::EventTypeName(_)),
        ),
        ("shapeless", |e| PastEvent { schema_version: 0, ..e }, |e| matches!(e, InvalidAppend::SchemaVersion(0))),
        ("uncounted", |e| PastEvent { version: Version(0), ..e }, |e| matches!(e, InvalidAppend::Version(_))),
        (
            "early",
            |e| e.recorded_at(Timestamp::now() + std::time::Duration::from_secs(120)),
            |e| matches!(e, InvalidAppend::RecordedAt(_)),
        ),
    ];
    for (name, spoil, expected) in spoilt {
        let (good, bad) = (stream(&format!("{name} good")), stream(&format!("{name} bad")));
        let events = [history(&good, 1..=3), vec![spoil(past(&bad, 1, 1))], history(&good, 4..=5)].concat();
        let (imported, of, _, source) = refused(&store, events).await;
        assert_eq!((imported, of), (3, bad.clone()), "{name}: everything before it is stored, and it is named");
        assert!(matches!(&source, Error::InvalidAppend(e) if expected(e)), "{name}: {source:?}");
        let stored = (whole(&store, &good).await.len(), whole(&store, &bad).await.len());
        assert_eq!(stored, (3, 0), "{name}: what comes before a malformed event is stored, and nothing behind");
    }
}

/// When the source fails, everything before is stored.
pub async fn a_source_that_fails_ends_the_import<S: ImportCandidate>(store: S) {
    let stream = stream("torn off");
    let mut events: Vec<Result<PastEvent, &str>> = history(&stream, 1..=5).into_iter().map(Ok).collect();
    events.insert(3, Err("line 4 is torn"));
    match store.import(events).await {
        Err(ImportError::Source { imported, source }) => {
            assert_eq!((imported.stored, source.to_string().as_str()), (3, "line 4 is torn"));
        }
        other => panic!("a source that fails ends the import, but the answer was {other:?}"),
    }
    assert_eq!(whole(&store, &stream).await.len(), 3, "everything before the failure is stored");
}

/// A batch is full, too, when its events have 8 MiB of payload.
pub async fn a_batch_of_much_is_full<S: ImportCandidate>(store: S) {
    let (stream, told) = (stream("much"), Arc::new(Mutex::new(Vec::new())));
    let much = |version| PastEvent {
        payload: format!(r#"{{"amount":{version},"note":"{}"}}"#, "x".repeat(5 << 20)).into(),
        ..past(&stream, version, version)
    };
    let given: Vec<PastEvent> = (1..=3).map(much).collect();
    let tell = |imported: Imported| {
        if let Ok(mut told) = told.lock() {
            told.push(imported.events());
        }
    };
    store.import(given.clone()).on_progress(tell).await.expect("events with much to say are imported");
    assert_eq!(told.lock().map(|told| told.clone()).unwrap_or_default(), [2, 3], "8 MiB are a batch");
    let stored = whole(&store, &stream).await;
    let is_whole = |(stored, given): (&Seen, &PastEvent)| *stored.payload == *given.payload;
    assert!(stored.iter().zip(&given).all(is_whole) && stored.len() == 3, "what is long comes back whole");
}

/// After each batch it is told how far it has come.
pub async fn progress_is_told_batch_by_batch<S: ImportCandidate>(store: S) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = |imported: Imported| {
        if let Ok(mut told) = told.lock() {
            told.push(imported.events());
        }
    };
    store.import(history(&stream("told"), 1..=25)).batches_of(10).on_progress(tell).await.expect("it is imported");
    assert_eq!(told.lock().map(|told| told.clone()).unwrap_or_default(), [10, 20, 25], "each batch is told of");
}

/// Several imports of the same events at once, beside appends: each event is there once, and the log is whole.
pub async fn imports_and_appends_go_on_side_by_side<S: ImportCandidate>(store: S) {
    let given = mixed(&mut Lot::new(), 9, 600);
    let (to, from) = (store.clone(), given.clone());
    let importing = (1..=3_usize).map(move |number| {
        let (store, given) = (to.clone(), from.clone());
        async move { store.import(given).batches_of(17 * number).await.expect("what is there is passed over").stored }
    });
    let importing = tokio::spawn(side_by_side(importing));
    let appending = (0..4).map(|number| {
        let store = store.clone();
        async move {
            let stream = stream(&format!("beside {number}"));
            for amount in 0..40 {
                fill(&store, &stream, [amount, amount]).await;
            }
        }
    });
    side_by_side(appending).await;
    let stored = importing.await.expect("the imports end");
    assert_eq!(stored.iter().sum::<u64>(), 600, "each event is stored by one of them");
    let seen = log(&store).await;
    assert_eq!(seen.len(), 600 + 4 * 80, "the log has every event once");
    for name in 0..9 {
        let stream = stream(&format!("mixed {name}"));
        let expected: Vec<_> = given.iter().filter(|event| event.stream == stream).cloned().collect();
        let logged: Vec<_> = seen.iter().filter(|event| event.stream == stream).map(as_past).collect();
        assert_eq!(logged, expected, "the log has a stream's events in their order");
    }
}

/// Of an import and an append for the same version one gets it, in every round, and the other is told.
pub async fn one_of_import_and_append_gets_a_version<S: ImportCandidate>(store: S) {
    for round in 0..40 {
        let stream = stream(&format!("raced for {round}"));
        let (importer, appender, of, to) = (store.clone(), store.clone(), stream.clone(), stream.clone());
        let importing = tokio::spawn(async move { importer.import(history(&of, 1..=3)).await });
        let appended = append(&appender, &to, ExpectedVersion::NoStream, added_all([100, 200])).await;
        let imported = importing.await.expect("the import ends");
        let stored = amounts(&whole(&store, &stream).await);
        match (imported, appended) {
            (Ok(_), Err(Error::Conflict(_))) => assert_eq!(stored, [1, 2, 3], "the import won"),
            (Err(ImportError::Event { source: Error::Conflict(_), .. }), Ok(_)) => {
                assert_eq!(stored, [100, 200], "the append won");
            }
            other => panic!("one of them wins, and the other is told of a conflict, but they were told {other:?}"),
        }
    }
}
