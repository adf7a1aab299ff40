//! eventcore 2: commands over several streams, and since 2.1 a projection runner with effect and progress in one transaction.
//!
//! That runner is the one its documentation recommends. It reads a page of events and gives each a transaction of its own; a
//! larger page is all that can be chosen. (The older `run_projection` saves a checkpoint after each event, outside of the
//! effect's transaction, and orders by ids that clients draw.)

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use eventcore::postgres::PostgresEventStore;
use eventcore::postgres::projections::{
    DeliveryPosition, DeliverySourceId, EventTypeName, NoopAfterCommit, Postgres, PostgresProjectionConfig,
    PostgresProjectionSource, PostgresProjectionStore, PostgresProjector, ProjectionSelection, ProjectionSelectionId,
    ProjectionStreamFilter, ProjectorName, Transaction, run_transactional_projection,
};
use eventcore::{
    Command, CommandError, CommandLogic, Event, NewEvents, RetryPolicy, StreamId, collect_events, execute, require,
};
use eventcore_types::{BatchSize, EventStore};
use serde::{Deserialize, Serialize};
use sqlx08::PgPool;
use uuid::Uuid;

use super::EVENTCORE;
use crate::Result;
use crate::system::{About, Following, Side, System};
use crate::work::{Balances, Deposit, Work};

const EVENT_TYPE: &str = "account-event";
/// Its default gives up after five attempts, and that is not what is measured.
const RETRIES: u32 = 1_000;
/// How often its user asks whether there is anything new.
const POLL: Duration = Duration::from_millis(5);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum AccountEvent {
    Deposited { account: StreamId, amount: i64, currency: String, reference: String, channel: String, note: String },
}

impl AccountEvent {
    fn deposited(account: StreamId, deposit: Deposit) -> Self {
        let Deposit { amount, currency, reference, channel, note } = deposit;
        Self::Deposited { account, amount, currency, reference, channel, note }
    }
}

impl Event for AccountEvent {
    fn stream_id(&self) -> &StreamId {
        let Self::Deposited { account, .. } = self;
        account
    }

    fn event_type_name() -> &'static str {
        EVENT_TYPE
    }
}

#[derive(Command)]
struct PayIn {
    #[stream]
    account: StreamId,
    amount: i64,
    /// Whether it is the first, and there must be none, or a further one.
    opens: bool,
}

#[derive(Default)]
struct Account {
    balance: i64,
    deposits: u64,
}

impl CommandLogic for PayIn {
    type Event = AccountEvent;
    type State = Account;

    fn apply(&self, mut state: Account, event: &AccountEvent) -> Account {
        let AccountEvent::Deposited { amount, .. } = event;
        state.balance += amount;
        state.deposits += 1;
        state
    }

    fn handle(&self, state: Account) -> std::result::Result<NewEvents<AccountEvent>, CommandError> {
        require!((state.deposits == 0) == self.opens && state.balance >= 0, "the account is not open, or open already");
        Ok(vec![AccountEvent::deposited(self.account.clone(), Deposit::of(self.amount))].into())
    }
}

struct Projected {
    name: ProjectorName,
}

impl PostgresProjector for Projected {
    type Event = AccountEvent;
    type Error = sqlx08::Error;
    type AfterCommit = NoopAfterCommit;

    fn name(&self) -> &ProjectorName {
        &self.name
    }

    async fn apply<'a, 'c>(
        &'a mut self,
        event: &'a AccountEvent,
        _: DeliveryPosition,
        tx: &'a mut Transaction<'c, Postgres>,
    ) -> std::result::Result<NoopAfterCommit, sqlx08::Error>
    where
        'c: 'a,
    {
        let AccountEvent::Deposited { account, amount, .. } = event;
        let upsert = "INSERT INTO balances (account, amount) VALUES ($1, $2)
                      ON CONFLICT (account) DO UPDATE SET amount = balances.amount + excluded.amount";
        sqlx08::query(upsert).bind(account.as_ref()).bind(amount).execute(&mut **tx).await?;
        Ok(NoopAfterCommit)
    }
}

pub(super) struct Eventcore {
    pool: PgPool,
    store: PostgresEventStore,
    source: PostgresProjectionSource,
    destination: PostgresProjectionStore,
    page: usize,
}

impl Eventcore {
    pub(super) async fn new(pool: PgPool, page: u32) -> Result<Self> {
        let store = PostgresEventStore::from_pool(pool.clone());
        store.migrate().await;
        let source = PostgresProjectionSource::from_pool(pool.clone(), DeliverySourceId::try_new("events")?);
        source.migrate().await?;
        let destination = PostgresProjectionStore::from_pool(pool.clone());
        destination.migrate().await?;
        let table = "CREATE TABLE balances (account text PRIMARY KEY, amount bigint NOT NULL)";
        sqlx08::query(table).execute(&pool).await?;
        Ok(Self { pool, store, source, destination, page: usize::try_from(page)? })
    }
}

