//! Commands and typed reads: what callers enjoy, on top of the contract.

use super::Candidate;
use super::support::{Seen, added_all, amounts, append, fill, log, side_by_side, stream, whole};
use super::tally::{Add, CATEGORY, NothingToAdd, Tally, TallyEvent, replay};
use crate::error::{Conflict, Error, ExecuteError};
use crate::metadata::{CausationId, CorrelationId, Metadata, TraceContext};
use crate::recorded::{NewEvent, Position, Recorded};
use crate::retry::Retry;
use crate::store::{DynEventStore, EventFilter, EventStore, EventStoreExt};
use crate::stream::ExpectedVersion::{Any, Exact, Exists, NoStream};
use crate::stream::{ExpectedVersion, Version};

/// An outcome says what happened, and is what the store has.
pub async fn a_command_becomes_events<S: Candidate>(store: S) {
    let first = store.execute(Add::<0>::new("command", [5, 7])).await.expect("the command succeeds");
    assert_eq!((first.version, first.attempts), (Version(2), 1), "the outcome says the version that was reached");
    let second = store.execute(Add::<0>::new("command", [11])).await.expect("the command succeeds");
    assert_eq!(second.version, Version(3), "the next command's events go behind those of the first");
    assert_eq!(second.state, replay([5, 7, 11]), "the outcome's state is what a load will find");

    let stored = whole(&store, &stream("command")).await;
    assert_eq!(amounts(&stored), [5, 7, 11], "the events are stored in the order of the decision");
    let outcomes = first.events.iter().chain(&second.events);
    for (recorded, stored) in outcomes.zip(&stored) {
        assert_eq!(recorded.id, stored.id, "the outcome names the stored event");
        assert_eq!(recorded.version, stored.version, "the outcome knows the event's version");
        assert_eq!(recorded.recorded_at, stored.recorded_at, "the outcome knows when the event was recorded");
        assert_eq!(recorded.metadata, stored.metadata, "the outcome knows the event's metadata");
    }
    let loaded = store.load::<Tally<0>>("command").await.expect("the aggregate can be loaded");
    assert_eq!((loaded.version, loaded.state), (second.version, second.state), "a load finds what the outcome said");
}

/// Correlation, causation, actor, source, trace and headers ride on the call and surround each of its events.
pub async fn options_reach_the_events<S: Candidate>(store: S) {
    let trace = TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let trace = trace.expect("the trace parent is well formed").with_state("vendor=1");
    let (correlation, causation) = (CorrelationId::new(), CausationId::new());
    store
        .execute(Add::<0>::new("options", [1, 2]))
        .expect(NoStream)
        .correlation(correlation)
        .causation(causation)
        .actor("ada")
        .source("back-office")
        .trace(trace.clone())
        .header("ticket", "4711")
        .await
        .expect("the command succeeds");
    let expected = Metadata::default()
        .with_correlation(correlation)
        .with_causation(causation)
        .with_actor("ada")
        .with_source("back-office")
        .with_trace(trace)
        .with_header("ticket", "4711");
    for seen in [whole(&store, &stream("options")).await, log(&store).await] {
        assert_eq!(seen.len(), 2, "both events are stored");
        assert!(seen.iter().all(|event| event.metadata == expected), "the options surround each event: {seen:?}");
    }
}

/// A command that nobody claims begins a conversation; what an event causes goes on with the event's.
pub async fn a_command_begins_a_conversation<S: Candidate>(store: S) {
    let first = store.execute(Add::<0>::new("talk", [1, 2])).await.expect("the command succeeds");
    let stored = whole(&store, &stream("talk")).await;
    let correlation = stored.first().and_then(|event| event.metadata.correlation_id);
    assert!(correlation.is_some(), "a command that is part of no conversation begins one");
    let same = |event: &Seen| event.metadata.correlation_id == correlation && event.metadata.causation_id.is_some();
    assert!(stored.iter().all(same), "the events of a command share its conversation, and have a cause");

    let Some(cause) = first.events.last() else { panic!("the command produced events") };
    let caused = store.execute(Add::<0>::new("answer", [3])).caused_by(cause).await;
    caused.expect("the command succeeds");
    let answer = whole(&store, &stream("answer")).await;
    let metadata = answer.first().map(|event| event.metadata.clone()).unwrap_or_default();
    assert_eq!(metadata.correlation_id, correlation, "what an event causes belongs to the same conversation");
    assert_eq!(metadata.causation_id, Some(cause.id.into()), "what an event causes has that event as its cause");
}

