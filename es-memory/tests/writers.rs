//! Writers on several threads: of different streams, which share no lock but the log's, and for one key.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test has nobody to hand an error to")]

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use es_core::{
    Append, Appended, Error, EventStore, ExpectedVersion, NewEvent, Position, ReadLog, ReadStream, StreamId, Version,
};
use es_memory::MemoryStore;

const WRITERS: usize = 4;
const APPENDS: usize = 400;
const STREAMS: usize = 24;

fn stream(number: usize) -> StreamId {
    StreamId::new("account", number.to_string()).unwrap()
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn append(store: &MemoryStore, append: Append) -> Result<Appended, Error> {
    wait_for(store.append(append))
}

/// Events of all writers for all streams, so that the writers of a stream meet, and those of different streams pass each other.
fn write(store: &MemoryStore, writer: usize) {
    for number in 0..APPENDS {
        let events = (0..=number % 3).map(|_| NewEvent::new("account.booked", 1, "{}")).collect();
        append(store, Append::new(stream((writer + number) % STREAMS), ExpectedVersion::Any, events)).unwrap();
    }
}

/// Reads on until all writers are done, and then to the end.
fn follow(store: &MemoryStore, done: &AtomicUsize) -> Vec<(Position, StreamId, Version)> {
    let (mut seen, mut after) = (Vec::new(), Position::START);
    loop {
        let is_last = done.load(Ordering::SeqCst) == WRITERS;
        let page = wait_for(store.read_log(ReadLog::after(after).limit(100), &mut |event| {
            seen.push((event.position.unwrap(), event.stream, event.version));
            Ok(())
        }));
        let page = page.unwrap();
        after = page.next;
        if is_last && page.at_end {
            return seen;
        }
    }
}

#[test]
fn who_follows_the_log_beside_writers_sees_every_event_once_and_each_stream_in_its_order() {
    let (store, done) = (MemoryStore::new(), AtomicUsize::new(0));
    let seen = thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                write(store, writer);
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        scope.spawn(|| follow(&store, &done)).join().unwrap()
    });
    let positions: Vec<u64> = seen.iter().map(|(position, ..)| position.0).collect();
    assert_eq!(positions, (1..=wait_for(store.log_end()).unwrap().0).collect::<Vec<_>>());
    let mut versions: HashMap<StreamId, Version> = HashMap::new();
    for (position, stream, version) in seen {
        let before = versions.entry(stream.clone()).or_insert(Version::NONE);
        assert_eq!(version, before.after(1), "{stream} at {position:?}");
        *before = version;
    }
    let events = |append| append % 3 + 1;
    assert_eq!(positions.len(), WRITERS * (0..APPENDS).map(events).sum::<usize>());
}

#[test]
fn who_sees_an_event_in_its_stream_finds_it_in_the_log() {
    let store = MemoryStore::new();
    let writing = AtomicUsize::new(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            write(&store, 0);
            writing.store(0, Ordering::SeqCst);
        });
        while writing.load(Ordering::SeqCst) == 1 {
            let mut events = 0;
            for number in 0..STREAMS {
                let mut count = |_: es_core::RawEvent<'_>| {
                    events += 1;
                    Ok(())
                };
                wait_for(store.read_stream(ReadStream::forwards(stream(number)), &mut count)).unwrap();
            }
            assert!(wait_for(store.log_end()).unwrap() >= Position(events));
        }
    });
}

/// Streams are locked one by one, so the key itself has to keep two appends to different streams apart.
#[test]
fn of_appends_to_different_streams_under_one_key_one_is_stored() {
    for _ in 0..50 {
        let (store, ready) = (MemoryStore::new(), Barrier::new(WRITERS));
        let key =
            Append::new(stream(0), ExpectedVersion::Any, vec![NewEvent::new("a", 1, "{}")]).idempotent().key.unwrap();
        let write = |writer| {
            let events = vec![NewEvent::new("account.booked", 1, "{}")];
            let keyed = Append::new(stream(writer), ExpectedVersion::Any, events).keyed(key.clone());
            ready.wait();
            append(&store, keyed)
        };
        let answers: Vec<_> = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        assert!(
            answers
                .iter()
                .flat_map(|answer| answer.as_ref().err())
                .all(|error| matches!(error, Error::KeyReused { .. }))
        );
        assert_eq!(wait_for(store.log_end()).unwrap(), Position(1));
    }
}
