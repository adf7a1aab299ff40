//! Stored events into a balance for each account.

use std::sync::Arc;
use std::time::Instant;

use crate::Result;
use crate::cpu::{self, Cpu};
use crate::machine;
use crate::options::Options;
use crate::place::Place;
use crate::report::{self, Row};
use crate::system::{About, System};
use crate::systems;
use crate::work::Work;

/// How many accounts are read back when a system has been filled.
const LOOKED_AT: u32 = 5;

/// One turn of one system.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) seconds: f64,
    pub(crate) cpu: Option<Cpu>,
}

pub(crate) async fn run(options: &Options, place: &Place) -> Result<String> {
    let systems = systems::all(options, place).await?;
    for system in &systems {
        fill(&**system, &work_of(&**system, options)).await.map_err(|error| of(system, error))?;
    }
    let (busy, begun) = (cpu::of_machine(), Instant::now());
    let mut turns: Vec<Vec<Turn>> = systems.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        // Who begins changes from round to round.
        for place_in_line in 0..systems.len() {
            let who = (place_in_line + round as usize) % systems.len();
            let Some((system, turns)) = systems.get(who).zip(turns.get_mut(who)) else { continue };
            place.settle().await?;
            let work = work_of(&**system, options);
            let turn = turn(&**system, &work, place.postmaster()).await.map_err(|error| of(system, error))?;
            let rate = work.events() as f64 / turn.seconds;
            eprintln!("round {}: {}: {} events/s", round + 1, system.about().name, report::grouped(rate));
            turns.push(turn);
        }
    }
    let used: Option<f64> =
        turns.iter().flatten().map(|turn| turn.cpu.map(|cpu| cpu.client + cpu.server.unwrap_or(0.0))).sum();
    let others = cpu::of_machine().zip(busy).zip(used).map(|((now, before), used)| now - before - used);
    let rows: Vec<Row> = systems
        .iter()
        .zip(turns)
        .map(|(system, turns)| Row::new(system.about(), work_of(&**system, options), turns))
        .collect();
    let machine = machine::describe(&mut place.connect().await?).await?;
    let others = others.map(|seconds| (seconds / begun.elapsed().as_secs_f64()).max(0.0));
    Ok(report::catch_up(&rows, options, &machine, others))
}

fn work_of(system: &dyn System, options: &Options) -> Work {
    let events = options.few.filter(|_| system.about().one_by_one).unwrap_or(options.events);
    Work { set: 0, accounts: options.accounts, events_each: events / options.accounts }
}

fn of(system: &Arc<dyn System>, error: crate::Error) -> crate::Error {
    let About { name, .. } = system.about();
    format!("{name}: {error}").into()
}

/// Stores the events, and reads some of them back through the system's own interface: what is measured must be what it would
/// have stored.
async fn fill(system: &dyn System, work: &Work) -> Result<()> {
    eprintln!("filling {} with {} events", system.about().name, report::grouped(work.events() as f64));
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
    let (before, begun) = (cpu::read(postmaster), Instant::now());
    system.catch_up(work.events()).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = cpu::read(postmaster).zip(before).map(|(after, before)| after - before);
    let (found, truth) = (system.balances().await?, work.truth());
    if found != truth {
        let (found_sum, sum) = (found.values().sum::<i64>(), truth.values().sum::<i64>());
        return Err(format!(
            "the balances are wrong: {} accounts with {found_sum} in all, instead of {} with {sum}",
            found.len(),
            truth.len()
        )
        .into());
    }
    Ok(Turn { seconds, cpu })
}
