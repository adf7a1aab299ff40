//! A snapshot at every version, with every split of the events into appends: a load equals a replay.

use es_core::{EventStore, EventStoreExt, ExpectedVersion, Snapshot, Version};
use es_memory::MemoryStore;
use es_postgres::PgStore;

use crate::support::{Add, Tally, TallyEvent, migrated, stream};

const EVENTS: u64 = 5;

/// As two processes have it: one writes, the other loads and goes on.
async fn every_snapshot_of_every_split_equals_replay<S: EventStore>(one: &S, other: &S) {
    for split in 0..1 << (EVENTS - 1) {
        for at in 1..=EVENTS {
            let id = format!("split {split:b}, snapshot at {at}");
            append_in_parts(one, &id, split).await;
            let replayed = replay(one, &id, Version(EVENTS)).await;
            let then = replay(one, &id, Version(at)).await;
            let state = serde_json::to_string(&then).unwrap();
            one.save_snapshot(Snapshot::new(stream(&id), Version(at), 2, state)).await.unwrap();

            assert_eq!(other.load::<Tally>(&id).await.unwrap().state, replayed, "{id}");

            let outcome = other.execute(Add { tally: id.clone(), amount: 99 }).await.unwrap();
            assert_eq!(outcome.state, replay(one, &id, Version(EVENTS + 1)).await, "{id}, and a command");
            assert_eq!(one.load::<Tally>(&id).await.unwrap().state, outcome.state, "{id}, and a command");
        }
    }
}

/// Each bit of `split` says whether an append ends behind an event.
async fn append_in_parts<S: EventStore>(store: &S, id: &String, split: u64) {
    let mut part = Vec::new();
    for event in 1..=EVENTS {
        part.push(TallyEvent::Added { amount: event });
        if event == EVENTS || split & (1 << (event - 1)) != 0 {
            store.append_events::<Tally>(id, ExpectedVersion::Any, std::mem::take(&mut part)).await.unwrap();
        }
    }
}

async fn replay<S: EventStore>(store: &S, id: &String, version: Version) -> Tally {
    let loaded = store.load_at_version::<Tally>(id, version).await.unwrap();
    assert_eq!(loaded.version, version);
    loaded.state
}

/// Of another state version, of a shape that does not decode, of a version that the stream has not reached.
async fn useless_snapshots_are_ignored<S: EventStore>(store: &S) {
    let lie = r#"{"events":77,"trail":7,"last_text":"a lie"}"#;
    let useless = [(3, 1, lie), (3, 3, lie), (3, 2, r#"{"events":"many"}"#), (EVENTS + 1, 2, lie)];
    for (number, (version, state_version, state)) in useless.into_iter().enumerate() {
        let id = format!("useless {number}");
        append_in_parts(store, &id, 0).await;
        store.save_snapshot(Snapshot::new(stream(&id), Version(version), state_version, state)).await.unwrap();
        let loaded = store.load::<Tally>(&id).await.unwrap();
        assert_eq!(loaded.state, replay(store, &id, Version(EVENTS)).await, "{id}");
        let outcome = store.execute(Add { tally: id.clone(), amount: 1 }).await.unwrap();
        assert_eq!(outcome.version, Version(EVENTS + 1), "{id}");
    }
}

/// The comparison must be able to fail: a snapshot of the right version that lies is believed, because that is what it is for.
async fn a_snapshot_is_really_used<S: EventStore>(store: &S) {
    let id = "liar".to_owned();
    append_in_parts(store, &id, 0).await;
    let lie = r#"{"events":77,"trail":7,"last_text":"a lie"}"#;
    store.save_snapshot(Snapshot::new(stream(&id), Version(EVENTS), 2, lie)).await.unwrap();
    assert_eq!(store.load::<Tally>(&id).await.unwrap().state.events, 77);
    store.delete_snapshots(&stream(&id)).await.unwrap();
    assert_eq!(store.load::<Tally>(&id).await.unwrap().state, replay(store, &id, Version(EVENTS)).await);
}

#[tokio::test]
async fn snapshots_change_no_result_on_postgres() {
    let (database, one) = migrated().await;
    let other = PgStore::connect(database.url()).await.unwrap();
    every_snapshot_of_every_split_equals_replay(&one, &other).await;
    useless_snapshots_are_ignored(&one).await;
    a_snapshot_is_really_used(&one).await;
}

#[tokio::test]
async fn snapshots_change_no_result_in_memory() {
    let store = MemoryStore::new();
    every_snapshot_of_every_split_equals_replay(&store, &store.clone()).await;
    useless_snapshots_are_ignored(&store).await;
    a_snapshot_is_really_used(&store).await;
}
