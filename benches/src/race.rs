//! Several sides take turns at one task, and every turn is compared with the turn of the others in the same round.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cpu::{Cpu, Meter};
use crate::domain::history;
use crate::ledger::{Ledger, Standing};
use crate::slice::{Slice, micros, quantile};

/// Fewer than that give no median worth the name.
const MIN_ROUNDS: usize = 5;

/// How long the streams are that a command meets.
pub(crate) const STREAM: usize = 10;

#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// Load, decide and append, each on another stream of [`STREAM`] events.
    Command { operations: usize },
    /// State from its events, on these streams in turn.
    Load { operations: usize, ids: Vec<String> },
    /// So many events to a new stream, in one append.
    Append { operations: usize, events: usize },
}

/// One side in a race.
pub(crate) trait Side {
    fn name(&self) -> &'static str;

    fn fill<'a>(&'a mut self, id: &'a str, events: usize) -> Turn<'a, ()>;

    fn slice<'a>(&'a mut self, meter: Meter, round: usize, task: &'a Task) -> Turn<'a, Slice>;
}

pub(crate) type Turn<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// A ledger with a name for the report.
pub(crate) struct Named<L> {
    name: &'static str,
    ledger: L,
}

pub(crate) fn side<'l, L: Ledger + 'l>(name: &'static str, ledger: L) -> Box<dyn Side + 'l> {
    Box::new(Named { name, ledger })
}

impl<L: Ledger> Side for Named<L> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn fill<'a>(&'a mut self, id: &'a str, events: usize) -> Turn<'a, ()> {
        Box::pin(self.ledger.fill(id, history(events)))
    }

    fn slice<'a>(&'a mut self, meter: Meter, round: usize, task: &'a Task) -> Turn<'a, Slice> {
        Box::pin(async move {
            match task {
                Task::Command { operations } => commands(&mut self.ledger, meter, round, *operations).await,
                Task::Load { operations, ids } => loads(&mut self.ledger, meter, ids, *operations).await,
                Task::Append { operations, events } => {
                    appends(&mut self.ledger, meter, round, *operations, *events).await
                }
            }
        })
    }
}

/// A ledger that begins anew with each turn, because what is kept in memory would otherwise fill it.
struct Fresh<F> {
    name: &'static str,
    make: F,
}

pub(crate) fn fresh_side<'l, L: Ledger + 'l>(name: &'static str, make: impl Fn() -> L + 'l) -> Box<dyn Side + 'l> {
    Box::new(Fresh { name, make })
}

impl<L: Ledger, F: Fn() -> L> Side for Fresh<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn fill<'a>(&'a mut self, _: &'a str, _: usize) -> Turn<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn slice<'a>(&'a mut self, meter: Meter, round: usize, task: &'a Task) -> Turn<'a, Slice> {
        Box::pin(async move { Named { name: self.name, ledger: (self.make)() }.slice(meter, round, task).await })
    }
}

async fn commands<L: Ledger>(ledger: &mut L, meter: Meter, round: usize, operations: usize) -> Result<Slice> {
    let ids: Vec<String> = (0..operations).map(|number| format!("command-{round:06}-{number:06}")).collect();
    for id in &ids {
        ledger.append(id, history(STREAM)).await?;
    }
    Slice::of(meter, operations, async |number| ledger.deposit(&ids[number], number as u64).await).await
}

async fn loads<L: Ledger>(ledger: &mut L, meter: Meter, ids: &[String], operations: usize) -> Result<Slice> {
    Slice::of(meter, operations, async |number| ledger.load(&ids[number % ids.len()]).await).await
}

async fn appends<L: Ledger>(
    ledger: &mut L,
    meter: Meter,
    round: usize,
    operations: usize,
    events: usize,
) -> Result<Slice> {
    let ids: Vec<String> = (0..operations).map(|number| format!("append-{events}-{round:06}-{number:06}")).collect();
    let mut histories: Vec<_> = (0..operations).map(|_| history(events)).collect();
    Slice::of(meter, operations, async |number| {
        let version = ledger.append(&ids[number], histories.pop().unwrap_or_default()).await?;
        Ok(Standing { version, balance: 0, movements: 0 })
    })
    .await
}

/// What a race showed.
pub(crate) struct Finish {
    pub(crate) rounds: usize,
    pub(crate) operations: usize,
    pub(crate) lanes: Vec<Lane>,
}

