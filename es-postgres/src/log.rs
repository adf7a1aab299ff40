//! The log of all events, in an order that no late commit can disturb.
//!
//! # Why a reader never misses an event
//!
//! Transactions commit in another order than their events were numbered. A reader that remembers the highest number it has
//! seen passes over whatever commits later under a lower one. Waiting until nothing lower is missing would let any open
//! transaction hold up every reader. So the question is another one: *what became visible between two snapshots?*
//!
//! A **tick** takes a snapshot of the database and remembers it in a row. PostgreSQL can tell of any transaction whether a
//! snapshot sees it; each event carries the number of its transaction; so the events that a tick's snapshot sees and the one
//! before did not see, its **slice**, are known exactly, then and for ever. The tick gives these events the next places.
//!
//! - *No event is lost or doubled.* Ticks come one after the other, under a lock, and each takes its snapshot after it has
//!   read the last one. What a snapshot sees, all later ones see. So the snapshots of successive ticks only ever grow, and
//!   each committed event is in exactly one slice: that of the first tick that sees it.
//! - *Nothing appears behind a reader.* A slice never changes, because what a snapshot sees never changes. A later tick gives
//!   only higher places. So a reader that has passed a place has passed all there will ever be before it.
//! - *A row that is counted can be read.* The snapshot is taken in one statement, and the slice read in a later one, whose own
//!   snapshot is younger. (Taken in the same statement, the mark would be younger than the rows, and lose some.)
//! - *Streams stay in order.* Who writes version n + 1 has seen version n committed, so no snapshot sees n + 1 without n. Within
//!   a slice `pk` decides, and n drew its `pk` before it committed, n + 1 after that.
//! - *Nobody waits for a stranger.* A transaction that is open when a tick looks stands in its snapshot's list, and its events
//!   come with the first tick after its commit. Only they are late.
//!
//! The place of an event is its `pk` plus the tick's `shift`, so that no event has to be written to, ever.

use es_core::{EventFilter, LogPage, Position, ReadLog, StreamId, Visit};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::{event, next, signed};
use crate::row::Column;
use crate::sql::Sql;

/// With a filter, or for a part of all streams, so many events are looked through for one page, lest a rare type cost a round
/// trip for each page of others.
const FILTERED_WINDOW: u32 = 10_000;

/// How far to read, with a tick on the way if there is not enough without one.
pub(crate) const WINDOW: &str = "
SELECT upto, at_end, dense, shift, epoch, prev, snap FROM {schema}.log_window($1, $2)";

/// The events of the ticks behind $1 up to $2. Tick by tick, each sorted by itself, so that the reading stops after $3 events:
/// with a filter there may be many times as many in the window, and sorted all at once they would all be read for each
/// page. A lateral join can only go through the ticks in their order; the reader checks that it did.
pub(crate) const PAGE: &str = "
SELECT s.version, s.event_id, s.type, s.schema_version, s.payload, s.recorded_at,
       s.correlation_id, s.causation_id, s.metadata, s.pk + t.shift, s.category, s.stream_id
  FROM (SELECT * FROM {schema}.ticks WHERE upto > $1 AND upto <= $2 ORDER BY upto OFFSET 0) t
 CROSS JOIN LATERAL (
       SELECT * FROM {schema}.slice(t.epoch, t.prev, t.snap) e
        WHERE e.pk + t.shift > $1
          AND (cardinality($4::text[]) = 0 OR e.category = ANY ($4))
          AND (cardinality($5::text[]) = 0 OR e.type = ANY ($5))
          AND e.slice BETWEEN $6 AND $7
        ORDER BY e.pk OFFSET 0) s
 LIMIT $3";

/// The same within one tick of very many events, by primary key: most of what lies between its first and its last event is
/// its own, so that a page costs what it holds. The snapshots stand in queries of their own, so that each is read once and not
/// anew for each row.
pub(crate) const DENSE_PAGE: &str = "
SELECT e.version, e.event_id, e.type, e.schema_version, e.payload, e.recorded_at,
       e.correlation_id, e.causation_id, e.metadata, e.pk + $8, e.category, e.stream_id
  FROM {schema}.events e
 WHERE e.pk > $1 - $8 AND e.pk <= $2 - $8 AND e.epoch = $9
   AND pg_visible_in_snapshot(e.xid, (SELECT $11::text::pg_snapshot))
   AND NOT pg_visible_in_snapshot(e.xid, (SELECT $10::text::pg_snapshot))
   AND (cardinality($4::text[]) = 0 OR e.category = ANY ($4))
   AND (cardinality($5::text[]) = 0 OR e.type = ANY ($5))
   AND e.slice BETWEEN $6 AND $7
 ORDER BY e.pk LIMIT $3";

