//! Writers that do everything that may be done to a store, in every order.

use std::sync::Arc;
use std::time::Duration;

use es_core::{Append, Error, EventStore, ExpectedVersion, NewEvent, Version};
use es_postgres::PgStore;
use sqlx::{Executor, PgConnection, PgTransaction};

use crate::checker::Stored;
use crate::random::Random;
use crate::truth::as_stored;
use crate::world::World;

/// The longest that a transaction waits between two of its statements.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// The longest that a transaction waits before it commits.
const LATEST_COMMIT: Duration = Duration::from_millis(1500);

pub struct Writer {
    world: Arc<World>,
    number: u64,
    random: Random,
}

/// How a user's transaction ended before its commit.
enum Early {
    /// The user, or the library, gave it up.
    GivenUp,
}

impl Writer {
    pub fn new(world: Arc<World>, number: u64) -> Self {
        Self { random: Random::of(world.seed, number), number, world }
    }

    pub async fn run(mut self) {
        while self.world.is_writing() {
            match self.random.below(100) {
                0..40 => self.append_alone().await,
                40..50 => self.append_at_a_wrong_version().await,
                _ => self.transaction().await,
            }
        }
    }

    async fn append_alone(&mut self) {
        let append = self.any_append(ExpectedVersion::Any);
        let store = self.store().clone();
        match store.append(append.clone()).await {
            Ok(appended) => {
                self.world.truth.stored(as_stored(&append, appended.version));
                self.world.truth.count("appended alone");
                self.ask_for_the_end(&store, &append).await;
            }
            Err(error) => self.take_note(&append, &error, false),
        }
    }

    /// Whoever was acknowledged and then asks where the log ends must find the events before that end.
    async fn ask_for_the_end(&mut self, store: &PgStore, append: &Append) {
        if self.random.percent(20) {
            match store.log_end().await {
                Ok(end) => self.world.truth.promised(append, end),
                Err(error) if error.is_transient() => self.world.truth.count("end unavailable"),
                Err(error) => self.world.truth.scandal(format!("log_end: {error:?}")),
            }
        }
    }

    async fn append_at_a_wrong_version(&mut self) {
        let append = self.any_append(ExpectedVersion::Exact(Version(1_000_000_000)));
        match self.store().append(append.clone()).await {
            Ok(appended) => self.world.truth.scandal(format!("{append:?} was let in at {appended:?}")),
            Err(error) => self.take_note(&append, &error, true),
        }
    }

    async fn transaction(&mut self) {
        let Ok(mut transaction) = self.world.pool.begin().await else { return };
        let mut stored = Vec::new();
        if let Err(Early::GivenUp) = self.fill(&mut transaction, &mut stored).await {
            self.world.truth.taken_back(&stored);
            return;
        }
        self.random.dawdle(LATEST_COMMIT).await;
        match self.random.below(100) {
            0..8 => {
                self.world.truth.taken_back(&stored);
                let _ = transaction.rollback().await;
                self.world.truth.count("rolled back");
            }
            8..12 => self.commit_while_killed(transaction, stored).await,
            _ => self.commit(transaction, stored).await,
        }
    }

    async fn fill(&mut self, transaction: &mut PgTransaction<'_>, stored: &mut Vec<Stored>) -> Result<(), Early> {
        if self.random.percent(50) {
            self.run_sql(transaction, "INSERT INTO notes VALUES ('the transaction has its number now')").await?;
        }
        let mut streams: Vec<_> =
            (0..=self.random.below(4)).map(|_| self.world.any_stream(&mut self.random, self.number)).collect();
        if self.random.percent(60) {
            streams.sort();
        }
        for stream in streams {
            self.random.dawdle(LONGEST_PAUSE).await;
            let append = Append { stream, ..self.any_append(ExpectedVersion::Any) };
            if self.random.percent(10) {
                self.append_and_take_back(transaction, append).await?;
            } else {
                stored.extend(self.append_inside(transaction, append).await?);
            }
        }
        Ok(())
    }

    async fn append_inside(&mut self, connection: &mut PgConnection, append: Append) -> Result<Vec<Stored>, Early> {
        let store = self.store().clone();
        match store.in_transaction(connection).append(append.clone()).await {
            Ok(appended) => Ok(as_stored(&append, appended.version)),
            Err(error) => {
                self.take_note(&append, &error, false);
                Err(Early::GivenUp)
            }
        }
    }

    async fn append_and_take_back(&mut self, connection: &mut PgConnection, append: Append) -> Result<(), Early> {
        self.run_sql(connection, "SAVEPOINT before").await?;
        let stored = self.append_inside(connection, append).await?;
        self.world.truth.taken_back(&stored);
        self.run_sql(connection, "ROLLBACK TO SAVEPOINT before").await?;
        self.world.truth.count("savepoints");
        Ok(())
    }

    async fn run_sql(&self, connection: &mut PgConnection, sql: &'static str) -> Result<(), Early> {
        connection.execute(sql).await.map(drop).map_err(|_| Early::GivenUp)
    }

    async fn commit(&self, transaction: PgTransaction<'_>, stored: Vec<Stored>) {
        match transaction.commit().await {
            Ok(()) => {
                self.world.truth.count("transactions");
                self.world.truth.stored(stored);
            }
            Err(_) => {
                self.world.truth.count("commits in doubt");
                self.world.truth.unknown(stored);
            }
        }
    }

    async fn commit_while_killed(&mut self, mut transaction: PgTransaction<'_>, stored: Vec<Stored>) {
        let pid: Result<i32, _> = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *transaction).await;
        match pid {
            Ok(pid) => drop(tokio::join!(self.world.kill(pid), self.commit(transaction, stored))),
            Err(_) => self.world.truth.taken_back(&stored),
        }
    }

    /// An append that failed must say why in a way that the caller can rely on.
    fn take_note(&self, append: &Append, error: &Error, conflict_expected: bool) {
        let truth = &self.world.truth;
        match error {
            Error::UnknownOutcome { .. } => {
                truth.count("appends in doubt");
                // Where it would be is not known; what counts here is that it is whole or not there.
                let ids = append.events.iter().map(|event| event.id.0);
                truth.unknown(ids.map(|id| Stored { id, stream: append.stream.to_string(), version: 0 }).collect());
                return;
            }
            Error::Conflict(_) if conflict_expected => truth.count("conflicts"),
            error if error.is_transient() => truth.count(kind(error)),
            error => truth.scandal(format!("an append was refused with {error:?}")),
        }
        truth.refused(append);
    }

    fn any_append(&mut self, expected: ExpectedVersion) -> Append {
        let stream = self.world.any_stream(&mut self.random, self.number);
        let count = if self.random.percent(70) { 1 } else { 2 + self.random.below(6) };
        Append::new(stream, expected, (0..count).map(|_| self.any_event()).collect())
    }

    fn any_event(&mut self) -> NewEvent {
        let id = self.random.event_id();
        NewEvent { id, ..NewEvent::new("order.changed", 1, r#"{"by":"the oracle"}"#) }
    }

    fn store(&self) -> &PgStore {
        &self.world.writing[usize::from(self.number.is_multiple_of(2))]
    }
}

fn kind(error: &Error) -> &'static str {
    let Error::Unavailable { source } = error else { return "other" };
    let database = source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    match database.and_then(|e| e.code()).as_deref() {
        Some("40P01") => "deadlocks",
        Some("57P01") => "backends lost",
        Some(_) => "otherwise unavailable",
        None => "connections lost",
    }
}
