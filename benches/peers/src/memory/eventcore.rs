//! eventcore with eventcore-memory.

use eventcore_memory::InMemoryEventStore;
use uuid::Uuid;

use super::Store;
use crate::Result;
use crate::system::{About, Side};
use crate::systems::eventcore::{amounts, pay_in};

pub(super) struct Eventcore(InMemoryEventStore);

impl Default for Eventcore {
    fn default() -> Self {
        Self(InMemoryEventStore::new())
    }
}

impl Store for Eventcore {
    fn about(&self) -> About {
        let (version, side) = (env!("PEERS_EVENTCORE"), Side::Peer);
        About { name: "eventcore", version, side, one_by_one: false, catches_up_by: "", guarantees: "" }
    }

    async fn execute(&self, account: Uuid, amount: i64, opens: bool) -> Result<()> {
        pay_in(&self.0, account, amount, opens).await.map(drop)
    }

    async fn balance(&self, account: Uuid) -> Result<i64> {
        Ok(amounts(&self.0, account).await?.iter().sum())
    }
}
