//! Checkpoints and leases. Each act is one statement, which decides by the row as it is when the row is locked.

use std::time::Duration;

use es_core::{
    Claim, Control, Error, Fenced, Lease, Position, ProjectionId, ProjectionState, ProjectionStatus, ReadModelKind,
    StreamId, Version,
};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row, SqlStr};
use uuid::Uuid;

use crate::connections::Ask;
use crate::dead_letters::storable;
use crate::error::Failure;
use crate::read::{next, signed};
use crate::row::Column;
use crate::sql::Sql;

/// Nobody means a longer lease than this, and an interval has its limits.
const LONGEST_LEASE: Duration = Duration::from_secs(365 * 24 * 3600);

pub(crate) const REGISTER: &str = "SELECT {schema}.register_projection($1, $2, $3, $4)";

/// A lease, if there is one to be had: the free one, one that ran out, or the claimant's own. Two claims at once lock the row one
/// after the other, and the second one's conditions are asked of what the first has written.
pub(crate) const CLAIM: &str = "
UPDATE {schema}.projections
   SET token = token + 1, owner = $3, leased_until = clock_timestamp() + $4::bigint * interval '1 microsecond', stopped = NULL
 WHERE name = $1 AND version = $2 AND NOT paused
   AND (owner IS NULL OR owner = $3 OR leased_until <= clock_timestamp())
RETURNING token, position, live_from, rebuild_requested";

/// What stands in the way of a claim.
pub(crate) const IN_THE_WAY: &str = "
SELECT paused, CASE WHEN leased_until > clock_timestamp() THEN owner END
  FROM {schema}.projections WHERE name = $1 AND version = $2";

/// The lease may have run out, as long as nobody else has claimed it.
pub(crate) const RENEW: &str = "
UPDATE {schema}.projections SET leased_until = clock_timestamp() + $4::bigint * interval '1 microsecond'
 WHERE name = $1 AND version = $2 AND token = $3";

/// The token goes up, so that nothing can be done any more under the lease that was let go.
pub(crate) const RELEASE: &str = "
UPDATE {schema}.projections SET token = token + 1, owner = NULL, leased_until = NULL
 WHERE name = $1 AND version = $2 AND token = $3";

pub(crate) const REPORT_STOP: &str = "
UPDATE {schema}.projections SET token = token + 1, owner = NULL, leased_until = NULL, stopped = $4
 WHERE name = $1 AND version = $2 AND token = $3";

pub(crate) const PAUSE: &str = "
UPDATE {schema}.projections SET token = token + 1, owner = NULL, leased_until = NULL, paused = true
 WHERE name = $1 AND version = $2";

pub(crate) const RESUME: &str = "
UPDATE {schema}.projections SET token = token + 1, owner = NULL, leased_until = NULL, paused = false
 WHERE name = $1 AND version = $2";

pub(crate) const REBUILD: &str = "
UPDATE {schema}.projections SET token = token + 1, owner = NULL, leased_until = NULL, rebuild_requested = true
 WHERE name = $1 AND version = $2";

/// The letter is locked before the checkpoint, like in the transaction of an owner, so that the two cannot wait for each other. An
/// owner that has it in memory and writes it back as it was is fenced by the same statement.
pub(crate) const SETTLE_LETTER: &str = "
WITH letter AS (
    UPDATE {schema}.dead_letters SET status = $6, reason = $7
     WHERE name = $1 AND version = $2 AND category = $3 AND stream_id = $4 AND first_version = $5
       AND status IN ('parked', 'retry_requested', 'discard_requested')
    RETURNING 1
)
UPDATE {schema}.projections SET token = token + 1, owner = NULL, leased_until = NULL
 WHERE name = $1 AND version = $2 AND EXISTS (SELECT FROM letter)";

/// The last statement before the commit. An owner that froze or vanished between the two would keep the row locked, and with it
/// everybody out; so from here on the server gives up soon on a transaction that says nothing.
pub(crate) const ADVANCE: &str = "
UPDATE {schema}.projections SET position = $4, events = events + $5, updated_at = clock_timestamp()
 WHERE name = $1 AND version = $2 AND token = $3 AND position <= $4
RETURNING set_config('idle_in_transaction_session_timeout', '5s', true)";

