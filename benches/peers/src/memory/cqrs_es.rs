//! cqrs-es with its `MemStore`, which its documentation has for tests. It keeps the values, and encodes none.

use ::cqrs_es::mem_store::MemStore;
use ::cqrs_es::{AggregateContext, CqrsFramework, EventStore};
use uuid::Uuid;

use super::Store;
use crate::Result;
use crate::system::{About, Side};
use crate::systems::cqrs_es::{Account, PayIn};

pub(super) struct CqrsEs {
    store: MemStore<Account>,
    commands: CqrsFramework<Account, MemStore<Account>>,
}

impl Default for CqrsEs {
    fn default() -> Self {
        let store = MemStore::default();
        Self { commands: CqrsFramework::new(store.clone(), Vec::new(), ()), store }
    }
}

impl Store for CqrsEs {
    fn about(&self) -> About {
        let (version, side) = (env!("PEERS_CQRS_ES"), Side::Peer);
        About { name: "cqrs-es", version, side, one_by_one: false, catches_up_by: "", guarantees: "" }
    }

    async fn execute(&self, account: Uuid, amount: i64, opens: bool) -> Result<()> {
        Ok(self.commands.execute(&account.to_string(), PayIn { amount, opens }).await?)
    }

    async fn balance(&self, account: Uuid) -> Result<i64> {
        Ok(self.store.load_aggregate(&account.to_string()).await?.aggregate().balance)
    }
}
