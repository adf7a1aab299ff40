//! Snapshots are a cache: handed out only where they fit, never older for newer, and dropping them changes no result.

use std::time::Duration;

use super::Candidate;
use super::support::{Lot, added, added_all, append, fill, load, side_by_side, stream, stream_in, whole};
use super::tally::{Add, STATE_VERSION, Tally, replay};
use crate::snapshot::Snapshot;
use crate::store::{EventStore, EventStoreExt};
use crate::stream::ExpectedVersion::Any;
use crate::stream::{StreamId, Version};

fn snapshot(stream: &StreamId, version: u64, state: &str) -> Snapshot {
    Snapshot::new(stream.clone(), Version(version), STATE_VERSION, state)
}

async fn save<S: EventStore>(store: &S, snapshot: Snapshot) {
    store.save_snapshot(snapshot).await.expect("a snapshot can be saved");
}

/// The version and the state that a load is handed, as compact JSON.
async fn handed_out<S: Candidate>(store: &S, stream: &StreamId) -> Option<(u64, String)> {
    let loaded = load(store, stream, Some(STATE_VERSION)).await;
    loaded.snapshot.map(|(version, state)| (version.0, compact(&state)))
}

/// A store may keep JSON text in another form of the same content.
fn compact(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json).expect("a snapshot's state is JSON").to_string()
}

