//! Values that break stores: a clear error with nothing stored, or a correct round trip.

use es_core::ExpectedVersion::{Any, Exact};
use es_core::{
    Append, DecodeErrorKind, Error, EventStore, EventStoreExt, InvalidAppend, InvalidStreamId, MAX_ID_BYTES, Metadata,
    NewEvent, Position, Version,
};
use es_memory::MemoryStore;

use crate::support::{Add, Tally, TallyEvent, append, ids, migrated, stream};

async fn every_trap<S: EventStore>(store: S) {
    events_that_do_not_decode(&store).await;
    texts_come_back_as_they_were(&store).await;
    numbers_come_back_as_they_were(&store).await;
    ids_have_a_longest_length(&store).await;
    what_is_no_json_is_refused(&store).await;
    versions_have_no_ceiling_in_the_question(&store).await;
    metadata_comes_back_as_it_was(&store).await;
}

/// The error names stream and version; the events before and behind are still there, and so is the log.
async fn events_that_do_not_decode<S: EventStore>(store: &S) {
    let before = store.log_end().await.unwrap();
    let alien = [("tally.gifted", 1, "{}"), ("tally.added", 9, "{}"), ("tally.added", 1, r#"{"amount":"two"}"#)];
    for (number, (name, schema_version, payload)) in alien.into_iter().enumerate() {
        let id = format!("undecodable {number}");
        let mut three = append(&id, Any, 3);
        three.events[1] = NewEvent::new(name, schema_version, payload);
        store.append(three).await.unwrap();

        let refused = store.load::<Tally>(&id).await.unwrap_err();
        let Error::Decode { stream: at, version, source } = &refused else { panic!("{refused:?}") };
        assert_eq!((at, *version), (&stream(&id), Version(2)));
        match number {
            0 => assert!(matches!(source.kind(), DecodeErrorKind::UnknownType)),
            1 => assert!(matches!(source.kind(), DecodeErrorKind::UnknownSchemaVersion { current: 1 })),
            _ => assert!(matches!(source.kind(), DecodeErrorKind::Payload(_))),
        }
        let refused = store.execute(Add { tally: id.clone(), amount: 1 }).await.unwrap_err();
        assert!(refused.to_string().contains(&id), "{refused}");
        assert_eq!(ids(store, &id).await.len(), 3, "the raw events can be read");
    }
    let mut log = store.log::<TallyEvent>(before);
    assert_eq!(log.next().await.unwrap().unwrap().version, Version(1));
    assert!(matches!(log.next().await, Err(Error::Decode { version: Version(2), .. })));
}

async fn texts_come_back_as_they_were<S: EventStore>(store: &S) {
    let texts = [
        "x".repeat(6_000_000),
        "a NUL \0 in the middle, \0\0 twice".to_owned(),
        "\u{1F469}\u{200D}\u{1F680} \u{FEFF}\u{202E} \u{FFFF} \"quoted\" back\\slash\r\n\t\u{7f}\u{1}".to_owned(),
        r"\u0000 \ud800 that is only written so".to_owned(),
        String::new(),
    ];
    for (number, text) in texts.into_iter().enumerate() {
        let id = format!("text {number}");
        let noted = TallyEvent::Noted { text: text.clone() };
        store.append_events::<Tally>(&id, Any, noted).await.unwrap();
        assert!(store.load::<Tally>(&id).await.unwrap().state.last_text == text, "{id}");
        store.take_snapshot::<Tally>(&id).await.unwrap();
        assert!(store.load::<Tally>(&id).await.unwrap().state.last_text == text, "{id}, from a snapshot");
    }
}

async fn numbers_come_back_as_they_were<S: EventStore>(store: &S) {
    for amount in [0, u64::try_from(i64::MAX).unwrap(), u64::try_from(i64::MAX).unwrap() + 1, u64::MAX] {
        let id = format!("number {amount}");
        store.execute(Add { tally: id.clone(), amount }).await.unwrap();
        let mut events = store.events::<Tally>(&id).unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().event, TallyEvent::Added { amount });
    }
}

async fn ids_have_a_longest_length<S: EventStore>(store: &S) {
    let refused = store.execute(Add { tally: "x".repeat(10_000), amount: 1 }).await.unwrap_err();
    let es_core::ExecuteError::Store(Error::InvalidStream(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(refused, InvalidStreamId::IdTooLong { bytes: 10_000 });
    for id in ["x".repeat(MAX_ID_BYTES), "\u{1F680}".repeat(MAX_ID_BYTES / 4), "-'\";%_\\ --".to_owned()] {
        store.execute(Add { tally: id.clone(), amount: 7 }).await.unwrap();
        assert_eq!(store.load::<Tally>(&id).await.unwrap().version, Version(1), "{id}");
    }
}

/// Among good events of the same append, so that its being all or nothing shows.
async fn what_is_no_json_is_refused<S: EventStore>(store: &S) {
    for payload in ["", "{", "{\"text\":\"raw \0\"}", "{\"text\":\"line\nbreak\"}", "NaN", "{}{}"] {
        let mut three = append("no json", Any, 3);
        three.events[2].payload = payload.into();
        let refused = store.append(three).await.unwrap_err();
        assert!(matches!(refused, Error::InvalidAppend(InvalidAppend::Payload { index: 2, .. })), "{refused:?}");
    }
    let mut named = append("no json", Any, 2);
    named.events[1].event_type = "a\0b".into();
    assert!(matches!(store.append(named).await, Err(Error::InvalidAppend(InvalidAppend::EventTypeName(_)))));
    assert!(ids(store, "no json").await.is_empty());
}

async fn versions_have_no_ceiling_in_the_question<S: EventStore>(store: &S) {
    let highest = u64::try_from(i64::MAX).unwrap();
    for expected in [7, highest - 1, highest, highest + 1, u64::MAX] {
        for events in [1, 2] {
            let refused = store.append(append("low", Exact(Version(expected)), events)).await.unwrap_err();
            let Error::Conflict(conflict) = refused else { panic!("{refused:?}") };
            assert_eq!((conflict.expected, conflict.actual), (Exact(Version(expected)), Version::NONE));
        }
    }
    let mut log = store.log::<TallyEvent>(Position(u64::MAX));
    assert!(log.next().await.unwrap().is_none());
}

async fn metadata_comes_back_as_it_was<S: EventStore>(store: &S) {
    let actor = "NUL \0, emoji \u{1F680}, \u{FFFF}";
    let metadata = Metadata::default().with_actor(actor).with_header("a \0 name", "x".repeat(100_000));
    let event = NewEvent { metadata: metadata.clone(), ..NewEvent::new("tally.added", 1, r#"{"amount":1}"#) };
    store.append(Append::new(stream("metadata"), Any, vec![event])).await.unwrap();
    let mut events = store.events::<Tally>(&"metadata".to_owned()).unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().metadata, metadata);
}

#[tokio::test]
async fn hostile_values_in_memory() {
    every_trap(MemoryStore::new()).await;
}

#[tokio::test]
async fn hostile_values_on_postgres() {
    every_trap(migrated().await.1).await;
}
