//! Runners whose connections are killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::{Document, EventStore, IntoKeys, Projector, ReadModelStore, ReadModels, Recorded, Runner, Settings};
use es_postgres::PgStore;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row};

use crate::fixture::*;

/// Ends every connection of the stores that run projections.
pub(crate) const KILL_OWNERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE datname = current_database() AND application_name = 'es-postgres'";

/// Keeps a table of its own by SQL.
struct Balances;

impl Projector for Balances {
    const NAME: &'static str = "balances";
    type Event = AccountEvent;
    type Target = PgConnection;
    type Error = sqlx::Error;

    async fn project(&self, event: &Recorded<AccountEvent>, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let AccountEvent::Deposited { amount } = event.event;
        let upsert = "INSERT INTO balances VALUES ($1, $2, 1) ON CONFLICT (account) DO UPDATE
                         SET cents = balances.cents + $2, movements = balances.movements + 1";
        sqlx::query(upsert).bind(event.stream.id()).bind(amount).execute(db).await.map(drop)
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Statement {
    cents: i64,
    versions: Vec<u64>,
}

impl Document for Statement {
    const NAME: &'static str = "statement";
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        event.stream.id()
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        let AccountEvent::Deposited { amount } = event.event;
        self.cents += amount;
        self.versions.push(event.version.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_takes_effect_once_while_connections_are_killed() {
    let (store, database) = store().await;
    let mut admin = connection(&database).await;
    run(&mut admin, "CREATE TABLE balances (account text PRIMARY KEY, cents bigint, movements bigint)").await;
    let settings = Settings::default().batch(7).lease(Duration::from_secs(1));
    let runner = |store: PgStore| Runner::new(store).settings(settings).add(Balances).document::<Statement>().start();
    let rival = PgStore::connect(database.url()).await.unwrap();
    let (first, second) = (runner(store.clone()).await.unwrap(), runner(rival).await.unwrap());

    let writer = PgStore::options().application_name("writer").connect(database.url()).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds < 10 {
                run(&mut admin, KILL_OWNERS).await;
                rounds += 1;
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            rounds
        }
    });
    for nth in 0..300 {
        writer.append(deposit(&format!("{}", nth % 5), nth)).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    assert!(killer.await.unwrap() >= 10);
    first.catch_up_within(LONG).await.unwrap();

    let mut onlooker = connection(&database).await;
    let rows = sqlx::query("SELECT cents, movements FROM balances ORDER BY account").fetch_all(&mut onlooker).await;
    let balances: Vec<(i64, i64)> = rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected = |account: i64| (0..60).map(|nth| nth * 5 + account).sum::<i64>();
    assert_eq!(balances, (0..5).map(|account| (expected(account), 60)).collect::<Vec<_>>());
    for account in 0..5 {
        let statement = writer.documents::<Statement>().unwrap().get(&account.to_string()).await.unwrap().unwrap();
        assert_eq!(statement, Statement { cents: expected(account), versions: (1..=60).collect() });
    }
    for running in [first, second] {
        running.stop().await;
    }
    let statuses = writer.projections().await.unwrap();
    assert!(statuses.iter().all(|status| status.owner().is_none() && status.events == 300), "{statuses:#?}");
}
