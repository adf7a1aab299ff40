//! A domain to run commands on, a follower of the log, and ways to see who waits for whom.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use es_core::{
    Aggregate, Append, Command, Context, Event, EventStore, ExpectedVersion, Handle, IntoEvents, NewEvent, Position,
    RawEvent, ReadLog, ReadStream, Snapshots, StreamId,
};
use es_postgres::PgStore;
use es_test_support::Database;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::checker::{Seen, Stored};

/// For what must happen, on a machine that does a lot of other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(category = "tally")]
pub enum TallyEvent {
    Added { amount: u64 },
    Noted { text: String },
}

/// A state that tells the order of its events.
#[derive(Default, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Tally {
    pub events: u64,
    pub trail: u64,
    pub last_text: String,
}

impl Aggregate for Tally {
    type Id = String;
    type Event = TallyEvent;

    fn apply(&mut self, event: TallyEvent) {
        self.events += 1;
        match event {
            TallyEvent::Added { amount } => self.trail = self.trail.wrapping_mul(31).wrapping_add(amount),
            TallyEvent::Noted { text } => self.last_text = text,
        }
    }

    /// None is ever due, but those that are there are used.
    fn snapshots() -> Snapshots<Self> {
        Snapshots::when(|_| false).state_version(2)
    }
}

#[derive(Command, Clone, Debug)]
#[command(aggregate = Tally)]
pub struct Add {
    #[command(id)]
    pub tally: String,
    pub amount: u64,
}

impl Handle<Add> for Tally {
    type Error = Infallible;

    fn handle(&self, command: Add, _: &Context) -> Result<impl IntoEvents<TallyEvent>, Infallible> {
        Ok(TallyEvent::Added { amount: command.amount })
    }
}

pub async fn migrated() -> (Database, PgStore) {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    (database, store)
}

pub async fn connect(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

/// A connection in a transaction that has its number already.
pub async fn begun(database: &Database) -> PgConnection {
    let mut connection = connect(database).await;
    connection.execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    connection
}

pub fn stream(id: &str) -> StreamId {
    StreamId::new("tally", id).unwrap()
}

/// So many events of amount 1, 2, 3, ….
pub fn append(id: &str, expected: impl Into<ExpectedVersion>, events: u64) -> Append {
    let event = |amount| NewEvent::new("tally.added", 1, format!(r#"{{"amount":{amount}}}"#));
    Append::new(stream(id), expected.into(), (1..=events).map(event).collect())
}

/// The ids of a stream's events, in order. Their versions count.
pub async fn ids<S: EventStore>(store: &S, id: &str) -> Vec<Uuid> {
    let (mut ids, mut versions) = (Vec::new(), Vec::new());
    let visit = &mut |event: RawEvent<'_>| {
        ids.push(event.id.0);
        versions.push(event.version.0);
        Ok(())
    };
    store.read_stream(ReadStream::forwards(stream(id)), visit).await.unwrap();
    assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "versions of {id}");
    ids
}

pub fn ids_of(append: &Append) -> Vec<Uuid> {
    append.events.iter().map(|event| event.id.0).collect()
}

/// Reads the log on from where it has come to, and keeps everything.
pub struct Follower<S> {
    store: S,
    pub seen: Vec<Seen>,
    after: Position,
}

impl<S: EventStore> Follower<S> {
    pub fn new(store: S) -> Self {
        Self { store, seen: Vec::new(), after: Position::START }
    }

    /// One page, and whether there was nothing more.
    pub async fn read_page(&mut self) -> bool {
        let seen = &mut self.seen;
        let visit = &mut |event: RawEvent<'_>| {
            let event_of = Stored { id: event.id.0, stream: event.stream.to_string(), version: event.version.0 };
            seen.push(Seen { position: event.position.unwrap().0, event: event_of });
            Ok(())
        };
        let page = self.store.read_log(ReadLog::after(self.after).limit(100), visit).await.unwrap();
        self.after = page.next;
        page.at_end
    }

    /// Reads until there are so many events.
    pub async fn read_until(&mut self, events: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.seen.len() < events {
            assert!(Instant::now() < deadline, "{} of {events} events were read in {PATIENCE:?}", self.seen.len());
            self.read_page().await;
        }
    }

    /// How often an event was given.
    pub fn count(&self, id: Uuid) -> usize {
        self.seen.iter().filter(|seen| seen.event.id == id).count()
    }
}

/// Waits until so many sessions of the database wait for a lock.
pub async fn until_waiting(database: &Database, sessions: i64) {
    const WAITING: &str = "
        SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE NOT granted AND datname = current_database()";
    let mut connection = connect(database).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waiting: i64 = sqlx::query_scalar(WAITING).fetch_one(&mut connection).await.unwrap();
        if waiting >= sessions {
            return;
        }
        assert!(Instant::now() < deadline, "{waiting} of {sessions} sessions wait for a lock");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
