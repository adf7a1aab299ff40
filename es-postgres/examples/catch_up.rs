//! How fast stored events become a balance for each account: a `Document`, and a projector with one statement for a batch.
//!
//! `cargo run --release -p es-postgres --example catch_up -- [events] [accounts] [batch]`
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a measurement has nobody to hand an error to"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use es_core::{
    Batch, BoxError, Document, Event, EventStore, IntoKeys, Position, Projector, ReadLog, Recorded, Runner, Settings,
};
use es_postgres::PgStore;
use es_test_support::{Database, Server};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { amount: i64 },
}

#[derive(Default, Serialize, Deserialize)]
struct Balance {
    cents: i64,
}

impl Document for Balance {
    const NAME: &'static str = "balance";
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        event.stream.id()
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        let AccountEvent::Deposited { amount } = event.event;
        self.cents += amount;
    }
}

struct Balances;

impl Projector for Balances {
    const NAME: &'static str = "balances";
    type Event = AccountEvent;
    type Target = PgConnection;
    type Error = BoxError;

    async fn project(&self, _: &Recorded<AccountEvent>, _: &mut PgConnection) -> Result<(), BoxError> {
        Err("only whole batches are taken in".into())
    }

    async fn project_batch(
        &self,
        batch: &Batch<'_, AccountEvent>,
        connection: &mut PgConnection,
    ) -> Result<(), BoxError> {
        let mut changes = BTreeMap::<&str, i64>::new();
        for event in batch {
            let AccountEvent::Deposited { amount } = event.event;
            *changes.entry(event.stream.id()).or_default() += amount;
        }
        let (accounts, cents): (Vec<&str>, Vec<i64>) = changes.into_iter().unzip();
        let upsert = "INSERT INTO balances SELECT * FROM unnest($1::text[], $2::bigint[])
                      ON CONFLICT (account) DO UPDATE SET cents = balances.cents + excluded.cents";
        sqlx::query(upsert).bind(accounts).bind(cents).execute(connection).await?;
        Ok(())
    }
}

/// A thousand events to a tick.
async fn fill(database: &Database, events: u64, accounts: u64) {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let events = format!(
        "DO $$ BEGIN FOR i IN 0..{events} / 1000 - 1 LOOP
           INSERT INTO es.events (category, stream_id, version, event_id, type, schema_version, payload, slice)
           SELECT 'account', (i * 1000 + g) % {accounts}, 1 + (i * 1000 + g) / {accounts}, gen_random_uuid(),
                  'account.deposited', 1, '{{\"amount\":5}}', 0
             FROM generate_series(0, 999) g;
           COMMIT;
           PERFORM es.tick();
           COMMIT;
         END LOOP; END $$"
    );
    let table = "CREATE TABLE balances (account text COLLATE \"C\" PRIMARY KEY, cents bigint)".to_owned();
    for sql in [table, events, "VACUUM ANALYZE".to_owned()] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
}

async fn measure(name: &str, events: u64, runner: Runner<PgStore>) {
    let begun = Instant::now();
    let running = runner.start().await.unwrap();
    running.catch_up_within(Duration::from_secs(600)).await.unwrap();
    let took = begun.elapsed();
    running.stop().await;
    println!("{name}: {:.0} events/s ({took:.2?}){}", events as f64 / took.as_secs_f64(), memory());
}

/// The most memory that this process has had so far, where the system tells (Linux).
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    most.map(|most| format!(", at most {} of memory so far", most.trim())).unwrap_or_default()
}

async fn read_only(store: &PgStore, events: u64, batch: u32) {
    let (begun, mut after, mut seen) = (Instant::now(), Position::START, 0_u64);
    loop {
        let mut visit = |event: es_core::RawEvent<'_>| {
            event.decode::<AccountEvent>()?;
            seen += 1;
            Ok(())
        };
        let page =
            store.read_log(ReadLog::after(after).filter(Balance::filter()).limit(batch), &mut visit).await.unwrap();
        after = page.next;
        if page.at_end {
            break;
        }
    }
    assert_eq!(seen, events);
    println!("reading and decoding alone: {:.0} events/s", events as f64 / begun.elapsed().as_secs_f64());
}

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u64>().unwrap());
    let events = numbers.next().unwrap_or(200_000);
    let accounts = numbers.next().unwrap_or(1_000);
    let batch = u32::try_from(numbers.next().unwrap_or(u64::from(Settings::DEFAULT_BATCH))).unwrap();
    let database = Database::create_on(&Server::durable().await).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    fill(&database, events, accounts).await;
    println!("{events} events, {accounts} accounts, batches of {batch}");
    let settings = Settings::default().batch(batch);
    read_only(&store, events, batch).await;
    measure("documents", events, Runner::new(store.clone()).settings(settings).document::<Balance>()).await;
    measure("projector, by batch", events, Runner::new(store.clone()).settings(settings).add(Balances)).await;
}
