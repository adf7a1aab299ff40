//! cqrs-es 0.5 with postgres-es 0.5: aggregates, and views that are updated after each command.
//!
//! It has no runner and no checkpoint. What it has for stored events is `QueryReplay`, which gives all events of a type to a
//! query, one at a time; a `GenericQuery` then loads the view, applies the event and stores the view. (A `Query` of one's
//! own can do as it likes: the second way folds into a map and stores it all when the replay ends.)

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ::cqrs_es::event_sink::EventSink;
use ::cqrs_es::persist::{GenericQuery, PersistedEventRepository, PersistedEventStore, PersistenceError, QueryReplay};
use ::cqrs_es::{Aggregate, AggregateContext, AggregateError, DomainEvent, EventEnvelope, EventStore, Query, View};
use async_trait::async_trait;
use postgres_es::{PostgresCqrs, PostgresEventRepository, PostgresViewRepository, postgres_cqrs};
use serde::{Deserialize, Serialize};
use sqlx08::PgPool;
use uuid::Uuid;

use super::{CQRS_ES_FOLDED, CQRS_ES_REPLAY, CQRS_ES_SNAPSHOT, CQRS_ES_VIEW};
use crate::Result;
use crate::system::{About, Following, Side, System};
use crate::work::{Balances, Deposit, Work};

/// As its documentation does.
const SNAPSHOTS_EVERY: usize = 100;

/// As in the `init.sql` that it comes with.
const SCHEMA: &str = "
    CREATE TABLE events (
        aggregate_type text                         NOT NULL,
        aggregate_id   text                         NOT NULL,
        sequence       bigint CHECK (sequence >= 0) NOT NULL,
        event_type     text                         NOT NULL,
        event_version  text                         NOT NULL,
        payload        json                         NOT NULL,
        metadata       json                         NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    );
    CREATE TABLE snapshots (
        aggregate_type   text                                 NOT NULL,
        aggregate_id     text                                 NOT NULL,
        last_sequence    bigint CHECK (last_sequence >= 0)    NOT NULL,
        current_snapshot bigint CHECK (current_snapshot >= 0) NOT NULL,
        payload          json                                 NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, last_sequence)
    );
    CREATE TABLE balance_view (
        view_id text                        NOT NULL,
        version bigint CHECK (version >= 0) NOT NULL,
        payload json                        NOT NULL,
        PRIMARY KEY (view_id)
    );
    CREATE TABLE balances (account text PRIMARY KEY, amount bigint NOT NULL);";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum AccountEvent {
    Deposited(Deposit),
}

