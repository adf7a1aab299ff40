//! What the two indexes that find events without their stream cost those who append: rounds with and without them, by turns.
//!
//! `cargo run --release -p es-postgres --example index_cost -- [rounds]`
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement has nobody to hand an error to")]

use std::time::{Duration, Instant};

use es_core::{
    Append, CausationId, CorrelationId, EventStore, ExpectedVersion, Metadata, NewEvent, StreamId, Timestamp,
};
use es_postgres::PgStore;
use es_test_support::{Database, Server};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::task::JoinSet;

const SLICE: Duration = Duration::from_secs(2);

/// Each is a schema of its own, without the indexes named.
const SIDES: [(&str, &[&str]); 3] =
    [("neither", &["events_conversation", "events_event_id"]), ("conversation", &["events_event_id"]), ("both", &[])];

/// What is appended: how many events at once, by how many writers.
const LOADS: [(u64, u64); 3] = [(1, 1), (1, 16), (50, 4)];

async fn side(database: &Database, schema: &str, without: &[&str]) -> PgStore {
    let store = PgStore::options().schema(schema).max_connections(16).connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    for index in without {
        let drop = AssertSqlSafe(format!("DROP INDEX \"{schema}\".{index}"));
        sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
    }
    store
}

/// As a command stores them: one conversation for each append.
async fn append(store: &PgStore, events: u64) {
    let conversation = CorrelationId::new();
    let metadata = Metadata::default().with_correlation(conversation).with_causation(CausationId::new());
    let events = (0..events)
        .map(|_| NewEvent { metadata: metadata.clone(), ..NewEvent::new("account.deposited", 1, r#"{"amount":5}"#) });
    let stream = StreamId::new("account", conversation.to_string()).unwrap();
    store.append(Append::new(stream, ExpectedVersion::NoStream, events.collect())).await.unwrap();
}

/// Appends in a second.
async fn rate(store: &PgStore, (events, writers): (u64, u64)) -> f64 {
    store.log_end().await.unwrap();
    let (begun, mut running) = (Instant::now(), JoinSet::new());
    for _ in 0..writers {
        let store = store.clone();
        running.spawn(async move {
            let mut done = 0_u64;
            while begun.elapsed() < SLICE {
                append(&store, events).await;
                done += 1;
            }
            done
        });
    }
    let done: u64 = running.join_all().await.into_iter().sum();
    done as f64 / begun.elapsed().as_secs_f64()
}

fn median(numbers: &mut [f64]) -> [f64; 3] {
    numbers.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| numbers[(numbers.len() - 1) * quarter / 4])
}

async fn room(database: &Database, schema: &str) {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let sizes = format!(
        "SELECT c.relname, pg_relation_size(c.oid)::float8 / (SELECT count(*) FROM \"{schema}\".events)
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          WHERE i.indrelid = '\"{schema}\".events'::regclass ORDER BY c.relname"
    );
    for row in sqlx::query(AssertSqlSafe(sizes)).fetch_all(&mut connection).await.unwrap() {
        println!("- {}: {:.1} bytes an event", row.get::<String, _>(0), row.get::<f64, _>(1));
    }
}

#[tokio::main]
async fn main() {
    let rounds: usize = std::env::args().nth(1).map_or(8, |rounds| rounds.parse().unwrap());
    let database = Database::create_on(&Server::durable().await).await;
    let mut stores = Vec::new();
    for (schema, without) in SIDES {
        stores.push(side(&database, schema, without).await);
    }
    println!("{}", Timestamp::now());
    for load in LOADS {
        for store in &stores {
            rate(store, load).await;
        }
        let mut rates = vec![Vec::new(); SIDES.len()];
        for round in 0..rounds {
            // Who begins changes, so that nobody always has the cold cache or the checkpoint.
            for turn in 0..SIDES.len() {
                let side = (round + turn) % SIDES.len();
                rates[side].push(rate(&stores[side], load).await);
            }
        }
        let (events, writers) = load;
        println!("Appends of {events}, {writers} writers, {rounds} rounds of {SLICE:?} each:");
        let neither = rates[0].clone();
        for ((schema, _), rates) in SIDES.iter().zip(&mut rates) {
            let mut ratios: Vec<f64> = rates.iter().zip(&neither).map(|(with, without)| with / without).collect();
            let ([_, rate, _], [low, ratio, high]) = (median(rates), median(&mut ratios));
            println!("- {schema}: {rate:.0} appends/s, × {ratio:.2} ({low:.2} to {high:.2})");
        }
    }
    room(&database, "both").await;
}
