//! A read model that is kept current beside 16 writers: which events it missed, and what the writers lost by it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Result;
use crate::chart::{Bar, Chart};
use crate::clients::Job;
use crate::number::{grouped, median, ratio};
use crate::options::Options;
use crate::place::Place;
use crate::system::{About, System};
use crate::systems;
use crate::table;
use crate::work::{Balances, Work};
use crate::workload::Workload;

const WRITERS: u32 = 16;
/// Fewer than commands have, because each is opened by a command.
const ACCOUNTS: u32 = 200;
/// A read model that has not moved for so long has seen what it will see.
const STILL: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(100);

/// What a system did, alone and beside a read model, in each round.
struct Pair {
    about: About,
    alone: Vec<f64>,
    beside: Vec<f64>,
    /// Of so many events.
    written: u64,
    missed: u64,
    /// Accounts whose balance says more than was paid in.
    too_much: u64,
}

pub(crate) async fn run(options: &Options, place: &Place) -> Result<String> {
    let names = systems::names(Workload::Beside, options);
    let mut pairs: Vec<Option<Pair>> = names.iter().map(|_| None).collect();
    for round in 0..options.rounds {
        for place_in_line in 0..names.len() {
            let who = (place_in_line + round as usize) % names.len();
            let Some((name, pair)) = names.get(who).zip(pairs.get_mut(who)) else { continue };
            self::round(name, pair, options, place).await.map_err(|error| format!("{name}: {error}"))?;
        }
    }
    let pairs: Vec<Pair> = pairs.into_iter().flatten().collect();
    let title = "A projection beside 16 writers";
    let mut chart = Chart::new(title, "commands a second");
    let bars = |rates: fn(&Pair) -> &Vec<f64>| {
        let bar =
            |pair: &Pair| Bar::new(pair.about, median(rates(pair).clone()), &grouped(median(rates(pair).clone())));
        pairs.iter().map(bar).collect::<Vec<_>>()
    };
    chart.panel("without a projection", bars(|pair| &pair.alone));
    chart.panel("beside it", bars(|pair| &pair.beside));
    chart.write(options, "beside")?;
    Ok(format!(
        "### {title}\n\n{} rounds of {:?} or {} commands on {ACCOUNTS} accounts, with and without, in new databases.\n\n{}",
        options.rounds,
        options.turn,
        grouped(jobs(options).operations.into()),
        rows(&pairs)
    ))
}

/// More than commands have, so that a read model has something to be late for.
fn jobs(options: &Options) -> Job {
    let work = Work { accounts: ACCOUNTS, ..Work::of(0) };
    // One of each, so that what is lacking from a balance is the number of events that were missed.
    let (amount, operations) = (|_| 1, options.operations * 5);
    Job { work, opens: false, amount, clients: WRITERS, operations, lasts: options.turn }
}

async fn round(name: &'static str, pair: &mut Option<Pair>, options: &Options, place: &Place) -> Result<()> {
    let job = jobs(options);
    for with in [false, true] {
        let system = systems::one(name, &place.database().await?, options).await?;
        let pair = pair.get_or_insert_with(|| Pair::new(system.about()));
        let following = if with { system.clone().follow().await? } else { None };
        for number in 0..ACCOUNTS {
            system.open(job.work.account(number), 1).await?;
        }
        place.settle().await?;
        let begun = Instant::now();
        let done = job.run(&system).await?;
        let rate = done.operations as f64 / begun.elapsed().as_secs_f64();
        eprintln!("beside: {name}, {}: {}/s", if with { "with" } else { "without" }, grouped(rate));
        let Some(following) = following else {
            pair.alone.push(rate);
            continue;
        };
        pair.beside.push(rate);
        pair.compare(&system, &job).await?;
        following.stop().await?;
        pair.written += done.operations + u64::from(ACCOUNTS);
    }
    Ok(())
}

impl Pair {
    fn new(about: About) -> Self {
        Self { about, alone: Vec::new(), beside: Vec::new(), written: 0, missed: 0, too_much: 0 }
    }

    /// What the read model says when it moves no more, and what was stored, account by account.
    async fn compare(&mut self, system: &Arc<dyn System>, job: &Job) -> Result<()> {
        let (mut truth, mut seen, mut moved) = (Balances::new(), Balances::new(), Instant::now());
        for number in 0..job.work.accounts {
            let account = job.work.account(number);
            truth.insert(account, system.amounts(account).await?.iter().sum());
        }
        while moved.elapsed() < STILL && seen != truth {
            let now = system.balances().await?;
            if now != seen {
                (seen, moved) = (now, Instant::now());
            }
            sleep(LOOK).await;
        }
        for (account, stored) in truth {
            let balance = seen.get(&account).copied().unwrap_or_default();
            self.too_much += u64::from(balance > stored);
            self.missed += u64::try_from(stored - balance).unwrap_or_default();
        }
        Ok(())
    }
}

fn rows(pairs: &[Pair]) -> String {
    let mut text = "| | alone, per s | beside, per s | writers keep | events written | missed | accounts too high |\n\
                    |---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for pair in pairs {
        let keep = median(pair.beside.iter().zip(&pair.alone).map(|(beside, alone)| beside / alone).collect());
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            table::name(pair.about),
            grouped(median(pair.alone.clone())),
            grouped(median(pair.beside.clone())),
            ratio(keep),
            grouped(pair.written as f64),
            grouped(pair.missed as f64),
            grouped(pair.too_much as f64),
        ));
    }
    text
}
