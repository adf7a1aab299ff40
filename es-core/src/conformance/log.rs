//! The log of all events: every event once, in an order that holds for every stream and never changes.

use super::Candidate;
use super::read::append_meanwhile;
use super::support::{
    Lot, Seen, SeenEnough, added, append, assert_seen_enough, fill, ids, log, log_after, of_stream, page, read_on,
    stream, stream_in, whole,
};
use crate::error::Error;
use crate::recorded::{NewEvent, Position, RawEvent};
use crate::slices::Slices;
use crate::store::{EventFilter, ReadLog};
use crate::stream::ExpectedVersion::Any;
use crate::stream::{SLICES, StreamId};

/// A log without events has nothing to visit, and says that this is its end.
pub async fn an_empty_log_is_at_its_end<S: Candidate>(store: S) {
    let end = store.log_end().await.expect("an empty log has an end");
    assert_eq!(end, Position::START, "no place has been given in a log without events");
    let (seen, page) = page(&store, ReadLog::after(Position::START)).await;
    assert!(seen.is_empty(), "a log without events has nothing to visit");
    assert!(page.at_end, "a log without events has nothing more");
}

/// Writes interleaved appends of one to five events to seven streams, and gives back the streams.
async fn scatter<S: Candidate>(store: &S, appends: u64) -> Vec<StreamId> {
    let streams: Vec<StreamId> = (0..7).map(|i| stream_in(CATEGORIES[i % 3], &i.to_string())).collect();
    let mut lot = Lot::new();
    for _ in 0..appends {
        let stream = lot.one_of(&streams);
        let types = ["opened", "added", "closed"];
        let events = (0..=lot.below(5)).map(|_| NewEvent::new(*lot.one_of(&types), 1, r#"{"amount":1}"#));
        append(store, stream, Any, events.collect()).await.expect("the append succeeds");
    }
    streams
}

const CATEGORIES: [&str; 3] = ["tally", "order", "invoice"];

/// Every event is in the log exactly once, and the events of a stream are in the order of their versions.
pub async fn every_event_is_there_once_in_stream_order<S: Candidate>(store: S) {
    let streams = scatter(&store, 40).await;
    let logged = log(&store).await;
    let mut total = 0;
    for stream in &streams {
        let in_stream = ids(&whole(&store, stream).await);
        assert_eq!(
            ids(&of_stream(&logged, stream)),
            in_stream,
            "the log has every event of `{stream}` exactly once, and places within a stream are in version order"
        );
        total += in_stream.len();
    }
    assert_eq!(logged.len(), total, "the log has nothing that no stream has");
}

/// An event read from the log is the event read from its stream, with its place.
pub async fn the_log_shows_what_the_stream_shows<S: Candidate>(store: S) {
    let streams = scatter(&store, 20).await;
    let logged = log(&store).await;
    for stream in &streams {
        for (from_log, from_stream) in of_stream(&logged, stream).into_iter().zip(whole(&store, stream).await) {
            assert!(from_log.position.is_some(), "an event that was read from the log has a position");
            assert!(from_stream.position.is_none(), "an event that was read from its stream has no position");
            let without_place = Seen { position: None, ..from_log };
            assert_eq!(without_place, from_stream, "the log shows of an event what its stream shows");
        }
    }
}

/// Places never change, whatever is appended later.
pub async fn places_never_change<S: Candidate>(store: S) {
    scatter(&store, 20).await;
    let before = log(&store).await;
    scatter(&store, 20).await;
    let after = log(&store).await;
    assert!(after.len() > before.len(), "later events are in the log, too");
    assert_eq!(after[..before.len()], before[..], "places never change, and new ones come behind them");
    let places: Vec<Position> = after.iter().map(Seen::place).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "places are given in order, none twice");
}

/// Reading on from `next` gives the same sequence whatever the size of the pages.
pub async fn every_page_size_gives_the_same_sequence<S: Candidate>(store: S) {
    scatter(&store, 12).await;
    let all = log(&store).await;
    let events = u32::try_from(all.len()).expect("the log is short");
    let sizes = (1..=events + 2).chain([u32::MAX]);
    for limit in sizes {
        let (paged, _) = log_after(&store, Position::START, &EventFilter::all(), limit).await;
        assert_eq!(paged, all, "pages of {limit} give the same sequence as any other");
    }
}

/// A read visits everything behind `after`, and nothing at it or before.
pub async fn reading_begins_right_behind_a_place<S: Candidate>(store: S) {
    scatter(&store, 12).await;
    let all = log(&store).await;
    for (index, event) in all.iter().enumerate() {
        let (rest, _) = log_after(&store, event.place(), &EventFilter::all(), 500).await;
        assert_eq!(rest, all[index + 1..], "a read after {} visits everything behind that place", event.place());
    }
}

/// Whoever reads on from where a page ended misses nothing that was appended since.
pub async fn reading_on_from_next_misses_nothing<S: Candidate>(store: S) {
    let (mut followed, mut next) = (Vec::new(), Position::START);
    for round in 0..20 {
        scatter(&store, 1 + round % 3).await;
        let (seen, end) = log_after(&store, next, &EventFilter::all(), 1 + u32::try_from(round).unwrap_or(0)).await;
        followed.extend(seen);
        next = end;
    }
    assert_eq!(followed, log(&store).await, "a reader that goes on from `next` sees every event once, in order");
}

/// `at_end` is not said while wanted events lie behind `next`, also when a page is just full.
pub async fn at_end_is_only_said_at_the_end<S: Candidate>(store: S) {
    fill(&store, &stream("a"), 1..=3).await;
    fill(&store, &stream("b"), 1..=3).await;
    store.log_end().await.expect("every event gets its place");
    for limit in 1..=5 {
        let (_, page) = page(&store, ReadLog::after(Position::START).limit(limit)).await;
        assert!(!page.at_end, "a log of six events is not at its end after {limit}");
    }
    let end = store.log_end().await.expect("the log has an end");
    let (rest, last) = page(&store, ReadLog::after(end)).await;
    assert!(rest.is_empty(), "nothing lies behind the end");
    assert!(last.at_end, "a read from the end says that the log had nothing more");
}

/// A limit of zero visits nothing and skips nothing.
pub async fn a_limit_of_zero_visits_nothing<S: Candidate>(store: S) {
    fill(&store, &stream("zero"), 1..=3).await;
    store.log_end().await.expect("every event gets its place");
    let (seen, page) = page(&store, ReadLog::after(Position::START).limit(0)).await;
    assert!(seen.is_empty(), "no more than `limit` events are visited");
    assert!(!page.at_end, "a log of three events is not at its end before them");
    let (rest, _) = log_after(&store, page.next, &EventFilter::all(), 500).await;
    assert_eq!(rest.len(), 3, "`next` does not move past wanted events that were not visited");
}

/// Behind the end there is nothing, however far behind, and `next` does not fall back.
pub async fn beyond_the_end_there_is_nothing<S: Candidate>(store: S) {
    fill(&store, &stream("beyond"), 1..=3).await;
    let end = store.log_end().await.expect("the log has an end");
    for after in [end, Position(end.0 + 1), Position(i64::MAX.unsigned_abs()), Position(u64::MAX)] {
        for limit in [1, u32::MAX] {
            let (seen, page) = page(&store, ReadLog::after(after).limit(limit)).await;
            assert!(seen.is_empty(), "nothing lies behind {after}, the end is at {end}");
            assert!(page.at_end, "a log that ends at {end} has nothing more behind {after}");
        }
    }
}

/// A filter lets pass the events of the named categories, of these the named types, and all where none are named.
pub async fn filters_let_pass_what_was_asked_for<S: Candidate>(store: S) {
    scatter(&store, 40).await;
    let all = log(&store).await;
    for filter in filters() {
        let allowed = |event: &&Seen| filter.allows(event.stream.category(), &event.event_type);
        let wanted: Vec<Seen> = all.iter().filter(allowed).cloned().collect();
        for limit in [1, 2, 7, 500] {
            let (seen, _) = log_after(&store, Position::START, &filter, limit).await;
            assert_eq!(seen, wanted, "exactly the events that {filter:?} lets pass are visited, in pages of {limit}");
        }
    }
}

fn filters() -> Vec<EventFilter> {
    vec![
        EventFilter::all(),
        EventFilter::categories(["tally"]),
        EventFilter::categories(["order", "invoice"]),
        EventFilter::categories(["order", "unknown"]),
        EventFilter::categories(["unknown"]),
        EventFilter::categories(["Tally", "tall", "tally2", "t%", "_ally", ""]),
        EventFilter::all().types(["added"]),
        EventFilter::all().types(["added", "closed", "unknown"]),
        EventFilter::categories(["tally", "order"]).types(["opened"]),
        EventFilter::categories(["invoice"]).types(["unknown"]),
        EventFilter::categories(["tally"]).types(["Opened", "open", "op%"]),
    ]
}

/// A page's `next` lies behind everything that the filter passed over, so a reader that wants little does not stay behind.
pub async fn next_moves_past_what_was_filtered<S: Candidate>(store: S) {
    fill(&store, &stream_in("wanted", "1"), 1..=2).await;
    fill(&store, &stream_in("other", "1"), 1..=9).await;
    let end = store.log_end().await.expect("the log has an end");
    for filter in [EventFilter::categories(["wanted"]), EventFilter::categories(["unknown"])] {
        let (_, next) = log_after(&store, Position::START, &filter, 500).await;
        assert!(next >= end, "`next` moves past what was filtered, up to {end}, but it stays at {next}");
    }
    fill(&store, &stream_in("wanted", "1"), [3]).await;
    let (seen, _) = log_after(&store, end, &EventFilter::categories(["wanted"]), 500).await;
    assert_eq!(seen.len(), 1, "what is appended behind the end is visited by who reads on from there");
}

/// A limit beside a filter: pages may be short, but what is wanted is neither skipped nor visited twice.
pub async fn a_limit_beside_a_filter_loses_nothing<S: Candidate>(store: S) {
    for _ in 0..4 {
        fill(&store, &stream_in("other", "1"), 1..=5).await;
        fill(&store, &stream_in("wanted", "1"), [1]).await;
    }
    store.log_end().await.expect("every event gets its place");
    let filter = EventFilter::categories(["wanted"]);
    let (mut seen, mut next, mut pages) = (0, Position::START, 0);
    while seen < 4 {
        let (events, page) = page(&store, ReadLog::after(next).filter(filter.clone()).limit(2)).await;
        seen += events.len();
        next = page.next;
        pages += 1;
        assert!(pages <= 1_000, "a reader with a filter gets on");
        assert!(!page.at_end || seen == 4, "`at_end` is not said while wanted events are left");
    }
    assert_eq!(seen, 4, "the wanted events are visited once each");
}

/// Whoever reads all parts of a division reads every event exactly once, and each part in the order of the log.
pub async fn parts_by_slice_share_the_log<S: Candidate>(store: S) {
    scatter(&store, 40).await;
    let all = log(&store).await;
    for parts in [1, 2, 3, 10] {
        let mut shared = Vec::new();
        for slices in Slices::divide(parts).expect("so many parts can be made") {
            let seen = in_slices(&store, slices, &EventFilter::all(), 500).await;
            let wanted: Vec<Seen> = all.iter().filter(|event| slices.contains(&event.stream)).cloned().collect();
            assert_eq!(seen, wanted, "exactly the events in the slices {slices} are visited, in log order");
            shared.extend(seen);
        }
        shared.sort_by_key(Seen::place);
        assert_eq!(shared, all, "every event is in exactly one of {parts} parts");
    }
}

/// The first and the last slice of a range belong to it, their neighbours do not.
pub async fn both_ends_of_the_slices_belong_to_them<S: Candidate>(store: S) {
    let streams = scatter(&store, 20).await;
    let all = log(&store).await;
    for slice in streams.iter().map(StreamId::slice) {
        let ranges = [(slice, slice), (0, slice), (slice, SLICES - 1), (0, slice.max(1) - 1), (slice + 1, SLICES - 1)];
        for slices in ranges.into_iter().filter_map(|(first, last)| Slices::new(first, last).ok()) {
            let seen = in_slices(&store, slices, &EventFilter::all(), 500).await;
            let wanted: Vec<Seen> = all.iter().filter(|event| slices.contains(&event.stream)).cloned().collect();
            assert_eq!(seen, wanted, "exactly the events in the slices {slices} are visited, both ends included");
        }
    }
}

/// Slices beside a filter: what both let pass is visited, whatever the size of the pages.
pub async fn slices_go_together_with_filters<S: Candidate>(store: S) {
    scatter(&store, 20).await;
    let all = log(&store).await;
    for filter in filters() {
        for slices in Slices::divide(3).expect("three parts can be made") {
            let allowed = |event: &&Seen| filter.allows(event.stream.category(), &event.event_type);
            let in_part = all.iter().filter(|event| slices.contains(&event.stream));
            let wanted: Vec<Seen> = in_part.filter(allowed).cloned().collect();
            for limit in [1, 7] {
                let seen = in_slices(&store, slices, &filter, limit).await;
                assert_eq!(seen, wanted, "exactly what {filter:?} and {slices} let pass, in pages of {limit}");
            }
        }
    }
}

/// What a reader of these slices visits, from the start of the log to its end.
async fn in_slices<S: Candidate>(store: &S, slices: Slices, filter: &EventFilter, limit: u32) -> Vec<Seen> {
    let read = ReadLog::after(Position::START).slices(slices).filter(filter.clone()).limit(limit);
    read_on(store, read).await.0
}

/// The log's end lies at or behind every event that was committed before the call, and these can be read up to there.
pub async fn log_end_covers_what_was_acknowledged<S: Candidate>(store: S) {
    let mut next = Position::START;
    for amount in 1..=20 {
        fill(&store, &stream(&format!("end {}", amount % 3)), [amount]).await;
        let end = store.log_end().await.expect("the log has an end");
        let (seen, page) = page(&store, ReadLog::after(next)).await;
        let newest = seen.last().map(Seen::amount);
        assert_eq!(newest, Some(amount), "an event that was committed before `log_end` has its place in the log");
        assert!(seen.iter().all(|event| event.place() <= end), "`log_end` is the highest place given so far");
        next = page.next;
    }
}

/// An error of the visitor ends the read and comes back from it.
pub async fn an_error_of_the_visitor_ends_the_read<S: Candidate>(store: S) {
    fill(&store, &stream("a"), 1..=5).await;
    fill(&store, &stream("b"), 1..=5).await;
    store.log_end().await.expect("every event gets its place");
    let mut visited = 0;
    let mut visit = |_: RawEvent<'_>| {
        visited += 1;
        if visited == 7 { Err(Error::store(SeenEnough)) } else { Ok(()) }
    };
    let result = store.read_log(ReadLog::after(Position::START), &mut visit).await;
    assert_seen_enough(result);
    assert_eq!(visited, 7, "an error of the visitor ends the read: nothing is visited after it");
    assert_eq!(log(&store).await.len(), 10, "a read that ended early leaves the store usable");
}

/// No lock is held while the visitor runs: another task can append to the log that is being read.
pub async fn no_lock_is_held_while_the_log_is_visited<S: Candidate>(store: S) {
    let stream = stream("unlocked");
    fill(&store, &stream, 1..=3).await;
    store.log_end().await.expect("every event gets its place");
    let mut appended = append_meanwhile(&store, &stream);
    let mut visit = |_: RawEvent<'_>| {
        appended();
        Ok(())
    };
    let read = ReadLog::after(Position::START).limit(1);
    store.read_log(read, &mut visit).await.expect("the read succeeds");
    append(&store, &stream, Any, vec![added(5)]).await.expect("the append succeeds");
    assert_eq!(log(&store).await.len(), 5, "what was appended while a visitor ran is in the log");
}
