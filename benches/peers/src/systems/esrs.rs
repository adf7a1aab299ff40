//! esrs 0.18: aggregates with a table each, and read models in the transaction of the append.
//!
//! For events that are stored already it has `PgRebuilder::by_aggregate_id`: for each aggregate a transaction in which its rows
//! are deleted and its events handled one by one. (`all_at_once` deletes before each event and so keeps only the last.) It also
//! has `PgStore::stream_events`, "mainly used to rebuild read models", which is all events one after the other, and leaves the
//! rest to its user: the second way folds them into a map and stores it all at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::esrs::handler::TransactionalEventHandler;
use ::esrs::manager::AggregateManager;
use ::esrs::rebuilder::{PgRebuilder, Rebuilder};
use ::esrs::store::postgres::{PgStore, PgStoreBuilder, PgStoreError};
use ::esrs::store::{EventStore, StoreEvent};
use ::esrs::{Aggregate, AggregateState};
use async_trait::async_trait;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx08::{PgConnection, PgPool};
use uuid::Uuid;

use super::{ESRS_FOLDED, ESRS_LOCKED, ESRS_VIEW};
use crate::Result;
use crate::system::{About, Following, Side, System};
use crate::work::{Balances, Deposit, Work};

#[derive(Clone, Debug, Serialize, Deserialize)]
enum AccountEvent {
    Deposited(Deposit),
}

struct Account;

#[derive(Default)]
struct State {
    balance: i64,
    deposits: u64,
}

#[derive(Clone, Copy)]
struct PayIn {
    amount: i64,
    /// Whether it is the first, and there must be none, or a further one.
    opens: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the account is not open, or open already")]
struct NotOpen;

impl Aggregate for Account {
    const NAME: &'static str = "account";
    type State = State;
    type Command = PayIn;
    type Event = AccountEvent;
    type Error = NotOpen;

    fn handle_command(
        state: &State,
        PayIn { amount, opens }: PayIn,
    ) -> std::result::Result<Vec<AccountEvent>, NotOpen> {
        if (state.deposits == 0) != opens || state.balance < 0 {
            return Err(NotOpen);
        }
        Ok(vec![AccountEvent::Deposited(Deposit::of(amount))])
    }

    fn apply_event(state: State, event: AccountEvent) -> State {
        let AccountEvent::Deposited(deposit) = event;
        State { balance: state.balance + deposit.amount, deposits: state.deposits + 1 }
    }
}

struct Handler;

#[async_trait]
impl TransactionalEventHandler<Account, PgStoreError, PgConnection> for Handler {
    async fn handle(
        &self,
        event: &StoreEvent<AccountEvent>,
        transaction: &mut PgConnection,
    ) -> std::result::Result<(), PgStoreError> {
        let AccountEvent::Deposited(deposit) = &event.payload;
        let upsert = "INSERT INTO balances (account, amount) VALUES ($1, $2)
                      ON CONFLICT (account) DO UPDATE SET amount = balances.amount + excluded.amount";
        sqlx08::query(upsert).bind(event.aggregate_id).bind(deposit.amount).execute(transaction).await?;
        Ok(())
    }

    async fn delete(&self, account: Uuid, transaction: &mut PgConnection) -> std::result::Result<(), PgStoreError> {
        sqlx08::query("DELETE FROM balances WHERE account = $1").bind(account).execute(transaction).await?;
        Ok(())
    }
}

type Commands = AggregateManager<PgStore<Account>>;

pub(super) struct Esrs {
    name: &'static str,
    pool: PgPool,
    store: PgStore<Account>,
    commands: Commands,
    /// Those that update the view in the transaction of each append.
    viewed: Commands,
    following: Arc<AtomicBool>,
}

impl Esrs {
    pub(super) async fn new(name: &'static str, pool: PgPool) -> Result<Self> {
        let store = PgStoreBuilder::<Account>::new(pool.clone()).try_build().await?;
        let table = "CREATE TABLE balances (account uuid PRIMARY KEY, amount bigint NOT NULL)";
        sqlx08::query(table).execute(&pool).await?;
        let viewed = PgStoreBuilder::new(pool.clone()).add_transactional_event_handler(Handler).try_build().await?;
        let (commands, viewed) = (Commands::new(store.clone()), Commands::new(viewed));
        Ok(Self { name, pool, store, commands, viewed, following: Arc::default() })
    }

