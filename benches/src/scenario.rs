//! What is measured, in which order, and for how long.

use std::time::Instant;

use es_memory::MemoryStore;
use es_postgres::PgStore;
use es_test_support::Proxy;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::Result;
use crate::by_hand::{SameTable, SimpleTable, Source};
use crate::cpu::{self, Meter};
use crate::in_memory::PlainMap;
use crate::machine;
use crate::options::Options;
use crate::ours::{Ours, OursSnapshotted};
use crate::place::Place;
use crate::race::{Finish, STREAM, Side, Task, fresh_side, race, side};
use crate::report::{Aim, Report, grouped};

/// In the order of the sides. The last one is measured on loads only.
const SCHEMAS: [&str; 5] = ["same", "ours", "simple", "kept", "snapshots"];
const WITHOUT_SNAPSHOTS: usize = 4;

/// Streams that lie there before anything is measured, so that no index is small.
const BACKGROUND_EVENTS: usize = 100;

/// What is loaded: how many events, of how many streams in turn, how often in a slice, and its share of the time.
const LOADS: [(usize, usize, usize, f64); 3] = [(10, 200, 1_000, 0.12), (1_000, 10, 50, 0.13), (10_000, 3, 6, 0.15)];

/// What is appended: how many events at once, how often in a slice, and its share of the time.
const APPENDS: [(usize, usize, f64); 2] = [(1, 200, 0.08), (50, 50, 0.08)];

const COMMANDS: usize = 250;
const COMMANDS_SHARE: f64 = 0.34;

const COMMANDS_IN_MEMORY: usize = 4_000;
const IN_MEMORY_SHARE: f64 = 0.10;

/// Rounds that no race reaches.
const COUNTING_ROUND: usize = 900_000;
const COUNTED: usize = 100;

pub(crate) async fn run_all(options: &Options, place: &Place) -> Result<String> {
    let meter = Meter { postmaster: place.postmaster() };
    let mut connection = place.connect().await?;
    let mut report = Report::default();
    report.setting(
        &machine::versions(&machine::postgres_version(&mut connection).await?),
        &machine::hardware(),
        &machine::settings(&mut connection).await?,
    );
    let (start, before) = (Instant::now(), cpu::of_machine().zip(meter.read()));
    in_memory(options, &mut report).await?;
    on_postgres(options, place, meter, &mut connection, &mut report).await?;
    if let Some((machine, ours)) = before
        && let Some((machine_now, ours_now)) = cpu::of_machine().zip(meter.read())
    {
        let others = (machine_now - machine).saturating_sub((ours_now - ours).total());
        report.others(others.as_secs_f64() / start.elapsed().as_secs_f64(), meter.postmaster.is_some());
    }
    Ok(report.finish())
}

async fn in_memory(options: &Options, report: &mut Report) -> Result<()> {
    eprintln!("in memory …");
    let by_hand = fresh_side("by hand, `HashMap` and serde", PlainMap::default);
    let ours = fresh_side("**es-memory**", || Ours(MemoryStore::new()));
    let meter = Meter { postmaster: None };
    let task = Task::Command { operations: COMMANDS_IN_MEMORY };
    let finish = race(&mut [by_hand, ours], meter, options.budget.mul_f64(IN_MEMORY_SHARE), &task).await?;
    report.in_memory(&format!("A command on {STREAM} events, in memory, one thread"), &finish);
    Ok(())
}

async fn on_postgres(
    options: &Options,
    place: &Place,
    meter: Meter,
    connection: &mut PgConnection,
    report: &mut Report,
) -> Result<()> {
    let mut sides = open(place, place.url()).await?;
    let ids = fill(&mut sides, options).await?;
    vacuum(place, connection).await?;
    let commands = commands(options, meter, &mut sides[..WITHOUT_SNAPSHOTS]).await?;
    report.race(&format!("A command on {STREAM} events: load, decide, append"), &commands, Aim::Time(1.15));
    for ((events, _, operations, share), ids) in LOADS.into_iter().zip(ids) {
        eprintln!("loads of {events} events …");
        let task = Task::Load { operations, ids };
        let finish = race(&mut sides, meter, options.budget.mul_f64(share), &task).await?;
        report.race(&format!("State from {} events", grouped(events as f64)), &finish, Aim::Rate(0.8));
    }
    for (events, operations, share) in APPENDS {
        eprintln!("appends of {events} events …");
        let task = Task::Append { operations, events };
        let budget = options.budget.mul_f64(share);
        let finish = race(&mut sides[..WITHOUT_SNAPSHOTS], meter, budget, &task).await?;
        report.race(&format!("An append of {events} to a new stream"), &finish, Aim::None);
    }
    if place.is_own() {
        report.turns(&turns(place, meter).await?);
    }
    report.tables(&same_tables(place, connection).await?);
    Ok(())
}

