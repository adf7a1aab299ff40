//! What it is worth that appends which meet share a statement: callers who each append one event to a stream of their own.
//!
//! `cargo run --release -p es-postgres --example appends -- [seconds] [events]`
//!
//! Both stores take turns on one server with durable settings. Read the multiples.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement has nobody to hand an error to")]

use std::time::{Duration, Instant};

use es_core::{Append, EventStore, ExpectedVersion, NewEvent, StreamId};
use es_postgres::PgStore;
use es_test_support::{Database, Server};
use tokio::task::JoinSet;
use uuid::Uuid;

const CALLERS: [u32; 5] = [1, 4, 16, 64, 256];
const ROUNDS: u32 = 5;

struct Turn {
    rate: f64,
    waits: Vec<Duration>,
}

async fn turn(store: &PgStore, callers: u32, events: usize, lasts: Duration) -> Turn {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let store = store.clone();
        running.spawn(async move {
            let mut waits = Vec::new();
            while begun.elapsed() < lasts {
                let payload = r#"{"amount":1250,"reference":"REF-0000000001234567","note":"paid in at the counter"}"#;
                let events = (0..events).map(|_| NewEvent::new("account.deposited", 1, payload.to_owned())).collect();
                let stream = StreamId::new("account", Uuid::now_v7().to_string()).unwrap();
                let asked = Instant::now();
                store.append(Append::new(stream, ExpectedVersion::NoStream, events)).await.unwrap();
                waits.push(asked.elapsed());
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

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1);
    let lasts = Duration::from_secs_f64(numbers.next().map_or(1.0, |seconds| seconds.parse().unwrap()));
    let events = numbers.next().map_or(1, |events| events.parse().unwrap());
    let database = Database::create_on(&Server::durable().await).await;
    let together = PgStore::connect(database.url()).await.unwrap();
    together.migrate().await.unwrap();
    let alone = PgStore::options().group_append(false).connect(database.url()).await.unwrap();
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