/// What one side showed in it.
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    slices: Vec<Slice>,
}

impl Lane {
    pub(crate) fn latency(&self, share: f64) -> f64 {
        let all = self.slices.iter().flat_map(|slice| micros(&slice.latencies));
        quantile(&mut all.collect::<Vec<_>>(), share)
    }

    pub(crate) fn per_second(&self) -> f64 {
        quantile(&mut self.each(Slice::per_second), 0.5)
    }

    /// Client and server, in microseconds for each operation.
    pub(crate) fn cpu(&self) -> Option<(f64, Option<f64>)> {
        let zero = Cpu { client: Duration::ZERO, server: Some(Duration::ZERO) };
        let sum = self.slices.iter().map(|slice| slice.cpu).try_fold(zero, |sum, cpu| Some(sum + cpu?))?;
        let operations: usize = self.slices.iter().map(|slice| slice.latencies.len()).sum();
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / operations as f64;
        Some((each(sum.client), sum.server.map(each)))
    }

    /// This side's time for an operation as a multiple of the other's: p50 by p50 of the same round.
    pub(crate) fn time_beside(&self, other: &Self) -> Ratio {
        Ratio::of(self.each(Slice::median), other.each(Slice::median))
    }

    pub(crate) fn rate_beside(&self, other: &Self) -> Ratio {
        Ratio::of(self.each(Slice::per_second), other.each(Slice::per_second))
    }

    pub(crate) fn cpu_beside(&self, other: &Self) -> Option<Ratio> {
        let all = |lane: &Self| lane.slices.iter().map(Slice::cpu_per_operation).collect::<Option<Vec<_>>>();
        Some(Ratio::of(all(self)?, all(other)?))
    }

    fn each(&self, figure: impl Fn(&Slice) -> f64) -> Vec<f64> {
        self.slices.iter().map(figure).collect()
    }
}

/// The quotients of all rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    /// Half of the rounds lie between these.
    pub(crate) quartiles: (f64, f64),
}

impl Ratio {
    fn of(ours: Vec<f64>, theirs: Vec<f64>) -> Self {
        let mut quotients: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        let mut at = |share| quantile(&mut quotients, share);
        Self { median: at(0.5), quartiles: (at(0.25), at(0.75)) }
    }
}

/// Lets the sides take turns until the time is up. Who begins a round changes from round to round, and the first round warms
/// up and counts for nothing.
pub(crate) async fn race(
    sides: &mut [Box<dyn Side + '_>],
    meter: Meter,
    budget: Duration,
    task: &Task,
) -> Result<Finish> {
    let mut lanes: Vec<Lane> = sides.iter().map(|side| Lane { name: side.name(), slices: Vec::new() }).collect();
    let mut deadline = None;
    let mut round = 0;
    while round <= MIN_ROUNDS || deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let mut slices: Vec<Option<Slice>> = sides.iter().map(|_| None).collect();
        for turn in 0..sides.len() {
            let who = (turn + round) % sides.len();
            slices[who] = Some(sides[who].slice(meter, round, task).await?);
        }
        let slices: Vec<Slice> = slices.into_iter().flatten().collect();
        same_work(&lanes, &slices)?;
        if round > 0 {
            lanes.iter_mut().zip(slices).for_each(|(lane, slice)| lane.slices.push(slice));
        }
        deadline.get_or_insert_with(|| Instant::now() + budget);
        round += 1;
    }
    let operations = lanes.iter().flat_map(|lane| lane.slices.first()).map(|slice| slice.latencies.len()).max();
    Ok(Finish { rounds: round - 1, operations: operations.unwrap_or_default(), lanes })
}

/// Every side must have left every account where the others left it, or the comparison is worth nothing.
fn same_work(lanes: &[Lane], slices: &[Slice]) -> Result<()> {
    let mut sides = lanes.iter().zip(slices);
    let Some((first, expected)) = sides.next() else { return Ok(()) };
    for (lane, slice) in sides {
        if let Some(at) = (0..).zip(&slice.standings).zip(&expected.standings).find(|((_, a), b)| a != b) {
            return Err(format!("`{}` and `{}` did not do the same: {at:?}", lane.name, first.name).into());
        }
    }
    Ok(())
}
