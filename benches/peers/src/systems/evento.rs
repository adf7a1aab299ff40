//! evento 2 (alpha): each event a struct in bitcode, and two ways to keep a read model.
//!
//! A *subscription* hands each event to a handler that does what it likes, here an upsert; its cursor is saved once for a chunk.
//! A *projection* with a subscription folds an aggregate anew as soon as one of its events comes by, stores the result as a
//! row of its `snapshot` table, and passes over all events that the row already has: of a backlog it folds each aggregate
//! once. It can be keyed by nothing but the aggregate, and the row is bitcode that SQL cannot look into.

use std::sync::Arc;

use async_trait::async_trait;
use evento::metadata::Event;
use evento::migrator::{Migrate, Plan};
use evento::projection::Projection;
use evento::subscription::{Context, SubscriptionBuilder};
use evento::{Executor, ProjectionAggregate, WriteError};
use sqlx::PgPool;
use uuid::Uuid;

use super::{EVENTO_PROJECTION, EVENTO_SNAPSHOT, EVENTO_SUBSCRIPTION};
use crate::Result;
use crate::system::{About, Following, Side, System};
use crate::work::{Balances, Work};

#[evento::aggregate(name = "bank/Account")]
enum Account {
    #[evento(name = "Deposited")]
    Deposited { amount: i64, currency: String, reference: String, channel: String, note: String },
}

impl From<crate::work::Deposit> for Deposited {
    fn from(deposit: crate::work::Deposit) -> Self {
        let crate::work::Deposit { amount, currency, reference, channel, note } = deposit;
        Self { amount, currency, reference, channel, note }
    }
}

/// The read model of the projection.
#[evento::projection(name = "bank/Balance", id = id, bitcode::Encode, bitcode::Decode)]
struct Balance {
    id: String,
    amount: i64,
}

#[evento::handler]
async fn on_deposited(event: Event<Deposited>, balance: &mut Balance) -> anyhow::Result<()> {
    event.aggregate_id.clone_into(&mut balance.id);
    balance.amount += event.data.amount;
    Ok(())
}

/// The state of the command. A snapshot of ten events would cost more than it saves.
#[evento::projection(name = "bank/State", id = id)]
#[evento::snapshot(none)]
struct State {
    id: String,
    amount: i64,
}

#[evento::handler]
async fn on_deposited_to_state(event: Event<Deposited>, state: &mut State) -> anyhow::Result<()> {
    event.aggregate_id.clone_into(&mut state.id);
    state.amount += event.data.amount;
    Ok(())
}

#[evento::subscription]
async fn upsert<E: Executor>(context: &Context<'_, E>, event: Event<Deposited>) -> anyhow::Result<()> {
    let pool: PgPool = context.extract();
    let upsert = "INSERT INTO balances (account, amount, version) VALUES ($1, $2, $3)
                  ON CONFLICT (account) DO UPDATE
                  SET amount = balances.amount + excluded.amount, version = excluded.version
                  WHERE balances.version < excluded.version";
    sqlx::query(upsert)
        .bind(&event.aggregate_id)
        .bind(event.data.amount)
        .bind(i32::from(event.version))
        .execute(&pool)
        .await?;
    Ok(())
}

pub(super) struct Evento {
    name: &'static str,
    pool: PgPool,
    executor: evento::Postgres,
    /// The default of 300 is too small for a backlog: each chunk begins with a query that costs as much as many rows.
    chunk: u16,
}

impl Evento {
    pub(super) async fn new(name: &'static str, pool: PgPool, chunk: u32) -> Result<Self> {
        evento::sql_migrator::new::<sqlx::Postgres>()?.run(&mut *pool.acquire().await?, &Plan::apply_all()).await?;
        let table = "CREATE TABLE balances (account text PRIMARY KEY, amount bigint NOT NULL, version int NOT NULL)";
        sqlx::query(table).execute(&pool).await?;
        Ok(Self { name, executor: pool.clone().into(), pool, chunk: u16::try_from(chunk)? })
    }
}

impl Evento {
    fn subscription(&self) -> SubscriptionBuilder<evento::Postgres> {
        let builder = SubscriptionBuilder::new("balances").data(self.pool.clone()).handler(upsert());
        builder.chunk_size(self.chunk)
    }
}

#[async_trait]
impl System for Evento {
    fn about(&self) -> About {
        let (catches_up_by, guarantees) = match self.name {
            EVENTO_PROJECTION => (
                "`Projection::subscription`, each aggregate folded once",
                "at least once, and harmless: each row has its own position; **keyed by the aggregate only**, in bitcode that \
                 SQL cannot read; commits of more than a second as above",
            ),
            _ => (
                "`SubscriptionBuilder`, an upsert for each event that passes over what it knows",
                "at least once; the cursor is saved once for a chunk; order of the server's clock, one second behind, so **a \
                 commit that takes longer is skipped**; the last one who starts is the owner, fenced",
            ),
        };
        About {
            name: self.name,
            version: env!("PEERS_EVENTO"),
            side: Side::Peer,
            one_by_one: self.name == EVENTO_SUBSCRIPTION,
            catches_up_by,
            guarantees,
        }
    }