/// A refusal of the domain comes out as the domain's own error, and nothing is stored.
pub async fn a_rejection_is_typed_and_stores_nothing<S: Candidate>(store: S) {
    fill(&store, &stream("rejecting"), [5]).await;
    let refused = store.execute(Add::<0>::new("rejecting", [1, 0])).await;
    let rejection = refused.as_ref().err().and_then(ExecuteError::rejection);
    assert_eq!(rejection, Some(&NothingToAdd { total: 5 }), "a rejection is the domain's own error");
    assert_eq!(amounts(&whole(&store, &stream("rejecting")).await), [5], "a rejected command stores nothing");
}

/// A command that changes nothing is a success, and appends nothing.
pub async fn a_command_without_events_stores_nothing<S: Candidate>(store: S) {
    let outcome = store.execute(Add::<0>::new("nothing", [])).await.expect("there is nothing to fail");
    assert_eq!(outcome.version, Version::NONE, "a command without events leaves the version as it is");
    assert!(outcome.events.is_empty(), "a command without events has none");
    assert!(log(&store).await.is_empty(), "a command without events stores nothing");
}

/// A stated version that is not the stream's is a conflict at once: the caller decided by what it saw.
pub async fn a_stated_version_is_checked_and_not_retried<S: Candidate>(store: S) {
    let stream = stream("stated");
    fill(&store, &stream, 1..=3).await;
    let wrong: [ExpectedVersion; 3] = [Exact(Version(2)), Exact(Version(7)), NoStream];
    for expected in wrong {
        let refused = store.execute(Add::<0>::new("stated", [9])).expect(expected).await;
        let Err(ExecuteError::Conflict(conflict)) = refused else {
            panic!("a version that was stated and is not there is a conflict, not {refused:?}")
        };
        let actual = Version(3);
        assert_eq!(conflict, Conflict { stream: stream.clone(), expected, actual }, "a conflict names all three");
    }
    let right: [ExpectedVersion; 3] = [Exact(Version(3)), Exists, Any];
    for expected in right {
        let outcome = store.execute(Add::<0>::new("stated", [9])).expect(expected).await;
        outcome.unwrap_or_else(|error| panic!("the stream is as stated ({expected}), but: {error:?}"));
    }
    assert_eq!(amounts(&whole(&store, &stream).await), [1, 2, 3, 9, 9, 9], "no refused command stored anything");
}

/// How many tasks contend for one account, and how many deposits each makes.
const CONTENDERS: u64 = 16;
const DEPOSITS: u64 = 4;

/// Every accepted deposit counts once, however many tasks deposit at once, with and without snapshots.
pub async fn every_deposit_counts_once_under_contention<S: Candidate>(store: S) {
    contend::<S, 0>(&store, "contended").await;
    contend::<S, 3>(&store, "contended with snapshots").await;
}

async fn contend<S: Candidate, const EVERY: u64>(store: &S, id: &'static str) {
    let patient = Retry::attempts(10_000).cap(std::time::Duration::from_millis(20));
    let tasks = (0..CONTENDERS).map(|task| {
        let store = store.clone();
        async move {
            let mut accepted = Vec::new();
            for deposit in 1..=DEPOSITS {
                let amount = task * 100 + deposit;
                let outcome = store.execute(Add::<EVERY>::new(id, [amount])).retry(patient).await;
                let outcome = outcome.expect("a contended command succeeds in the end");
                accepted.push((outcome.version.0, amount, outcome.state));
            }
            accepted
        }
    });
    let mut outcomes: Vec<_> = side_by_side(tasks).await.into_iter().flatten().collect();
    outcomes.sort_unstable_by_key(|(version, ..)| *version);
    let stored = amounts(&whole(store, &stream(id)).await);
    for (index, (version, amount, state)) in outcomes.into_iter().enumerate() {
        assert_eq!(version, index as u64 + 1, "each accepted command has a version of its own");
        assert_eq!(stored.get(index), Some(&amount), "the event is stored at the version that the outcome says");
        let decided_on = replay(stored.iter().take(index + 1).copied());
        assert_eq!(state, decided_on, "a command is decided on all events before its own, and on no others");
    }
    let mut sorted = stored.clone();
    sorted.sort_unstable();
    let accepted: Vec<u64> = (0..CONTENDERS).flat_map(|t| (1..=DEPOSITS).map(move |d| t * 100 + d)).collect();
    assert_eq!(sorted, accepted, "every accepted deposit is stored once");
    let loaded = store.load::<Tally<EVERY>>(id).await.expect("the aggregate can be loaded");
    assert_eq!(loaded.state, replay(stored), "the state is what the stored events add up to");
}

