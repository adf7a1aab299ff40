//! A state from its events, on streams from short to long, with and without snapshots.

use std::sync::Arc;
use std::time::Instant;

use crate::Result;
use crate::chart::{Bar, Chart};
use crate::lane::{Done, Lane, Turn};
use crate::number::grouped;
use crate::options::Options;
use crate::place::Place;
use crate::race::race;
use crate::system::System;
use crate::systems;
use crate::table;
use crate::work::Work;
use crate::workload::Workload;

/// How long the streams are, how many there are, and how often one is loaded in a turn.
const STREAMS: [(u32, u32, u32); 4] = [(10, 200, 2_000), (100, 50, 1_000), (1_000, 4, 200), (10_000, 2, 20)];
/// Longer ones take minutes to fill.
const LONGEST_WHEN_QUICK: u32 = 1_000;
/// How far a snapshot is behind its stream, or half of the stream: as one that is taken every 100 events is, on average.
const BEHIND: u32 = 50;

pub(crate) async fn run(options: &Options, place: &Place) -> Result<String> {
    let systems = systems::all(Workload::Rehydrate, options, place).await?;
    let title = "Rehydrate: the state of one account from its events";
    let mut text = format!(
        "### {title}\n\n{} rounds, one client. A snapshot is {BEHIND} events behind its stream, or half of the stream.\n",
        options.rounds
    );
    let mut chart = Chart::new(title, "microseconds, p50 (less is better)");
    for (set, (events_each, accounts, loads)) in (0..).zip(STREAMS) {
        if options.quick && events_each > LONGEST_WHEN_QUICK {
            continue;
        }
        let work = Work { accounts, events_each, ..Work::of(set) };
        place.durable(false).await?;
        for system in &systems {
            eprintln!("filling {} with streams of {events_each} events", system.about().name);
            fill(&**system, work).await.map_err(|error| format!("{}: {error}", system.about().name))?;
        }
        place.durable(true).await?;
        place.settle().await?;
        let head = format!("{} events", grouped(events_each.into()));
        let what = format!("loads of {head}");
        let turn = async |system: &_, _| turn(system, work, loads, place).await;
        let lanes = race(&systems, options.rounds, &what, turn).await?;
        text.push_str(&format!("\n**{head}**\n\n{}", table::of(&lanes)));
        chart.panel(&head, lanes.iter().map(bar).collect());
    }
    chart.write(options, "rehydrate")?;
    Ok(text)
}

fn bar(lane: &Lane) -> Bar {
    let micros = lane.latency(0.5).unwrap_or_default();
    Bar::new(lane.about, micros, &grouped(micros))
}

/// The events up to the snapshot, the snapshot, and the rest.
async fn fill(system: &dyn System, work: Work) -> Result<()> {
    let first = work.events_each - BEHIND.min(work.events_each / 2);
    system.fill(&Work { events_each: first, ..work }).await?;
    for number in 0..work.accounts {
        system.snapshot(work.account(number)).await?;
    }
    system.fill(&Work { stored: first, ..work }).await
}

async fn turn(system: &Arc<dyn System>, work: Work, loads: u32, place: &Place) -> Result<Turn> {
    // What the first load has to do once for all, and what it finds in memory, is not what is measured.
    self::loads(&**system, work, work.accounts.min(20)).await?;
    Turn::of(place.postmaster(), self::loads(&**system, work, loads)).await
}

/// Each load is compared with the truth.
async fn loads(system: &dyn System, work: Work, loads: u32) -> Result<Done> {
    let truth: Vec<i64> = (0..work.accounts).map(|number| work.amounts(number).iter().sum()).collect();
    let mut latencies = Vec::new();
    for (number, truth) in (0..work.accounts).zip(truth).cycle().take(loads as usize) {
        let begun = Instant::now();
        let found = system.load(work.account(number)).await?;
        latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        if found != truth {
            return Err(format!("account {number} stands at {found} instead of {truth}").into());
        }
    }
    Ok(Done { operations: loads.into(), latencies, attempts: 0 })
}
