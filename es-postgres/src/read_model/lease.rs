//! Leases: who may move the checkpoint of a part. Each act is one statement, which decides by the row as it is when the row
//! is locked.

use std::time::Duration;

use es_core::{Claim, Error, FailureClass, Lease, Position, ProjectionId, Pulse, Refusal, Renewal};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::signed;
use crate::read_model::dead_letters::storable;
use crate::read_model::statements::{Unregistered, of_part, slices, under};
use crate::read_model::status::task_in;
use crate::row::Column;
use crate::sql::Sql;

/// Nobody means a longer lease than this, and an interval has its limits.
const LONGEST_LEASE: Duration = Duration::from_secs(365 * 24 * 3600);

/// A lease, if there is one to be had: the free one, one that ran out, or the claimant's own. Two claims at once lock the row of
/// the part one after the other, and the second one's conditions are asked of what the first has written.
///
/// The words are read from a row that is locked first. So they are the newest, and no other is left before the lease is granted.
/// (Joined without a lock, they would be as old as the statement.)
pub(crate) const CLAIM: &str = "
WITH p AS (
    SELECT * FROM {schema}.projections WHERE name = $1 AND version = $2 FOR SHARE
)
UPDATE {schema}.projection_parts a
   SET token = a.token + 1, owner = $4, leased_until = clock_timestamp() + $5::bigint * interval '1 microsecond',
       stopped = NULL, stopped_class = NULL, last_error = NULL, last_error_class = NULL, rate = 0,
       challenger = NULL, challenged_at = NULL
  FROM p
 WHERE a.name = $1 AND a.version = $2 AND a.first_slice = $3
   AND NOT p.paused AND NOT p.inline
   AND ($3 = 0 OR NOT p.rebuild_requested AND p.rewind_to IS NULL)
   AND (a.owner IS NULL OR a.owner = $4 OR a.leased_until <= clock_timestamp())
RETURNING a.token, a.position, a.first_slice, a.last_slice,
          (SELECT count(*) FROM {schema}.projection_parts c WHERE c.name = $1 AND c.version = $2),
          p.live_from, p.rebuild_requested, p.rewind_to, p.barrier";

/// What stands in the way of a claim. Where it is the lease of somebody who holds at least two parts more, that one is told, but
/// of one claimant not more often than once a second, because each time is a write to the row that its batches write to.
pub(crate) const IN_THE_WAY: &str = "
WITH challenged AS (
    UPDATE {schema}.projection_parts a SET challenger = $4, challenged_at = clock_timestamp()
     WHERE a.name = $1 AND a.version = $2 AND a.first_slice = $3 AND a.owner <> $4 AND a.leased_until > clock_timestamp()
       AND (a.challenger = $4 AND a.challenged_at > clock_timestamp() - interval '1 second') IS NOT TRUE
       AND (SELECT count(*) FILTER (WHERE o.owner = a.owner) - count(*) FILTER (WHERE o.owner = $4)
              FROM {schema}.projection_parts o
             WHERE o.name = $1 AND o.version = $2 AND o.leased_until > clock_timestamp()) >= 2
)
SELECT p.inline, p.paused, $3 <> 0 AND (p.rebuild_requested OR p.rewind_to IS NOT NULL), a.first_slice IS NULL,
       CASE WHEN a.owner <> $4 AND a.leased_until > clock_timestamp() THEN a.owner END
  FROM {schema}.projections p
  LEFT JOIN {schema}.projection_parts a ON a.name = $1 AND a.version = $2 AND a.first_slice = $3
 WHERE p.name = $1 AND p.version = $2";

/// The lease may have run out, as long as nobody else has claimed it. It is wanted when another process asked for it within the
/// last 2 seconds, and holds at least two parts less.
pub(crate) const RENEW: &str = "
UPDATE {schema}.projection_parts a
   SET leased_until = clock_timestamp() + $5::bigint * interval '1 microsecond', rate = $6, last_error = $7,
       last_error_class = $8
 WHERE a.name = $1 AND a.version = $2 AND a.first_slice = $3 AND a.token = $4
RETURNING coalesce(a.challenged_at > clock_timestamp() - interval '2 seconds', false)
      AND (SELECT count(*) FILTER (WHERE o.owner = a.owner) - count(*) FILTER (WHERE o.owner = a.challenger)
             FROM {schema}.projection_parts o
            WHERE o.name = $1 AND o.version = $2
              AND (o.leased_until > clock_timestamp() OR o.first_slice = $3)) >= 2";

/// The token goes up, so that nothing can be done any more under the lease that was let go.
pub(crate) const RELEASE: &str = "
UPDATE {schema}.projection_parts
   SET token = token + 1, owner = NULL, leased_until = NULL, challenger = NULL, challenged_at = NULL
 WHERE name = $1 AND version = $2 AND first_slice = $3 AND token = $4";

