//! What it is worth that loads which meet share a statement: callers who each load one of a thousand streams.
//!
//! `cargo run --release -p es-postgres --example loads -- [seconds] [events]`
//!
//! Both stores take turns on one server. Read the multiples.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement has nobody to hand an error to")]

use std::time::{Duration, Instant};

use es_core::{Append, EncodedEvent, Error, EventStore, ExpectedVersion, Fold, NewEvent, StreamId, Version};
use es_postgres::PgStore;
use es_test_support::{Database, Server};
use tokio::task::JoinSet;

const CALLERS: [u32; 5] = [1, 4, 16, 64, 256];
const ROUNDS: u32 = 5;
const STREAMS: u32 = 1_000;

struct Turn {
    rate: f64,
    waits: Vec<Duration>,
}

#[derive(Default)]
struct Count(u64);

impl Fold for Count {
    fn snapshot(&mut self, _: Version, _: &str) {}

    fn event(&mut self, _: Version, event: EncodedEvent<'_>) -> Result<(), Error> {
        self.0 += u64::from(!event.payload.is_empty());
        Ok(())
    }
}

fn stream(number: u32) -> StreamId {
    StreamId::new("account", format!("0198c1de-7b52-7c2e-9f3a-{number:012x}")).unwrap()
}

async fn turn(store: &PgStore, callers: u32, events: u64, lasts: Duration) -> Turn {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for caller in 0..callers {
        let store = store.clone();
        running.spawn(async move {
            let mut waits = Vec::new();
            for nth in (caller * 7..).step_by(331) {
                if begun.elapsed() >= lasts {
                    break;
                }
                let (stream, mut count) = (stream(nth % STREAMS), Count::default());
                let asked = Instant::now();
                store.fold_stream(&stream, None, &mut count).await.unwrap();
                waits.push(asked.elapsed());
                assert_eq!(count.0, events);
            }
            waits
        });
    }
    let mut waits = running.join_all().await.concat();
    waits.sort_unstable();
    Turn { rate: waits.len() as f64 / begun.elapsed().as_secs_f64(), waits }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn at(waits: &[Duration], percent: usize) -> Duration {
    waits[waits.len().saturating_sub(1) * percent / 100]
}

async fn fill(store: &PgStore, events: u64) {
    for number in 0..STREAMS {
        let payload = r#"{"amount":1250,"reference":"REF-0000000001234567","note":"paid in at the counter"}"#;
        let events = (0..events).map(|_| NewEvent::new("account.deposited", 1, payload.to_owned())).collect();
        store.append(Append::new(stream(number), ExpectedVersion::NoStream, events)).await.unwrap();
    }
}

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1);
    let lasts = Duration::from_secs_f64(numbers.next().map_or(1.0, |seconds| seconds.parse().unwrap()));
    let events = numbers.next().map_or(10, |events| events.parse().unwrap());
    let database = Database::create_on(&Server::durable().await).await;
    let together = PgStore::connect(database.url()).await.unwrap();
    together.migrate().await.unwrap();
    fill(&together, events).await;
    let alone = PgStore::options().group_load(false).connect(database.url()).await.unwrap();
    println!("| callers | each alone, a second | together, a second | times | p50, p99 alone | p50, p99 together |");
    println!("|---:|---:|---:|---:|---:|---:|");
    for callers in CALLERS {
        let (mut by_itself, mut shared) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let first = turn(&alone, callers, events, lasts).await;
            let second = turn(&together, callers, events, lasts).await;
            // The first round opens connections.
            if round > 0 {
                by_itself.push(first);
                shared.push(second);
            }
        }
        let times = median(by_itself.iter().zip(&shared).map(|(a, b)| b.rate / a.rate).collect());
        let rate = |turns: &[Turn]| median(turns.iter().map(|turn| turn.rate).collect());
        let (a, b) = (&by_itself[by_itself.len() / 2].waits, &shared[shared.len() / 2].waits);
        println!(
            "| {callers} | {:.0} | {:.0} | {times:.2} | {:.2?}, {:.2?} | {:.2?}, {:.2?} |",
            rate(&by_itself),
            rate(&shared),
            at(a, 50),
            at(a, 99),
            at(b, 50),
            at(b, 99)
        );
    }
}