/// Back at the start, the count begins anew.
pub(crate) const RESET: &str = "
UPDATE {schema}.projections
   SET position = $4, live_from = $5, events = CASE WHEN $4::bigint > 0 THEN events ELSE 0 END, rebuild_requested = false,
       updated_at = clock_timestamp()
 WHERE name = $1 AND version = $2 AND token = $3
RETURNING set_config('idle_in_transaction_session_timeout', '5s', true)";

/// Without waiting for a tick that is under way, which will do as well.
pub(crate) const TICK: &str = "SELECT {schema}.tick()";

/// How far each projection has come, and how far behind it is: in events, which is exact where it has taken in whole
/// ticks, and in time since the first tick it has not.
pub(crate) const STATUS: &str = "
SELECT p.name, p.version, p.paused, p.stopped, p.position, p.events, p.updated_at,
       CASE WHEN p.leased_until > clock_timestamp() THEN p.owner END,
       (SELECT t.events FROM {schema}.ticks t ORDER BY t.upto DESC LIMIT 1) - r.events,
       (SELECT count(*) FROM {schema}.dead_letters d
         WHERE d.name = p.name AND d.version = p.version
           AND d.status IN ('parked', 'retry_requested', 'discard_requested')),
       coalesce((SELECT (extract(epoch FROM greatest(clock_timestamp() - t.at, interval '0')) * 1000000)::bigint
                   FROM {schema}.ticks t WHERE t.upto > p.position AND t.events > r.events
                  ORDER BY t.upto LIMIT 1), 0)
  FROM {schema}.projections p
  CROSS JOIN LATERAL (SELECT t.events FROM {schema}.ticks t
                       WHERE t.upto <= p.position ORDER BY t.upto DESC LIMIT 1) r
 ORDER BY p.name, p.version";

/// [`ReadModelStore::register`](es_core::ReadModelStore::register), with the place up to which the log is history.
pub(crate) struct Register<'a> {
    pub(crate) id: &'a ProjectionId,
    pub(crate) kind: ReadModelKind,
    pub(crate) live_from: Position,
}

#[derive(Debug, thiserror::Error)]
#[error("projection `{id}` is kept as {kept}, and cannot be {wanted} now: give it another name, or a new version")]
struct OtherKind {
    id: ProjectionId,
    kept: String,
    wanted: &'static str,
}

impl Ask for Register<'_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let wanted = match self.kind {
            ReadModelKind::Projector => "projector",
            ReadModelKind::Documents => "documents",
        };
        let query = of(&sql.read_models.register, self.id).bind(wanted).bind(signed(self.live_from.0));
        let row = query.fetch_one(connection).await?;
        match row.text(0)? {
            kept if kept == wanted => Ok(()),
            kept => {
                Err(Error::setup(OtherKind { id: self.id.clone(), kept: kept.to_owned(), wanted }.to_string()).into())
            }
        }
    }
}

/// [`ReadModelStore::claim`](es_core::ReadModelStore::claim)
pub(crate) struct ClaimLease<'a> {
    pub(crate) id: &'a ProjectionId,
    pub(crate) owner: Uuid,
    pub(crate) lease: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("projection `{id}` was never registered")]
struct Unregistered {
    id: ProjectionId,
}

impl ClaimLease<'_> {
    async fn claim(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<Lease>, sqlx::Error> {
        let query = of(&sql.read_models.claim, self.id).bind(self.owner).bind(micros(self.lease));
        let granted = |row: PgRow| {
            Ok(Lease::new(self.id.clone(), row.count(0)?, row.position(1)?, row.position(2)?, row.try_get(3)?))
        };
        query.fetch_optional(connection).await?.map(granted).transpose()
    }

    /// `None` when nothing stands in the way any more.
    async fn in_the_way(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<Claim>, Failure> {
        let Some(row) = of(&sql.read_models.in_the_way, self.id).fetch_optional(connection).await? else {
            return Err(Error::store(Unregistered { id: self.id.clone() }).into());
        };
        if row.try_get(0)? {
            return Ok(Some(Claim::Paused));
        }
        Ok(row.uuid(1)?.map(|owner| Claim::Held { owner }))
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
            // It was let go between the two statements. Each turn of the loop is a lease of somebody's.
        }
    }
}

/// What the holder of a lease does with it, outside of a transaction.
pub(crate) enum Keep<'a> {
    Renew(Duration),
    Release,
    ReportStop(&'a str),
}

/// Answers whether the lease was the newest.
pub(crate) struct Hold<'a>(pub(crate) &'a Lease, pub(crate) Keep<'a>);

