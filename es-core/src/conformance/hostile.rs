//! What no polite caller would send: either a correct round trip, or a clear error with nothing stored.

use super::Candidate;
use super::support::{
    Seen, added, added_all, append, conflict, fill, ids, load, log, log_after, of_stream, page, read, stream,
    stream_in, whole,
};
use crate::metadata::Metadata;
use crate::recorded::{MAX_EVENT_TYPE_BYTES, NewEvent, Position};
use crate::snapshot::Snapshot;
use crate::store::{EventFilter, ReadLog, ReadStream};
use crate::stream::ExpectedVersion::{Any, Exact, Exists, NoStream};
use crate::stream::{MAX_CATEGORY_BYTES, MAX_ID_BYTES, StreamId, Version};

/// Texts that some layer between here and a disk might take for something else.
const TEXTS: [&str; 26] = [
    "a",
    " ",
    " leading and trailing ",
    "it's \"quoted\"",
    "'; drop table events; --",
    "100%",
    "under_score",
    "back\\slash",
    "\\x00",
    "\\u0000",
    "$1",
    "${id}",
    "{\"json\":true}",
    "{a,b}",
    "a,b;c|d",
    "line\nbreak",
    "carriage\r\nreturn",
    "tab\tstop",
    "\u{1}\u{8}\u{b}\u{1b}\u{1f}\u{7f}",
    "🦀",
    "👩‍👩‍👧‍👦",
    "e\u{301}",
    "\u{e9}",
    "مرحبا",
    "\u{202e}\u{feff}\u{200b}",
    "\u{10ffff}\u{ffff}\u{fffd}",
];

/// Appends to the stream, and reads it back by itself and from the log.
async fn assert_usable<S: Candidate>(store: &S, stream: &StreamId) {
    let result = append(store, stream, NoStream, added_all([1, 2])).await;
    assert!(result.is_ok(), "every `StreamId` names a stream of its own: {stream:?} is refused with {result:?}");
    let refused = conflict(append(store, stream, Exact(Version(1)), vec![added(3)]).await);
    assert_eq!(refused.stream, *stream, "a conflict names the stream");
    assert_eq!(refused.actual, Version(2), "a conflict names the version that is there");
    append(store, stream, Exact(Version(2)), vec![added(3)]).await.expect("the stream is as expected");
    assert_eq!(whole(store, stream).await.len(), 3, "the stream {stream:?} has its own events");
    assert_eq!(load(store, stream, None).await.versions(), [1, 2, 3], "the stream {stream:?} can be loaded");
    let snapshot = Snapshot::new(stream.clone(), Version(2), 1, "{}");
    store.save_snapshot(snapshot).await.expect("a snapshot can be saved");
    assert_eq!(
        load(store, stream, Some(1)).await.snapshot_version(),
        Some(2),
        "the stream {stream:?} has its own snapshot"
    );
    let only = EventFilter::categories([stream.category().to_owned()]);
    let (logged, _) = log_after(store, Position::START, &only, 500).await;
    assert_eq!(
        ids(&of_stream(&logged, stream)),
        ids(&whole(store, stream).await),
        "the log names the stream {stream:?} as it is"
    );
}

/// Ids of one byte and of the most that is allowed, with every character but NUL.
pub async fn ids_of_every_kind<S: Candidate>(store: S) {
    let longest = ["7".repeat(MAX_ID_BYTES), "🦀".repeat(MAX_ID_BYTES / 4), "\\".repeat(MAX_ID_BYTES)];
    for id in TEXTS.map(str::to_owned).into_iter().chain(longest) {
        assert_usable(&store, &stream(&id)).await;
    }
}

/// Categories of one byte and of the most that is allowed, with every character but NUL and the separator.
pub async fn categories_of_every_kind<S: Candidate>(store: S) {
    let longest = ["c".repeat(MAX_CATEGORY_BYTES), "🦀".repeat(MAX_CATEGORY_BYTES / 4)];
    let texts = TEXTS.into_iter().filter(|text| !text.contains('-')).map(str::to_owned);
    for category in texts.chain(longest) {
        assert_usable(&store, &stream_in(&category, "7")).await;
    }
    let long = stream_in(&"l".repeat(MAX_CATEGORY_BYTES), &"i".repeat(MAX_ID_BYTES));
    assert_usable(&store, &long).await;
}