/// Without a snapshot a load hands out every event, in order, whether or not a snapshot is wanted.
pub async fn a_load_without_a_snapshot_replays_everything<S: Candidate>(store: S) {
    let stream = stream("replayed");
    fill(&store, &stream, 1..=2).await;
    fill(&store, &stream, 3..=5).await;
    for state_version in [None, Some(0), Some(1), Some(u32::MAX)] {
        let loaded = load(&store, &stream, state_version).await;
        assert!(loaded.snapshot.is_none(), "there is no snapshot to hand out");
        let payloads: Vec<_> = (1..=5).map(|n| (Version(n), format!(r#"{{"amount":{n}}}"#))).collect();
        assert_eq!(loaded.events, payloads, "a load hands out the events of the stream, in order");
    }
}

/// A snapshot is handed out before any event, and then only the events behind it.
pub async fn a_load_begins_with_the_snapshot<S: Candidate>(store: S) {
    for at in 1..=5 {
        let stream = stream(&format!("snapshot at {at}"));
        fill(&store, &stream, 1..=2).await;
        fill(&store, &stream, 3..=5).await;
        save(&store, snapshot(&stream, at, r#"{"here":true}"#)).await;
        let loaded = load(&store, &stream, Some(STATE_VERSION)).await;
        assert_eq!(loaded.snapshot_version(), Some(at), "a snapshot that fits is handed out, with its version");
        let rest: Vec<u64> = (at + 1..=5).collect();
        assert_eq!(loaded.versions(), rest, "behind a snapshot at {at} come the events from {} on", at + 1);
        assert_eq!(handed_out(&store, &stream).await, Some((at, r#"{"here":true}"#.into())), "as it was saved");
    }
}

/// Who names no state version is handed no snapshot.
pub async fn a_snapshot_is_only_for_who_asks<S: Candidate>(store: S) {
    let stream = stream("not asked");
    fill(&store, &stream, 1..=5).await;
    save(&store, snapshot(&stream, 3, "{}")).await;
    let loaded = load(&store, &stream, None).await;
    assert!(loaded.snapshot.is_none(), "a snapshot is handed out only to who asks for its state version");
    assert_eq!(loaded.versions(), [1, 2, 3, 4, 5], "without a snapshot every event is handed out");
}

/// A snapshot of another state version is ignored, and neither replaces the other.
pub async fn state_versions_are_kept_apart<S: Candidate>(store: S) {
    let stream = stream("two states");
    fill(&store, &stream, 1..=5).await;
    let of = |state_version, version| Snapshot { state_version, ..snapshot(&stream, version, "{}") };
    save(&store, of(1, 4)).await;
    for other in [0, 2, u32::MAX] {
        let loaded = load(&store, &stream, Some(other)).await;
        assert!(loaded.snapshot.is_none(), "a snapshot is handed out only to who asks for its state version");
        assert_eq!(loaded.versions(), [1, 2, 3, 4, 5], "without a snapshot every event is handed out");
    }
    save(&store, of(2, 2)).await;
    save(&store, of(u32::MAX, 3)).await;
    for (state_version, at) in [(1, 4), (2, 2), (u32::MAX, 3)] {
        let loaded = load(&store, &stream, Some(state_version)).await;
        assert_eq!(loaded.snapshot_version(), Some(at), "snapshots of different state versions are kept apart");
    }
}

/// A snapshot is handed out only if the stream has reached its version.
pub async fn a_snapshot_ahead_of_its_stream_is_not_handed_out<S: Candidate>(store: S) {
    let (stream, empty) = (stream("behind"), stream("empty"));
    fill(&store, &stream, 1..=3).await;
    for ahead in [4, 100, i64::MAX.unsigned_abs()] {
        save(&store, snapshot(&stream, ahead, "{}")).await;
        save(&store, snapshot(&empty, ahead, "{}")).await;
        let loaded = load(&store, &stream, Some(STATE_VERSION)).await;
        assert!(loaded.snapshot.is_none(), "a snapshot at {ahead} is not handed out for a stream at 3");
        assert_eq!(loaded.versions(), [1, 2, 3], "without a snapshot every event is handed out");
        let loaded = load(&store, &empty, Some(STATE_VERSION)).await;
        assert!(loaded.snapshot.is_none(), "a snapshot at {ahead} is not handed out for a stream without events");
    }
}

/// Only a newer snapshot takes the place of one that is there.
pub async fn a_stale_snapshot_never_overwrites_a_newer_one<S: Candidate>(store: S) {
    let stream = stream("stale");
    fill(&store, &stream, 1..=9).await;
    let steps = [(5, "first", 5, "first"), (4, "older", 5, "first"), (5, "same", 5, "first"), (6, "newer", 6, "newer")];
    for (version, state, stays_at, stays) in steps {
        let state = format!("{state:?}");
        save(&store, snapshot(&stream, version, &state)).await;
        assert_eq!(
            handed_out(&store, &stream).await,
            Some((stays_at, format!("{stays:?}"))),
            "a stale snapshot never overwrites a newer one, and a newer one does: saved {state} at {version}"
        );
    }
}

/// A snapshot that was found to be unreadable gives way to the one that says so, although that is not newer.
pub async fn an_unreadable_snapshot_gives_way<S: Candidate>(store: S) {
    let stream = stream("unreadable");
    fill(&store, &stream, 1..=9).await;
    save(&store, snapshot(&stream, 7, "\"unreadable\"")).await;
    let replacing = |version, replaces| Snapshot {
        replaces: Some(Version(replaces)),
        ..snapshot(&stream, version, "\"repaired\"")
    };
    save(&store, replacing(5, 6)).await;
    assert_eq!(
        handed_out(&store, &stream).await,
        Some((7, "\"unreadable\"".into())),
        "a snapshot replaces the one of the version it names, and no other"
    );
    save(&store, replacing(5, 7)).await;
    assert_eq!(
        handed_out(&store, &stream).await,
        Some((5, "\"repaired\"".into())),
        "an unreadable snapshot gives way to the one that names its version in `replaces`"
    );
    save(&store, snapshot(&stream, 7, "\"unreadable\"")).await;
    save(&store, replacing(7, 7)).await;
    assert_eq!(
        handed_out(&store, &stream).await,
        Some((7, "\"repaired\"".into())),
        "an unreadable snapshot gives way to one of the same version"
    );
}

/// Forgetting the snapshots of a stream leaves none of it, touches no other stream, and changes no result.
pub async fn deleting_forgets_every_snapshot_of_the_stream<S: Candidate>(store: S) {
    let (stream, other) = (stream("forgotten"), stream("kept"));
    for stream in [&stream, &other] {
        fill(&store, stream, 1..=5).await;
        for state_version in 1..=3 {
            save(&store, Snapshot { state_version, ..snapshot(stream, 4, "{}") }).await;
        }
    }
    for _ in 0..2 {
        store.delete_snapshots(&stream).await.expect("snapshots can be forgotten, also when there are none");
        for state_version in 1..=3 {
            let loaded = load(&store, &stream, Some(state_version)).await;
            assert!(loaded.snapshot.is_none(), "every snapshot of the stream is forgotten");
            assert_eq!(loaded.versions(), [1, 2, 3, 4, 5], "losing a snapshot changes no result");
            let loaded = load(&store, &other, Some(state_version)).await;
            assert_eq!(loaded.snapshot_version(), Some(4), "snapshots of other streams stay");
        }
    }
    save(&store, snapshot(&stream, 1, "\"again\"")).await;
    assert_eq!(
        handed_out(&store, &stream).await,
        Some((1, "\"again\"".into())),
        "where snapshots were forgotten, an older one is not stale"
    );
}

/// The snapshot of one stream is never handed out for another, however alike their names are.
pub async fn streams_have_their_own_snapshots<S: Candidate>(store: S) {
    let streams = [stream_in("order", "7"), stream_in("invoice", "7"), stream_in("order", "70")];
    for (at, stream) in (1..).zip(&streams) {
        fill(&store, stream, 1..=5).await;
        save(&store, snapshot(stream, at, &at.to_string())).await;
    }
    for (at, stream) in (1..).zip(&streams) {
        let expected = Some((at, at.to_string()));
        assert_eq!(handed_out(&store, stream).await, expected, "`{stream}` has its own snapshot");
    }
}

/// A snapshot that is only offered may be kept or dropped. Kept, it obeys the same rules.
pub async fn an_offer_is_kept_or_dropped_but_never_harmful<S: Candidate>(store: S) {
    let stream = stream("offered");
    fill(&store, &stream, 1..=9).await;
    save(&store, snapshot(&stream, 6, "\"saved\"")).await;
    let saved = Some((6, "\"saved\"".to_owned()));
    let newer = Some((8, "\"newer\"".to_owned()));
    for (version, state) in [(4, "\"stale\""), (100, "\"ahead\""), (8, "\"newer\""), (7, "\"stale\"")] {
        store.offer_snapshot(snapshot(&stream, version, state));
        for _ in 0..5 {
            let handed_out = handed_out(&store, &stream).await;
            assert!(
                handed_out == saved || handed_out == newer,
                "an offered snapshot replaces another only if it supersedes it, and never runs ahead of its stream: \
                 {state} at {version} was offered, {handed_out:?} was handed out"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert_eq!(whole(&store, &stream).await.len(), 9, "an offered snapshot leaves the events alone");
}

/// Of snapshots saved side by side, in any order, the newest stays.
pub async fn the_newest_of_parallel_saves_stays<S: Candidate>(store: S) {
    let mut lot = Lot::new();
    for round in 0..10 {
        let stream = stream(&format!("parallel {round}"));
        fill(&store, &stream, 1..=20).await;
        let mut versions: Vec<u64> = (1..=20).collect();
        versions.sort_by_cached_key(|_| lot.below(u64::MAX));
        let saves = versions.into_iter().map(|version| {
            let (store, snapshot) = (store.clone(), snapshot(&stream, version, &version.to_string()));
            async move { save(&store, snapshot).await }
        });
        side_by_side(saves).await;
        assert_eq!(
            handed_out(&store, &stream).await,
            Some((20, "20".into())),
            "a stale snapshot never overwrites a newer one, also when they are saved side by side"
        );
    }
}

/// Any JSON comes back with the same content.
pub async fn hostile_states_come_back<S: Candidate>(store: S) {
    let long = format!("\"{}\"", "🦀".repeat(250_000));
    let states = [
        r#""nul \u0000 in a string""#,
        r#"{"quote":"'; drop table snapshots; --","emoji":"🦀","backslash":"\\","newline":"\n"}"#,
        r#"{"largest":18446744073709551615,"smallest":-9223372036854775808,"float":0.1}"#,
        "null",
        "[]",
        &long,
    ];
    for (index, state) in states.iter().enumerate() {
        let stream = stream(&format!("hostile {index}"));
        fill(&store, &stream, 1..=1).await;
        save(&store, snapshot(&stream, 1, state)).await;
        let back = handed_out(&store, &stream).await;
        assert_eq!(back, Some((1, compact(state))), "the state of a snapshot comes back as it was saved");
    }
}

/// How many events the streams of [`every_snapshot_of_every_split_equals_replay`] have.
const EVENTS: u64 = 5;

/// A snapshot at every possible version, with every split of the events into appends: load equals replay.
pub async fn every_snapshot_of_every_split_equals_replay<S: Candidate>(store: S) {
    let amounts = || (1..=EVENTS).map(|n| n * 1_000 + 7);
    for split in 0..1_u64 << (EVENTS - 1) {
        for at in 0..=EVENTS {
            let id = format!("split {split:b} snapshot {at}");
            let stream = stream(&id);
            append_split(&store, &stream, amounts(), split).await;
            if at > 0 {
                let state = replay::<2>(amounts().take(usize::try_from(at).unwrap_or(0)));
                let state = serde_json::to_string(&state).expect("a tally can be written");
                save(&store, snapshot(&stream, at, &state)).await;
                assert_eq!(load(&store, &stream, Some(STATE_VERSION)).await.snapshot_version(), Some(at));
            }
            let loaded = store.load::<Tally<2>>(&id).await.expect("the aggregate can be loaded");
            assert_eq!(loaded.version, Version(EVENTS), "a load with a snapshot at {at} reaches the last event");
            assert_eq!(
                loaded.state,
                replay(amounts()),
                "a load with a snapshot at {at} equals replay, however the events were split into appends ({split:b})"
            );
        }
    }
}

/// Bit n of `split` says that a new append begins behind event n.
async fn append_split<S: Candidate>(store: &S, stream: &StreamId, amounts: impl Iterator<Item = u64>, split: u64) {
    let mut events = Vec::new();
    for (index, amount) in amounts.enumerate() {
        events.push(added(amount));
        if split >> index & 1 == 1 {
            append(store, stream, Any, std::mem::take(&mut events)).await.expect("the append succeeds");
        }
    }
    append(store, stream, Any, events).await.expect("the append succeeds");
}

/// Whatever the policy, a command finds the state that a replay leads to, also between snapshots and after losing them.
pub async fn a_policy_changes_no_result<S: Candidate>(store: S) {
    let mut lot = Lot::new();
    let (mut all, id) = (Vec::new(), "by policy");
    for round in 0..24 {
        let amounts: Vec<u64> = (0..=lot.below(4)).map(|_| 1 + lot.below(1_000)).collect();
        all.extend(&amounts);
        let expected = replay(all.iter().copied());
        let outcome = match round % 3 {
            0 => store.execute(Add::<1>::new(id, amounts)).await.map(|outcome| outcome.state.digest),
            1 => store.execute(Add::<3>::new(id, amounts)).await.map(|outcome| outcome.state.digest),
            _ => store.execute(Add::<0>::new(id, amounts)).await.map(|outcome| outcome.state.digest),
        };
        assert_eq!(outcome.expect("the command succeeds"), expected.digest, "any snapshot policy equals replay");
        if round % 10 == 9 {
            store.delete_snapshots(&stream(id)).await.expect("snapshots can be forgotten");
        }
        let loaded = store.load::<Tally<1>>(id).await.expect("the aggregate can be loaded");
        assert_eq!(loaded.state, expected, "dropping all snapshots, or none, changes no result");
    }
}

/// A snapshot that does not decode is ignored, not an error, and the next one takes its place.
pub async fn an_undecodable_snapshot_is_ignored_and_replaced<S: Candidate>(store: S) {
    let id = "undecodable".to_owned();
    let stream = stream(&id);
    append(&store, &stream, Any, added_all(1..=5)).await.expect("the append succeeds");
    save(&store, snapshot(&stream, 5, r#"{"of":"another shape"}"#)).await;

    let loaded = store.load::<Tally<2>>(&id).await.expect("an undecodable snapshot is never an error");
    assert_eq!(loaded.state, replay(1..=5), "an undecodable snapshot is ignored: load equals replay");

    store.take_snapshot::<Tally<2>>(&id).await.expect("a snapshot can be taken");
    let state = serde_json::to_string(&replay::<2>(1..=5)).expect("a tally can be written");
    assert_eq!(
        handed_out(&store, &stream).await,
        Some((5, compact(&state))),
        "an undecodable snapshot is replaced, although the new one is not newer"
    );
}
