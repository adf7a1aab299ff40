//! Idempotency keys: one effect, however often, from wherever and in whatever order it is asked for.

use uuid::Uuid;

use super::Candidate;
use super::support::{added, added_all, amounts, append, conflict, fill, log, side_by_side, stream, whole};
use super::tally::{Add, NothingToAdd, Tally, replay};
use crate::error::{Error, ExecuteError, InvalidAppend, KeyReused};
use crate::execute::Outcome;
use crate::idempotency::{IdempotencyKey, KeyUse, Keyed, MAX_IDEMPOTENCY_KEY_BYTES};
use crate::recorded::{Append, Appended, NewEvent};
use crate::retry::Retry;
use crate::store::{DynEventStore, EventStoreExt};
use crate::stream::ExpectedVersion::{Any, Exact, Exists, NoStream};
use crate::stream::{ExpectedVersion, Version};

/// How many are at it at once.
const PARALLEL: u64 = 20;

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).expect("the suite makes keys that can exist")
}

fn keyed(text: &str, fingerprint: u128) -> Keyed {
    Keyed::new(key(text), Uuid::from_u128(fingerprint))
}

/// An append of these amounts, under a key.
fn under(keyed: Keyed, id: &str, expected: impl Into<ExpectedVersion>, amounts: &[u64]) -> Append {
    Append::new(stream(id), expected.into(), added_all(amounts.iter().copied())).keyed(keyed)
}

#[track_caller]
fn stored(result: Result<Appended, Error>) -> Appended {
    let appended = result.expect("an append under a key that nobody has used is stored");
    assert!(!appended.repeated, "what is stored for the first time is no repeat");
    appended
}

#[track_caller]
fn assert_repeats(first: Appended, result: Result<Appended, Error>) {
    let again = result.expect("a repeat under the same key is answered, whatever it expects");
    assert!(again.repeated, "a repeat under the same key is told from what was stored now");
    let told = (again.version, again.recorded_at);
    assert_eq!(told, (first.version, first.recorded_at), "a repeat is answered with what became of the first");
}

#[track_caller]
fn reused<T: std::fmt::Debug>(result: Result<T, Error>) -> KeyReused {
    match result {
        Err(Error::KeyReused(reused)) => reused,
        other => panic!("a key that was used for something else is refused, not answered with {other:?}"),
    }
}

async fn find<S: Candidate>(store: &S, text: &str) -> Option<KeyUse> {
    store.find_key(&key(text)).await.expect("a key can be looked up")
}

/// The same append again stores nothing, and gets the first answer, also when the stream has moved on.
pub async fn a_repeat_is_answered_as_the_first_was<S: Candidate>(store: S) {
    let stream = stream("repeated");
    fill(&store, &stream, [1]).await;
    let first = stored(store.append(under(keyed("k", 1), "repeated", Any, &[2, 3])).await);
    assert_eq!(first.version, Version(3), "an append under a key is an append like any other");
    assert_repeats(first, store.append(under(keyed("k", 1), "repeated", Any, &[2, 3])).await);
    fill(&store, &stream, [4]).await;
    assert_repeats(first, store.append(under(keyed("k", 1), "repeated", Any, &[2, 3])).await);
    assert_eq!(amounts(&whole(&store, &stream).await), [1, 2, 3, 4], "a repeat under the same key stores nothing");
    assert_eq!(amounts(&log(&store).await), [1, 2, 3, 4], "nor does it leave anything in the log");
}

/// Whatever the stream is like by now: what was to be done is done.
pub async fn a_repeat_is_never_a_conflict<S: Candidate>(store: S) {
    for (id, expected) in [("none", NoStream), ("zero", Exact(Version::NONE))] {
        let first = stored(store.append(under(keyed(id, 1), id, expected, &[1])).await);
        for again in [expected, Exact(Version(7)), Exact(Version(u64::MAX)), NoStream, Exists, Any] {
            assert_repeats(first, store.append(under(keyed(id, 1), id, again, &[1])).await);
        }
        assert_eq!(amounts(&whole(&store, &stream(id)).await), [1], "a repeat under the same key stores nothing");
    }
}

