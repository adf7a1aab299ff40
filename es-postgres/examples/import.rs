//! What it is worth that events of the past are imported, beside appending them: a million of them, in streams of 50.
//!
//! `cargo run --release -p es-postgres --example import -- [events]`
//!
//! The store has durable settings. Appends take the same events stream by stream, 50 to an append: from one caller, and from 16,
//! whose appends share statements. They get a tenth of the events, since they take long enough. Then everything is exported, and
//! imported again into an empty store. Read the multiples.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement has nobody to hand an error to")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use es_core::{
    Append, EventStore, EventStoreExt, ExpectedVersion, NewEvent, PastEvent, ReadLog, StreamId, Timestamp, Version,
};
use es_postgres::PgStore;
use es_test_support::{Database, Server};
use tokio::task::JoinSet;

const IN_A_STREAM: u64 = 50;
const PAYLOAD: &str = r#"{"amount":1250,"reference":"REF-0000000001234567","note":"paid in at the counter"}"#;

fn stream(number: u64) -> StreamId {
    StreamId::new("account", format!("{number:012}")).unwrap()
}

/// History, as somebody else's table might have it: by time, so with streams mixed, a thousand of them at a time.
fn history(events: u64) -> impl Iterator<Item = PastEvent> {
    let begin: Timestamp = "2019-03-01T00:00:00Z".parse().unwrap();
    (0..events).map(move |number| {
        let (block, place) = (number / (1_000 * IN_A_STREAM), number % (1_000 * IN_A_STREAM));
        let (stream, version) = (stream(block * 1_000 + place % 1_000), Version(place / 1_000 + 1));
        PastEvent::new(stream, version, "account.deposited", 1, PAYLOAD)
            .recorded_at(begin + Duration::from_millis(number * 20))
    })
}

fn appends(number: u64) -> Append {
    let events = (0..IN_A_STREAM).map(|_| NewEvent::new("account.deposited", 1, PAYLOAD)).collect();
    Append::new(stream(number), ExpectedVersion::NoStream, events)
}

async fn append(store: &PgStore, events: u64, callers: u32) -> Duration {
    let begun = Instant::now();
    let taken = Arc::new(AtomicU64::new(0));
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let (store, taken) = (store.clone(), Arc::clone(&taken));
        running.spawn(async move {
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number * IN_A_STREAM >= events {
                    return;
                }
                store.append(appends(number)).await.unwrap();
            }
        });
    }
    running.join_all().await;
    begun.elapsed()
}

async fn fresh(server: &Server) -> (PgStore, Database) {
    let database = Database::create_on(server).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    (store, database)
}

fn tell(what: &str, events: u64, took: Duration, than: f64) -> f64 {
    let rate = events as f64 / took.as_secs_f64();
    let times = if than > 0.0 { format!("{:.2}", rate / than) } else { "1".to_owned() };
    println!("| {what} | {events} | {took:.1?} | {rate:.0} | {times} |");
    rate
}

/// The whole log, a page at a time, looked at and thrown away.
async fn read(store: &PgStore, page: u32) -> Duration {
    let (begun, mut next, mut bytes) = (Instant::now(), es_core::Position::START, 0);
    loop {
        let read = ReadLog::after(next).limit(page);
        let visit = &mut |raw: es_core::RawEvent<'_>| {
            bytes += raw.payload.len();
            Ok(())
        };
        let page = store.read_log(read, visit).await.unwrap();
        next = page.next;
        if page.at_end {
            return begun.elapsed();
        }
    }
}

#[tokio::main]
async fn main() {
    let events = std::env::args().nth(1).map_or(1_000_000, |events| events.parse().unwrap());
    let server = Server::durable().await;
    println!("| what | events | took | events a second | times |");
    println!("|---|---:|---:|---:|---:|");
    let (one_by_one, _kept) = fresh(&server).await;
    let base = tell("appends of 50, one caller", events / 10, append(&one_by_one, events / 10, 1).await, 0.0);
    let (together, _kept) = fresh(&server).await;
    tell("appends of 50, 16 callers", events / 10, append(&together, events / 10, 16).await, base);
    let (store, _kept) = fresh(&server).await;
    let begun = Instant::now();
    assert_eq!(store.import(history(events)).await.unwrap().stored, events);
    tell("import", events, begun.elapsed(), base);
    let begun = Instant::now();
    assert_eq!(store.import(history(events)).await.unwrap().there, events);
    tell("import of what is there", events, begun.elapsed(), base);
    for page in [500, 2_000, 10_000] {
        tell(&format!("read of the log by {page}"), events, read(&store, page).await, base);
    }
    let (mut export, mut exported, begun) = (store.export(), 0, Instant::now());
    while export.next().await.unwrap().is_some() {
        exported += 1;
    }
    assert_eq!(exported, events);
    tell("export", events, begun.elapsed(), base);
    let (copy, _kept) = fresh(&server).await;
    let begun = Instant::now();
    assert_eq!(copy.import_stream(store.export()).await.unwrap().stored, events);
    tell("export into another store", events, begun.elapsed(), base);
}
