//! What becomes of appends and loads when the table grows: two databases, one with ten times the events of the other, in turns;
//! and from the sizes of their indexes, what to expect of the next ten times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use es_core::{EventStoreExt, ExpectedVersion};
use es_postgres::PgStore;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Result;
use crate::number::{figure, grouped, median, quantile};
use crate::options::Options;
use crate::place::Place;
use crate::systems::domain::{Account, deposited};

/// So many events a stream, written one at a time between those of [`BLOCK`] others.
const EVENTS_EACH: u64 = 10;
const BLOCK: u64 = 10_000;
const SIZES: [u64; 2] = [1_000_000, 10_000_000];
const SIZES_WHEN_QUICK: [u64; 2] = [100_000, 300_000];
const WRITERS: u32 = 16;

/// One block: each stream's first event, then each one's second, and so on, as the library stores them. The stream is named by
/// its number, spread over the whole range as ids are that were drawn by chance.
const FILL: &str = "
    INSERT INTO es.events (category, stream_id, version, event_id, type, schema_version, payload, correlation_id, causation_id, slice)
    SELECT 'account', md5(s::text)::uuid::text, v, gen_random_uuid(), 'account.deposited', 1, {payload}, gen_random_uuid(),
           gen_random_uuid(), s % 1024
      FROM generate_series(1, {each}) v, generate_series({first}, {last}) s
     ORDER BY v, s";
const PAYLOAD: &str = r#"'{"amount":5,"currency":"EUR","reference":"0198c1de-7b52-7c2e-9f3a-5d2c1b0a9e8f","channel":"mobile","note":"rent for November"}'"#;

struct Table {
    url: String,
    store: PgStore,
    /// For what is not measured.
    beside: PgConnection,
    streams: u64,
    appends: Vec<f64>,
    loads: Vec<f64>,
    waits: Vec<f64>,
}

pub(crate) async fn run(options: &Options, place: &Place) -> Result<String> {
    let sizes = if options.quick { SIZES_WHEN_QUICK } else { SIZES };
    let mut tables = Vec::new();
    for events in sizes {
        tables.push(Table::new(events, options, place).await?);
    }
    place.settle().await?;
    let rounds = options.rounds * 4;
    for round in 0..=rounds as usize {
        for place_in_line in 0..tables.len() {
            let who = (place_in_line + round) % tables.len();
            let Some(table) = tables.get_mut(who) else { continue };
            let (appends, loads) = (table.append(options.turn).await?, table.load(options.turn / 2).await?);
            eprintln!(
                "growth: {} streams: {} appends/s, {:.3} ms a load",
                table.streams,
                grouped(appends),
                loads * 1e3
            );
            // The first round brings into memory what there is room for.
            if round > 0 {
                table.appends.push(appends);
                table.loads.push(loads);
            }
        }
    }
    report(&tables, rounds).await
}

impl Table {
    async fn new(events: u64, options: &Options, place: &Place) -> Result<Self> {
        let url = place.database().await?;
        let store = PgStore::options().max_connections(options.connections).connect(&url).await?;
        store.migrate().await?;
        let (mut connection, streams) = (PgConnection::connect(&url).await?, events / EVENTS_EACH);
        for first in (0..streams).step_by(usize::try_from(BLOCK)?) {
            let fill = FILL.replace("{payload}", PAYLOAD).replace("{each}", &EVENTS_EACH.to_string());
            let fill = fill.replace("{first}", &first.to_string());
            let fill = fill.replace("{last}", &(first + BLOCK - 1).to_string());
            sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut connection).await?;
            sqlx::query("SELECT es.tick()").execute(&mut connection).await?;
            if first % (BLOCK * 10) == 0 {
                eprintln!(
                    "growth: {} of {} events are there",
                    grouped((first * EVENTS_EACH) as f64),
                    grouped(events as f64)
                );
            }
        }
        sqlx::query("VACUUM ANALYZE es.events").execute(&mut connection).await?;
        let (appends, loads, waits) = Default::default();
        Ok(Self { url, store, beside: connection, streams, appends, loads, waits })
    }

    /// Appends in a second, each to a new stream, by 16 writers.
    async fn append(&mut self, lasts: Duration) -> Result<f64> {
        let (begun, done, mut running) = (Instant::now(), Arc::new(AtomicU64::new(0)), JoinSet::new());
        for _ in 0..WRITERS {
            let (store, done) = (self.store.clone(), done.clone());
            running.spawn(async move {
                let mut waits = Vec::new();
                while begun.elapsed() < lasts {
                    let asked = Instant::now();
                    let event = deposited(5);
                    store.append_events::<Account>(&Uuid::new_v4(), ExpectedVersion::NoStream, event).await?;
                    waits.push(asked.elapsed().as_secs_f64() * 1e3);
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, crate::Error>(waits)
            });
        }
        while let Some(writer) = running.join_next().await {
            self.waits.extend(writer??);
        }
        Ok(done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
    }

    /// Seconds for a load of a stream drawn by chance, in the middle.
    async fn load(&mut self, lasts: Duration) -> Result<f64> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        while begun.elapsed() < lasts {
            let number = i64::try_from(Uuid::new_v4().as_u128() % u128::from(self.streams))?;
            let id = sqlx::query_scalar("SELECT md5($1::text)::uuid").bind(number).fetch_one(&mut self.beside).await?;
            let asked = Instant::now();
            let balance = self.store.load::<Account>(&id).await?.state.balance;
            took.push(asked.elapsed().as_secs_f64());
            if balance != 50 {
                return Err(format!("stream {number} stands at {balance} instead of 50").into());
            }
        }
        Ok(median(took))
    }
}