/// A look at a key tells the append, and at one that nobody has used, nothing.
pub async fn a_key_tells_what_was_stored_under_it<S: Candidate>(store: S) {
    assert_eq!(find(&store, "k").await, None, "nothing was stored under a key that nobody has used");
    fill(&store, &stream("told"), [1, 2]).await;
    let appended = stored(store.append(under(keyed("k", 9), "told", Exact(Version(2)), &[3, 4, 5])).await);
    let one = stored(store.append(under(keyed("one", 8), "told", Any, &[6])).await);
    let use_of = |first, last: Appended, fingerprint| {
        let fingerprint = Uuid::from_u128(fingerprint);
        Some(KeyUse::new(stream("told"), Version(first), last.version, fingerprint, last.recorded_at))
    };
    assert_eq!(find(&store, "k").await, use_of(3, appended, 9), "a key tells what was stored under it");
    assert_eq!(find(&store, "one").await, use_of(6, one, 8), "also of a single event");
    let events = whole(&store, &stream("told")).await;
    assert_eq!(events[2].recorded_at, appended.recorded_at, "and when the events were recorded");
}

/// The same key for something else: a mistake of the caller's, which must not look like a success.
pub async fn another_fingerprint_is_refused<S: Candidate>(store: S) {
    stored(store.append(under(keyed("k", 1), "mine", Any, &[1])).await);
    for expected in [Any, NoStream, Exact(Version(1)), Exact(Version(7))] {
        let refused = reused(store.append(under(keyed("k", 2), "mine", expected, &[2])).await);
        let stream = stream("mine");
        assert_eq!(refused, KeyReused { key: key("k"), stream }, "a refusal names the key, and where it was used");
    }
    assert_eq!(amounts(&log(&store).await), [1], "what is refused stores nothing");
}

/// The key and the fingerprint are right, but the first append was to another stream.
pub async fn another_stream_is_refused<S: Candidate>(store: S) {
    stored(store.append(under(keyed("k", 1), "mine", Any, &[1])).await);
    let refused = reused(store.append(under(keyed("k", 1), "yours", Any, &[1])).await);
    assert_eq!(refused.stream, stream("mine"), "a refusal names the stream that the key was used for");
    assert!(whole(&store, &stream("yours")).await.is_empty(), "what is refused stores nothing");
}

/// Events and key are one: what was not stored was not done.
pub async fn a_refused_append_leaves_no_key<S: Candidate>(store: S) {
    fill(&store, &stream("refused"), [1]).await;
    for expected in [NoStream, Exact(Version(7)), Exact(Version::NONE)] {
        conflict(store.append(under(keyed("k", 1), "refused", expected, &[2])).await);
        assert_eq!(find(&store, "k").await, None, "an append that was refused leaves no key");
    }
    let empty = store.append(under(keyed("k", 1), "refused", Any, &[])).await;
    assert!(matches!(empty, Err(Error::InvalidAppend(InvalidAppend::Empty))), "a key makes no append well-formed");
    stored(store.append(under(keyed("k", 2), "refused", Exact(Version(1)), &[2])).await);
    assert_eq!(amounts(&whole(&store, &stream("refused")).await), [1, 2], "the key is free for what can be stored");
}

/// Of many at once, in one stream, each told the same.
pub async fn one_of_parallel_appends_under_a_key_is_stored<S: Candidate>(store: S) {
    for (id, expected) in [("any", Any), ("none", NoStream), ("zero", Exact(Version::NONE))] {
        let tasks = (0..PARALLEL).map(|_| {
            let (store, append) = (store.clone(), under(keyed(id, 1), id, expected, &[5, 6]));
            async move { store.append(append).await }
        });
        let mut firsts = 0;
        for result in side_by_side(tasks).await {
            let appended = result.expect("each of several at once under one key is told that it is done");
            assert_eq!(appended.version, Version(2), "and what became of the one that was stored");
            firsts += u64::from(!appended.repeated);
        }
        assert_eq!(
            amounts(&whole(&store, &stream(id)).await),
            [5, 6],
            "of several at once under one key one is stored"
        );
        assert_eq!(firsts, 1, "and one is told that it is the one");
    }
}

/// Of many at once, each in a stream of its own.
pub async fn one_of_parallel_streams_gets_the_key<S: Candidate>(store: S) {
    let tasks = (0..PARALLEL).map(|n| {
        let (store, append) = (store.clone(), under(keyed("k", 1), &format!("stream {n}"), Any, &[5]));
        async move { store.append(append).await }
    });
    let results = side_by_side(tasks).await;
    let winners = results.iter().filter(|result| result.is_ok()).count();
    let first = find(&store, "k").await.expect("one of them is stored under the key");
    assert_eq!((winners, log(&store).await.len()), (1, 1), "of several at once under one key one is stored");
    for refused in results.into_iter().filter(Result::is_err) {
        assert_eq!(reused(refused).stream, first.stream, "and the others are told which");
    }
}