/// The command, on any of its stores.
pub(crate) async fn pay_in(store: &impl EventStore, account: Uuid, amount: i64, opens: bool) -> Result<u32> {
    let command = PayIn { account: stream(account)?, amount, opens };
    let outcome = execute(store, command, RetryPolicy::new().max_retries(RETRIES)).await?;
    Ok(outcome.attempts())
}

pub(crate) async fn amounts(store: &impl EventStore, account: Uuid) -> Result<Vec<i64>> {
    let events = collect_events(store.read_stream::<AccountEvent>(stream(account)?).await?).await?;
    Ok(events.into_iter().map(|AccountEvent::Deposited { amount, .. }| amount).collect())
}

fn stream(account: Uuid) -> Result<StreamId> {
    Ok(StreamId::try_new(account.to_string())?)
}

#[async_trait]
impl System for Eventcore {
    fn about(&self) -> About {
        About {
            name: EVENTCORE,
            version: env!("PEERS_EVENTCORE"),
            side: Side::Peer,
            one_by_one: true,
            catches_up_by: "`run_transactional_projection`, an upsert for each event",
            guarantees: "exactly once: effect and progress of each event are one transaction; order of the log, late commits \
                         included, because appends wait for each other; a session's lock for one owner at a time",
        }
    }

    /// The rows that its append writes; its triggers give them their versions and their places in the order of delivery.
    async fn fill(&self, work: &Work) -> Result<()> {
        for layer in work.layers() {
            let mut rows = (Vec::new(), Vec::new(), Vec::new());
            for (account, deposit) in layer.deposits {
                let event = AccountEvent::deposited(stream(account)?, deposit);
                rows.0.push(Uuid::now_v7());
                rows.1.push(account.to_string());
                rows.2.push(serde_json::to_string(&event)?);
            }
            let insert = "INSERT INTO eventcore_events (event_id, stream_id, event_type, event_data)
                          SELECT id, stream, $4, data::jsonb FROM unnest($1::uuid[], $2::text[], $3::text[]) t(id, stream, data)";
            sqlx08::query(insert).bind(rows.0).bind(rows.1).bind(rows.2).bind(EVENT_TYPE).execute(&self.pool).await?;
        }
        // Each a statement of its own, because VACUUM refuses to be in a transaction with anything else.
        for vacuum in ["VACUUM ANALYZE eventcore_events", "VACUUM ANALYZE eventcore_projection_delivery"] {
            sqlx08::query(vacuum).execute(&self.pool).await?;
        }
        Ok(())
    }

    async fn amounts(&self, account: Uuid) -> Result<Vec<i64>> {
        amounts(&self.store, account).await
    }

    async fn forget(&self) -> Result<()> {
        sqlx08::raw_sql("TRUNCATE balances; TRUNCATE eventcore_projection_progress").execute(&self.pool).await?;
        Ok(())
    }

    async fn catch_up(&self, _: u64) -> Result<()> {
        let selection = ProjectionSelection::try_new(
            ProjectionSelectionId::try_new("deposits")?,
            ProjectionStreamFilter::All,
            vec![EventTypeName::try_new(EVENT_TYPE)?],
        )?;
        let config = PostgresProjectionConfig::new(selection).with_batch_size(BatchSize::new(self.page))?;
        let projector = Projected { name: ProjectorName::try_new("balances")? };
        run_transactional_projection(projector, &self.source, &self.destination, config).await?;
        Ok(())
    }

    async fn balances(&self) -> Result<Balances> {
        let balances: Vec<(String, i64)> =
            sqlx08::query_as("SELECT account, amount FROM balances").fetch_all(&self.pool).await?;
        balances.into_iter().map(|(account, amount)| Ok((account.parse()?, amount))).collect()
    }

    async fn deposit(&self, account: Uuid, amount: i64) -> Result<u32> {
        pay_in(&self.store, account, amount, false).await
    }

    async fn open(&self, account: Uuid, amount: i64) -> Result<u32> {
        pay_in(&self.store, account, amount, true).await
    }

    async fn follow(self: Arc<Self>) -> Result<Option<Following>> {
        Ok(Some(Following::by(tokio::spawn(async move {
            loop {
                self.catch_up(0).await?;
                tokio::time::sleep(POLL).await;
            }
        }))))
    }

    async fn balance(&self, account: Uuid) -> Result<Option<i64>> {
        let select = "SELECT amount FROM balances WHERE account = $1";
        Ok(sqlx08::query_scalar(select).bind(account.to_string()).fetch_optional(&self.pool).await?)
    }
}
