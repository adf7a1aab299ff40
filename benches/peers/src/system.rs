//! What each system is asked for. The benchmark asks all of them for the same, and compares the answers.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinHandle;
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

    /// The command that makes an account: refuses if it has events, and appends the first deposit. Tells how many attempts it
    /// took.
    async fn open(&self, account: Uuid, amount: i64) -> Result<u32>;

    /// The state of an account from its events: its balance. By default what its user would write over the reading of a stream.
    async fn load(&self, account: Uuid) -> Result<i64> {
        Ok(self.amounts(account).await?.iter().sum())
    }

    /// Takes a snapshot of an account, where loads use them.
    async fn snapshot(&self, _: Uuid) -> Result<()> {
        Ok(())
    }

    /// Keeps the read model current from now on, until that is stopped. Nothing where it has no way to.
    async fn follow(self: Arc<Self>) -> Result<Option<Following>> {
        Ok(None)
    }

    /// What the read model says of one account.
    async fn balance(&self, account: Uuid) -> Result<Option<i64>> {
        Ok(self.balances().await?.get(&account).copied())
    }
}

/// A read model that is kept current, with what ends that.
pub(crate) struct Following(Pin<Box<dyn Future<Output = Result<()>> + Send>>);

impl Following {
    pub(crate) fn until(stop: impl Future<Output = Result<()>> + Send + 'static) -> Self {
        Self(Box::pin(stop))
    }

    /// By a task that can be broken off at any time.
    pub(crate) fn by(task: JoinHandle<Result<()>>) -> Self {
        Self::until(async move {
            task.abort();
            match task.await {
                Ok(ended) => ended.and(Err("it stopped following by itself".into())),
                Err(aborted) if aborted.is_cancelled() => Ok(()),
                Err(panicked) => Err(panicked.into()),
            }
        })
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.0.await
    }
}
