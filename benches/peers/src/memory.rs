//! Commands on stores in memory, one after the other on one thread: what is left when there is no database. disintegrate, evento
//! and esrs have no such store; that of cqrs-es is for tests and prints a line for each load.

mod ours;
mod eventcore;

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::Result;
use crate::chart::{Bar, Chart};
use crate::lane::{Done, Lane, Turn};
use crate::number::grouped;
use crate::options::Options;
use crate::system::About;
use crate::table;
use crate::work::Work;

/// How many commands are done between two looks at the clock, which costs a tenth of such a command.
const AT_ONCE: u32 = 64;
const EVENTS_EACH: u32 = 10;

/// A store in memory.
pub(super) trait Store {
    fn about(&self) -> About;

    /// The command that makes an account, or pays into it.
    fn execute(&self, account: Uuid, amount: i64, opens: bool) -> impl Future<Output = Result<()>>;

    async fn balance(&self, account: Uuid) -> Result<i64>;
}

pub(crate) async fn run(options: &Options) -> Result<String> {
    let lasts = if options.quick { Duration::from_millis(100) } else { Duration::from_millis(300) };
    let mut lanes: Vec<Lane> = Vec::new();
    for round in 0..options.rounds {
        let turns = [
            turn(ours::Ours::default(), lasts).await?,
            turn(ours::Cached::default(), lasts).await?,
            turn(eventcore::Eventcore::default(), lasts).await?,
        ];
        for (number, (about, turn)) in turns.into_iter().enumerate() {
            eprintln!("memory, round {}: {}: {}/s", round + 1, about.name, grouped(turn.rate()));
            if lanes.len() == number {
                lanes.push(Lane::new(about));
            }
            if let Some(lane) = lanes.get_mut(number) {
                lane.turns.push(turn);
            }
        }
    }
    let title = "In memory: load, decide, append, one client";
    let mut chart = Chart::new(title, "commands a second");
    chart.panel("", lanes.iter().map(|lane| Bar::new(lane.about, lane.rate(), &grouped(lane.rate()))).collect());
    chart.write(options, "memory")?;
    Ok(format!(
        "### {title}\n\n{} rounds of {lasts:?} on accounts that have from ten to twenty events, in new stores.\n\n{}",
        options.rounds,
        table::of(&lanes)
    ))
}

/// Accounts get ten events each before anything is measured, and ten more meanwhile; then come others.
async fn turn(store: impl Store, lasts: Duration) -> Result<(About, Turn)> {
    let (mut done, mut seconds, mut set) = (Done::default(), 0.0, 0);
    while seconds < lasts.as_secs_f64() {
        set += 1;
        let work = Work { accounts: AT_ONCE, events_each: EVENTS_EACH, ..Work::of(set) };
        let accounts: Vec<Uuid> = (0..AT_ONCE).map(|number| work.account(number)).collect();
        for layer in work.layers() {
            for (account, deposit) in layer.deposits {
                store.execute(account, deposit.amount, layer.version == 1).await?;
            }
        }
        for _ in 0..EVENTS_EACH {
            let begun = Instant::now();
            for account in &accounts {
                store.execute(*account, 1, false).await?;
            }
            let took = begun.elapsed().as_secs_f64();
            seconds += took;
            done.operations += u64::from(AT_ONCE);
            done.latencies.push(took * 1e6 / f64::from(AT_ONCE));
        }
        for (number, account) in (0..).zip(accounts) {
            let (found, truth) = (store.balance(account).await?, work.amounts(number).iter().sum::<i64>() + 10);
            if found != truth {
                return Err(format!("account {number} stands at {found} instead of {truth}").into());
            }
        }
    }
    Ok((
        store.about(),
        Turn { operations: done.operations, seconds, cpu: None, latencies: done.latencies, attempts: 0 },
    ))
}
