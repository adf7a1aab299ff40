//! Commands, by one client and by many: on new accounts, on many, and all on one.

use std::sync::Arc;
use std::time::Duration;

use crate::Result;
use crate::chart::{Bar, Chart};
use crate::clients::{Job, different};
use crate::lane::{Lane, Turn};
use crate::number::{clients, grouped};
use crate::options::Options;
use crate::place::Place;
use crate::race::race;
use crate::system::System;
use crate::table;
use crate::work::Work;
use crate::workload::Workload;
use crate::{systems, trips};

const EVENTS_EACH: u32 = 10;
/// Runs that count for nothing, so that connections are open and statements known.
const WARM_UP: u32 = 200;
/// Sets of accounts that no turn reaches.
const WARM_UP_SETS: u32 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Open,
    Command,
    Hot,
}

impl Kind {
    fn workload(self) -> Workload {
        match self {
            Self::Open => Workload::Open,
            Self::Command => Workload::Command,
            Self::Hot => Workload::Hot,
        }
    }

    fn title(self, options: &Options) -> String {
        match self {
            Self::Open => "Open an account: the first event of a new stream".to_owned(),
            Self::Command => {
                format!(
                    "Commands: load, decide, append, on {} accounts of ten events",
                    grouped(options.accounts.into())
                )
            }
            Self::Hot => "One hot account: all clients deposit into it".to_owned(),
        }
    }

    fn clients(self) -> &'static [u32] {
        match self {
            Self::Open | Self::Command => &[1, 16, 64, 256],
            Self::Hot => &[16],
        }
    }

    fn chart(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Command => "command",
            Self::Hot => "hot",
        }
    }

    /// New accounts for each turn, so that each command meets ten events, or a few more.
    pub(crate) fn job(self, set: u32, options: &Options, clients: u32) -> Job {
        let (accounts, events_each) = match self {
            Self::Open => (options.operations, 0),
            Self::Command => (options.accounts, EVENTS_EACH),
            Self::Hot => (1, EVENTS_EACH),
        };
        let work = Work { accounts, events_each, ..Work::of(set) };
        let (opens, operations, lasts) = (self == Self::Open, options.operations, options.turn);
        Job { work, opens, amount: different, clients, operations, lasts }
    }
}

pub(crate) async fn run(kind: Kind, options: &Options, place: &Place) -> Result<String> {
    let systems = systems::all(kind.workload(), options, place).await?;
    let mut text = format!(
        "### {}\n\n{} rounds; a turn has {} commands, or what fits into {:?}; pools of {} connections.\n",
        kind.title(options),
        options.rounds,
        grouped(options.operations.into()),
        options.turn,
        options.connections,
    );
    let (mut set, mut chart) = (0, Chart::new(kind.title(options), "operations a second"));
    for &number in kind.clients().iter().filter(|number| options.wants_clients(**number)) {
        let what = format!("{} {}", kind.chart(), clients(number).to_lowercase());
        let mut lanes = race(&systems, options.rounds, &what, async |system, round| {
            turn(system, &kind.job(set + round, options, number), place).await
        })
        .await?;
        set += options.rounds;
        trips::count(kind, &mut lanes, options, place, number).await?;
        text.push_str(&format!("\n**{}**\n\n{}", clients(number), table::of(&lanes)));
        chart.panel(&clients(number), lanes.iter().map(bar).collect());
    }
    chart.write(options, kind.chart())?;
    Ok(text)
}

fn bar(lane: &Lane) -> Bar {
    Bar::new(lane.about, lane.rate(), &grouped(lane.rate()))
}

async fn turn(system: &Arc<dyn System>, job: &Job, place: &Place) -> Result<Turn> {
    ready(system, job, place).await?;
    place.settle().await?;
    let turn = Turn::of(place.postmaster(), job.run(system)).await?;
    job.check(&**system, turn.operations).await?;
    Ok(turn)
}

/// What a job finds when it begins: its accounts, and a system that has done the like before.
pub(crate) async fn ready(system: &Arc<dyn System>, job: &Job, place: &Place) -> Result<()> {
    place.durable(false).await?;
    let warm_up = Work { set: job.work.set + WARM_UP_SETS, accounts: job.work.accounts.min(WARM_UP), ..job.work };
    for work in [&warm_up, &job.work] {
        system.fill(work).await?;
    }
    place.durable(true).await?;
    let warm_up = Job { work: warm_up, operations: WARM_UP.min(job.operations), lasts: Duration::MAX, ..*job };
    warm_up.run(system).await.map(drop)
}
