use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::metadata::CorrelationId;

fn stream(category: &str, id: &str) -> StreamId {
    StreamId::new(category, id).unwrap()
}

fn time(seconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn noted() -> PastEvent {
    PastEvent::new(stream("account", "7"), Version(1), "account.noted", 1, "{}").recorded_at(time(1_551_432_600))
}

#[test]
fn the_id_of_an_event_is_the_same_for_ever() {
    // With another one, an import that is repeated across the release that changes it would end in a conflict.
    let timeless = PastEvent { recorded_at: None, ..noted() };
    assert_eq!(timeless.known_id().0.to_string(), "6c1b2cf0-943d-5bb8-8c33-2d91adcecc08");
    assert_eq!(noted().known_id().0.to_string(), "01693896-c9c0-79a9-9439-aea54c500c35");
}

#[test]
fn an_event_that_says_something_else_has_another_id() {
    let events = [
        noted(),
        PastEvent { stream: stream("accounts", "7"), ..noted() },
        PastEvent { stream: stream("account", "8"), ..noted() },
        PastEvent { version: Version(2), ..noted() },
        PastEvent { event_type: "account.notes".into(), ..noted() },
        PastEvent { schema_version: 2, ..noted() },
        PastEvent { payload: "[]".into(), ..noted() },
        noted().recorded_at(time(1_551_432_601)),
        PastEvent { recorded_at: None, ..noted() },
        // What ends one part could begin the next.
        PastEvent { stream: stream("account", "7account"), event_type: ".noted".into(), ..noted() },
    ];
    let ids: BTreeSet<EventId> = events.iter().map(PastEvent::known_id).collect();
    assert_eq!(ids.len(), events.len());
    // Who surrounds it differently says the same.
    assert_eq!(noted().metadata(Metadata::default().with_actor("ada")).known_id(), noted().known_id());
}

#[test]
fn ids_sort_by_time_where_there_is_one() {
    let at =
        |seconds, payload: &'static str| PastEvent { payload: payload.into(), ..noted().recorded_at(time(seconds)) };
    for number in 0..50 {
        let payload: &'static str = ["1", "2", "3", "4", "5"][number % 5];
        let (earlier, later) = (at(1_000 + number as u64, payload), at(1_001 + number as u64, "0"));
        assert!(earlier.known_id() < later.known_id());
    }
    // Before 1970 there is no such order, and still an id.
    let old = noted().recorded_at(Timestamp::from_micros(-1));
    assert_ne!(old.known_id(), noted().known_id());
}

#[test]
fn an_id_that_is_given_is_kept() {
    let id = EventId::new();
    assert_eq!(noted().id(id).identified().id, Some(id));
}

/// Down to the last character of the payload, and whatever the metadata is.
#[test]
fn every_part_comes_back_from_json() {
    let mut metadata = Metadata::default().with_actor("ada \u{1f600} \" \\ \0").with_header("a", "");
    metadata.correlation_id = Some(CorrelationId::new());
    let event =
        PastEvent { payload: "{ \"n\" : 1.10e2,\t\"\\u0000\":\"\u{e9}\" }".into(), schema_version: 3, ..noted() };
    for event in
        [event.clone(), event.metadata(metadata).id(EventId::new()), PastEvent { recorded_at: None, ..noted() }]
    {
        let line = serde_json::to_string(&event).unwrap();
        assert!(!line.contains('\n'), "an event is a line");
        assert_eq!(serde_json::from_str::<PastEvent>(&line).unwrap(), event.identified());
    }
}

/// Of a line that somebody else wrote, what has a default may be missing.
#[test]
fn a_line_needs_no_more_than_an_event_does() {
    let line = r#"{"stream":"account-7","version":1,"type":"account.noted","schema_version":1,"payload":{}}"#;
    let event = serde_json::from_str::<PastEvent>(line).unwrap();
    assert_eq!(event, PastEvent { recorded_at: None, ..noted() });
    for part in [r#""stream":"account-7","#, r#""version":1,"#, r#""type":"account.noted","#, r#","payload":{}"#] {
        assert!(serde_json::from_str::<PastEvent>(&line.replace(part, "")).is_err(), "{part}");
    }
    assert!(serde_json::from_str::<PastEvent>(&line.replace("account-7", "account")).is_err());
}
