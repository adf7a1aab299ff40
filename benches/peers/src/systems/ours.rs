//! es-postgres.

pub(crate) mod domain;
mod read_models;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use es_core::{EventStoreExt, ExpectedVersion, ReadModelStore, ReadModels, Runner, Settings, Version};
use es_postgres::PgStore;
use sqlx::PgPool;
use uuid::Uuid;

use self::domain::{Account, AccountEvent, History, Open, PayIn, PayInToKept, Saved, deposited};
use self::read_models::{Balance, Projected};
use super::{OURS_APPEND, OURS_CACHED, OURS_PROJECTOR, OURS_SNAPSHOT, pool};
use crate::Result;
use crate::options::Options;
use crate::system::{About, Following, Side, System};
use crate::work::{Balances, Work};

const LONG_ENOUGH: Duration = Duration::from_secs(600);
const PAGE: u32 = 10_000;
/// Events between two ticks while it is filled.
const TICK_EVERY: usize = 1_000;

pub(super) struct Ours {
    name: &'static str,
    store: PgStore,
    /// For what an application does beside the store.
    pool: PgPool,
    settings: Settings,
}

impl Ours {
    pub(super) async fn new(name: &'static str, url: &str, options: &Options) -> Result<Self> {
        let store = PgStore::options().max_connections(options.connections).connect(url).await?;
        store.migrate().await?;
        let pool = pool(url, 2).await?;
        let table = "CREATE TABLE balances (account text COLLATE \"C\" PRIMARY KEY, amount bigint NOT NULL)";
        sqlx::query(table).execute(&pool).await?;
        Ok(Self { name, store, pool, settings: Settings::default().batch(options.batch) })
    }

    fn runner(&self) -> Runner<PgStore> {
        let runner = Runner::new(self.store.clone()).settings(self.settings);
        if self.name == OURS_PROJECTOR { runner.add(Projected) } else { runner.document::<Balance>() }
    }

    /// One transaction.
    async fn store_layer(&self, layer: crate::work::Layer) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let inside = self.store.in_transaction(&mut transaction);
        for (account, deposit) in layer.deposits {
            let expected = ExpectedVersion::Exact(Version(u64::from(layer.version) - 1));
            inside.append_events::<Account>(&account, expected, AccountEvent::Deposited(deposit)).await?;
        }
        drop(inside);
        transaction.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl System for Ours {
    fn about(&self) -> About {
        About {
            name: self.name,
            version: env!("PEERS_ES"),
            side: Side::Ours,
            one_by_one: false,
            catches_up_by: match self.name {
                OURS_PROJECTOR => "`Projector::project_batch`: one upsert for a batch",
                _ => "`Document`: folded in memory, a batch in one statement",
            },
            guarantees: "exactly once: effect and checkpoint of a batch are one transaction; order of the log, late commits \
                         included; one owner at a time, fenced",
        }
    }

    /// Layer by layer, with a tick of the log for every thousand events; where states are kept at hand, the last one by commands, which bring them there.
    async fn fill(&self, work: &Work) -> Result<()> {
        let mut without_place = 0;
        for layer in work.layers() {
            without_place += layer.deposits.len();
            if self.name == OURS_CACHED && layer.version == work.events_each {
                for (id, deposit) in layer.deposits {
                    self.store.execute(PayInToKept { id, amount: deposit.amount }).await?;
                }
            } else {
                self.store_layer(layer).await?;
            }
            if without_place >= TICK_EVERY {
                sqlx::query("SELECT es.tick()").execute(&self.pool).await?;
                without_place = 0;
            }
        }
        sqlx::query("VACUUM ANALYZE es.events").execute(&self.pool).await?;
        Ok(())
    }

    async fn amounts(&self, account: Uuid) -> Result<Vec<i64>> {
        Ok(self.store.load::<History>(&account).await?.state.amounts)
    }

    async fn forget(&self) -> Result<()> {
        for status in self.store.projections().await? {
            self.store.drop_projection(&status.id).await?;
        }
        sqlx::raw_sql("TRUNCATE balances").execute(&self.pool).await?;
        Ok(())
    }

    async fn catch_up(&self, _: u64) -> Result<()> {
        let running = self.runner().start().await?;
        running.catch_up_within(LONG_ENOUGH).await?;
        running.stop().await;
        Ok(())
    }

    async fn balances(&self) -> Result<Balances> {
        let balances: Vec<(String, i64)> = if self.name == OURS_PROJECTOR {
            sqlx::query_as("SELECT account, amount FROM balances").fetch_all(&self.pool).await?
        } else {
            let documents = self.store.documents::<Balance>()?.list(None, PAGE).await?;
            documents.into_iter().map(|(key, balance)| (key, balance.amount)).collect()
        };
        balances.into_iter().map(|(account, amount)| Ok((account.parse()?, amount))).collect()
    }

    async fn deposit(&self, id: Uuid, amount: i64) -> Result<u32> {
        Ok(if self.name == OURS_CACHED {
            self.store.execute(PayInToKept { id, amount }).await?.attempts
        } else {
            self.store.execute(PayIn { id, amount }).await?.attempts
        })
    }

    async fn open(&self, id: Uuid, amount: i64) -> Result<u32> {
        if self.name != OURS_APPEND {
            return Ok(self.store.execute(Open { id, amount }).await?.attempts);
        }
        self.store.append_events::<Account>(&id, ExpectedVersion::NoStream, deposited(amount)).await?;
        Ok(1)
    }

    async fn load(&self, account: Uuid) -> Result<i64> {
        Ok(if self.name == OURS_SNAPSHOT {
            self.store.load::<Saved>(&account).await?.state.0.balance
        } else {
            self.store.load::<Account>(&account).await?.state.balance
        })
    }

    async fn snapshot(&self, account: Uuid) -> Result<()> {
        if self.name == OURS_SNAPSHOT {
            self.store.take_snapshot::<Saved>(&account).await?;
        }
        Ok(())
    }

    async fn follow(self: Arc<Self>) -> Result<Option<Following>> {
        let running = self.runner().start().await?;
        Ok(Some(Following::until(async move {
            running.stop().await;
            Ok(())
        })))
    }

    async fn balance(&self, account: Uuid) -> Result<Option<i64>> {
        let account = account.to_string();
        if self.name == OURS_PROJECTOR {
            let select = "SELECT amount FROM balances WHERE account = $1";
            return Ok(sqlx::query_scalar(select).bind(account).fetch_optional(&self.pool).await?);
        }
        Ok(self.store.documents::<Balance>()?.get(&account).await?.map(|balance| balance.amount))
    }
}