/// Our tables only: the rest of a database that was named is none of our business.
async fn vacuum(place: &Place, connection: &mut PgConnection) -> Result<()> {
    for name in SCHEMAS {
        let statement = format!("VACUUM ANALYZE {}.events", place.schema(name));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn commands(options: &Options, meter: Meter, sides: &mut [Box<dyn Side>]) -> Result<Finish> {
    eprintln!("commands …");
    let task = Task::Command { operations: COMMANDS };
    race(sides, meter, options.budget.mul_f64(COMMANDS_SHARE), &task).await
}

/// Each side has a schema of its own, so that none profits from what another one left.
async fn open(place: &Place, url: &str) -> Result<Vec<Box<dyn Side>>> {
    let schema = |number: usize| place.schema(SCHEMAS[number]);
    for number in [0, 1, 3, 4] {
        PgStore::options().schema(schema(number)).connect(url).await?.migrate().await?;
    }
    SimpleTable::create(Source::kept(url).await?, &schema(2)).await?;
    join(place, url).await
}

/// The sides on tables that are there.
async fn join(place: &Place, url: &str) -> Result<Vec<Box<dyn Side>>> {
    let schema = |number: usize| place.schema(SCHEMAS[number]);
    let ours = PgStore::options().schema(schema(1)).connect(url).await?;
    let snapshotted = PgStore::options().schema(schema(4)).connect(url).await?;
    Ok(vec![
        side("by hand, our table", SameTable::new(Source::pool(url).await?, &schema(0))),
        side("**es-postgres**", Ours(ours)),
        side("by hand, simplest table", SimpleTable::new(Source::pool(url).await?, &schema(2))),
        side("by hand, the floor", SameTable::new(Source::kept(url).await?, &schema(3))),
        side("**es-postgres** with a snapshot", OursSnapshotted(snapshotted)),
    ])
}

/// The background, and the streams to be loaded, whose ids it returns.
async fn fill(sides: &mut [Box<dyn Side>], options: &Options) -> Result<Vec<Vec<String>>> {
    eprintln!("filling the tables …");
    for number in 0..options.background {
        let id = format!("background-{number:06}");
        for side in &mut *sides {
            side.fill(&id, BACKGROUND_EVENTS).await?;
        }
    }
    let mut all = Vec::new();
    for (events, streams, ..) in LOADS {
        let ids: Vec<String> = (0..streams).map(|number| format!("load-{events}-{number:06}")).collect();
        for id in &ids {
            for side in &mut *sides {
                side.fill(id, events).await?;
            }
        }
        all.push(ids);
    }
    Ok(all)
}

/// How often each side speaks with the server for one command, pings included: commands and the appends that they need come
/// first, then the same appends alone.
async fn turns(place: &Place, meter: Meter) -> Result<Vec<(&'static str, f64)>> {
    eprintln!("counting round trips …");
    let commands = Task::Command { operations: COUNTED };
    let appends = Task::Append { operations: COUNTED, events: STREAM };
    let mut counts = Vec::new();
    for number in 0..WITHOUT_SNAPSHOTS {
        let proxy = Proxy::start(place.url()).await;
        let mut side = join(place, &proxy.url(place.url())).await?.swap_remove(number);
        side.slice(meter, COUNTING_ROUND, &commands).await?;
        proxy.reset();
        side.slice(meter, COUNTING_ROUND + 1, &commands).await?;
        let with_commands = proxy.reset();
        side.slice(meter, COUNTING_ROUND, &appends).await?;
        let without = proxy.reset();
        counts.push((side.name(), (with_commands as f64 - without as f64) / COUNTED as f64));
    }
    Ok(counts)
}

pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) events: i64,
    amount: i64,
    pub(crate) bytes: i64,
}

/// What lies in the tables in the end, which must be the same in all.
async fn same_tables(place: &Place, connection: &mut PgConnection) -> Result<Vec<Table>> {
    let mut tables: Vec<Table> = Vec::new();
    for name in &SCHEMAS[..WITHOUT_SNAPSHOTS] {
        let schema = place.schema(name);
        let sql = format!(
            "SELECT count(*), sum((payload->>'amount')::bigint)::bigint, pg_total_relation_size('{schema}.events')
               FROM {schema}.events"
        );
        let (events, amount, bytes) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
        tables.push(Table { name, events, amount, bytes });
    }
    match tables.iter().find(|table| (table.events, table.amount) != (tables[0].events, tables[0].amount)) {
        Some(other) => Err(format!("`{}` and `{}` do not hold the same events", tables[0].name, other.name).into()),
        None => Ok(tables),
    }
}
