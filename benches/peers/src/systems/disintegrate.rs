//! disintegrate 4 with disintegrate-postgres 4: decisions over one log of tagged events, and listeners that follow it.
//!
//! Its listener runs the query of all events behind its checkpoint, hands them to the handler one at a time, and moves the
//! checkpoint when the pass ends. The handler is given no transaction, so delivery is at least once, and the handler remembers
//! the last event of each row, as its documentation advises. The query has no limit: with a `fetch_size`, a pass reads so
//! many events and throws the rest of the rows away, which makes a backlog quadratic. So the default, no `fetch_size`, is the
//! best there is, and all stored events are one pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use disintegrate::serde::json::Json;
use disintegrate::{
    Decision, DecisionError, Event, EventListener, EventStore, NoSnapshot, PersistedEvent, StateMutate, StateQuery,
    StreamItem, StreamQuery, query,
};
use disintegrate_postgres::{
    AbortRetry, Error as StoreError, PgDecisionMaker, PgEventId, PgEventListener, PgEventListenerConfig, PgEventStore,
};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx08::PgPool;
use tokio::sync::Notify;
use uuid::Uuid;

use super::DISINTEGRATE;
use crate::Result;
use crate::system::{About, Following, Side, System};
use crate::work::{Balances, Deposit, Work};

/// Its own SQL for PostgreSQL 16 and later says `0xFFFFFFFF`, which older ones do not read. The same number in decimals, and
/// the column and index that it makes for the id after that, by hand, as the documentation of `new_uninitialized` allows.
const MENDED: &str = r"
    CREATE OR REPLACE FUNCTION event_store_begin_epoch() RETURNS void AS $$
    DECLARE
        id BIGINT;
        db_id INT;
    BEGIN
        SELECT last_value INTO id FROM seq_event_event_id;
        SELECT oid INTO db_id FROM pg_database WHERE datname = current_database();
        PERFORM pg_try_advisory_xact_lock_shared(db_id, 0);
        PERFORM pg_try_advisory_xact_lock_shared(1, (id & 4294967295)::bit(32)::integer);
        PERFORM pg_try_advisory_xact_lock_shared(2, (id >> 32)::bit(32)::integer);
    END;
    $$ LANGUAGE plpgsql;
    ALTER TABLE event ADD COLUMN IF NOT EXISTS account UUID;
    CREATE INDEX IF NOT EXISTS idx_event_account ON event (account) WHERE account IS NOT NULL;";
const READS_HEXADECIMAL: i32 = 160_000;

/// Not awaited: the first pass begins at once, and there is no second.
const POLL: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
enum AccountEvent {
    Deposited {
        #[id]
        account: Uuid,
        amount: i64,
        currency: String,
        reference: String,
        channel: String,
        note: String,
    },
}

impl AccountEvent {
    fn deposited(account: Uuid, deposit: Deposit) -> Self {
        let Deposit { amount, currency, reference, channel, note } = deposit;
        Self::Deposited { account, amount, currency, reference, channel, note }
    }
}

#[derive(Default, Clone, StateQuery, Serialize, Deserialize)]
#[state_query(AccountEvent)]
struct Account {
    #[id]
    account: Uuid,
    balance: i64,
    deposits: u64,
}

impl StateMutate for Account {
    fn mutate(&mut self, event: Self::Event) {
        let AccountEvent::Deposited { amount, .. } = event;
        self.balance += amount;
        self.deposits += 1;
    }
}

struct PayIn {
    account: Uuid,
    amount: i64,
    /// Whether it is the first, and there must be none, or a further one.
    opens: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the account is not open, or open already")]
struct NotOpen;

impl Decision for PayIn {
    type Event = AccountEvent;
    type StateQuery = Account;
    type Error = NotOpen;

    fn state_query(&self) -> Account {
        Account { account: self.account, ..Account::default() }
    }

    fn process(&self, state: &Account) -> std::result::Result<Vec<AccountEvent>, NotOpen> {
        if (state.deposits == 0) != self.opens {
            return Err(NotOpen);
        }
        Ok(vec![AccountEvent::deposited(self.account, Deposit::of(self.amount))])
    }
}

struct Listener {
    query: StreamQuery<PgEventId, AccountEvent>,
    pool: PgPool,
    left: AtomicU64,
    done: Arc<Notify>,
}

#[async_trait]
impl EventListener<PgEventId, AccountEvent> for Listener {
    type Error = sqlx08::Error;

    fn id(&self) -> &'static str {
        "balances"
    }

    fn query(&self) -> &StreamQuery<PgEventId, AccountEvent> {
        &self.query
    }

    async fn handle(&self, event: PersistedEvent<PgEventId, AccountEvent>) -> std::result::Result<(), sqlx08::Error> {
        let id = event.id();
        let AccountEvent::Deposited { account, amount, .. } = event.into_inner();
        let upsert = "INSERT INTO balances (account, amount, event_id) VALUES ($1, $2, $3)
                      ON CONFLICT (account) DO UPDATE
                      SET amount = balances.amount + excluded.amount, event_id = excluded.event_id
                      WHERE balances.event_id < excluded.event_id";
        sqlx08::query(upsert).bind(account).bind(amount).bind(id).execute(&self.pool).await?;
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
        Ok(())
    }
}

type Store = PgEventStore<AccountEvent, Json<AccountEvent>>;

pub(super) struct Disintegrate {
    pool: PgPool,
    store: Store,
    decisions: PgDecisionMaker<AccountEvent, Json<AccountEvent>, NoSnapshot>,
}