/// A commit of unknown outcome can be repeated, whatever it expected.
pub async fn a_repeated_raw_append_is_stored_once<S: Candidate>(store: S) {
    for (id, expected, there) in
        [("any", Any, 0), ("none", NoStream, 0), ("exists", Exists, 2), ("exact", Exact(Version(2)), 2)]
    {
        if there > 0 {
            fill(&store, &stream(id), 1..=there).await;
        }
        let append = Append::new(stream(id), expected, added_all([8, 9])).idempotent();
        let first = stored(store.append(append.clone()).await);
        fill(&store, &stream(id), [10]).await;
        assert_repeats(first, store.append(append).await);
        let all: Vec<u64> = (1..=there).chain([8, 9, 10]).collect();
        assert_eq!(amounts(&whole(&store, &stream(id)).await), all, "a repeat of the same events stores nothing");
    }
    let twice = Append::new(stream("twice"), Any, vec![added(1)]);
    stored(store.append(twice.clone()).await);
    stored(store.append(twice).await);
    assert_eq!(whole(&store, &stream("twice")).await.len(), 2, "an append without a key is stored each time");
}

/// The first event was stored before, but together with others.
pub async fn events_in_other_company_are_refused<S: Candidate>(store: S) {
    let events: Vec<NewEvent> = added_all([1, 2, 3]);
    let of = |events: &[NewEvent]| Append::new(stream("company"), Any, events.to_vec()).idempotent();
    stored(store.append(of(&events[..2])).await);
    for others in [&events[..1], &events[..]] {
        reused(store.append(of(others)).await);
    }
    assert_eq!(amounts(&whole(&store, &stream("company")).await), [1, 2], "what is refused stores nothing");
}

/// What looks alike is not the same: keys are compared byte by byte, and any text without NUL can be one,
/// but for those that begin as the framework's own do.
pub async fn keys_of_every_kind<S: Candidate>(store: S) {
    let longest = "k".repeat(MAX_IDEMPOTENCY_KEY_BYTES);
    let kinds = [
        "k",
        "K",
        " k",
        "k ",
        " ",
        "k\n",
        "\u{e9}",
        "e\u{301}",
        "ss",
        "\u{df}",
        "i",
        "\u{131}",
        "'; DROP TABLE events; --",
        "%",
        "_",
        "\\",
        "\u{feff}k",
        "\u{202e}k",
        "\u{1f980}",
        "event:7",
        "null",
        "{}",
        &longest,
        &longest[1..],
    ];
    for (fingerprint, kind) in (1..).zip(kinds) {
        assert_eq!(find(&store, kind).await, None, "{kind:?} is a key of its own");
        stored(store.append(under(keyed(kind, fingerprint), "kinds", Any, &[5])).await);
    }
    for (fingerprint, kind) in (1..).zip(kinds) {
        let first = find(&store, kind).await.unwrap_or_else(|| panic!("{kind:?} can be a key"));
        assert_eq!(u128::from(first.first.0), fingerprint, "{kind:?} is a key of its own");
    }
}

fn outcome<const N: u64>(result: Result<Outcome<Tally<N>>, ExecuteError<NothingToAdd>>) -> Outcome<Tally<N>> {
    result.expect("a command under a key that was used for the same one succeeds")
}

/// The first outcome again, also when the aggregate has moved on, and whatever the caller expects by now.
pub async fn a_repeated_command_gives_the_first_outcome<S: Candidate>(store: S) {
    fill(&store, &stream("command"), [1]).await;
    let add = || store.execute(Add::<0>::new("command", [2, 3])).expect(Exact(Version(1))).idempotency_key("k");
    let first = outcome(add().await);
    assert!(!first.repeated, "what is done for the first time is no repeat");
    for more in [None, Some(4)] {
        if let Some(more) = more {
            fill(&store, &stream("command"), [more]).await;
        }
        let again = outcome(add().await);
        assert!(again.repeated, "a repeated command is told from one that is done now");
        assert_eq!((again.version, &again.stream), (first.version, &first.stream), "it leads where the first one did");
        assert_eq!(again.events, first.events, "what happened is what happened the first time");
        assert_eq!(again.state, replay([1, 2, 3]), "the state is the one that the first one led to");
    }
    assert_eq!(amounts(&whole(&store, &stream("command")).await), [1, 2, 3, 4], "a repeated command stores nothing");
}

