//! Checkpoints: how they move, inside a transaction, and where they are.

use es_core::{
    Checkpoint, Error, Fenced, Lease, Missing, Position, ProjectionId, Reached, StreamId, Timestamp, Written,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::{next, signed};
use crate::read_model::dead_letters;
use crate::read_model::statements::{Unregistered, of, slices_in, under};
use crate::read_model::status::state_in;
use crate::row::{Column, Time};
use crate::sql::Sql;

/// The last statement before the commit. An owner that froze or vanished between the two would keep the row locked, and with it
/// everybody out; so from here on the server gives up soon on a transaction that says nothing.
///
/// A batch need not be on the disk when it is committed, as $7 says. Effect and checkpoint are in one transaction, and the log
/// stays: should the server crash within the next moments, both are gone, and the batch is taken in again. What is written to
/// the disk later in any way, an append for example, takes the batch along, so nothing is ever kept that rests on what is lost.
///
/// It does not move where a projector has ended the transaction, which has taken the mark of its beginning along.
pub(crate) const ADVANCE: &str = "
UPDATE {schema}.projection_parts SET position = $5, events = events + $6, updated_at = clock_timestamp()
 WHERE name = $1 AND version = $2 AND first_slice = $3 AND token = $4 AND position <= $5
   AND current_setting('es.transaction', true) = 'open'
RETURNING set_config('idle_in_transaction_session_timeout', '5s', true) IS NOT NULL
      AND ($7 OR set_config('synchronous_commit', 'off', true) IS NOT NULL)";

pub(crate) const IS_WHOLE: &str = "SELECT coalesce(current_setting('es.transaction', true) = 'open', false)";

/// An append is on the disk when it is committed, as everybody else's is.
pub(crate) const DURABLE: &str = "SET LOCAL synchronous_commit TO DEFAULT";

pub(crate) const RESET: &str = "SELECT {schema}.reset_projection($1, $2, $3, $4, $5, $6)";

pub(crate) const DISMISS: &str = "SELECT {schema}.refuse_task($1, $2, $3, $4)";

pub(crate) const SEIZE: &str = "SELECT {schema}.take_leases($1, $2)";

/// What is written with each append has come as far as the log.
pub(crate) const CHECKPOINTS: &str = "
SELECT a.first_slice, a.last_slice,
       CASE WHEN (SELECT p.inline FROM {schema}.projections p WHERE p.name = $1 AND p.version = $2)
            THEN (SELECT max(t.upto) FROM {schema}.ticks t) ELSE a.position END
  FROM {schema}.projection_parts a WHERE a.name = $1 AND a.version = $2 ORDER BY a.first_slice";

/// The place is null where there is no such projection. The states are told in the same breath, as of the same snapshot: a place
/// that was read before a stop, and the stop, would be an answer that was never true. So are the dead letters, which are written
/// in the transaction that moves the checkpoint past their events: of events that it has passed, none is missing unnoticed. Who asks
/// for no stream gives nulls, for which the key of the letters is not looked at.
pub(crate) const REACHED: &str = "
SELECT CASE WHEN p.inline THEN (SELECT max(t.upto) FROM {schema}.ticks t)
            WHEN p.rebuild_requested OR p.rewind_to IS NOT NULL THEN 0
            ELSE a.position END,
       p.inline, p.paused, a.stopped, a.stopped_class, d.first_version, d.status, d.reason
  FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY k (name, version, nth)
  LEFT JOIN LATERAL (SELECT * FROM {schema}.projections WHERE name = k.name AND version = k.version OFFSET 0) p ON true
  LEFT JOIN LATERAL (
       SELECT min(s.position) AS position,
              (array_agg(s.stopped ORDER BY s.first_slice) FILTER (WHERE s.stopped IS NOT NULL))[1] AS stopped,
              (array_agg(s.stopped_class ORDER BY s.first_slice) FILTER (WHERE s.stopped IS NOT NULL))[1] AS stopped_class
         FROM {schema}.projection_parts s WHERE s.name = p.name AND s.version = p.version) a ON true
  LEFT JOIN LATERAL (
       SELECT l.first_version, l.status, l.reason FROM {schema}.dead_letters l
        WHERE l.name = p.name AND l.version = p.version AND l.category = $3 AND l.stream_id = $4
          AND l.first_version <= $6 AND l.last_version >= $5
        ORDER BY l.first_version LIMIT 1) d ON true
 ORDER BY k.nth";

pub(crate) const POSITION_AT: &str = "SELECT {schema}.position_at($1)";

pub(crate) const HOLD_APPENDS: &str = "SELECT {schema}.hold_appends()";

/// How checkpoints move.
pub(crate) enum Move {
    /// With a commit that waits for the disk, or not.
    Advance {
        to: Position,
        events: u64,
        durable: bool,
    },
    Reset {
        to: Position,
        live_from: Position,
    },
    Dismiss,
}

impl Move {
    /// Whether the statement itself does nothing where the transaction was ended, which saves a question for each batch.
    pub(crate) fn looks_itself(&self) -> bool {
        matches!(self, Self::Advance { .. })
    }
}

/// Moves checkpoints, inside a transaction.
pub(crate) struct MoveTo<'a>(pub(crate) &'a Lease, pub(crate) Move);

