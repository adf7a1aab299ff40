//! What each system is asked for. The benchmark asks all of them for the same, and compares the answers.

use async_trait::async_trait;
use uuid::Uuid;

use crate::Result;
use crate::work::{Balances, Work};

/// Whose work a system is, which decides what its ratios mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    ByHand,
    /// A peer, used as its documentation recommends.
    Peer,
    /// A peer that only reads the events, while the benchmark's own code keeps the read model. It gives no guarantee at all,
    /// and shows what a peer's user could write for himself.
    PeerReadsOnly,
}

/// What the report says about a system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) side: Side,
    /// Whether it commits each event that it projects by itself, and so takes so long that it may be given fewer.
    pub(crate) one_by_one: bool,
    /// How it keeps a read model, and in which configuration.
    pub(crate) catches_up_by: &'static str,
    /// What it promises about that read model.
    pub(crate) guarantees: &'static str,
}

#[async_trait]
pub(crate) trait System: Send + Sync {
    fn about(&self) -> About;

    /// Stores the deposits, layer by layer, through the system's own interface or in exactly the form that it would have
    /// given them.
    async fn fill(&self, work: &Work) -> Result<()>;

    /// The amounts of an account's deposits, read through the system's own interface.
    async fn amounts(&self, account: Uuid) -> Result<Vec<i64>>;

    /// Empties the read model and its checkpoint, as if the projection had never run.
    async fn forget(&self) -> Result<()>;

    /// Brings the read model up to the `events` that are stored.
    async fn catch_up(&self, events: u64) -> Result<()>;

    /// What the read model says.
    async fn balances(&self) -> Result<Balances>;

    /// The command: loads the account, refuses if it has no events, and appends a deposit. Decided again after a conflict, by
    /// the system or, where it leaves that to its user, here. Tells how many attempts it took.
    async fn deposit(&self, account: Uuid, amount: i64) -> Result<u32>;
}