    /// By who comes first, or behind a lock that it takes before it loads.
    async fn execute(&self, account: Uuid, command: PayIn) -> Result<u32> {
        let commands = if self.following.load(Ordering::Relaxed) { &self.viewed } else { &self.commands };
        for attempt in 1.. {
            let state = if self.name == ESRS_LOCKED {
                commands.lock_and_load(account).await?.unwrap_or_default()
            } else {
                commands.load(account).await?.unwrap_or_else(|| AggregateState::with_id(account))
            };
            match commands.handle_command(state, command).await {
                Ok(decided) => return decided.map(|_| attempt).map_err(Into::into),
                Err(error) if is_lost_race(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err("there is always another attempt".into())
    }

    async fn fold(&self) -> Result<()> {
        let mut balances = BTreeMap::<Uuid, i64>::new();
        let mut events = self.store.stream_events(&self.pool);
        while let Some(event) = events.try_next().await? {
            let AccountEvent::Deposited(deposit) = event.payload;
            *balances.entry(event.aggregate_id).or_default() += deposit.amount;
        }
        let (accounts, amounts): (Vec<Uuid>, Vec<i64>) = balances.into_iter().unzip();
        let insert = "INSERT INTO balances SELECT * FROM unnest($1::uuid[], $2::bigint[])";
        sqlx08::query(insert).bind(accounts).bind(amounts).execute(&self.pool).await?;
        Ok(())
    }
}

fn is_lost_race(error: &PgStoreError) -> bool {
    matches!(error, PgStoreError::Sqlx(sqlx08::Error::Database(error)) if error.is_unique_violation())
}

#[async_trait]
impl System for Esrs {
    fn about(&self) -> About {
        let (side, catches_up_by, guarantees) = match self.name {
            ESRS_FOLDED => (
                Side::PeerReadsOnly,
                "`PgStore::stream_events`: a map, written once at the end",
                "none: **no checkpoint**, nothing is there before all is; order of the writers' clocks; all rows in memory",
            ),
            ESRS_VIEW => (
                Side::Peer,
                "`TransactionalEventHandler`: an upsert in the transaction of each append",
                "exactly once: effect and append are one transaction, so each append waits for all its views; nothing for what \
                 is stored already",
            ),
            _ => (
                Side::Peer,
                "`PgRebuilder::by_aggregate_id`: for each account a transaction with an upsert for each event",
                "**no checkpoint**: a rebuild from nothing, exactly once if nobody appends meanwhile; no order among accounts",
            ),
        };
        About { name: self.name, version: env!("PEERS_ESRS"), side, one_by_one: false, catches_up_by, guarantees }
    }

    /// The rows that its append writes.
    async fn fill(&self, work: &Work) -> Result<()> {
        for layer in work.layers() {
            let mut rows = (Vec::new(), Vec::new(), Vec::new());
            for (account, deposit) in layer.deposits {
                rows.0.push(Uuid::new_v4());
                rows.1.push(account);
                rows.2.push(serde_json::to_string(&AccountEvent::Deposited(deposit))?);
            }
            let insert = "INSERT INTO account_events (id, aggregate_id, payload, occurred_on, sequence_number, version)
                          SELECT id, account, payload::jsonb, now(), $4, NULL
                            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) t(id, account, payload)";
            let sequence = i32::try_from(layer.version)?;
            sqlx08::query(insert).bind(rows.0).bind(rows.1).bind(rows.2).bind(sequence).execute(&self.pool).await?;
        }
        sqlx08::query("VACUUM ANALYZE account_events").execute(&self.pool).await?;
        Ok(())
    }

    async fn amounts(&self, account: Uuid) -> Result<Vec<i64>> {
        let events = self.store.by_aggregate_id(account).await?;
        let amount = |event: StoreEvent<AccountEvent>| {
            let AccountEvent::Deposited(deposit) = event.payload;
            deposit.amount
        };
        Ok(events.into_iter().map(amount).collect())
    }

    async fn forget(&self) -> Result<()> {
        sqlx08::raw_sql("TRUNCATE balances").execute(&self.pool).await?;
        Ok(())
    }

    async fn catch_up(&self, _: u64) -> Result<()> {
        if self.name == ESRS_FOLDED {
            return self.fold().await;
        }
        let rebuilder = PgRebuilder::<Account>::new().with_transactional_event_handlers(vec![Box::new(Handler)]);
        Ok(rebuilder.by_aggregate_id(self.pool.clone()).await?)
    }

    async fn balances(&self) -> Result<Balances> {
        let balances: Vec<(Uuid, i64)> =
            sqlx08::query_as("SELECT account, amount FROM balances").fetch_all(&self.pool).await?;
        Ok(balances.into_iter().collect())
    }

    async fn deposit(&self, account: Uuid, amount: i64) -> Result<u32> {
        self.execute(account, PayIn { amount, opens: false }).await
    }

    async fn open(&self, account: Uuid, amount: i64) -> Result<u32> {
        self.execute(account, PayIn { amount, opens: true }).await
    }

    async fn load(&self, account: Uuid) -> Result<i64> {
        let state = self.commands.load(account).await?.ok_or("the account is not there")?;
        Ok(state.into_inner().balance)
    }

    async fn follow(self: Arc<Self>) -> Result<Option<Following>> {
        self.following.store(true, Ordering::Relaxed);
        Ok(Some(Following::until(async move {
            self.following.store(false, Ordering::Relaxed);
            Ok(())
        })))
    }

    async fn balance(&self, account: Uuid) -> Result<Option<i64>> {
        let select = "SELECT amount FROM balances WHERE account = $1";
        Ok(sqlx08::query_scalar(select).bind(account).fetch_optional(&self.pool).await?)
    }
}
