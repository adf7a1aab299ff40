//! What a good team would write for itself over sqlx: the line that a framework could reach.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::BY_HAND;
use crate::Result;
use crate::system::{About, Following, Side, System};
use crate::work::{Balances, Deposit, Work};

const SCHEMA: &str = "
    CREATE TABLE events (
        position    bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account     uuid        NOT NULL,
        version     bigint      NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now(),
        type        text        NOT NULL,
        payload     json        NOT NULL,
        UNIQUE (account, version)
    );
    CREATE TABLE balances (account uuid PRIMARY KEY, amount bigint NOT NULL);
    CREATE TABLE checkpoint (position bigint NOT NULL);
    INSERT INTO checkpoint VALUES (0);";

const INSERT: &str = "INSERT INTO events (account, version, type, payload) VALUES ($1, $2, 'deposited', $3::json)";

/// The upsert and the checkpoint are one statement, and so one transaction and one round trip.
const TAKE_IN: &str = "
    WITH moved AS (UPDATE checkpoint SET position = $3)
    INSERT INTO balances SELECT * FROM unnest($1::uuid[], $2::bigint[])
    ON CONFLICT (account) DO UPDATE SET amount = balances.amount + excluded.amount";

/// How often it looks whether there is anything new.
const POLL: Duration = Duration::from_millis(5);

#[derive(Serialize, Deserialize)]
enum AccountEvent {
    Deposited(Deposit),
}

pub(super) struct ByHand {
    pool: PgPool,
    batch: i64,
}

impl ByHand {
    pub(super) async fn new(pool: PgPool, batch: u32) -> Result<Self> {
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self { pool, batch: batch.into() })
    }

    /// Takes in the events of one batch behind `after`, and tells how many there were.
    async fn pass(&self, connection: &mut PgConnection, after: &mut i64) -> Result<u64> {
        let mut changes = BTreeMap::<Uuid, i64>::new();
        let mut seen = 0;
        let select = "SELECT position, account, payload FROM events WHERE position > $1 ORDER BY position LIMIT $2";
        let mut rows = sqlx::query(select).bind(*after).bind(self.batch).fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            *after = row.try_get(0)?;
            *changes.entry(row.try_get(1)?).or_default() += amount(&row, 2)?;
            seen += 1;
        }
        drop(rows);
        if seen > 0 {
            let (accounts, amounts): (Vec<Uuid>, Vec<i64>) = changes.into_iter().unzip();
            sqlx::query(TAKE_IN).bind(accounts).bind(amounts).bind(*after).execute(&mut *connection).await?;
        }
        Ok(seen)
    }
}

async fn checkpoint(connection: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT position FROM checkpoint").fetch_one(connection).await?)
}

fn amount(row: &PgRow, column: usize) -> Result<i64> {
    // `json` is text on the wire; the crate decodes only `text` to a borrowed string when it checks types.
    let payload: &str = row.try_get_unchecked(column)?;
    let AccountEvent::Deposited(deposit) = serde_json::from_str(payload)?;
    Ok(deposit.amount)
}

#[async_trait]
impl System for ByHand {
    fn about(&self) -> About {
        About {
            name: BY_HAND,
            version: "",
            side: Side::ByHand,
            one_by_one: false,
            catches_up_by: "`SELECT … WHERE position > $1 LIMIT $2`, one upsert by `unnest` with the checkpoint in the \
                            same statement",
            guarantees: "exactly once, but **skips late commits** (`position > last`); no owner, no lease, no policy for an \
                         event that fails",
        }
    }

    async fn fill(&self, work: &Work) -> Result<()> {
        for layer in work.layers() {
            let (accounts, payloads): (Vec<Uuid>, Vec<String>) = layer
                .deposits
                .into_iter()
                .map(|(account, deposit)| Ok((account, serde_json::to_string(&AccountEvent::Deposited(deposit))?)))
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .unzip();
            let insert = "INSERT INTO events (account, version, type, payload)
                          SELECT account, $3, 'deposited', payload::json FROM unnest($1::uuid[], $2::text[]) t(account, payload)";
            let version = i64::from(layer.version);
            sqlx::query(insert).bind(accounts).bind(payloads).bind(version).execute(&self.pool).await?;
        }
        sqlx::query("VACUUM ANALYZE events").execute(&self.pool).await?;
        Ok(())
    }

    async fn amounts(&self, account: Uuid) -> Result<Vec<i64>> {
        let select = "SELECT payload FROM events WHERE account = $1 ORDER BY version";
        sqlx::query(select).bind(account).fetch_all(&self.pool).await?.iter().map(|row| amount(row, 0)).collect()
    }

    async fn forget(&self) -> Result<()> {
        sqlx::raw_sql("TRUNCATE balances; UPDATE checkpoint SET position = 0").execute(&self.pool).await?;
        Ok(())
    }

    async fn catch_up(&self, _: u64) -> Result<()> {
        let connection = &mut *self.pool.acquire().await?;
        let mut after = checkpoint(connection).await?;
        while self.pass(connection, &mut after).await? > 0 {}
        Ok(())
    }

    async fn balances(&self) -> Result<Balances> {
        let balances: Vec<(Uuid, i64)> =
            sqlx::query_as("SELECT account, amount FROM balances").fetch_all(&self.pool).await?;
        Ok(balances.into_iter().collect())
    }

    async fn deposit(&self, account: Uuid, amount: i64) -> Result<u32> {
        let connection = &mut *self.pool.acquire().await?;
        for attempt in 1.. {
            let (mut version, mut balance) = (0_i64, 0);
            let select = "SELECT version, payload FROM events WHERE account = $1 ORDER BY version";
            let mut rows = sqlx::query(select).bind(account).fetch(&mut *connection);
            while let Some(row) = rows.try_next().await? {
                version = row.try_get(0)?;
                balance += self::amount(&row, 1)?;
            }
            drop(rows);
            if version == 0 || balance < 0 {
                return Err("the account is not open".into());
            }
            let event = serde_json::to_string(&AccountEvent::Deposited(Deposit::of(amount)))?;
            match sqlx::query(INSERT).bind(account).bind(version + 1).bind(event).execute(&mut *connection).await {
                Ok(_) => return Ok(attempt),
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err("there is always another attempt".into())
    }

    /// The unique key refuses an account that is there.
    async fn open(&self, account: Uuid, amount: i64) -> Result<u32> {
        let event = serde_json::to_string(&AccountEvent::Deposited(Deposit::of(amount)))?;
        sqlx::query(INSERT).bind(account).bind(1_i64).bind(event).execute(&self.pool).await?;
        Ok(1)
    }

    async fn load(&self, account: Uuid) -> Result<i64> {
        let select = "SELECT payload FROM events WHERE account = $1 ORDER BY version";
        let mut rows = sqlx::query(select).bind(account).fetch(&self.pool);
        let mut balance = 0;
        while let Some(row) = rows.try_next().await? {
            balance += amount(&row, 0)?;
        }
        Ok(balance)
    }

    async fn follow(self: Arc<Self>) -> Result<Option<Following>> {
        let mut connection = self.pool.acquire().await?;
        let mut after = checkpoint(&mut connection).await?;
        Ok(Some(Following::by(tokio::spawn(async move {
            loop {
                if self.pass(&mut connection, &mut after).await? == 0 {
                    tokio::time::sleep(POLL).await;
                }
            }
        }))))
    }

    async fn balance(&self, account: Uuid) -> Result<Option<i64>> {
        let select = "SELECT amount FROM balances WHERE account = $1";
        Ok(sqlx::query_scalar(select).bind(account).fetch_optional(&self.pool).await?)
    }
}
