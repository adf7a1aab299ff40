//! Who writes all the while: at once, at the end of a longer transaction that commits late, or for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::{Append, EventStore, ExpectedVersion, StreamId};
use es_postgres::PgStore;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::domain::written;
use crate::random::Random;

const WRITERS: u64 = 5;
const LEDGERS: u64 = 12;

pub struct Writers {
    over: Arc<AtomicBool>,
    tasks: JoinSet<Tally>,
}

#[derive(Debug, Default)]
pub struct Tally {
    /// Appends that were committed late.
    pub late: u32,
    pub rolled_back: u32,
}

impl Writers {
    pub async fn start(url: &str, seed: u64) -> Self {
        let (over, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        let store = PgStore::connect(url).await.unwrap();
        for writer in 0..WRITERS {
            let users = PgConnection::connect(url).await.unwrap();
            tasks.spawn(write(store.clone(), users, Random::of(seed, writer), Arc::clone(&over)));
        }
        Self { over, tasks }
    }

    pub async fn finish(self) -> Tally {
        self.over.store(true, Ordering::SeqCst);
        let tallies = timeout(PATIENCE, self.tasks.join_all()).await.expect("writers end");
        let add = |sum: Tally, one: Tally| Tally {
            late: sum.late + one.late,
            rolled_back: sum.rolled_back + one.rolled_back,
        };
        tallies.into_iter().fold(Tally::default(), add)
    }
}

async fn write(store: PgStore, mut users: PgConnection, mut random: Random, over: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    while !over.load(Ordering::SeqCst) {
        let append = any_append(&mut random);
        match random.below(10) {
            0..7 => drop(store.append(append).await.unwrap()),
            7 | 8 => {
                append_late(&store, &mut users, &mut random, append, "COMMIT").await;
                tally.late += 1;
            }
            _ => {
                append_late(&store, &mut users, &mut random, append, "ROLLBACK").await;
                tally.rolled_back += 1;
            }
        }
        sleep(Duration::from_micros(random.below(8_000))).await;
    }
    tally
}

/// In a transaction that took its number early, and that ends late.
async fn append_late(
    store: &PgStore,
    users: &mut PgConnection,
    random: &mut Random,
    append: Append,
    end: &'static str,
) {
    let mut transaction = users.begin().await.unwrap();
    transaction.execute("SELECT pg_current_xact_id()").await.unwrap();
    sleep(Duration::from_micros(random.below(10_000))).await;
    store.in_transaction(&mut transaction).append(append).await.unwrap();
    sleep(Duration::from_micros(random.below(80_000))).await;
    match end {
        "COMMIT" => transaction.commit().await.unwrap(),
        _ => transaction.rollback().await.unwrap(),
    }
}

/// One to four events of one ledger.
fn any_append(random: &mut Random) -> Append {
    let stream = StreamId::new("ledger", random.below(LEDGERS).to_string()).unwrap();
    let events = (0..=random.below(4)).map(|_| written(random.event_id())).collect();
    Append::new(stream, ExpectedVersion::Any, events)
}
