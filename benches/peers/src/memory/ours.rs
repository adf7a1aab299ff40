//! es-memory.

use es_core::EventStoreExt;
use es_memory::MemoryStore;
use uuid::Uuid;

use super::Store;
use crate::Result;
use crate::system::{About, Side};
use crate::systems::domain::{Account, Open, PayIn, PayInToKept};

fn about(name: &'static str) -> About {
    About { name, version: env!("PEERS_ES"), side: Side::Ours, one_by_one: false, catches_up_by: "", guarantees: "" }
}

#[derive(Default)]
pub(super) struct Ours(MemoryStore);

impl Store for Ours {
    fn about(&self) -> About {
        about("es-memory")
    }

    async fn execute(&self, id: Uuid, amount: i64, opens: bool) -> Result<()> {
        if opens {
            self.0.execute(Open { id, amount }).await?;
        } else {
            self.0.execute(PayIn { id, amount }).await?;
        }
        Ok(())
    }

    async fn balance(&self, account: Uuid) -> Result<i64> {
        Ok(self.0.load::<Account>(&account).await?.state.balance)
    }
}

/// With states at hand.
#[derive(Default)]
pub(super) struct Cached(MemoryStore);

impl Store for Cached {
    fn about(&self) -> About {
        about("es-memory, cached")
    }

    async fn execute(&self, id: Uuid, amount: i64, opens: bool) -> Result<()> {
        if opens {
            self.0.execute(Open { id, amount }).await?;
        } else {
            self.0.execute(PayInToKept { id, amount }).await?;
        }
        Ok(())
    }

    async fn balance(&self, account: Uuid) -> Result<i64> {
        Ok(self.0.load::<Account>(&account).await?.state.balance)
    }
}
