//! Commands in memory, by kind: how many nanoseconds one takes.

use es_core::EventStoreExt;
use es_memory::MemoryStore;

use crate::Result;
use crate::domain::{Account, Balance, Cached, Deposit, DepositCached, Loaded};

/// What the commands of a slice are for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) cached: bool,
    /// How many streams a thread goes around.
    streams: usize,
    /// How many commands each of them gets, one after the other or in turn.
    each: usize,
    /// Whether each stream gets all of its commands before the next one gets any.
    one_by_one: bool,
}

/// 20,000 commands each: few enough that some slices are done before other work of the machine comes between.
pub(crate) const KINDS: [Kind; 5] = [
    Kind { name: "loaded: a new stream for each", cached: false, streams: 20_000, each: 1, one_by_one: true },
    Kind {
        name: "loaded: 2,000 streams in turn, with 0 to 9 events",
        cached: false,
        streams: 2_000,
        each: 10,
        one_by_one: false,
    },
    Kind { name: "loaded: one stream, with 0 to 99 events", cached: false, streams: 200, each: 100, one_by_one: true },
    Kind { name: "at hand: 500 streams in turn", cached: true, streams: 500, each: 40, one_by_one: false },
    Kind { name: "at hand: one stream", cached: true, streams: 1, each: 20_000, one_by_one: true },
];

impl Kind {
    pub(crate) fn commands(&self) -> usize {
        self.streams * self.each
    }

    fn nth(&self, command: usize) -> usize {
        if self.one_by_one { command / self.each } else { command % self.streams }
    }

    /// All commands of one thread, on streams that no other thread has.
    pub(crate) async fn run(&self, store: &MemoryStore, ids: &[String]) -> Result<()> {
        for command in 0..self.commands() {
            let id = ids.get(self.nth(command)).cloned().unwrap_or_default();
            if self.cached {
                store.execute(DepositCached { id, amount: 1 }).await?;
            } else {
                store.execute(Deposit { id, amount: 1 }).await?;
            }
        }
        Ok(())
    }

    pub(crate) fn ids(&self, thread: usize) -> Vec<String> {
        (0..self.streams).map(|number| format!("{thread}-{number:08}")).collect()
    }

    /// Every deposit must be there once, or the figure is worth nothing.
    pub(crate) async fn check(&self, store: &MemoryStore, ids: &[String]) -> Result<()> {
        let mut sum = 0;
        for id in ids {
            let Balance { balance, movements } = self.balance(store, id).await?;
            if balance != movements {
                return Err(format!("account {id} has {balance} after {movements} deposits of 1").into());
            }
            sum += movements;
        }
        match sum == self.commands() as u64 {
            true => Ok(()),
            false => Err(format!("{} commands left {sum} events", self.commands()).into()),
        }
    }

    async fn balance(&self, store: &MemoryStore, id: &str) -> Result<Balance> {
        Ok(if self.cached {
            store.load::<Cached>(id).await?.balance().clone()
        } else {
            store.load::<Loaded>(id).await?.balance().clone()
        })
    }
}
