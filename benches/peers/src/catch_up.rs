//! Stored events into a balance for each account.

use std::sync::Arc;

use crate::Result;
use crate::chart::{Bar, Chart};
use crate::lane::{Done, Lane, Turn};
use crate::number::grouped;
use crate::options::Options;
use crate::place::Place;
use crate::race::race;
use crate::system::{About, System};
use crate::systems;
use crate::table;
use crate::work::Work;
use crate::workload::Workload;

/// How many accounts are read back when a system has been filled.
const LOOKED_AT: u32 = 5;

pub(crate) async fn run(options: &Options, place: &Place) -> Result<String> {
    let systems = systems::all(Workload::CatchUp, options, place).await?;
    place.durable(false).await?;
    for system in &systems {
        fill(&**system, &work_of(&**system, options)).await.map_err(|error| of(system, error))?;
    }
    place.durable(true).await?;
    let lanes = race(&systems, options.rounds, "catch-up", async |system, _| {
        place.settle().await?;
        turn(&**system, &work_of(&**system, options), place.postmaster()).await
    })
    .await?;
    let title = format!(
        "Catch-up: {} stored events into {} balances",
        grouped(options.events.into()),
        grouped(options.accounts.into())
    );
    let mut chart = Chart::new(title.as_str(), "events a second");
    chart.panel("", lanes.iter().map(|lane| Bar::new(lane.about, lane.rate(), &grouped(lane.rate()))).collect());
    chart.write(options, "catch-up")?;
    Ok(format!(
        "### {title}\n\n{} rounds, batches of {}, chunks of evento of {}, pools of {} connections. Systems that commit each event \
         by itself have {}.\n\n{}\n{}",
        options.rounds,
        grouped(options.batch.into()),
        grouped(options.chunk.into()),
        options.connections,
        grouped(options.few.into()),
        table::of(&lanes),
        promises(&lanes),
    ))
}

/// What each is worth to whoever relies on it.
fn promises(lanes: &[Lane]) -> String {
    let mut text = "| | how | what it promises |\n|---|---|---|\n".to_owned();
    for About { name, catches_up_by, guarantees, .. } in lanes.iter().map(|lane| lane.about) {
        text.push_str(&format!("| {name} | {catches_up_by} | {guarantees} |\n"));
    }
    text
}

fn work_of(system: &dyn System, options: &Options) -> Work {
    let events = if system.about().one_by_one { options.few.min(options.events) } else { options.events };
    Work { accounts: options.accounts, events_each: events / options.accounts, ..Work::of(0) }
}

fn of(system: &Arc<dyn System>, error: crate::Error) -> crate::Error {
    let About { name, .. } = system.about();
    format!("{name}: {error}").into()
}

/// Stores the events, and reads some of them back through the system's own interface: what is measured must be what it would
/// have stored.
async fn fill(system: &dyn System, work: &Work) -> Result<()> {
    eprintln!("filling {} with {} events", system.about().name, grouped(work.events() as f64));
    system.fill(work).await?;
    for number in (0..work.accounts).step_by((work.accounts / LOOKED_AT).max(1) as usize) {
        let (found, expected) = (system.amounts(work.account(number)).await?, work.amounts(number));
        if found != expected {
            return Err(format!("account {number} was stored as {found:?}, not as {expected:?}").into());
        }
    }
    Ok(())
}

async fn turn(system: &dyn System, work: &Work, postmaster: Option<u32>) -> Result<Turn> {
    system.forget().await?;
    if !system.balances().await.unwrap_or_default().is_empty() {
        return Err("the read model was not empty before its turn".into());
    }
    let turn = Turn::of(postmaster, async {
        system.catch_up(work.events()).await?;
        Ok(Done { operations: work.events(), ..Done::default() })
    });
    let turn = turn.await?;
    let (found, truth) = (system.balances().await?, work.truth());
    if found == truth {
        return Ok(turn);
    }
    Err(format!(
        "the balances are wrong: {} accounts with {} in all, instead of {} with {}",
        found.len(),
        found.values().sum::<i64>(),
        truth.len(),
        truth.values().sum::<i64>(),
    )
    .into())
}