impl Disintegrate {
    pub(super) async fn new(pool: PgPool) -> Result<Self> {
        let store = initialized(&pool).await?;
        let table =
            "CREATE TABLE balances (account uuid PRIMARY KEY, amount bigint NOT NULL, event_id bigint NOT NULL)";
        sqlx08::query(table).execute(&pool).await?;
        let decisions = disintegrate_postgres::decision_maker(store.clone(), NoSnapshot);
        Ok(Self { pool, store, decisions })
    }

    /// Until so many events are done.
    fn listening(
        &self,
        events: u64,
        done: Arc<Notify>,
        config: PgEventListenerConfig<AbortRetry>,
    ) -> PgEventListener<AccountEvent, Json<AccountEvent>> {
        let listener =
            Listener { query: query!(AccountEvent), pool: self.pool.clone(), left: AtomicU64::new(events), done };
        PgEventListener::builder(self.store.clone()).register_listener(listener, config)
    }

    async fn decide(&self, account: Uuid, amount: i64, opens: bool) -> Result<u32> {
        for attempt in 1.. {
            match self.decisions.make(PayIn { account, amount, opens }).await {
                Ok(_) => return Ok(attempt),
                Err(error) if is_lost_race(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err("there is always another attempt".into())
    }

    fn of(account: Uuid) -> StreamQuery<PgEventId, AccountEvent> {
        query!(AccountEvent; account == account)
    }
}

async fn initialized(pool: &PgPool) -> Result<Store> {
    let version = "SELECT current_setting('server_version_num')::int";
    let version: i32 = sqlx08::query_scalar(version).fetch_one(pool).await?;
    let store = PgEventStore::try_new(pool.clone(), Json::default()).await;
    if version >= READS_HEXADECIMAL {
        return Ok(store?);
    }
    sqlx08::raw_sql(MENDED).execute(pool).await?;
    Ok(PgEventStore::new_uninitialized(pool.clone(), Json::default()))
}

/// A lost race is named so when the commit loses it, and is a bare serialization failure of the database before.
fn is_lost_race(error: &DecisionError<NotOpen>) -> bool {
    let DecisionError::StateStore(error) = error else { return false };
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::Concurrency) => true,
        Some(StoreError::Database(sqlx08::Error::Database(error))) => error.code().as_deref() == Some("40001"),
        _ => false,
    }
}

#[async_trait]
impl System for Disintegrate {
    fn about(&self) -> About {
        About {
            name: DISINTEGRATE,
            version: env!("PEERS_DISINTEGRATE"),
            side: Side::Peer,
            one_by_one: true,
            catches_up_by: "`PgEventListener`, an upsert for each event that passes over what it knows",
            guarantees: "at least once; the checkpoint moves at the end of a pass, here once for all; order of ids up to an \
                         epoch; a locked row for one owner at a time",
        }
    }

    async fn fill(&self, work: &Work) -> Result<()> {
        for layer in work.layers() {
            let events = layer.deposits.into_iter().map(|(id, deposit)| AccountEvent::deposited(id, deposit)).collect();
            self.store.append_without_validation(events).await?;
        }
        sqlx08::query("VACUUM ANALYZE event").execute(&self.pool).await?;
        Ok(())
    }

    async fn amounts(&self, account: Uuid) -> Result<Vec<i64>> {
        let query = Self::of(account);
        let items: Vec<_> = self.store.stream(&query).try_collect().await?;
        let events = items.into_iter().filter_map(|item| match item {
            StreamItem::Event(event) => Some(event.into_inner()),
            StreamItem::End(_) => None,
        });
        Ok(events.map(|AccountEvent::Deposited { amount, .. }| amount).collect())
    }

    async fn forget(&self) -> Result<()> {
        let all = "TRUNCATE balances; DROP TABLE IF EXISTS event_listener";
        sqlx08::raw_sql(all).execute(&self.pool).await?;
        Ok(())
    }

    async fn catch_up(&self, events: u64) -> Result<()> {
        let done = Arc::new(Notify::new());
        let listening = self.listening(events, done.clone(), PgEventListenerConfig::poller(POLL));
        // Comes back after the pass in which it was told, and so after the checkpoint.
        listening.start_with_shutdown(async move { done.notified().await }).await?;
        Ok(())
    }

    async fn balances(&self) -> Result<Balances> {
        let balances: Vec<(Uuid, i64)> =
            sqlx08::query_as("SELECT account, amount FROM balances").fetch_all(&self.pool).await?;
        Ok(balances.into_iter().collect())
    }

    async fn deposit(&self, account: Uuid, amount: i64) -> Result<u32> {
        self.decide(account, amount, false).await
    }

    async fn open(&self, account: Uuid, amount: i64) -> Result<u32> {
        self.decide(account, amount, true).await
    }

    /// Woken by notifications, and polling besides.
    async fn follow(self: Arc<Self>) -> Result<Option<Following>> {
        let listening = self.listening(u64::MAX, Arc::default(), PgEventListenerConfig::poller(POLL).with_notifier());
        Ok(Some(Following::by(tokio::spawn(async move { Ok(listening.start().await?) }))))
    }

    async fn balance(&self, account: Uuid) -> Result<Option<i64>> {
        let select = "SELECT amount FROM balances WHERE account = $1";
        Ok(sqlx08::query_scalar(select).bind(account).fetch_optional(&self.pool).await?)
    }
}
