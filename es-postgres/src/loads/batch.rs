//! Loads that go out as one statement.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use es_core::Error;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use crate::PgStore;
use crate::connections::{Lent, is_complete};
use crate::loads::{Outcome, Waiting, Wish};
use crate::queue;
use crate::read::next;
use crate::row::Column;
use crate::sql::Sql;

/// Where the statements say how much they read of each stream.
const EVENTS_EACH: &str = "{events_each}";

/// The streams of one statement, at the most.
const MOST_STREAMS: usize = 256;
/// The events of each, at the most. Streams that are loaded again and again without a snapshot seldom have more, and so many of them are
/// read in a few milliseconds.
pub(crate) const MOST_EVENTS: usize = 100;
/// The bytes of their rows that are kept until the statement is done, about. Whose row comes later goes on alone.
const MOST_BYTES: usize = 4 << 20;

/// The beginnings of several streams. Each is looked up by key and comes in the order of the index.
const STREAMS: &str = "
SELECT e.version, e.type, e.schema_version, e.payload, w.nth
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY w(category, stream_id, nth)
 CROSS JOIN LATERAL (
    SELECT version, type, schema_version, payload FROM {schema}.events
     WHERE category = w.category AND stream_id = w.stream_id
     ORDER BY version LIMIT {events_each}) e";

/// The same behind their snapshots, which come first. What is said of
/// [`LOAD_WITH_SNAPSHOT`](crate::read::LOAD_WITH_SNAPSHOT) goes for each.
const STREAMS_WITH_SNAPSHOTS: &str = "
SELECT e.version, e.type, e.schema_version, e.payload, w.nth
  FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY w(category, stream_id, state_version, nth)
  LEFT JOIN LATERAL (
    SELECT n.version, n.state FROM {schema}.snapshots n
     WHERE n.category = w.category AND n.stream_id = w.stream_id AND n.state_version = w.state_version
       AND n.version = (SELECT e.version FROM {schema}.events e
                         WHERE e.category = w.category AND e.stream_id = w.stream_id AND e.version = n.version)
    OFFSET 0) s ON true
 CROSS JOIN LATERAL (
    SELECT s.version, NULL::text AS type, 0 AS schema_version, s.state AS payload WHERE s.version IS NOT NULL
    UNION ALL
    (SELECT version, type, schema_version, payload FROM {schema}.events
      WHERE category = w.category AND stream_id = w.stream_id AND version > coalesce(s.version, 0)
      ORDER BY version LIMIT {events_each})) e";

/// For loads without snapshots.
pub(crate) fn streams() -> String {
    STREAMS.replace(EVENTS_EACH, &MOST_EVENTS.to_string())
}

/// For loads behind snapshots.
pub(crate) fn streams_with_snapshots() -> String {
    STREAMS_WITH_SNAPSHOTS.replace(EVENTS_EACH, &MOST_EVENTS.to_string())
}

/// What was read of a stream: its snapshot and its first events behind it, in order.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) rows: Vec<PgRow>,
    /// Whether rows were dropped, because there were too many in all.
    pub(crate) is_cut: bool,
}

/// Loads that go out together.
pub(crate) struct Batch(Vec<Stream>);

/// A stream, and those who want it.
struct Stream {
    wish: Wish,
    waiting: Vec<Waiting>,
    part: Part,
}

impl queue::Batch<Wish, Outcome> for Batch {
    fn collect(queue: &mut VecDeque<Waiting>) -> Self {
        let mut streams: Vec<Stream> = Vec::new();
        let (mut places, mut left) = (HashMap::new(), VecDeque::new());
        let wants_snapshots = queue.iter().find(|waiting| !waiting.is_gone()).map(wants_snapshot);
        while let Some(waiting) = queue.pop_front() {
            if waiting.is_gone() {
                continue;
            }
            if wants_snapshots != Some(wants_snapshot(&waiting)) {
                left.push_back(waiting);
                continue;
            }
            let place = *places.entry(waiting.wish.clone()).or_insert(streams.len());
            match streams.get_mut(place) {
                Some(stream) => stream.waiting.push(waiting),
                None => {
                    streams.push(Stream { wish: waiting.wish.clone(), waiting: vec![waiting], part: Part::default() })
                }
            }
            if streams.len() >= MOST_STREAMS {
                break;
            }
        }
        left.append(queue);
        *queue = left;
        Self(streams)
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    async fn run(mut self, store: &PgStore, mut lent: Lent<'_>) {
        match self.read(store.sql(), lent.connection()).await {
            Ok(()) => {
                lent.release();
                self.tell_parts();
            }
            Err(error) => {
                if is_complete(&error) {
                    lent.release();
                }
                self.tell(|| Outcome::Failed);
            }
        }
    }

    fn give_up(self, _: &PgStore, error: Error) {
        if error.is_transient() {
            let error = Arc::new(error);
            self.tell(|| Outcome::Unavailable(Arc::clone(&error)));
        } else {
            // What is wrong for good, each finds out by itself.
            self.tell(|| Outcome::Failed);
        }
    }
}

/// Those that want one and those that do not go apart, so that whoever holds the table of snapshots holds only those that need it.
fn wants_snapshot(waiting: &Waiting) -> bool {
    waiting.wish.state_version.is_some()
}

impl Batch {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    async fn read(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut rows = self.query(sql).fetch(connection);
        let mut bytes = 0;
        while let Some(row) = next(&mut rows).await? {
            // Each says of which stream it is, so nothing rests on their order but what the fold looks at itself.
            let nth = row.count(4)?;
            let stream = usize::try_from(nth).ok().and_then(|nth| self.0.get_mut(nth.checked_sub(1)?));
            let Some(Stream { part, .. }) = stream else { continue };
            bytes += row.text(3)?.len();
            if bytes > MOST_BYTES {
                part.is_cut = true;
            } else {
                part.rows.push(row);
            }
        }
        Ok(())
    }

    fn query(&self, sql: &Sql) -> Query<'static, Postgres, PgArguments> {
        let of = |what: fn(&Wish) -> &str| self.wishes().map(|wish| what(wish).to_owned()).collect::<Vec<_>>();
        let (categories, ids) = (of(|wish| wish.stream.category()), of(|wish| wish.stream.id()));
        let state_versions: Vec<_> = self.wishes().map(|wish| wish.state_version.map(i64::from)).collect();
        if state_versions.iter().any(Option::is_some) {
            sqlx::query(sql.loads.with_snapshots.clone()).bind(categories).bind(ids).bind(state_versions)
        } else {
            sqlx::query(sql.loads.streams.clone()).bind(categories).bind(ids)
        }
    }

    fn wishes(&self) -> impl Iterator<Item = &Wish> {
        self.0.iter().map(|stream| &stream.wish)
    }

    fn tell_parts(self) {
        for Stream { waiting, part, .. } in self.0 {
            let part = Arc::new(part);
            for waiting in waiting {
                waiting.tell(Outcome::Read(Arc::clone(&part)));
            }
        }
    }

    fn tell(self, what: impl Fn() -> Outcome) {
        for waiting in self.0.into_iter().flat_map(|stream| stream.waiting) {
            waiting.tell(what());
        }
    }
}
