//! es-postgres.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use es_core::{
    Aggregate, Batch, BoxError, Command, Context, Document, Event, EventStoreExt, ExpectedVersion, IntoKeys, Projector,
    ReadModelStore, ReadModels, Recorded, Runner, Settings, Version,
};
use es_postgres::PgStore;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{OURS_CACHED, OURS_DOCUMENT, OURS_PROJECTOR, pool};
use crate::Result;
use crate::options::Options;
use crate::system::{About, Side, System};
use crate::work::{Balances, Deposit, Work};

const LONG_ENOUGH: Duration = Duration::from_secs(600);
const PAGE: u32 = 10_000;

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited(Deposit),
}

#[derive(Aggregate, Clone, Default)]
#[aggregate(id = Uuid, event = AccountEvent, apply = Account::take)]
struct Account {
    amounts: Vec<i64>,
}

impl Account {
    fn take(&mut self, event: AccountEvent) {
        let AccountEvent::Deposited(deposit) = event;
        self.amounts.push(deposit.amount);
    }
}

/// The same account, kept at hand between commands.
#[derive(Aggregate, Clone, Default)]
#[aggregate(id = Uuid, event = AccountEvent, apply = Kept::take, cached)]
struct Kept(Account);

impl Kept {
    fn take(&mut self, event: AccountEvent) {
        self.0.take(event);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the account is not open")]
struct NotOpen;

#[derive(Clone, Command)]
#[command(aggregate = Account, handle = decide, error = NotOpen)]
struct PayIn {
    id: Uuid,
    amount: i64,
}

fn decide(account: &Account, command: PayIn, _: &Context) -> std::result::Result<AccountEvent, NotOpen> {
    if account.amounts.is_empty() { Err(NotOpen) } else { Ok(AccountEvent::Deposited(Deposit::of(command.amount))) }
}

#[derive(Clone, Command)]
#[command(aggregate = Kept, handle = decide_upon_kept, error = NotOpen)]
struct PayInToKept {
    id: Uuid,
    amount: i64,
}

fn decide_upon_kept(
    kept: &Kept,
    PayInToKept { id, amount }: PayInToKept,
    context: &Context,
) -> std::result::Result<AccountEvent, NotOpen> {
    decide(&kept.0, PayIn { id, amount }, context)
}

#[derive(Default, Serialize, Deserialize)]
struct Balance {
    amount: i64,
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

struct Projected;

impl Projector for Projected {
    const NAME: &'static str = "balances";
    type Event = AccountEvent;
    type Target = PgConnection;
    type Error = BoxError;

    async fn project(
        &self,
        event: &Recorded<AccountEvent>,
        db: &mut PgConnection,
    ) -> std::result::Result<(), BoxError> {
        let AccountEvent::Deposited(deposit) = &event.event;
        upsert(vec![event.stream.id()], vec![deposit.amount], db).await
    }

    async fn project_batch(
        &self,
        batch: &Batch<'_, AccountEvent>,
        db: &mut PgConnection,
    ) -> std::result::Result<(), BoxError> {
        let mut changes = BTreeMap::<&str, i64>::new();
        for event in batch {
            let AccountEvent::Deposited(deposit) = &event.event;
            *changes.entry(event.stream.id()).or_default() += deposit.amount;
        }
        let (accounts, amounts) = changes.into_iter().unzip();
        upsert(accounts, amounts, db).await
    }
}

async fn upsert(accounts: Vec<&str>, amounts: Vec<i64>, db: &mut PgConnection) -> std::result::Result<(), BoxError> {
    let upsert = "INSERT INTO balances SELECT * FROM unnest($1::text[], $2::bigint[])
                  ON CONFLICT (account) DO UPDATE SET amount = balances.amount + excluded.amount";
    sqlx::query(upsert).bind(accounts).bind(amounts).execute(db).await?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Document,
    Projector,
    /// Only for commands: its read model is the document.
    Cached,
}

pub(super) struct Ours {
    store: PgStore,
    /// For what an application does beside the store.
    pool: PgPool,
    way: Way,
    settings: Settings,
}

impl Ours {
    pub(super) async fn new(url: &str, options: &Options, way: Way) -> Result<Self> {
        let store = PgStore::options().max_connections(options.connections).connect(url).await?;
        store.migrate().await?;
        let pool = pool(url, 2).await?;
        let table = "CREATE TABLE balances (account text COLLATE \"C\" PRIMARY KEY, amount bigint NOT NULL)";
        sqlx::query(table).execute(&pool).await?;
        Ok(Self { store, pool, way, settings: Settings::default().batch(options.batch) })
    }
}

#[async_trait]
impl System for Ours {
    fn about(&self) -> About {
        let (name, catches_up_by) = match self.way {
            Way::Document => (OURS_DOCUMENT, "`Document`: folded in memory, a batch in one statement"),
            Way::Cached => (OURS_CACHED, "as the document"),
            Way::Projector => (OURS_PROJECTOR, "`Projector::project_batch`: one upsert for a batch"),
        };
        About {
            name,
            version: env!("PEERS_ES"),
            side: Side::Ours,
            one_by_one: false,
            catches_up_by,
            guarantees: "exactly once: effect and checkpoint of a batch are one transaction; order of the log, late commits \
                         included; one owner at a time, fenced",
        }
    }

    /// Each layer is one transaction, and one tick of the log.
    async fn fill(&self, work: &Work) -> Result<()> {
        for layer in work.layers() {
            let mut transaction = self.pool.begin().await?;
            let inside = self.store.in_transaction(&mut transaction);
            for (account, deposit) in layer.deposits {
                let expected = ExpectedVersion::Exact(Version(u64::from(layer.version) - 1));
                inside.append_events::<Account>(&account, expected, AccountEvent::Deposited(deposit)).await?;
            }
            drop(inside);
            transaction.commit().await?;
            sqlx::query("SELECT es.tick()").execute(&self.pool).await?;
        }
        sqlx::query("VACUUM ANALYZE es.events").execute(&self.pool).await?;
        Ok(())
    }

    async fn amounts(&self, account: Uuid) -> Result<Vec<i64>> {
        Ok(self.store.load::<Account>(&account).await?.state.amounts)
    }

    async fn forget(&self) -> Result<()> {
        for status in self.store.projections().await? {
            self.store.drop_projection(&status.id).await?;
        }
        sqlx::raw_sql("TRUNCATE balances").execute(&self.pool).await?;
        Ok(())
    }

    async fn catch_up(&self, _: u64) -> Result<()> {
        let runner = Runner::new(self.store.clone()).settings(self.settings);
        let runner = match self.way {
            Way::Document | Way::Cached => runner.document::<Balance>(),
            Way::Projector => runner.add(Projected),
        };
        let running = runner.start().await?;
        running.catch_up_within(LONG_ENOUGH).await?;
        running.stop().await;
        Ok(())
    }

    async fn balances(&self) -> Result<Balances> {
        let balances: Vec<(String, i64)> = match self.way {
            Way::Projector => sqlx::query_as("SELECT account, amount FROM balances").fetch_all(&self.pool).await?,
            Way::Document | Way::Cached => {
                let documents = self.store.documents::<Balance>()?.list(None, PAGE).await?;
                documents.into_iter().map(|(key, balance)| (key, balance.amount)).collect()
            }
        };
        balances.into_iter().map(|(account, amount)| Ok((account.parse()?, amount))).collect()
    }

    async fn deposit(&self, id: Uuid, amount: i64) -> Result<u32> {
        Ok(match self.way {
            Way::Cached => self.store.execute(PayInToKept { id, amount }).await?.attempts,
            Way::Document | Way::Projector => self.store.execute(PayIn { id, amount }).await?.attempts,
        })
    }
}
