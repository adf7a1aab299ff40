//! Snapshots that are offered and written later.

use std::time::Duration;

use es_core::{EncodedEvent, Error, EventStore, Fold, Snapshot, Version};

use crate::fixture::{add, connection, number, store, stream};

#[derive(Default)]
struct Seen {
    snapshot: Option<(Version, String)>,
    events: Vec<u64>,
}

impl Fold for Seen {
    fn snapshot(&mut self, version: Version, state: &str) {
        assert!(self.events.is_empty(), "the snapshot comes first");
        self.snapshot = Some((version, state.to_owned()));
    }
    fn event(&mut self, version: Version, _: EncodedEvent<'_>) -> Result<(), Error> {
        self.events.push(version.0);
        Ok(())
    }
}

#[tokio::test]
async fn an_offered_snapshot_is_written_in_the_background() {
    let (store, _database) = store().await;
    add(&store, "7", 5).await;
    store.offer_snapshot(Snapshot::new(stream("7"), Version(3), 1, r#"{"n":3}"#));
    for _ in 0..1_000 {
        let mut seen = Seen::default();
        store.fold_stream(&stream("7"), Some(1), &mut seen).await.unwrap();
        if let Some(snapshot) = seen.snapshot {
            assert_eq!(snapshot, (Version(3), r#"{"n":3}"#.to_owned()));
            assert_eq!(seen.events, [4, 5]);
            return;
        }
        assert_eq!(seen.events, [1, 2, 3, 4, 5]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it was never written");
}

#[tokio::test]
async fn more_offers_than_can_wait_are_dropped_and_block_nobody() {
    let (store, database) = store().await;
    for n in 0..200 {
        add(&store, &n.to_string(), 1).await;
    }
    // Nothing is awaited in between, so on this single thread none is written before all are offered.
    for n in 0..200 {
        store.offer_snapshot(Snapshot::new(stream(&n.to_string()), Version(1), 1, "{}"));
    }
    let mut connection = connection(database.url()).await;
    crate::fixture::until(&mut connection, "SELECT (count(*) >= 64)::int::bigint FROM es.snapshots").await;
    assert_eq!(number(&mut connection, "SELECT count(*) FROM es.snapshots").await, 64);
    add(&store, "7", 1).await;
}
