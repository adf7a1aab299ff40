//! What each side can do. The benchmark asks every side for the same things, and compares the answers.

use crate::Result;
use crate::domain::{AccountEvent, Balance};

/// Where an account stands after an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) version: u64,
    pub(crate) balance: u64,
    pub(crate) movements: u64,
}

impl Standing {
    pub(crate) fn new(version: u64, state: &Balance) -> Self {
        Self { version, balance: state.balance, movements: state.movements }
    }
}

pub(crate) trait Ledger {
    /// Stores the first events of an account, all at once.
    async fn append(&mut self, id: &str, events: Vec<AccountEvent>) -> Result<u64>;

    /// Makes an account that loads will be measured on.
    async fn fill(&mut self, id: &str, events: Vec<AccountEvent>) -> Result<()> {
        self.append(id, events).await.map(drop)
    }

    /// The command: load, decide, append.
    async fn deposit(&mut self, id: &str, amount: u64) -> Result<Standing>;

    /// The state, from its events.
    async fn load(&mut self, id: &str) -> Result<Standing>;
}
