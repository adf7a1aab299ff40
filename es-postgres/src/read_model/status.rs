//! How every projection is doing.

use std::time::Duration;

use es_core::{Error, FailureClass, PartStatus, Position, ProjectionId, ProjectionState, ProjectionStatus, Task};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::next;
use crate::read_model::lease::place_or_null;
use crate::read_model::statements::slices;
use crate::row::Column;
use crate::sql::Sql;

/// Without waiting for a tick that is under way, which will do as well.
pub(crate) const TICK: &str = "SELECT {schema}.tick()";

/// How far each projection has come, and how far behind it is: in events, which is exact where it has taken in whole
/// ticks, and in time since the first tick it has not. What its owners tell of themselves counts while they hold their leases.
/// What is written with each append is never behind.
pub(crate) const STATUS: &str = "
SELECT p.name, p.version, p.inline, p.paused, a.stopped, p.serving, c.position, p.live_from, a.events, a.rate,
       a.updated_at, (extract(epoch FROM greatest(clock_timestamp() - a.updated_at, interval '0')) * 1000000)::bigint,
       a.last_error, z.events - r.events,
       m.parked + m.requested,
       coalesce((SELECT (extract(epoch FROM greatest(clock_timestamp() - t.at, interval '0')) * 1000000)::bigint
                   FROM {schema}.ticks t WHERE t.upto > c.position AND t.events > r.events
                  ORDER BY t.upto LIMIT 1), 0),
       a.firsts, a.lasts, CASE WHEN p.inline THEN ARRAY[c.position] ELSE a.positions END, a.owners,
       a.stopped_class, a.last_error_class, m.requested, m.skipped, m.discarded,
       p.rebuild_requested, p.rewind_to
  FROM {schema}.projections p
  CROSS JOIN LATERAL (
       SELECT min(l.position) AS position, sum(l.events)::bigint AS events, min(l.updated_at) AS updated_at,
              coalesce(sum(l.rate) FILTER (WHERE l.live), 0)::bigint AS rate,
              (array_agg(l.stopped ORDER BY l.first_slice) FILTER (WHERE l.stopped IS NOT NULL))[1] AS stopped,
              (array_agg(l.stopped_class ORDER BY l.first_slice) FILTER (WHERE l.stopped IS NOT NULL))[1] AS stopped_class,
              (array_agg(l.last_error ORDER BY l.first_slice)
                  FILTER (WHERE l.live AND l.last_error IS NOT NULL))[1] AS last_error,
              (array_agg(l.last_error_class ORDER BY l.first_slice)
                  FILTER (WHERE l.live AND l.last_error IS NOT NULL))[1] AS last_error_class,
              array_agg(l.first_slice ORDER BY l.first_slice) AS firsts,
              array_agg(l.last_slice ORDER BY l.first_slice) AS lasts,
              array_agg(l.position ORDER BY l.first_slice) AS positions,
              array_agg(CASE WHEN l.live THEN l.owner END ORDER BY l.first_slice) AS owners
         FROM (SELECT s.*, coalesce(s.leased_until > clock_timestamp(), false) AS live
                 FROM {schema}.projection_parts s WHERE s.name = p.name AND s.version = p.version OFFSET 0) l) a
  CROSS JOIN LATERAL (SELECT t.upto, t.events FROM {schema}.ticks t ORDER BY t.upto DESC LIMIT 1) z
  CROSS JOIN LATERAL (SELECT CASE WHEN p.inline THEN z.upto ELSE a.position END AS position OFFSET 0) c
  CROSS JOIN LATERAL (SELECT t.events FROM {schema}.ticks t
                       WHERE t.upto <= c.position ORDER BY t.upto DESC LIMIT 1) r
  CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE d.status = 'parked') AS parked,
              count(*) FILTER (WHERE d.status IN ('retry_requested', 'discard_requested')) AS requested,
              count(*) FILTER (WHERE d.status = 'skipped') AS skipped,
              count(*) FILTER (WHERE d.status = 'discarded') AS discarded
         FROM {schema}.dead_letters d WHERE d.name = p.name AND d.version = p.version) m
 ORDER BY p.name, p.version";

