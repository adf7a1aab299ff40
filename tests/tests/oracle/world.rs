//! One run's surroundings: a database, stores as several processes would have them, and who is to stop when.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use es_core::{Position, StreamId};
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::watch;

use crate::checker::Stored;
use crate::random::Random;
use crate::truth::Truth;

/// Streams that all writers share; besides, each has one of its own.
const SHARED_STREAMS: u64 = 20;

pub struct World {
    pub seed: u64,
    pub truth: Truth,
    /// Two stores for the writers, as two processes have them.
    pub writing: [PgStore; 2],
    pub reading: PgStore,
    /// What the users' own transactions run on.
    pub pool: PgPool,
    pub database: Database,
    stopped: AtomicBool,
    calm: AtomicBool,
    end: watch::Sender<Option<Position>>,
    /// How many events the naive reader was given, and the highest number of them.
    naive: Mutex<(i64, i64)>,
}

impl World {
    pub async fn new(seed: u64, writers: u32) -> Self {
        let database = Database::create().await;
        let store = async |connections| {
            let options = PgStore::options().max_connections(connections).acquire_timeout(Duration::from_secs(30));
            options.connect(database.url()).await.unwrap()
        };
        let reading = store(8).await;
        reading.migrate().await.unwrap();
        let pool = PgPoolOptions::new().max_connections(writers).connect(database.url()).await.unwrap();
        sqlx::raw_sql("CREATE TABLE notes (note text)").execute(&pool).await.unwrap();
        Self {
            seed,
            truth: Truth::default(),
            writing: [store(writers / 2).await, store(writers / 2).await],
            reading,
            pool,
            database,
            stopped: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            end: watch::Sender::new(None),
            naive: Mutex::default(),
        }
    }

    /// Writers finish what they are at, and begin nothing new.
    pub fn stop_writing(&self) {
        self.stopped.store(true, SeqCst);
    }

    pub fn is_writing(&self) -> bool {
        !self.stopped.load(SeqCst)
    }

    /// Nobody is killed any more.
    pub fn calm_down(&self) {
        self.calm.store(true, SeqCst);
    }

    pub fn is_wild(&self) -> bool {
        !self.calm.load(SeqCst)
    }

    /// Readers stop when they have come this far.
    pub fn announce_end(&self, end: Position) {
        self.end.send_replace(Some(end));
    }

    pub fn end(&self) -> Option<Position> {
        *self.end.borrow()
    }

    /// Half of the time one of the writer's own, else one that others write to as well.
    pub fn any_stream(&self, random: &mut Random, writer: u64) -> StreamId {
        let category = if random.percent(30) { "invoice" } else { "order" };
        let id = match random.below(2) {
            0 => format!("own-{writer}"),
            _ => random.below(SHARED_STREAMS).to_string(),
        };
        StreamId::new(category, id).unwrap()
    }

    /// Ends one process of the server, whoever's it is.
    pub async fn kill(&self, pid: i32) {
        if let Ok(mut connection) = PgConnection::connect(self.database.url()).await {
            let _ = sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut connection).await;
            self.truth.count("killed");
        }
    }

    pub fn note_naive(&self, given: usize, highest: i64) {
        *self.naive.lock().unwrap() = (i64::try_from(given).unwrap(), highest);
    }

    /// Whether the naive reader has already passed over something, for ever.
    pub async fn naive_has_missed_something(&self) -> bool {
        let (given, highest) = *self.naive.lock().unwrap();
        let query = sqlx::query_scalar("SELECT count(*) FROM es.events WHERE pk <= $1").bind(highest);
        let there: Result<i64, _> = query.fetch_one(&self.pool).await;
        there.is_ok_and(|there| there > given)
    }

    /// What is in the table now, read by nothing but plain SQL.
    pub async fn committed(&self) -> Vec<Stored> {
        committed(self.database.url(), "").await
    }
}

/// The events in the table, those that a condition allows.
pub async fn committed(url: &str, condition: &'static str) -> Vec<Stored> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let query = format!("SELECT event_id, category || '-' || stream_id, version FROM es.events {condition}");
    let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut connection).await.unwrap();
    let stored = |row: &sqlx::postgres::PgRow| Stored {
        id: row.get(0),
        stream: row.get(1),
        version: u64::try_from(row.get::<i64, _>(2)).unwrap(),
    };
    rows.iter().map(stored).collect()
}