/// The same store behind `DynEventStore` does the same.
pub async fn everything_works_behind_the_object_safe_twin<S: Candidate>(store: S) {
    let twin = DynEventStore::new(store.clone());
    a_command_becomes_events(twin.clone()).await;
    a_rejection_is_typed_and_stores_nothing(twin.clone()).await;
    a_stated_version_is_checked_and_not_retried(twin.clone()).await;
    contend::<_, 2>(&twin, "behind the twin").await;
    let behind = whole(&twin, &stream("behind the twin")).await;
    assert_eq!(whole(&store, &stream("behind the twin")).await, behind, "the twin is another handle on the store");
    assert_eq!(log(&store).await, log(&twin).await, "the twin shows the same log");
    let id = "behind the twin".to_owned();
    twin.take_snapshot::<Tally<2>>(&id).await.expect("a snapshot can be taken");
    twin.delete_snapshots(&stream(&id)).await.expect("snapshots can be forgotten");
    let loaded = twin.load::<Tally<2>>(&id).await.expect("the aggregate can be loaded");
    assert_eq!(loaded.state, replay(amounts(&behind)), "losing snapshots changes no result");
}

/// More events than a typed read fetches at once, and numbers of them around the size of a page.
const LONG: u64 = 1_100;

/// The typed events of a stream come in pages, of which the reader notices nothing, in both directions.
pub async fn typed_streams_turn_pages_without_loss<S: Candidate>(store: S) {
    let (id, stream) = ("paged".to_owned(), stream("paged"));
    fill(&store, &stream, 1..=LONG).await;
    let events = || store.events::<Tally<0>>(&id).expect("the id names a stream");
    let read = |events: Vec<Recorded<TallyEvent>>| -> Vec<u64> {
        events
            .into_iter()
            .map(|recorded| match recorded.event {
                TallyEvent::Added { amount } if amount == recorded.version.0 => amount,
                other => panic!("event {} was stored as something else than {other:?}", recorded.version),
            })
            .collect()
    };
    for limit in [0, 1, 499, 500, 501, 1_000, 1_001, LONG, LONG + 1, u64::MAX] {
        let forwards = events().limit(limit).collect().await.expect("the stream can be read");
        assert_eq!(read(forwards), (1..=limit.min(LONG)).collect::<Vec<_>>(), "forwards, {limit} at the most");
        let backwards = events().backwards().limit(limit).collect().await.expect("the stream can be read");
        let wanted: Vec<u64> = (1..=LONG).rev().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        assert_eq!(read(backwards), wanted, "backwards, {limit} at the most");
    }
    let middle = events().from(Version(550)).backwards().collect().await.expect("the stream can be read");
    assert_eq!(read(middle), (1..=550).rev().collect::<Vec<_>>(), "backwards from the middle to the first event");
}

/// The typed log comes in pages, of which the reader notices nothing, and tells where to go on.
pub async fn the_typed_log_turns_pages_without_loss<S: Candidate>(store: S) {
    fill(&store, &stream("one"), 1..=LONG / 2).await;
    let other = super::support::stream_in("other", "1");
    append(&store, &other, Any, vec![NewEvent::new("other.happened", 1, "{}")]).await.expect("the append succeeds");
    fill(&store, &stream("two"), LONG / 2 + 1..=LONG).await;
    let end = store.log_end().await.expect("the log has an end");
    let mut reading = store.log::<TallyEvent>(Position::START);
    let mut seen = Vec::new();
    while let Some(recorded) = reading.next().await.expect("the log can be read") {
        assert_eq!(Some(reading.position()), recorded.position, "the reader knows the place it has come to");
        let TallyEvent::Added { amount } = recorded.event else { panic!("only amounts were stored") };
        seen.push(amount);
    }
    assert_eq!(seen, (1..=LONG).collect::<Vec<_>>(), "every event of the categories in question, once and in order");
    assert!(reading.position() <= end, "the reader has not passed the end of the log");
    fill(&store, &stream("one"), [7]).await;
    store.log_end().await.expect("every event gets its place");
    let rest = store.log::<TallyEvent>(reading.position()).collect().await.expect("the log can be read");
    assert_eq!(rest.len(), 1, "a reader that goes on from its position sees what is new, once");

    let limited = store.log::<TallyEvent>(Position::START).limit(LONG / 2 + 1).collect().await;
    assert_eq!(limited.expect("the log can be read").len() as u64, LONG / 2 + 1, "a limit is kept over pages");
    let everything = store.log::<TallyEvent>(Position::START).filter(EventFilter::all()).collect().await;
    assert!(matches!(everything, Err(Error::Decode { .. })), "a type that is not of the set is met as an error");
}