impl DomainEvent for AccountEvent {
    fn event_type(&self) -> String {
        "Deposited".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Account {
    balance: i64,
    deposits: u64,
}

struct PayIn {
    amount: i64,
    /// Whether it is the first, and there must be none, or a further one.
    opens: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the account is not open, or open already")]
struct NotOpen;

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = PayIn;
    type Event = AccountEvent;
    type Error = NotOpen;
    type Services = ();

    async fn handle(
        &mut self,
        PayIn { amount, opens }: PayIn,
        (): &(),
        sink: &EventSink<Self>,
    ) -> std::result::Result<(), NotOpen> {
        if (self.deposits == 0) != opens {
            return Err(NotOpen);
        }
        sink.write(AccountEvent::Deposited(Deposit::of(amount)), self).await;
        Ok(())
    }

    fn apply(&mut self, event: AccountEvent) {
        let AccountEvent::Deposited(deposit) = event;
        self.balance += deposit.amount;
        self.deposits += 1;
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct BalanceView {
    account: String,
    amount: i64,
}

impl View<Account> for BalanceView {
    fn update(&mut self, event: &EventEnvelope<Account>) {
        let AccountEvent::Deposited(deposit) = &event.payload;
        self.account.clone_from(&event.aggregate_id);
        self.amount += deposit.amount;
    }
}

#[derive(Clone, Default)]
struct Folded(Arc<Mutex<BTreeMap<String, i64>>>);

#[async_trait]
impl Query<Account> for Folded {
    async fn dispatch(&self, account: &str, events: &[EventEnvelope<Account>]) {
        let Ok(mut balances) = self.0.lock() else { return };
        for event in events {
            let AccountEvent::Deposited(deposit) = &event.payload;
            match balances.get_mut(account) {
                Some(balance) => *balance += deposit.amount,
                None => drop(balances.insert(account.to_owned(), deposit.amount)),
            }
        }
    }
}

type Events = PersistedEventStore<PostgresEventRepository, Account>;

pub(super) struct CqrsEs {
    name: &'static str,
    pool: PgPool,
    events: Events,
    commands: PostgresCqrs<Account>,
    /// Those that update the view behind each append.
    viewed: PostgresCqrs<Account>,
    following: Arc<AtomicBool>,
}

impl CqrsEs {
    pub(super) async fn new(name: &'static str, pool: PgPool) -> Result<Self> {
        sqlx08::raw_sql(SCHEMA).execute(&pool).await?;
        let repository = PostgresEventRepository::new(pool.clone());
        let events = match name {
            CQRS_ES_SNAPSHOT => Events::new_snapshot_store(repository, SNAPSHOTS_EVERY),
            _ => Events::new_event_store(repository),
        };
        let commands = postgres_cqrs(pool.clone(), Vec::new(), ());
        let viewed = postgres_cqrs(pool.clone(), vec![Box::new(GenericQuery::new(Arc::new(views(&pool))))], ());
        Ok(Self { name, pool, events, commands, viewed, following: Arc::default() })
    }

    async fn execute(&self, account: Uuid, amount: i64, opens: bool) -> Result<u32> {
        let commands = if self.following.load(Ordering::Relaxed) { &self.viewed } else { &self.commands };
        for attempt in 1.. {
            match commands.execute(&account.to_string(), PayIn { amount, opens }).await {
                Ok(()) => return Ok(attempt),
                Err(AggregateError::AggregateConflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err("there is always another attempt".into())
    }

    async fn replay_into_views(&self) -> Result<()> {
        let mut query = GenericQuery::new(Arc::new(views(&self.pool)));
        // Without this its errors are lost.
        let errors = Arc::new(Mutex::new(Vec::<PersistenceError>::new()));
        let noted = errors.clone();
        query.use_error_handler(Box::new(move |error| {
            if let Ok(mut errors) = noted.lock() {
                errors.push(error);
            }
        }));
        QueryReplay::new(PostgresEventRepository::new(self.pool.clone()), query).replay_all().await?;
        let first = errors.lock().map_err(|_| "a thread panicked")?.pop();
        first.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn replay_into_memory(&self) -> Result<()> {
        let folded = Folded::default();
        QueryReplay::new(PostgresEventRepository::new(self.pool.clone()), folded.clone()).replay_all().await?;
        let balances = std::mem::take(&mut *folded.0.lock().map_err(|_| "a thread panicked")?);
        let (accounts, amounts): (Vec<String>, Vec<i64>) = balances.into_iter().unzip();
        let insert = "INSERT INTO balances SELECT * FROM unnest($1::text[], $2::bigint[])";
        sqlx08::query(insert).bind(accounts).bind(amounts).execute(&self.pool).await?;
        Ok(())
    }
}

fn views(pool: &PgPool) -> PostgresViewRepository<BalanceView, Account> {
    PostgresViewRepository::new("balance_view", pool.clone())
}

#[async_trait]
impl System for CqrsEs {
    fn about(&self) -> About {
        let (side, catches_up_by, guarantees) = match self.name {
            CQRS_ES_FOLDED => (
                Side::PeerReadsOnly,
                "`QueryReplay` into a query of one's own: a map, written once at the end",
                "none: **no checkpoint**, nothing is there before all is; no order among accounts; all rows in memory",
            ),
            CQRS_ES_VIEW => (
                Side::Peer,
                "`GenericQuery` of the framework: the view read and written behind each append, by who appended",
                "none: another transaction than the append's, **no checkpoint**, no second try; whoever meets another at the \
                 same view fails",
            ),
            _ => (
                Side::Peer,
                "`QueryReplay` into a `GenericQuery`: the view read and written for each event",
                "none: **no checkpoint**, a rebuild from nothing that adds up twice when it runs twice; no order among \
                 accounts; keyed by the aggregate",
            ),
        };
        About {
            name: self.name,
            version: env!("PEERS_CQRS_ES"),
            side,
            one_by_one: self.name == CQRS_ES_REPLAY,
            catches_up_by,
            guarantees,
        }
    }

    /// The rows that its append writes.
    async fn fill(&self, work: &Work) -> Result<()> {
        for layer in work.layers() {
            let mut rows = (Vec::new(), Vec::new());
            for (account, deposit) in layer.deposits {
                rows.0.push(account.to_string());
                rows.1.push(serde_json::to_string(&serde_json::to_value(AccountEvent::Deposited(deposit))?)?);
            }
            let insert = "INSERT INTO events
                          SELECT $3, account, $4, 'Deposited', '1.0', payload::json, '{}'::json
                            FROM unnest($1::text[], $2::text[]) t(account, payload)";
            let sequence = i64::from(layer.version);
            sqlx08::query(insert)
                .bind(rows.0)
                .bind(rows.1)
                .bind(Account::TYPE)
                .bind(sequence)
                .execute(&self.pool)
                .await?;
        }
        sqlx08::query("VACUUM ANALYZE events").execute(&self.pool).await?;
        Ok(())
    }

    async fn amounts(&self, account: Uuid) -> Result<Vec<i64>> {
        let repository = PostgresEventRepository::new(self.pool.clone());
        let events = repository.get_events::<Account>(&account.to_string()).await?;
        let amounts = events.into_iter().map(|event| {
            let AccountEvent::Deposited(deposit) = serde_json::from_value(event.payload)?;
            Ok(deposit.amount)
        });
        amounts.collect()
    }

    async fn forget(&self) -> Result<()> {
        sqlx08::raw_sql("TRUNCATE balance_view; TRUNCATE balances").execute(&self.pool).await?;
        Ok(())
    }

    async fn catch_up(&self, _: u64) -> Result<()> {
        match self.name {
            CQRS_ES_FOLDED => self.replay_into_memory().await,
            _ => self.replay_into_views().await,
        }
    }

    async fn balances(&self) -> Result<Balances> {
        let select = match self.name {
            CQRS_ES_FOLDED => "SELECT account, amount FROM balances",
            _ => "SELECT view_id, (payload->>'amount')::bigint FROM balance_view",
        };
        let balances: Vec<(String, i64)> = sqlx08::query_as(select).fetch_all(&self.pool).await?;
        balances.into_iter().map(|(account, amount)| Ok((account.parse()?, amount))).collect()
    }

    async fn deposit(&self, account: Uuid, amount: i64) -> Result<u32> {
        self.execute(account, amount, false).await
    }

    async fn open(&self, account: Uuid, amount: i64) -> Result<u32> {
        self.execute(account, amount, true).await
    }

    async fn load(&self, account: Uuid) -> Result<i64> {
        Ok(self.events.load_aggregate(&account.to_string()).await?.aggregate().balance)
    }

    /// The row that its append writes every so many events.
    async fn snapshot(&self, account: Uuid) -> Result<()> {
        if self.name != CQRS_ES_SNAPSHOT {
            return Ok(());
        }
        let amounts = self.amounts(account).await?;
        let state = Account { balance: amounts.iter().sum(), deposits: u64::try_from(amounts.len())? };
        let insert = "INSERT INTO snapshots VALUES ($1, $2, $3, 1, $4::json)";
        let insert = sqlx08::query(insert).bind(Account::TYPE).bind(account.to_string());
        let insert = insert.bind(i64::try_from(amounts.len())?).bind(serde_json::to_string(&state)?);
        insert.execute(&self.pool).await?;
        Ok(())
    }

    async fn follow(self: Arc<Self>) -> Result<Option<Following>> {
        self.following.store(true, Ordering::Relaxed);
        Ok(Some(Following::until(async move {
            self.following.store(false, Ordering::Relaxed);
            Ok(())
        })))
    }

    async fn balance(&self, account: Uuid) -> Result<Option<i64>> {
        let select = "SELECT (payload->>'amount')::bigint FROM balance_view WHERE view_id = $1";
        Ok(sqlx08::query_scalar(select).bind(account.to_string()).fetch_optional(&self.pool).await?)
    }
}