    /// Each layer is one `write`, as a commit does for the events of one aggregate.
    async fn fill(&self, work: &Work) -> Result<()> {
        for layer in work.layers() {
            let version = u16::try_from(layer.version)?;
            // A commit asks for the version of each stream, one by one, before it inserts; with the events stamped and checked
            // it is `replicate` that inserts alone, and its stamps are the caller's.
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
            let event = |(account, deposit): (Uuid, crate::work::Deposit)| evento::Event {
                id: ulid::Ulid::generate(),
                aggregate_id: account.to_string(),
                aggregate_type: "bank/Account".to_owned(),
                version,
                name: "Deposited".to_owned(),
                data: bitcode::encode(&Deposited::from(deposit)),
                timestamp: now.as_secs(),
                timestamp_subsec: now.subsec_millis(),
                ..Default::default()
            };
            self.executor.replicate(layer.deposits.into_iter().map(event).collect()).await?;
        }
        sqlx::query("VACUUM ANALYZE event").execute(&self.pool).await?;
        Ok(())
    }

    async fn amounts(&self, account: Uuid) -> Result<Vec<i64>> {
        let events = evento::read::<Account>(account.to_string()).decode(&self.executor).await?;
        Ok(events.into_iter().map(|AccountEvent::Deposited(deposited)| deposited.amount).collect())
    }

    async fn forget(&self) -> Result<()> {
        sqlx::raw_sql("TRUNCATE balances; TRUNCATE subscriber; TRUNCATE snapshot").execute(&self.pool).await?;
        Ok(())
    }

    async fn catch_up(&self, _: u64) -> Result<()> {
        if self.name == EVENTO_PROJECTION {
            let projection = Projection::<_, Balance>::new::<Account>().handler(on_deposited());
            projection.subscription("balances").chunk_size(self.chunk).run_once(&self.executor).await?;
        } else {
            self.subscription().run_once(&self.executor).await?;
        }
        Ok(())
    }

    async fn balances(&self) -> Result<Balances> {
        if self.name != EVENTO_PROJECTION {
            let select = "SELECT account, amount FROM balances";
            let balances: Vec<(String, i64)> = sqlx::query_as(select).fetch_all(&self.pool).await?;
            return balances.into_iter().map(|(account, amount)| Ok((account.parse()?, amount))).collect();
        }
        let snapshots: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT data FROM snapshot").fetch_all(&self.pool).await?;
        let decoded = snapshots.into_iter().map(|(data,)| {
            let balance: Balance = bitcode::decode(&data)?;
            Ok((balance.id.parse()?, balance.amount))
        });
        decoded.collect()
    }

    async fn deposit(&self, account: Uuid, amount: i64) -> Result<u32> {
        let event = Deposited::from(crate::work::Deposit::of(amount));
        for attempt in 1.. {
            let state = Projection::<_, State>::new::<Account>().handler(on_deposited_to_state());
            let state = state.load(account.to_string()).execute(&self.executor).await?;
            let state = state.filter(|state| state.amount >= 0).ok_or("the account is not open")?;
            match state.write()?.event(&event).commit(&self.executor).await {
                Ok(_) => return Ok(attempt),
                Err(WriteError::InvalidOriginalVersion) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err("there is always another attempt".into())
    }

    /// A commit of the first event of an account refuses one that is there.
    async fn open(&self, account: Uuid, amount: i64) -> Result<u32> {
        let event = Deposited::from(crate::work::Deposit::of(amount));
        evento::append(account.to_string()).event(&event).commit(&self.executor).await?;
        Ok(1)
    }

    async fn load(&self, account: Uuid) -> Result<i64> {
        let account = account.to_string();
        let balance = if self.name == EVENTO_SNAPSHOT {
            let balance = Projection::<_, Balance>::new::<Account>().handler(on_deposited());
            balance.load(account).execute(&self.executor).await?.map(|balance| balance.amount)
        } else {
            let state = Projection::<_, State>::new::<Account>().handler(on_deposited_to_state());
            state.load(account).execute(&self.executor).await?.map(|state| state.amount)
        };
        balance.ok_or_else(|| "the account is not there".into())
    }

    /// A load takes one, where there is something new.
    async fn snapshot(&self, account: Uuid) -> Result<()> {
        if self.name == EVENTO_SNAPSHOT {
            self.load(account).await?;
        }
        Ok(())
    }

    async fn follow(self: Arc<Self>) -> Result<Option<Following>> {
        let subscription = self.subscription().start(&self.executor).await?;
        Ok(Some(Following::until(async move { Ok(subscription.shutdown().await?) })))
    }

    async fn balance(&self, account: Uuid) -> Result<Option<i64>> {
        let select = "SELECT amount FROM balances WHERE account = $1";
        Ok(sqlx::query_scalar(select).bind(account.to_string()).fetch_optional(&self.pool).await?)
    }
}
