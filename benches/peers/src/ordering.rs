//! What the order of the log costs those who append: the same appends by es-postgres on its own table, on one without the
//! columns and the index that ticks read (`xid`, `epoch`, `events_xid`), and on its own table while somebody ticks.
//!
//! Nobody ticks where nobody reads the log, so the third side is what an append costs beside readers that read nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::{Append, EventStore, ExpectedVersion, NewEvent, StreamId};
use es_postgres::PgStore;
use sqlx::{Connection, PgConnection};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::Result;
use crate::number::{grouped, median, quantile};
use crate::options::Options;
use crate::place::Place;
use crate::work::Deposit;

/// As often as a busy reader does.
const TICKS_EVERY: Duration = Duration::from_millis(10);
/// What is appended: how many events at once, by how many writers.
const LOADS: [(usize, u32); 4] = [(1, 1), (1, 16), (50, 1), (50, 4)];
/// A turn is short and there are many of them, because what is looked for is small.
const ROUNDS_FOR_ONE: u32 = 4;

const WITHOUT: &str = "
    DROP INDEX es.events_xid;
    ALTER TABLE es.events DROP COLUMN xid, DROP COLUMN epoch;";

struct Side {
    name: &'static str,
    store: PgStore,
    url: String,
    ticks: bool,
    rates: Vec<f64>,
}

pub(crate) async fn run(options: &Options, place: &Place) -> Result<String> {
    let mut sides = Vec::new();
    for (name, without, ticks) in
        [("without", true, false), ("columns and index", false, false), ("columns, index and ticks", false, true)]
    {
        sides.push(Side::new(name, without, ticks, options, place).await?);
    }
    let lasts = options.turn / 2;
    let rounds = if options.quick { options.rounds } else { options.rounds * ROUNDS_FOR_ONE };
    let mut text = format!(
        "### What the order of the log costs an append\n\n{rounds} rounds of {lasts:?}. Each ratio is the median of the rounds, \
         with the range in which half of them lie.\n\n\
         | events at once | writers | without, per s | × columns and index | × ticks too |\n|---:|---:|---:|---:|---:|\n"
    );
    for (events, writers) in LOADS {
        for side in &mut sides {
            side.rates.clear();
            side.turn(events, writers, lasts / 4).await?;
        }
        for round in 0..rounds as usize {
            place.settle().await?;
            for place_in_line in 0..sides.len() {
                let who = (place_in_line + round) % sides.len();
                let Some(side) = sides.get_mut(who) else { continue };
                let rate = side.turn(events, writers, lasts).await?;
                eprintln!("ordering, {events} events, {writers} writers: {}: {}/s", side.name, grouped(rate));
                side.rates.push(rate);
            }
        }
        if let [without, columns, ticks] = sides.as_slice() {
            let (rate, columns, ticks) =
                (median(without.rates.clone()), columns.beside(without), ticks.beside(without));
            text.push_str(&format!("| {events} | {writers} | {} | {columns} | {ticks} |\n", grouped(rate)));
        }
    }
    Ok(text)
}

impl Side {
    async fn new(name: &'static str, without: bool, ticks: bool, options: &Options, place: &Place) -> Result<Self> {
        let url = place.database().await?;
        let store = PgStore::options().max_connections(options.connections).connect(&url).await?;
        store.migrate().await?;
        if without {
            sqlx::raw_sql(WITHOUT).execute(&mut PgConnection::connect(&url).await?).await?;
        }
        Ok(Self { name, store, url, ticks, rates: Vec::new() })
    }

    /// Appends in a second. Every one was acknowledged, and is counted in the table in the end.
    async fn turn(&self, events: usize, writers: u32, lasts: Duration) -> Result<f64> {
        let mut connection = PgConnection::connect(&self.url).await?;
        let count = "SELECT count(*) FROM es.events";
        let before: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await?;
        let ticking = self.ticking().await?;
        let (begun, mut running) = (Instant::now(), JoinSet::new());
        for _ in 0..writers {
            running.spawn(write(self.store.clone(), events, begun, lasts));
        }
        let mut done = 0;
        while let Some(writer) = running.join_next().await {
            done += writer??;
        }
        let rate = done as f64 / begun.elapsed().as_secs_f64();
        if let Some(ticking) = ticking {
            ticking.abort();
        }
        let after: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await?;
        if after - before != i64::try_from(done * events)? {
            return Err(format!("{}: {} events are there, not {}", self.name, after - before, done * events).into());
        }
        Ok(rate)
    }

    async fn ticking(&self) -> Result<Option<JoinHandle<Result<()>>>> {
        if !self.ticks {
            return Ok(None);
        }
        let mut connection = PgConnection::connect(&self.url).await?;
        Ok(Some(tokio::spawn(async move {
            loop {
                sqlx::query("SELECT es.tick()").execute(&mut connection).await?;
                tokio::time::sleep(TICKS_EVERY).await;
            }
        })))
    }

    /// The median of the quotients of all rounds, and the range in which half of them lie.
    fn beside(&self, other: &Self) -> String {
        let quotients: Vec<f64> = self.rates.iter().zip(&other.rates).map(|(a, b)| a / b).collect();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile(quotients.clone(), share));
        format!("{middle:.2} ({low:.2} to {high:.2})")
    }
}

async fn write(store: PgStore, events: usize, begun: Instant, lasts: Duration) -> Result<usize> {
    let payload: Arc<str> = serde_json::to_string(&Deposit::of(5))?.into();
    let mut done = 0;
    while begun.elapsed() < lasts {
        let events = (0..events).map(|_| NewEvent::new("account.deposited", 1, payload.to_string())).collect();
        let stream = StreamId::new("account", Uuid::now_v7().to_string())?;
        store.append(Append::new(stream, ExpectedVersion::NoStream, events)).await?;
        done += 1;
    }
    Ok(done)
}