async fn report(tables: &[Table], rounds: u32) -> Result<String> {
    let [small, large] = tables else { return Err("two tables are compared".into()) };
    let beside = |a: &[f64], b: &[f64]| {
        let quotients: Vec<f64> = a.iter().zip(b).map(|(a, b)| a / b).collect();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile(quotients.clone(), share));
        format!("{middle:.2} ({low:.2} to {high:.2})")
    };
    let mut text = format!(
        "### Growth: from {} to {} events\n\n{rounds} rounds in turns. Streams of ten events, written one at a time between those \
         of {} others.\n\n\
         | | {} | {} | time × |\n|---|---:|---:|---:|\n",
        grouped((small.streams * EVENTS_EACH) as f64),
        grouped((large.streams * EVENTS_EACH) as f64),
        grouped(BLOCK as f64),
        grouped((small.streams * EVENTS_EACH) as f64),
        grouped((large.streams * EVENTS_EACH) as f64),
    );
    let (fewer, more) = (median(small.appends.clone()), median(large.appends.clone()));
    let slower = beside(&small.appends, &large.appends);
    text.push_str(&format!(
        "| appends a second, {WRITERS} writers | {} | {} | {slower} |\n",
        grouped(fewer),
        grouped(more)
    ));
    let [a, b] = [small, large].map(|table| quantile(table.waits.clone(), 0.99));
    text.push_str(&format!("| p99 of an append, ms | {} | {} | {:.2} |\n", figure(a), figure(b), b / a));
    let [a, b] = [small, large].map(|table| median(table.loads.clone()) * 1e6);
    let slower = beside(&large.loads, &small.loads);
    text.push_str(&format!("| load of ten events, µs | {} | {} | {slower} |\n", figure(a), figure(b)));
    text.push_str(&sizes(small, large).await?);
    Ok(text)
}

/// Pages and levels of table and indexes.
async fn sizes(small: &Table, large: &Table) -> Result<String> {
    let mut text =
        "\n| | bytes an event | pages at the smaller | pages at the larger |\n|---|---:|---:|---:|\n".to_owned();
    let pages = "SELECT c.relname::text, c.relpages::bigint, pg_relation_size(c.oid)::float8, e.reltuples::float8
                   FROM pg_class c, pg_class e
                  WHERE e.oid = 'es.events'::regclass
                    AND (c.oid = e.oid OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = e.oid))
                  ORDER BY c.relkind DESC, c.relname";
    let mut all: Vec<Vec<(String, i64, f64, f64)>> = Vec::new();
    for table in [small, large] {
        let mut connection = PgConnection::connect(&table.url).await?;
        sqlx::query("VACUUM ANALYZE es.events").execute(&mut connection).await?;
        all.push(sqlx::query_as(pages).fetch_all(&mut connection).await?);
    }
    if let [small, large] = all.as_slice() {
        for ((name, few, ..), (_, many, bytes, events)) in small.iter().zip(large) {
            let [few, many] = [few, many].map(|pages| grouped(*pages as f64));
            text.push_str(&format!("| {name} | {:.0} | {few} | {many} |\n", bytes / events));
        }
    }
    Ok(text)
}
