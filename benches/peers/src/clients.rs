//! Commands by one client and by many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinSet;

use crate::Result;
use crate::lane::Done;
use crate::system::System;
use crate::work::Work;

/// How many accounts are read at once when they are checked.
const CHECKED_AT_ONCE: usize = 8;

/// What the clients do, one command after the other from one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    /// The first event of an account, instead of one more.
    pub(crate) opens: bool,
    /// What each command pays in.
    pub(crate) amount: fn(u32) -> i64,
    pub(crate) clients: u32,
    /// It ends after so many commands, or after so long.
    pub(crate) operations: u32,
    pub(crate) lasts: Duration,
}

impl Job {
    /// Which account the command is for. Steps that share no factor with the number of accounts meet each before they meet one
    /// again.
    fn account_of(&self, command: u32) -> u32 {
        let accounts = self.work.accounts;
        let step = (accounts / 3..).find(|step| common_factor(*step, accounts) == 1).unwrap_or(1);
        ((u64::from(command) * u64::from(step)) % u64::from(accounts)) as u32
    }

    pub(crate) async fn run(&self, system: &Arc<dyn System>) -> Result<Done> {
        let (next, begun) = (Arc::new(AtomicU32::new(0)), Instant::now());
        let mut running = JoinSet::new();
        for _ in 0..self.clients {
            running.spawn(self.client(system.clone(), next.clone(), begun));
        }
        let mut all = Done::default();
        while let Some(client) = running.join_next().await {
            let Done { operations, latencies, attempts } = client??;
            all.latencies.extend(latencies);
            all.operations += operations;
            all.attempts += attempts;
        }
        Ok(all)
    }

    fn client(
        &self,
        system: Arc<dyn System>,
        next: Arc<AtomicU32>,
        begun: Instant,
    ) -> impl Future<Output = Result<Done>> + Send + 'static {
        let job = *self;
        async move {
            let mut done = Done::default();
            while begun.elapsed() < job.lasts {
                let command = next.fetch_add(1, Ordering::Relaxed);
                if command >= job.operations {
                    break;
                }
                let (account, amount) = (job.work.account(job.account_of(command)), (job.amount)(command));
                let asked = Instant::now();
                let attempts = if job.opens { system.open(account, amount) } else { system.deposit(account, amount) };
                done.attempts += u64::from(attempts.await?);
                done.latencies.push(asked.elapsed().as_secs_f64() * 1e6);
                done.operations += 1;
            }
            Ok(done)
        }
    }

    /// Every deposit must be there, once. The first commands were done, so many of them.
    pub(crate) async fn check(&self, system: &dyn System, done: u64) -> Result<()> {
        let Work { accounts, .. } = self.work;
        let mut expected: Vec<Vec<i64>> = (0..accounts).map(|number| self.work.amounts(number)).collect();
        for command in 0..u32::try_from(done)? {
            if let Some(amounts) = expected.get_mut(self.account_of(command) as usize) {
                amounts.push((self.amount)(command));
            }
        }
        let checks = stream::iter((0..accounts).zip(expected).map(|(number, mut expected)| async move {
            let mut found = system.amounts(self.work.account(number)).await?;
            // Two deposits into one account may have overtaken each other on their way.
            found.sort_unstable();
            expected.sort_unstable();
            if found == expected {
                return Ok(());
            }
            Err(format!("account {number} holds {found:?} instead of {expected:?}").into())
        }));
        checks.buffer_unordered(CHECKED_AT_ONCE).try_collect().await
    }
}

/// Different for each command, so that none can stand for another.
pub(crate) fn different(command: u32) -> i64 {
    i64::from(command) + 1
}

fn common_factor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_factor(b, a % b) }
}