impl Ask for Hold<'_> {
    type Answer = bool;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<bool, Failure> {
        let Self(held, keep) = self;
        let query = match keep {
            Keep::Renew(lease) => under(&sql.read_models.renew, held).bind(micros(*lease)),
            Keep::Release => under(&sql.read_models.release, held),
            Keep::ReportStop(reason) => under(&sql.read_models.report_stop, held).bind(storable(reason)),
        };
        Ok(query.execute(connection).await?.rows_affected() > 0)
    }
}

/// [`ReadModelStore::control`](es_core::ReadModelStore::control)
pub(crate) struct LeaveWord<'a>(pub(crate) &'a ProjectionId, pub(crate) &'a Control);

impl Ask for LeaveWord<'_> {
    type Answer = bool;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<bool, Failure> {
        let Self(id, word) = self;
        let sql = &sql.read_models;
        let query = match word {
            Control::Pause => of(&sql.pause, id),
            Control::Resume => of(&sql.resume, id),
            Control::Rebuild => of(&sql.rebuild, id),
            Control::RetryDeadLetter { stream, first } => {
                of_letter(&sql.settle_letter, id, stream, *first).bind("retry_requested").bind(None::<String>)
            }
            Control::DiscardDeadLetter { stream, first, reason } => {
                of_letter(&sql.settle_letter, id, stream, *first).bind("discard_requested").bind(storable(reason))
            }
            // There are no other words yet.
            _ => return Ok(false),
        };
        Ok(query.execute(connection).await?.rows_affected() > 0)
    }
}

/// How the checkpoint moves.
pub(crate) enum Move {
    Advance { to: Position, events: u64 },
    Reset { to: Position, live_from: Position },
}

/// Moves the checkpoint, inside a transaction.
pub(crate) struct MoveTo<'a>(pub(crate) &'a Lease, pub(crate) Move);

impl Ask for MoveTo<'_> {
    type Answer = Result<(), Fenced>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        let Self(held, to) = self;
        let sql = &sql.read_models;
        let query = match to {
            Move::Advance { to, events } => under(&sql.advance, held).bind(signed(to.0)).bind(signed(*events)),
            Move::Reset { to, live_from } => {
                // Letters before the checkpoint, here as everywhere, so that no two transactions wait for each other.
                of(&sql.forget_letters, &held.id).bind(signed(to.0)).execute(&mut *connection).await?;
                under(&sql.reset, held).bind(signed(to.0)).bind(signed(live_from.0))
            }
        };
        let moved = query.fetch_optional(connection).await?;
        Ok(if moved.is_some() { Ok(()) } else { Err(Fenced { id: held.id.clone() }) })
    }
}

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
    let state = match (row.try_get(2)?, row.text_or_null(3)?) {
        (true, _) => ProjectionState::Paused,
        (false, Some(reason)) => ProjectionState::Stopped { reason: reason.to_owned() },
        (false, None) => ProjectionState::Running,
    };
    let mut status = ProjectionStatus::new(id, state, row.position(4)?, row.timestamp(6)?);
    status.events = row.count(5)?;
    status.owner = row.uuid(7)?;
    status.lag_events = row.count(8)?;
    status.parked = row.count(9)?;
    status.lag = Duration::from_micros(row.count(10)?);
    Ok(status)
}

/// A statement about a projection.
pub(crate) fn of<'a>(sql: &SqlStr, id: &'a ProjectionId) -> Query<'a, Postgres, PgArguments> {
    sqlx::query(sql.clone()).bind(id.name()).bind(i64::from(id.version()))
}

/// A statement about the events that wait at `first`.
pub(crate) fn of_letter<'a>(
    sql: &SqlStr,
    id: &'a ProjectionId,
    stream: &'a StreamId,
    first: Version,
) -> Query<'a, Postgres, PgArguments> {
    of(sql, id).bind(stream.category()).bind(stream.id()).bind(signed(first.0))
}

/// A statement that works under the newest lease only.
fn under<'a>(sql: &SqlStr, held: &'a Lease) -> Query<'a, Postgres, PgArguments> {
    of(sql, &held.id).bind(signed(held.token))
}

fn micros(lease: Duration) -> i64 {
    i64::try_from(lease.min(LONGEST_LEASE).as_micros()).unwrap_or(i64::MAX)
}
