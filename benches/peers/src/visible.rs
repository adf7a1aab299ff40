//! How long after a command its effect can be read: from the return of the command to the moment when a reader finds it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::Result;
use crate::chart::{Bar, Chart};
use crate::lane::{Done, Lane, Turn};
use crate::number::grouped;
use crate::options::Options;
use crate::place::Place;
use crate::system::System;
use crate::systems;
use crate::table;
use crate::work::Work;
use crate::workload::Workload;

/// A hundred commands a second.
const GAP: Duration = Duration::from_millis(10);
/// So many accounts in turn, so that the one before has been seen, for all but the slowest.
const ACCOUNTS: u32 = 500;
/// Between the first two looks of a reader; each pause is a tenth longer than the one before. So no figure is more than a tenth
/// too high, and those who wait for seconds do not ask all the time.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
/// An effect that has not come by then does not come.
const LOST: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: &Options, place: &Place) -> Result<String> {
    let operations = if options.quick { 100 } else { 600 };
    let mut lanes = Vec::new();
    for name in systems::names(Workload::Visible, options) {
        let system = systems::one(name, &place.database().await?, options).await?;
        let mut lane = Lane::new(system.about());
        lane.turns.push(turn(system, operations, place).await.map_err(|error| format!("{name}: {error}"))?);
        eprintln!("visible: {name}: {:.1} ms", lane.latency(0.5).unwrap_or_default() / 1e3);
        lanes.push(lane);
    }
    let title = "Commit to visible: how long after a command its effect can be read";
    let mut chart = Chart::new(title, "milliseconds, p99 (less is better)");
    chart.panel("", lanes.iter().map(bar).collect());
    chart.write(options, "visible")?;
    Ok(format!(
        "### {title}\n\n{} commands, {} a second. The reader asks again and again, at pauses that grow by a tenth; what has \
         not come after {LOST:?} counts as that.\n\n{}",
        grouped(operations.into()),
        1_000 / GAP.as_millis(),
        table::waits(&lanes)
    ))
}

fn bar(lane: &Lane) -> Bar {
    let milliseconds = lane.latency(0.99).unwrap_or_default() / 1e3;
    Bar::new(lane.about, milliseconds, &format!("{milliseconds:.1}"))
}

async fn turn(system: Arc<dyn System>, operations: u32, place: &Place) -> Result<Turn> {
    let following = system.clone().follow().await?.ok_or("it has no way to keep a read model current")?;
    let work = Work { accounts: ACCOUNTS, ..Work::of(0) };
    let mut balances = Vec::new();
    for number in 0..ACCOUNTS {
        system.open(work.account(number), 1).await?;
        balances.push(1);
    }
    until(&*system, work.account(ACCOUNTS - 1), 1).await?;
    place.settle().await?;
    let turn = Turn::of(place.postmaster(), async {
        let (mut ticking, mut running) = (interval(GAP), JoinSet::new());
        ticking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for (number, balance) in (0..ACCOUNTS).cycle().take(operations as usize).zip(2..) {
            ticking.tick().await;
            // An account has had as many deposits of 1 as rounds have gone by.
            let expected = 1 + i64::from((balance - 2) / ACCOUNTS as i32 + 1);
            let (system, account) = (system.clone(), work.account(number));
            running.spawn(async move {
                system.deposit(account, 1).await?;
                until(&*system, account, expected).await
            });
        }
        let mut latencies = Vec::new();
        while let Some(waited) = running.join_next().await {
            latencies.push(waited??.as_secs_f64() * 1e6);
        }
        Ok(Done { operations: operations.into(), latencies, attempts: 0 })
    });
    let turn = turn.await?;
    following.stop().await?;
    Ok(turn)
}

/// How long it takes from now until the balance of the account is as expected, or more; [`LOST`] if it does not come to that.
async fn until(system: &dyn System, account: uuid::Uuid, expected: i64) -> Result<Duration> {
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    while system.balance(account).await?.is_none_or(|balance| balance < expected) {
        if begun.elapsed() > LOST {
            return Ok(LOST);
        }
        sleep(pause).await;
        pause = pause.mul_f64(1.1);
    }
    Ok(begun.elapsed())
}