/// One key, two commands: by what they say, by whom they are for, and by their types.
pub async fn another_command_under_a_key_is_refused<S: Candidate>(store: S) {
    outcome(store.execute(Add::<0>::new("one", [1])).idempotency_key("k").await);
    let says = store.execute(Add::<0>::new("one", [2])).idempotency_key("k").await;
    let whom = store.execute(Add::<0>::new("two", [1])).idempotency_key("k").await;
    for refused in [says, whom] {
        let Err(ExecuteError::KeyReused(reused)) = refused else {
            panic!("another command under a key that was used is refused, not answered with {refused:?}")
        };
        assert_eq!(reused, KeyReused { key: key("k"), stream: stream("one") }, "and told what the key was used for");
    }
    let kind = store.execute(Add::<5>::new("one", [1])).idempotency_key("k").await;
    assert!(matches!(kind, Err(ExecuteError::KeyReused(_))), "a command of another type is another command");
    assert_eq!(amounts(&log(&store).await), [1], "what is refused stores nothing");
}

/// Nothing happened, so the repeat is decided anew, and may succeed by then.
pub async fn a_command_without_effect_leaves_no_key<S: Candidate>(store: S) {
    let refused = store.execute(Add::<0>::new("without", [0])).idempotency_key("k").await;
    let rejection = refused.as_ref().err().and_then(ExecuteError::rejection);
    assert_eq!(rejection, Some(&NothingToAdd { total: 0 }), "a rejection is the domain's own error");
    let nothing = outcome(store.execute(Add::<0>::new("without", [])).idempotency_key("k").await);
    assert!(nothing.events.is_empty() && !nothing.repeated, "a command without events is a success, and no repeat");
    assert_eq!(find(&store, "k").await, None, "a command without effect leaves no key");
    let done = outcome(store.execute(Add::<0>::new("without", [1])).idempotency_key("k").await);
    assert!(!done.repeated, "the key is free for what has an effect");
}

/// Each of them loads, decides and appends at the same time.
pub async fn commands_at_once_under_one_key_take_effect_once<S: Candidate>(store: S) {
    for round in 0..5 {
        let id = format!("round {round}");
        let tasks = (0..PARALLEL).map(|n| {
            let (store, id) = (store.clone(), id.clone());
            async move {
                // A few others contend for the same aggregate.
                if n % 4 == 0 {
                    outcome(store.execute(Add::<0>::new(&id, [1])).await);
                }
                let command = store.execute(Add::<0>::new(&id, [100])).retry(Retry::attempts(1_000));
                outcome(command.idempotency_key(format!("key of {id}")).await)
            }
        });
        let done = side_by_side(tasks).await;
        let stored = amounts(&whole(&store, &stream(&id)).await);
        assert_eq!(
            stored.iter().filter(|n| **n == 100).count(),
            1,
            "commands under one key take effect once: {stored:?}"
        );
        let firsts = done.iter().filter(|outcome| !outcome.repeated).count();
        assert_eq!(firsts, 1, "and one is told that it is the one");
        assert!(done.iter().all(|outcome| outcome.events == done[0].events), "each is told the same events");
        assert!(done.iter().all(|outcome| outcome.state == done[0].state), "and the same state");
    }
}

/// The twin of a store keeps keys as the store does.
pub async fn keys_work_behind_the_object_safe_twin<S: Candidate>(store: S) {
    let twin = DynEventStore::new(store.clone());
    let first = stored(append_under(&twin, "twin").await);
    assert_repeats(first, append_under(&twin, "twin").await);
    assert_eq!(find(&twin, "twin").await, find(&store, "twin").await, "both know the same keys");
    assert_eq!(amounts(&log(&store).await), [5], "a repeat under the same key stores nothing");
    append(&twin, &stream("twin"), Any, vec![added(6)]).await.expect("an append without a key is stored");
}

async fn append_under<S: Candidate>(store: &S, text: &str) -> Result<Appended, Error> {
    store.append(under(keyed(text, 1), text, Any, &[5])).await
}
