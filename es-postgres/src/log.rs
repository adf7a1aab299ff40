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

use std::borrow::Cow;

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
SELECT upto, at_end FROM {schema}.log_window($1, $2)";

/// The events of the ticks behind $1 up to $2, at most $3 of them, in one of two ways.
///
/// *By primary key.* Where successive ticks have the same shift and epoch, they are one **run**: their events lie between the
/// first and the last place of the run, less the shift, in the order of `pk`, and no others that the last snapshot of the run
/// sees and the one before its first tick did not. For what the first tick of the run did not see and the last one does, some
/// tick in between saw first; and what that one gave a place to has it between its own first and last, which are the run's,
/// too. Where a run has as many events as places, each `pk` in between is one of them, so that nothing is asked about
/// transactions at all. The snapshots of a run are those of its ends: `before` and `snap_before` are of the tick before, and so
/// the next run begins where this one ends, and the last one at $2.
///
/// *Tick by tick*, each sorted by itself, where the places are many more than the events: a transaction that was open for long has
/// left its events among those of others, and they would all be looked at. What decides is what is to be read: by primary key
/// all places, or as many as hold $4 events; tick by tick the events, but those of a large tick once for each page.
///
/// Either way the reading stops after $3 events: with a filter there may be many times as many in the window, and sorted all at once
/// they would all be read for each page. A lateral join can only go through the runs, or the ticks, in their order; the reader
/// checks that it did. What is not restricted is null, which costs less to find out for each event than to compare.
pub(crate) const PAGE: &str = "
WITH w AS MATERIALIZED (
    SELECT b.upto AS behind, z.events, z.snap,
           z.upto - b.upto <= 4 * (z.events - b.events)
           OR (z.upto - b.upto)::float8 * $4 < (z.events - b.events)::float8 * (z.events - b.events) AS by_key
      FROM (SELECT * FROM {schema}.ticks WHERE upto <= $1 ORDER BY upto DESC LIMIT 1) b
      JOIN {schema}.ticks z ON z.upto = $2
)
(SELECT e.version, e.event_id, e.type, e.schema_version, e.payload, e.recorded_at,
        e.correlation_id, e.causation_id, e.metadata, e.pk + r.shift, e.category, e.stream_id
   FROM (SELECT u.shift, u.epoch, u.prev, u.snap, greatest(u.before, $1) - u.shift AS after, u.upto - u.shift AS upto,
                u.events = u.upto - u.before AS is_full
           FROM (SELECT f.upto AS first, f.shift, f.epoch, f.prev, f.before,
                        lead(f.before, 1, $2) OVER o AS upto,
                        lead(f.events_before, 1, (SELECT events FROM w)) OVER o - f.events_before AS events,
                        lead(f.snap_before, 1, (SELECT snap FROM w)) OVER o AS snap
                   FROM (SELECT t.upto, t.shift, t.epoch, t.prev, lag(t.upto) OVER o AS before,
                                lag(t.events) OVER o AS events_before, lag(t.snap) OVER o AS snap_before,
                                lag(t.shift) OVER o AS shift_before, lag(t.epoch) OVER o AS epoch_before
                           FROM {schema}.ticks t
                          WHERE t.upto >= (SELECT behind FROM w) AND t.upto <= $2 AND (SELECT by_key FROM w)
                         WINDOW o AS (ORDER BY t.upto)) f
                  WHERE f.before <= $1 OR f.shift <> f.shift_before OR f.epoch <> f.epoch_before
                 WINDOW o AS (ORDER BY f.upto)) u
          ORDER BY u.first OFFSET 0) r
  CROSS JOIN LATERAL (
        SELECT * FROM {schema}.events e
         WHERE e.pk > r.after AND e.pk <= r.upto
           AND (r.is_full
                OR e.epoch = r.epoch AND pg_visible_in_snapshot(e.xid, r.snap) AND NOT pg_visible_in_snapshot(e.xid, r.prev))
           AND ($5::text[] IS NULL OR e.category = ANY ($5))
           AND ($6::text[] IS NULL OR e.type = ANY ($6))
           AND ($7::int IS NULL OR e.slice BETWEEN $7 AND $8)
         ORDER BY e.pk OFFSET 0) e)
UNION ALL
(SELECT e.version, e.event_id, e.type, e.schema_version, e.payload, e.recorded_at,
        e.correlation_id, e.causation_id, e.metadata, e.pk + t.shift, e.category, e.stream_id
   FROM (SELECT * FROM {schema}.ticks WHERE upto > $1 AND upto <= $2 AND NOT (SELECT by_key FROM w) ORDER BY upto OFFSET 0) t
  CROSS JOIN LATERAL (
        SELECT * FROM {schema}.slice(t.epoch, t.prev, t.snap) e
         WHERE e.pk + t.shift > $1
           AND ($5::text[] IS NULL OR e.category = ANY ($5))
           AND ($6::text[] IS NULL OR e.type = ANY ($6))
           AND ($7::int IS NULL OR e.slice BETWEEN $7 AND $8)
         ORDER BY e.pk OFFSET 0) e)
LIMIT $3";

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
}

impl Ask for FindWindow<'_> {
    type Answer = Window;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Window, Failure> {
        let query = sqlx::query(sql.log_window.clone()).bind(signed(self.0.after.0)).bind(wanted(self.0));
        let row = query.fetch_one(connection).await?;
        Ok(Window { upto: row.position(0)?, at_end: row.try_get(1)? })
    }
}

/// How many events are looked through for a page.
fn wanted(read: &ReadLog) -> i64 {
    let everything = read.filter == EventFilter::all() && read.slices.is_all();
    i64::from(if everything { read.limit.max(1) } else { read.limit.max(FILTERED_WINDOW) })
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
        let ReadLog { after, limit, filter, slices, .. } = &self.read;
        let slices = (!slices.is_all()).then(|| (i32::from(slices.first()), i32::from(slices.last())));
        let query = sqlx::query(sql.log_page.clone())
            .bind(signed(after.0))
            .bind(signed(self.window.upto.0))
            .bind(i64::from(*limit))
            .bind(wanted(&self.read))
            .bind(names(filter.wanted_categories()))
            .bind(names(filter.wanted_types()))
            .bind(slices.map(|(first, _)| first))
            .bind(slices.map(|(_, last)| last));
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

/// None for no restriction.
fn names<'a>(names: &'a [Cow<'static, str>]) -> Option<Vec<&'a str>> {
    (!names.is_empty()).then(|| names.iter().map(AsRef::as_ref).collect())
}