/// Names that look alike, or match each other in some comparison, name different streams.
pub async fn look_alikes_are_different_streams<S: Candidate>(store: S) {
    let alike = [
        "a", "A", "a ", " a", "a\u{301}", "\u{e1}", "%", "_", "a%", "\u{430}", "ａ", "0", "00", "0.0", "\u{130}", "i",
        "I", "ß", "ss",
    ];
    let long = |last: char| format!("{}{last}", "x".repeat(MAX_ID_BYTES - 1));
    let names = alike.map(str::to_owned).into_iter().chain([long('y'), long('z')]);
    let streams: Vec<StreamId> = names.map(|id| stream(&id)).collect();
    for (amount, stream) in (1..).zip(&streams) {
        let result = append(&store, stream, NoStream, vec![added(amount)]).await;
        assert!(result.is_ok(), "{stream:?} is a stream of its own: {result:?}");
    }
    for (amount, stream) in (1..).zip(&streams) {
        let seen: Vec<u64> = whole(&store, stream).await.iter().map(Seen::amount).collect();
        assert_eq!(seen, [amount], "{stream:?} has its own event and no other's");
    }
}

/// Type names of one byte and of the most that is allowed, with every character but NUL.
pub async fn event_types_of_every_kind<S: Candidate>(store: S) {
    let longest = ["t".repeat(MAX_EVENT_TYPE_BYTES), "🦀".repeat(MAX_EVENT_TYPE_BYTES / 4)];
    let names: Vec<String> = TEXTS.map(str::to_owned).into_iter().chain(longest).collect();
    let events = names.iter().map(|name| NewEvent::new(name.clone(), 1, "{}")).collect();
    let stream = stream("types");
    append(&store, &stream, NoStream, events).await.expect("every such name can name a type");
    let stored: Vec<String> = whole(&store, &stream).await.into_iter().map(|event| event.event_type).collect();
    assert_eq!(stored, names, "the name of a type comes back as it is");
    for name in &names {
        let only = EventFilter::all().types([name.clone()]);
        let (seen, _) = log_after(&store, Position::START, &only, 500).await;
        assert_eq!(seen.len(), 1, "a filter finds the type {name:?}, and no look-alike");
    }
}

/// Appends events with these payloads, each to come back as the same text.
async fn assert_round_trip<S: Candidate>(store: &S, id: &str, payloads: Vec<String>) {
    let stream = stream(id);
    for payload in &payloads {
        let event = NewEvent::new("tally.noted", 1, payload.clone());
        let shown: String = payload.chars().take(60).collect();
        let result = append(store, &stream, Any, vec![event]).await;
        assert!(result.is_ok(), "any JSON can be stored: {shown} is refused with {result:?}");
    }
    for seen in [whole(store, &stream).await, log(store).await] {
        assert_eq!(seen.len(), payloads.len(), "every event is there once");
        for (seen, payload) in seen.iter().zip(&payloads) {
            let shown: String = payload.chars().take(60).collect();
            assert!(seen.payload == *payload, "a payload comes back as the same text: {shown}");
        }
    }
    let folded: Vec<String> = load(store, &stream, None).await.events.into_iter().map(|(_, text)| text).collect();
    assert!(folded == payloads, "a load hands out the same text as a read");
}