/// [`ReadModelStore::projections`](es_core::ReadModelStore::projections)
pub(crate) struct ListProjections;

impl Ask for ListProjections {
    type Answer = Vec<ProjectionStatus>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        sqlx::query(sql.read_models.tick.clone()).execute(&mut *connection).await?;
        let mut rows = sqlx::query(sql.read_models.status.clone()).fetch(connection);
        let mut all = Vec::new();
        while let Some(row) = next(&mut rows).await? {
            all.push(status(&row)?);
        }
        Ok(all)
    }
}

fn status(row: &PgRow) -> Result<ProjectionStatus, Failure> {
    let version = u32::try_from(row.count(1)?).map_err(Error::store)?;
    let id = ProjectionId::new(row.text(0)?, version).map_err(Error::store)?;
    let mut status = ProjectionStatus::new(id, state_in(row, 2, 20)?, row.position(6)?, row.timestamp(10)?);
    status.serving = row.try_get(5)?;
    status.live_from = row.position(7)?;
    status.events = row.count(8)?;
    status.rate = row.count(9)?;
    status.unmoved = Duration::from_micros(row.count(11)?);
    status.last_error = row.text_or_null(12)?.map(str::to_owned);
    status.last_error_class = class_in(row, 21)?;
    status.lag_events = row.count(13)?;
    status.parked = row.count(14)?;
    (status.requested, status.skipped, status.discarded) = (row.count(22)?, row.count(23)?, row.count(24)?);
    status.lag = Duration::from_micros(row.count(15)?);
    (status.task, status.fallback) = (task_in(row, 25)?, fallback_in(row, 25)?);
    status.parts = parts(row)?;
    Ok(status)
}

/// From three columns that follow each other, `inline`, `paused` and `stopped`, and the class of the stop.
pub(crate) fn state_in(row: &PgRow, first: usize, class: usize) -> Result<ProjectionState, Failure> {
    Ok(match (row.try_get(first)?, row.try_get(first + 1)?, row.text_or_null(first + 2)?) {
        (true, ..) => ProjectionState::Inline,
        (.., Some(reason)) => ProjectionState::Stopped { reason: reason.to_owned(), class: class_in(row, class)? },
        (_, true, None) => ProjectionState::Paused,
        (.., None) => ProjectionState::Running,
    })
}

/// From two columns that follow each other, `rebuild_requested` and `rewind_to`.
pub(crate) fn task_in(row: &PgRow, first: usize) -> Result<Option<Task>, Failure> {
    Ok(match (row.try_get(first)?, place_or_null(row, first + 1)?) {
        (true, _) => Some(Task::Rebuild),
        (false, to) => to.map(Task::Rewind),
    })
}

/// What is to be done if that is refused, from the same columns.
fn fallback_in(row: &PgRow, first: usize) -> Result<Option<Task>, Failure> {
    let rewind = place_or_null(row, first + 1)?.map(Task::Rewind);
    Ok(if row.try_get(first)? { rewind } else { None })
}

/// A word that only another release knows is as good as none.
pub(crate) fn class_in(row: &PgRow, column: usize) -> Result<Option<FailureClass>, Failure> {
    Ok(row.text_or_null(column)?.and_then(FailureClass::named))
}

fn parts(row: &PgRow) -> Result<Vec<PartStatus>, Failure> {
    let (firsts, lasts): (Vec<i16>, Vec<i16>) = (row.try_get(16)?, row.try_get(17)?);
    let (positions, owners): (Vec<i64>, Vec<Option<Uuid>>) = (row.try_get(18)?, row.try_get(19)?);
    let columns = firsts.into_iter().zip(lasts).zip(positions.into_iter().zip(owners));
    let part = |((first, last), (position, owner))| {
        let position = u64::try_from(position).map(Position).map_err(Error::store)?;
        Ok(PartStatus::new(slices(first, last)?, position, owner))
    };
    columns.map(part).collect()
}