impl Ask for MoveTo<'_> {
    type Answer = Result<(), Fenced>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        let Self(held, to) = self;
        let sql = &sql.read_models;
        let query = match to {
            Move::Advance { to, events, durable } => {
                under(&sql.advance, held).bind(signed(to.0)).bind(signed(*events)).bind(*durable)
            }
            Move::Reset { to, live_from } => under(&sql.reset, held).bind(signed(to.0)).bind(signed(live_from.0)),
            Move::Dismiss => under(&sql.dismiss, held),
        };
        let moved = match query.fetch_optional(connection).await? {
            Some(row) => row.try_get(0)?,
            None => false,
        };
        Ok(if moved { Ok(()) } else { Err(Fenced { id: held.id.clone() }) })
    }
}

/// [`ReadModelTransaction::seize`](es_core::ReadModelTransaction::seize)
pub(crate) struct Seize<'a>(pub(crate) &'a ProjectionId);

impl Ask for Seize<'_> {
    type Answer = Vec<Checkpoint>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Vec<Checkpoint>, Failure> {
        let known: bool = of(&sql.read_models.seize, self.0).fetch_one(&mut *connection).await?.try_get(0)?;
        if !known {
            return Err(Unregistered::failure(self.0));
        }
        let mut rows = of(&sql.read_models.checkpoints, self.0).fetch(connection);
        let mut checkpoints = Vec::new();
        while let Some(row) = next(&mut rows).await? {
            checkpoints.push(Checkpoint { slices: slices_in(&row, 0)?, position: row.position(2)? });
        }
        Ok(checkpoints)
    }
}

/// [`ReadModelStore::reached`](es_core::ReadModelStore::reached)
pub(crate) struct AskReached<'a>(pub(crate) &'a [ProjectionId], pub(crate) Option<&'a Written>);

impl Ask for AskReached<'_> {
    type Answer = Vec<Option<Reached>>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        let names: Vec<&str> = self.0.iter().map(ProjectionId::name).collect();
        let versions: Vec<i64> = self.0.iter().map(|id| i64::from(id.version())).collect();
        let query = sqlx::query(sql.read_models.reached.clone()).bind(names).bind(versions);
        let stream = self.1.map(|written| &written.stream);
        let query = query.bind(stream.map(StreamId::category)).bind(stream.map(StreamId::id));
        let versions = self.1.map(|written| (signed(written.first.0), signed(written.last.0)));
        let query = query.bind(versions.map(|(first, _)| first)).bind(versions.map(|(_, last)| last));
        let mut rows = query.fetch(connection);
        let mut reached = Vec::with_capacity(self.0.len());
        while let Some(row) = next(&mut rows).await? {
            reached.push(reached_in(&row)?);
        }
        Ok(reached)
    }
}

fn reached_in(row: &PgRow) -> Result<Option<Reached>, Failure> {
    let Some(place) = row.try_get::<Option<i64>, _>(0)? else { return Ok(None) };
    let position = u64::try_from(place).map(Position).map_err(Error::store)?;
    let mut reached = Reached::new(position, state_in(row, 1, 4)?);
    reached.missing = missing_in(row, 5)?;
    Ok(Some(reached))
}

/// From three columns that follow each other.
fn missing_in(row: &PgRow, first: usize) -> Result<Option<Missing>, Failure> {
    let Some(status) = row.text_or_null(first + 1)? else { return Ok(None) };
    let status = dead_letters::status(status, row.text_or_null(first + 2)?)?;
    Ok(Some(Missing::new(row.version(first)?, status)))
}

/// [`ReadModelStore::position_at`](es_core::ReadModelStore::position_at)
pub(crate) struct FindPlace(pub(crate) Timestamp);

/// The years 1 and 10,000. The database knows none that are much further away.
const FIRST_TIME: Timestamp = Timestamp::from_micros(-62_135_596_800_000_000);
const LAST_TIME: Timestamp = Timestamp::from_micros(253_402_300_800_000_000);

impl Ask for FindPlace {
    type Answer = Position;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Position, Failure> {
        // What has no place yet gets one, so that it can be told whether it was recorded before.
        sqlx::query(sql.read_models.tick.clone()).execute(&mut *connection).await?;
        let time = Time(self.0.clamp(FIRST_TIME, LAST_TIME));
        let query = sqlx::query(sql.read_models.position_at.clone()).bind(time);
        Ok(query.fetch_one(connection).await?.position(0)?)
    }
}

/// [`ReadModelTransaction::hold_appends`](es_core::ReadModelTransaction::hold_appends)
pub(crate) struct HoldAppends;

impl Ask for HoldAppends {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        sqlx::query(sql.read_models.hold_appends.clone()).execute(connection).await?;
        Ok(())
    }
}
