//! What an export gives is the log, or the part of it that was asked for, and an import takes it as it is.

use super::ImportCandidate;
use super::import::{as_past, import, mixed};
use super::support::{Lot, fill, read_on, stream, stream_in};
use crate::export::Export;
use crate::import::Imported;
use crate::past::PastEvent;
use crate::recorded::Position;
use crate::slices::Slices;
use crate::store::{EventFilter, EventStoreExt, ReadLog};
use crate::stream::SLICES;

/// All that an export gives, and how far it has come then.
async fn whole<S: ImportCandidate>(mut export: Export<'_, S>) -> (Vec<PastEvent>, Position) {
    let mut exported = Vec::new();
    while let Some(event) = export.next().await.expect("the log can be read") {
        exported.push(event);
    }
    (exported, export.position())
}

/// Page by page in any size. Into the same store it can be imported again, and is there already.
pub async fn an_export_is_the_log_and_can_be_imported<S: ImportCandidate>(store: S) {
    import(&store, mixed(&mut Lot::new(), 5, 120)).await;
    fill(&store, &stream("mixed 0"), [1, 2, 3]).await;
    let (seen, end) = read_on(&store, ReadLog::after(Position::START)).await;
    let expected: Vec<_> = seen.iter().map(as_past).collect();
    for size in [0, 1, 7, 1_000] {
        let exported = whole(store.export().pages_of(size)).await;
        assert_eq!(exported, (expected.clone(), end), "an export is the log");
    }
    let again = store.import_stream(store.export()).await.expect("what was exported can be imported");
    assert_eq!(again, Imported { stored: 0, there: 123 });
    let lines: Vec<String> = expected.iter().filter_map(|event| serde_json::to_string(event).ok()).collect();
    let again = store.import(lines.iter().map(|line| serde_json::from_str::<PastEvent>(line))).await;
    assert_eq!(again.expect("what was written as JSON can be imported"), Imported { stored: 0, there: 123 });
}

/// It tells how far it has come, and goes on from there.
pub async fn an_export_goes_on_where_one_came_to<S: ImportCandidate>(store: S) {
    import(&store, mixed(&mut Lot::new(), 3, 20)).await;
    let (seen, end) = read_on(&store, ReadLog::after(Position::START)).await;
    let mut export = store.export().pages_of(6);
    assert_eq!(export.position(), Position::START, "nothing was taken yet");
    for event in &seen {
        let taken = export.next().await.expect("the log can be read");
        assert_eq!(taken, Some(as_past(event)), "an export is the log");
        assert_eq!(export.position(), event.place(), "it has come to the event that was taken, and no further");
        let rest: Vec<_> = seen.iter().filter(|later| later.place() > event.place()).map(as_past).collect();
        let behind = store.export().after(export.position()).pages_of(6);
        assert_eq!(behind.position(), event.place(), "it begins where another came to");
        assert_eq!(whole(behind).await, (rest, end), "it goes on where another came to");
    }
}

/// Of what was asked for it gives all and nothing else, and has come to the end of the log, whatever stands there.
pub async fn an_export_gives_what_was_asked_for<S: ImportCandidate>(store: S) {
    import(&store, mixed(&mut Lot::new(), 12, 60)).await;
    fill(&store, &stream_in("other", "1"), [1, 2, 3]).await;
    let (seen, end) = read_on(&store, ReadLog::after(Position::START)).await;
    let half = Slices::new(0, SLICES / 2 - 1).expect("half of all slices are slices");
    for size in [1, 7, 1_000] {
        let other: Vec<_> = seen.iter().filter(|event| event.stream.category() == "other").map(as_past).collect();
        let export = store.export().filter(EventFilter::categories(["other"])).pages_of(size);
        assert_eq!(whole(export).await, (other, end), "an export gives what the filter lets pass");
        let of_half: Vec<_> = seen.iter().filter(|event| half.contains(&event.stream)).map(as_past).collect();
        let (exported, position) = whole(store.export().slices(half).pages_of(size)).await;
        assert_eq!((exported, position), (of_half, end), "an export gives the streams in the slices");
    }
}