/// Ticks, and waits for its turn if somebody else does.
pub(crate) const END: &str = "SELECT {schema}.log_end()";

/// [`EventStore::log_end`](es_core::EventStore::log_end)
pub(crate) struct ReadEnd;

impl Ask for ReadEnd {
    type Answer = Position;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Position, Failure> {
        let row = sqlx::query(sql.log_end.clone()).fetch_one(connection).await?;
        Ok(row.position(0)?)
    }
}

/// Finds out how far a page reaches.
pub(crate) struct FindWindow<'a>(pub(crate) &'a ReadLog);

/// A part of the log that is read at once.
pub(crate) struct Window {
    upto: Position,
    at_end: bool,
    dense: Option<DenseTick>,
}

struct DenseTick {
    shift: i64,
    epoch: i16,
    prev: String,
    snap: String,
}

impl Ask for FindWindow<'_> {
    type Answer = Window;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Window, Failure> {
        let read = self.0;
        let everything = read.filter == EventFilter::all() && read.slices.is_all();
        let wanted = if everything { read.limit } else { read.limit.max(FILTERED_WINDOW) };
        let query = sqlx::query(sql.log_window.clone()).bind(signed(read.after.0)).bind(i64::from(wanted.max(1)));
        Ok(Window::of(&query.fetch_one(connection).await?)?)
    }
}

impl Window {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        let dense = if row.try_get(2)? { Some(DenseTick::of(row)?) } else { None };
        Ok(Self { upto: row.position(0)?, at_end: row.try_get(1)?, dense })
    }
}

impl DenseTick {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { shift: row.try_get(3)?, epoch: row.try_get(4)?, prev: row.try_get(5)?, snap: row.try_get(6)? })
    }
}

/// [`EventStore::read_log`](es_core::EventStore::read_log), once it is known how far to read.
pub(crate) struct ReadPage<'a, 'v> {
    read: ReadLog,
    window: Window,
    visit: &'a mut Visit<'v>,
    visited: u32,
    last: Position,
}

/// A plan that nobody has foreseen.
#[derive(Debug, thiserror::Error)]
#[error("the database returned the event at position {position} behind the one at {last}")]
struct OutOfOrder {
    position: Position,
    last: Position,
}

impl<'a, 'v> ReadPage<'a, 'v> {
    pub(crate) fn new(read: ReadLog, window: Window, visit: &'a mut Visit<'v>) -> Self {
        Self { last: read.after, read, window, visit, visited: 0 }
    }

    /// Whether there is anything to read at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.window.upto <= self.read.after || self.read.limit == 0
    }

    /// How far the reader has come.
    pub(crate) fn end(&self) -> LogPage {
        let full = self.visited >= self.read.limit;
        let next = if full { self.last } else { self.window.upto.max(self.read.after) };
        LogPage { next, at_end: self.window.at_end && next >= self.window.upto }
    }

    fn take(&mut self, row: &PgRow) -> Result<(), Failure> {
        let position = row.position(9)?;
        if position <= self.last {
            return Err(es_core::Error::store(OutOfOrder { position, last: self.last }).into());
        }
        let stream = StreamId::new(row.text(10)?, row.text(11)?).map_err(es_core::Error::from)?;
        self.visited += 1;
        self.last = position;
        Ok((self.visit)(event(row, stream, Some(position))?)?)
    }
}

impl Ask for ReadPage<'_, '_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let (categories, types) = (names(self.read.filter.wanted_categories()), names(self.read.filter.wanted_types()));
        let text = if self.window.dense.is_some() { &sql.log_dense_page } else { &sql.log_page };
        let query = sqlx::query(text.clone())
            .bind(signed(self.read.after.0))
            .bind(signed(self.window.upto.0))
            .bind(i64::from(self.read.limit))
            .bind(categories)
            .bind(types)
            .bind(i32::from(self.read.slices.first()))
            .bind(i32::from(self.read.slices.last()));
        let query = match &self.window.dense {
            Some(tick) => query.bind(tick.shift).bind(tick.epoch).bind(tick.prev.clone()).bind(tick.snap.clone()),
            None => query,
        };
        let mut rows = query.fetch(connection);
        while let Some(row) = next(&mut rows).await? {
            self.take(&row)?;
        }
        Ok(())
    }

    fn is_repeatable(&self) -> bool {
        self.visited == 0
    }
}

fn names(names: &[std::borrow::Cow<'static, str>]) -> Vec<String> {
    names.iter().map(|name| name.clone().into_owned()).collect()
}