/// Strings with any character, NUL and emoji among them, escaped or not.
pub async fn strings_of_every_kind<S: Candidate>(store: S) {
    let nul = ["nul \0 inside", "\0", "\0\0🦀\0"];
    let texts = TEXTS.into_iter().chain(nul);
    let mut payloads: Vec<String> =
        texts.map(|text| serde_json::json!({ "text": text, text: "as a key" }).to_string()).collect();
    payloads.push(r#"{"escaped":"\u0000\ud83e\udd80\u00e9\/\b\f"}"#.to_owned());
    assert_round_trip(&store, "strings", payloads).await;
}

/// Metadata with any text, also empty, and very long.
pub async fn metadata_of_every_kind<S: Candidate>(store: S) {
    let stream = stream("metadata");
    let long = "🦀".repeat(100_000);
    let texts = TEXTS.into_iter().chain(["", long.as_str()]);
    let events: Vec<NewEvent> = texts
        .map(|text| {
            let metadata = Metadata::default().with_actor(text).with_source(text);
            let metadata = metadata.with_header("as a value", text).with_header(text, "under its name");
            NewEvent { metadata, ..added(1) }
        })
        .collect();
    append(&store, &stream, NoStream, events.clone()).await.expect("metadata may hold any text");
    for (seen, event) in whole(&store, &stream).await.into_iter().zip(events) {
        assert_eq!(seen.metadata, event.metadata, "metadata comes back as it was handed in");
    }
}

/// A NUL in metadata comes back as it is, or the append is refused and nothing stored. It is not cut off or replaced.
pub async fn nul_in_metadata_is_stored_or_refused<S: Candidate>(store: S) {
    let with_nul = [
        Metadata::default().with_actor("a\0b"),
        Metadata::default().with_source("\0"),
        Metadata::default().with_header("name", "a\0b"),
        Metadata::default().with_header("a\0b", "value"),
    ];
    for (index, metadata) in with_nul.into_iter().enumerate() {
        let stream = stream(&format!("nul {index}"));
        let events = vec![added(1), NewEvent { metadata, ..added(2) }];
        let result = append(&store, &stream, NoStream, events.clone()).await;
        let stored: Vec<NewEvent> = whole(&store, &stream).await.iter().map(Seen::as_new).collect();
        match result {
            Ok(_) => assert_eq!(stored, events, "metadata that was accepted comes back as it was handed in"),
            Err(error) => {
                assert!(!error.is_conflict(), "nothing but an unexpected version is a conflict: {error:?}");
                assert!(!error.is_transient(), "an append that fails again and again is not transient: {error:?}");
                assert!(stored.is_empty(), "a refused append stores nothing at all");
            }
        }
    }
}

/// Numbers of any size keep their text, since who reads them decides what they mean.
pub async fn numbers_keep_their_text<S: Candidate>(store: S) {
    let numbers = [
        "0",
        "-0",
        "1",
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "9223372036854775807",
        "170141183460469231731687303715884105728",
        "0.1",
        "1.0",
        "1.10",
        "-0.0",
        "1E5",
        "1e-7",
        "1e+308",
        "5e-324",
        "1e400",
        "0.1000000000000000055511151231257827",
        "3.14159265358979323846264338327950288419716939937510",
    ];
    let payloads = numbers.map(|number| format!(r#"{{"number":{number}}}"#)).into();
    assert_round_trip(&store, "numbers", payloads).await;
}

/// JSON keeps its text: order of keys, repeated keys, white space. A payload need not be an object.
pub async fn json_keeps_its_text<S: Candidate>(store: S) {
    let payloads = [
        "null",
        "true",
        "7",
        r#""text""#,
        "[]",
        "{}",
        "[1,[2,[3,null]]]",
        r#"{"z":1,"a":2}"#,
        r#"{"twice":1,"twice":2}"#,
        r#"{"":""}"#,
        " { \"spaced\" :\t[ 1 , 2 ]\n}\r\n ",
        r#"{"a":{"a":{"a":{}}}}"#,
    ];
    assert_round_trip(&store, "json", payloads.map(str::to_owned).into()).await;
}

/// How deep JSON may be nested for serde_json to read it into a type.
const DEEPEST: usize = 127;

/// JSON that is nested as deeply as serde_json can read it.
pub async fn deep_nesting<S: Candidate>(store: S) {
    let lists = format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
    let objects = format!("{}0{}", r#"{"in":"#.repeat(DEEPEST), "}".repeat(DEEPEST));
    for text in [&lists, &objects] {
        serde_json::from_str::<serde_json::Value>(text).expect("serde_json reads this depth");
    }
    assert_round_trip(&store, "deep", vec![lists, objects]).await;
}

/// Payloads of several megabytes, one with a small one on either side.
pub async fn payloads_of_several_megabytes<S: Candidate>(store: S) {
    let long = serde_json::json!({ "text": "0123456789 \u{e9}\u{1f980}\n".repeat(200_000) }).to_string();
    let wide = format!("[{}0]", "0,".repeat(1_000_000));
    assert!(long.len() > 3_000_000 && wide.len() > 2_000_000);
    let stream = stream("large");
    let texts = ["{}".to_owned(), long, wide, "{}".to_owned()];
    let events = texts.iter().map(|text| NewEvent::new("tally.noted", 1, text.clone())).collect();
    append(&store, &stream, NoStream, events).await.expect("a payload may be several megabytes long");
    for seen in [whole(&store, &stream).await, log(&store).await] {
        let same = seen.iter().map(|event| &event.payload).eq(&texts);
        assert!(same, "a payload of several megabytes comes back as the same text");
    }
}

/// Thousands of events in one append are one append: all stored in order, or none.
pub async fn thousands_of_events_in_one_append<S: Candidate>(store: S) {
    const EVENTS: u64 = 5_000;
    let stream = stream("thousands");
    let events = added_all(1..=EVENTS);
    let appended = append(&store, &stream, NoStream, events.clone()).await.expect("an append may be long");
    assert_eq!(appended.version, Version(EVENTS), "an append is answered with the version of its last event");
    conflict(append(&store, &stream, Exact(Version(EVENTS - 1)), added_all(1..=EVENTS)).await);
    let stored = whole(&store, &stream).await;
    assert!(stored.iter().map(|event| event.id).eq(events.iter().map(|event| event.id)), "all are stored, in order");
    assert!(ids(&log(&store).await) == ids(&stored), "the log has all of them, in the order of their versions");
    let paged = log_after(&store, Position::START, &EventFilter::all(), 777).await.0;
    assert!(ids(&paged) == ids(&stored), "the events of one append can be read in several pages");
    let newest = read(&store, ReadStream::backwards(stream.clone()).from(Version(4_999)).limit(2)).await;
    let versions: Vec<u64> = newest.iter().map(|event| event.version.0).collect();
    assert_eq!(versions, [4_999, 4_998], "a read may begin in the middle of an append");
    fill(&store, &stream, [1]).await;
    assert_eq!(whole(&store, &stream).await.len() as u64, EVENTS + 1, "the next append goes behind them");
}

/// The largest versions, places and limits overflow nothing.
pub async fn the_largest_numbers_overflow_nothing<S: Candidate>(store: S) {
    let stream = stream("largest");
    fill(&store, &stream, 1..=3).await;
    for largest in [i64::MAX.unsigned_abs() - 1, i64::MAX.unsigned_abs(), i64::MAX.unsigned_abs() + 1, u64::MAX] {
        for id in [&stream, &super::support::stream("none")] {
            let refused = conflict(append(&store, id, Exact(Version(largest)), vec![added(4)]).await);
            assert_eq!(refused.expected, Exact(Version(largest)), "a conflict names what was expected");
        }
        let forwards = ReadStream::forwards(stream.clone());
        assert!(read(&store, forwards.clone().from(Version(largest))).await.is_empty(), "nothing lies there");
        assert_eq!(read(&store, forwards.limit(largest)).await.len(), 3, "a limit may be larger than the stream");
        let backwards = ReadStream::backwards(stream.clone()).from(Version(largest)).limit(largest);
        assert_eq!(read(&store, backwards).await.len(), 3, "backwards from beyond the end begins at the end");
        let (seen, _) = page(&store, ReadLog::after(Position(largest)).limit(u32::MAX)).await;
        assert!(seen.is_empty(), "nothing lies behind the largest place");
        let snapshot = Snapshot::new(stream.clone(), Version(largest), 1, "{}");
        // A version that no stream can reach may be refused or dropped. It must not be handed out.
        store.save_snapshot(snapshot).await.ok();
        assert!(load(&store, &stream, Some(1)).await.snapshot.is_none(), "the stream has not reached that version");
    }
    append(&store, &stream, Exists, vec![added(4)]).await.expect("the stream takes more");
}
