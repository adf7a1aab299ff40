//! What is stored, what was taken in, and whether the one is the other.

use std::collections::BTreeMap;
use std::fmt;

use es_core::{EventStore, Position, ProjectionStatus, RawEvent, ReadLog, ReadModelStore, ReadModels};
use es_postgres::PgStore;
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};

use crate::checker::{Seen, Stored, Violation, judge};
use crate::domain::{ALL, Trail};

pub struct Truth {
    /// Everything that was ever committed.
    committed: Vec<Stored>,
    log: Vec<Seen>,
    /// What was taken in, in the order in which it was, and by which process.
    notes: Vec<(Seen, i64)>,
    documents: Vec<(String, Trail)>,
    statuses: Vec<ProjectionStatus>,
}

impl Truth {
    pub async fn of(store: &PgStore, url: &str) -> Self {
        let mut connection = PgConnection::connect(url).await.unwrap();
        Self {
            committed: committed(&mut connection).await,
            log: log(store).await,
            notes: notes(&mut connection).await,
            documents: store.documents::<Trail>().unwrap().list(None, 1_000).await.unwrap(),
            statuses: store.projections().await.unwrap(),
        }
    }

    /// Each committed event is noted once, places rise, and each stream's versions count.
    pub fn violations(&self) -> Vec<Violation> {
        judge(&self.committed, &self.taken_in())
    }

    /// How often another process was at work than before.
    pub fn takeovers(&self) -> usize {
        self.notes.windows(2).filter(|two| two[0].1 != two[1].1).count()
    }

    /// Notes and documents are what the log says, and the checkpoints count what was taken in.
    pub fn assert_the_same_everywhere(&self, seed: u64) {
        assert!(self.taken_in() == self.log, "seed {seed}: every event was noted with its own place");
        assert_eq!(self.documents, folded(&self.log), "seed {seed}: documents are a fold of the log");
        for status in &self.statuses {
            let seen = (status.events, status.lag_events, status.parked);
            assert_eq!(seen, (self.log.len() as u64, 0, 0), "seed {seed}: {status:?}");
        }
        assert_eq!(self.statuses.len(), 2);
    }

    fn taken_in(&self) -> Vec<Seen> {
        self.notes.iter().map(|(seen, _)| seen.clone()).collect()
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, takeovers) = (self.committed.len(), self.takeovers());
        write!(f, "{events} events, {} taken in, {takeovers} takeovers", self.notes.len())
    }
}

async fn committed(connection: &mut PgConnection) -> Vec<Stored> {
    const ALL: &str = "SELECT event_id, category || '-' || stream_id, version FROM es.events";
    let rows = sqlx::query(ALL).fetch_all(connection).await.unwrap();
    rows.iter().map(stored).collect()
}

async fn notes(connection: &mut PgConnection) -> Vec<(Seen, i64)> {
    const ALL: &str = "SELECT event_id, stream, version, position, process FROM notes ORDER BY written";
    let rows = sqlx::query(ALL).fetch_all(connection).await.unwrap();
    let seen = |row: &PgRow| Seen { position: number(row, 3), event: stored(row) };
    rows.iter().map(|row| (seen(row), row.get(4))).collect()
}

fn stored(row: &PgRow) -> Stored {
    Stored { id: row.get(0), stream: row.get(1), version: number(row, 2) }
}

fn number(row: &PgRow, column: usize) -> u64 {
    u64::try_from(row.get::<i64, _>(column)).unwrap()
}

async fn log(store: &PgStore) -> Vec<Seen> {
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let visit = &mut |event: RawEvent<'_>| {
            let stored = Stored { id: event.id.0, stream: event.stream.to_string(), version: event.version.0 };
            all.push(Seen { position: event.position.unwrap().0, event: stored });
            Ok(())
        };
        let page = store.read_log(ReadLog::after(after).limit(1_000), visit).await.unwrap();
        if page.at_end {
            return all;
        }
        after = page.next;
    }
}

fn folded(log: &[Seen]) -> Vec<(String, Trail)> {
    let mut documents = BTreeMap::<String, Trail>::new();
    for Seen { event, .. } in log {
        let (_, ledger) = event.stream.split_once('-').unwrap();
        for key in [ledger, ALL] {
            documents.entry(key.to_owned()).or_default().follow(event.id);
        }
    }
    documents.into_iter().collect()
}