pub(crate) const REPORT_STOP: &str = "
UPDATE {schema}.projection_parts
   SET token = token + 1, owner = NULL, leased_until = NULL, challenger = NULL, challenged_at = NULL, stopped = $5,
       stopped_class = $6
 WHERE name = $1 AND version = $2 AND first_slice = $3 AND token = $4";

/// [`ReadModelStore::claim`](es_core::ReadModelStore::claim)
pub(crate) struct ClaimLease<'a> {
    pub(crate) id: &'a ProjectionId,
    pub(crate) first: u16,
    pub(crate) owner: Uuid,
    pub(crate) lease: Duration,
}

impl ClaimLease<'_> {
    async fn claim(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<Lease>, Failure> {
        let query = of_part(&sql.read_models.claim, self.id, self.first).bind(self.owner).bind(micros(self.lease));
        query.fetch_optional(connection).await?.map(|row| self.granted(&row)).transpose()
    }

    fn granted(&self, row: &PgRow) -> Result<Lease, Failure> {
        let mut lease = Lease::new(self.id.clone(), row.count(0)?, row.position(1)?, row.position(5)?);
        lease.slices = slices(row.try_get(2)?, row.try_get(3)?)?;
        lease.parts = u16::try_from(row.count(4)?).map_err(Error::store)?;
        lease.task = task_in(row, 6)?;
        lease.barrier = place_or_null(row, 8)?;
        Ok(lease)
    }

    /// `None` when nothing stands in the way any more.
    async fn in_the_way(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<Claim>, Failure> {
        let query = of_part(&sql.read_models.in_the_way, self.id, self.first).bind(self.owner);
        let Some(row) = query.fetch_optional(connection).await? else { return Err(Unregistered::failure(self.id)) };
        if row.try_get(0)? {
            return Err(Refusal::Inline.of(self.id).into());
        }
        for (column, refused) in [(1, Claim::Paused), (2, Claim::Waiting), (3, Claim::Gone)] {
            if row.try_get(column)? {
                return Ok(Some(refused));
            }
        }
        Ok(row.uuid(4)?.map(|owner| Claim::Held { owner }))
    }
}

impl Ask for ClaimLease<'_> {
    type Answer = Claim;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Claim, Failure> {
        loop {
            if let Some(lease) = self.claim(sql, connection).await? {
                return Ok(Claim::Granted(lease));
            }
            if let Some(refused) = self.in_the_way(sql, connection).await? {
                return Ok(refused);
            }
            // It was let go between the two statements. Each turn of the loop is a lease or a word of somebody's.
        }
    }
}

/// [`ReadModelStore::renew`](es_core::ReadModelStore::renew)
pub(crate) struct Renew<'a> {
    pub(crate) held: &'a Lease,
    pub(crate) lease: Duration,
    pub(crate) pulse: &'a Pulse,
}

impl Ask for Renew<'_> {
    type Answer = Renewal;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Renewal, Failure> {
        let query = under(&sql.read_models.renew, self.held)
            .bind(micros(self.lease))
            .bind(signed(self.pulse.rate))
            .bind(self.pulse.error.as_deref().map(storable))
            .bind(self.pulse.class.map(FailureClass::as_str));
        match query.fetch_optional(connection).await? {
            None => Ok(Renewal::Lost),
            Some(row) if row.try_get(0)? => Ok(Renewal::Wanted),
            Some(_) => Ok(Renewal::Kept),
        }
    }
}

/// How the holder of a lease lets go of it.
pub(crate) enum LetGo<'a> {
    Release,
    ReportStop(&'a str, FailureClass),
}

/// Nothing happens when the lease is not the newest.
pub(crate) struct End<'a>(pub(crate) &'a Lease, pub(crate) LetGo<'a>);

impl Ask for End<'_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let Self(held, how) = self;
        let query = match how {
            LetGo::Release => under(&sql.read_models.release, held),
            LetGo::ReportStop(reason, class) => {
                under(&sql.read_models.report_stop, held).bind(storable(reason)).bind(class.as_str())
            }
        };
        query.execute(connection).await?;
        Ok(())
    }
}

pub(crate) fn place_or_null(row: &PgRow, column: usize) -> Result<Option<Position>, Failure> {
    let place: Option<i64> = row.try_get(column)?;
    Ok(place.map(|place| u64::try_from(place).map(Position).map_err(Error::store)).transpose()?)
}

fn micros(lease: Duration) -> i64 {
    i64::try_from(lease.min(LONGEST_LEASE).as_micros()).unwrap_or(i64::MAX)
}
