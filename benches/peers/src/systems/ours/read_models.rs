//! A balance for each account, as a document and by a projector.

use std::collections::BTreeMap;

use es_core::{Batch, BoxError, Document, IntoKeys, Projector, Recorded};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::domain::AccountEvent;

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Balance {
    pub(crate) amount: i64,
}

impl Document for Balance {
    const NAME: &'static str = "balance";
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        event.stream.id()
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        let AccountEvent::Deposited(deposit) = &event.event;
        self.amount += deposit.amount;
    }
}

pub(crate) struct Projected;

impl Projector for Projected {
    const NAME: &'static str = "balances";
    type Event = AccountEvent;
    type Target = PgConnection;
    type Error = BoxError;

    async fn project(&self, event: &Recorded<AccountEvent>, db: &mut PgConnection) -> Result<(), BoxError> {
        let AccountEvent::Deposited(deposit) = &event.event;
        upsert(vec![event.stream.id()], vec![deposit.amount], db).await
    }

    async fn project_batch(&self, batch: &Batch<'_, AccountEvent>, db: &mut PgConnection) -> Result<(), BoxError> {
        let mut changes = BTreeMap::<&str, i64>::new();
        for event in batch {
            let AccountEvent::Deposited(deposit) = &event.event;
            *changes.entry(event.stream.id()).or_default() += deposit.amount;
        }
        let (accounts, amounts) = changes.into_iter().unzip();
        upsert(accounts, amounts, db).await
    }
}

async fn upsert(accounts: Vec<&str>, amounts: Vec<i64>, db: &mut PgConnection) -> Result<(), BoxError> {
    let upsert = "INSERT INTO balances SELECT * FROM unnest($1::text[], $2::bigint[])
                  ON CONFLICT (account) DO UPDATE SET amount = balances.amount + excluded.amount";
    sqlx::query(upsert).bind(accounts).bind(amounts).execute(db).await?;
    Ok(())
}