/// A fold takes in every event that a typed read yields, once and in order. Up to a place it takes in nothing behind it, not
/// even an error.
pub async fn folds_take_in_every_event_once<S: Candidate>(store: S) {
    fill(&store, &stream("one"), 1..=LONG / 2).await;
    fill(&store, &stream("two"), LONG / 2 + 1..=LONG).await;
    let unknown = super::support::stream_in(CATEGORY, "unknown");
    append(&store, &unknown, Any, vec![NewEvent::new("unknown", 1, "{}")]).await.expect("the append succeeds");
    let end = store.log_end().await.expect("the log has an end");
    let first = store.stream_events::<TallyEvent>(stream("one")).fold(Vec::new(), take_in).await;
    let in_stream: Vec<u64> = first.expect("the stream can be read").iter().map(|(_, amount)| *amount).collect();
    assert_eq!(in_stream, (1..=LONG / 2).collect::<Vec<_>>(), "every event of the stream, once and in order");

    let log_up_to = |place| store.log::<TallyEvent>(Position::START).up_to(place);
    let all = log_up_to(Position(end.0 - 1)).fold(Vec::new(), take_in).await.expect("nothing behind it is met");
    let amounts: Vec<u64> = all.iter().map(|(_, amount)| *amount).collect();
    assert_eq!(amounts, (1..=LONG).collect::<Vec<_>>(), "every event of the log, once and in order");
    for &(place, amount) in all.iter().filter(|(_, amount)| [1, 2, 499, 500, 501, LONG].contains(amount)) {
        let past = log_up_to(place).fold(Vec::new(), take_in).await.expect("the log can be read");
        assert_eq!(past.last(), Some(&(place, amount)), "a fold up to {place} ends with the event there");
        assert_eq!(past.len() as u64, amount, "a fold up to {place} has every event before it");
        let mut reading = log_up_to(place);
        while reading.next().await.expect("the log can be read").is_some() {}
        assert_eq!(reading.position(), place, "a reader that was to stop at {place} has come to it, and no further");
    }
    let beyond = log_up_to(end).fold(Vec::new(), take_in).await;
    assert!(matches!(beyond, Err(Error::Decode { .. })), "an event that cannot be read ends the fold");
    let before = store.log::<TallyEvent>(end).up_to(Position::START);
    assert_eq!(before.position(), end, "a reader does not fall back behind the place it began at");
    assert_eq!(before.fold(Vec::new(), take_in).await.expect("nothing is read"), [], "nothing lies in between");
}

fn take_in(taken: &mut Vec<(Position, u64)>, recorded: Recorded<TallyEvent>) {
    let TallyEvent::Added { amount } = recorded.event else { panic!("only amounts were stored") };
    taken.push((recorded.position.unwrap_or_default(), amount));
}

/// The aggregate as it was at a version, and at a time.
pub async fn the_past_can_be_loaded<S: Candidate>(store: S) {
    let (id, stream) = ("past".to_owned(), stream("past"));
    for amounts in [1..=2, 3..=3, 4..=6] {
        fill(&store, &stream, amounts).await;
    }
    for version in 0..=8 {
        let past = store.load_at_version::<Tally<1>>(&id, Version(version)).await.expect("the past can be loaded");
        let reached = version.min(6);
        assert_eq!(past.version, Version(reached), "the aggregate as it was at version {version}");
        assert_eq!(past.state, replay(1..=reached), "the state at version {version} is what its events add up to");
    }
    for event in whole(&store, &stream).await {
        let past = store.load_at_time::<Tally<1>>(&id, event.recorded_at).await.expect("the past can be loaded");
        assert!(past.version >= event.version, "the past at an event's recorded time has that event");
    }
}

/// An event that no type fits is an error that names it. It is neither skipped nor a panic.
pub async fn an_unreadable_event_is_named<S: Candidate>(store: S) {
    let id = "unreadable".to_owned();
    let mut events = added_all(1..=2);
    events.push(NewEvent::new(format!("{CATEGORY}.unknown"), 1, "{}"));
    append(&store, &stream(&id), NoStream, events).await.expect("a store takes any type");
    let loaded = store.load::<Tally<0>>(&id).await;
    let Err(Error::Decode { stream: named, version, .. }) = loaded else {
        panic!("an event that cannot be read is an error of its own, not {loaded:?}")
    };
    assert_eq!((named, version), (stream(&id), Version(3)), "the error names the stream and the version");
}
