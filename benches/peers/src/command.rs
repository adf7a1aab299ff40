//! Load, decide, append: commands on accounts of ten events, by one client and by many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use crate::Result;
use crate::cpu::{self, Cpu};
use crate::machine;
use crate::options::Options;
use crate::place::Place;
use crate::report::{self, CommandRow};
use crate::system::System;
use crate::systems;
use crate::work::Work;

const EVENTS_EACH: u32 = 10;
pub(crate) const CLIENTS: [u32; 3] = [1, 16, 64];
/// Runs that count for nothing, so that connections are open and statements known.
const WARM_UP: u32 = 200;

/// One turn of one system at one number of clients.
pub(crate) struct Turn {
    pub(crate) seconds: f64,
    pub(crate) cpu: Option<Cpu>,
    /// In microseconds.
    pub(crate) latencies: Vec<f64>,
    pub(crate) attempts: u64,
}

pub(crate) async fn run(options: &Options, place: &Place) -> Result<String> {
    let systems = systems::all(options, place).await?;
    let mut rows: Vec<CommandRow> = Vec::new();
    let mut set = 0;
    for clients in CLIENTS {
        let mut turns: Vec<Vec<Turn>> = systems.iter().map(|_| Vec::new()).collect();
        for round in 0..options.rounds {
            set += 1;
            // New accounts for each turn, so that each command meets ten events, or a few more.
            let work = Work { set, accounts: options.accounts, events_each: EVENTS_EACH };
            for place_in_line in 0..systems.len() {
                let who = (place_in_line + round as usize) % systems.len();
                let Some((system, turns)) = systems.get(who).zip(turns.get_mut(who)) else { continue };
                let name = system.about().name;
                let turn = turn(system, &work, options, clients, place).await.map_err(|e| format!("{name}: {e}"))?;
                let rate = turn.latencies.len() as f64 / turn.seconds;
                eprintln!("{clients} clients, round {}: {name}: {} commands/s", round + 1, report::grouped(rate));
                turns.push(turn);
            }
        }
        let row = |(system, turns): (&Arc<dyn System>, _)| CommandRow::new(system.about(), clients, turns);
        rows.extend(systems.iter().zip(turns).map(row));
    }
    let machine = machine::describe(&mut place.connect().await?).await?;
    Ok(report::command(&rows, options, &machine))
}

async fn turn(system: &Arc<dyn System>, work: &Work, options: &Options, clients: u32, place: &Place) -> Result<Turn> {
    system.fill(work).await?;
    let warm_up = Work { set: work.set + 1_000_000, accounts: WARM_UP.min(options.accounts), ..*work };
    system.fill(&warm_up).await?;
    commands(system, &warm_up, WARM_UP, clients).await?;
    place.settle().await?;
    let (before, begun) = (cpu::read(place.postmaster()), Instant::now());
    let (latencies, attempts) = commands(system, work, options.operations, clients).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = cpu::read(place.postmaster()).zip(before).map(|(after, before)| after - before);
    check(&**system, work, options.operations).await?;
    Ok(Turn { seconds, cpu, latencies, attempts })
}

/// Which account the command is for. Steps that share no factor with the number of accounts meet each before they meet one
/// again.
fn account_of(command: u32, accounts: u32) -> u32 {
    let step = (accounts / 3..).find(|step| common_factor(*step, accounts) == 1).unwrap_or(1);
    ((u64::from(command) * u64::from(step)) % u64::from(accounts)) as u32
}

fn common_factor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_factor(b, a % b) }
}

/// The clients take the commands from one line.
async fn commands(system: &Arc<dyn System>, work: &Work, operations: u32, clients: u32) -> Result<(Vec<f64>, u64)> {
    let next = Arc::new(AtomicU32::new(0));
    let mut running = JoinSet::new();
    for _ in 0..clients {
        let (system, next, work) = (system.clone(), next.clone(), *work);
        running.spawn(async move {
            let (mut latencies, mut attempts) = (Vec::new(), 0_u64);
            loop {
                let command = next.fetch_add(1, Ordering::Relaxed);
                if command >= operations {
                    return Ok::<_, crate::Error>((latencies, attempts));
                }
                let account = work.account(account_of(command, work.accounts));
                let begun = Instant::now();
                attempts += u64::from(system.deposit(account, i64::from(command) + 1).await?);
                latencies.push(begun.elapsed().as_secs_f64() * 1e6);
            }
        });
    }
    let (mut latencies, mut attempts) = (Vec::new(), 0);
    while let Some(client) = running.join_next().await {
        let (more, tried) = client??;
        latencies.extend(more);
        attempts += tried;
    }
    Ok((latencies, attempts))
}

/// Every deposit must be there, once.
async fn check(system: &dyn System, work: &Work, operations: u32) -> Result<()> {
    let mut expected: Vec<Vec<i64>> = (0..work.accounts).map(|number| work.amounts(number)).collect();
    for command in 0..operations {
        if let Some(amounts) = expected.get_mut(account_of(command, work.accounts) as usize) {
            amounts.push(i64::from(command) + 1);
        }
    }
    for (number, mut expected) in (0..).zip(expected) {
        let mut found = system.amounts(work.account(number)).await?;
        // Two deposits into one account may have overtaken each other on their way.
        found.sort_unstable();
        expected.sort_unstable();
        if found != expected {
            return Err(format!("account {number} holds {found:?} instead of {expected:?}").into());
        }
    }
    Ok(())
}
