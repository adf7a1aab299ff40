//! A few connections, lent one at a time.
//!
//! Not sqlx's own pool, because that asks the server for a sign of life whenever a connection comes back: a command would
//! cost two round trips more. Here a connection that was left in an unclear state is closed instead, and one that died
//! while it was idle is noticed by its next statement.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use es_core::{AggregateCache, Error};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row, SqlStr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{self, Failure};
use crate::schema::Schema;
use crate::sql::{Sql, in_schema};

/// Longer than this an idle connection is not kept: firewalls forget about it sooner or later.
const MAX_IDLE: Duration = Duration::from_secs(600);

/// Who serves the connection, and whether this is the cluster that the events are at home in.
const WHO_AND_WHERE: &str = "
SELECT pid, backend_start::text, {schema}.is_home() FROM pg_stat_get_activity(pg_backend_pid())";

/// The same before the schema is there.
const WHO: &str = "SELECT pid, backend_start::text, true FROM pg_stat_get_activity(pg_backend_pid())";

pub(crate) struct Connections {
    options: PgConnectOptions,
    target: String,
    schema: Schema,
    /// Emptied whenever a connection is opened: if what is behind it was replaced by a backup, the connections to what was there
    /// before are gone.
    cache: AggregateCache,
    who_and_where: SqlStr,
    /// The one that was used last lies on top, so that no more are kept busy than there is work for.
    idle: Mutex<Vec<Idle>>,
    free: Arc<Semaphore>,
    max: u32,
    acquire_timeout: Duration,
}

struct Idle {
    open: Open,
    since: Instant,
}

struct Open {
    connection: PgConnection,
    backend: Backend,
}

/// The process of the server that serves a connection. Numbers are used again, the time of its start tells them apart.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) pid: i32,
    pub(crate) started: String,
}

/// A connection that is lent. It goes back only by [`release`](Self::release); dropped, it is closed.
pub(crate) struct Lent<'c> {
    open: Open,
    fresh: bool,
    owner: &'c Connections,
    _permit: OwnedSemaphorePermit,
}

/// A connection that is kept for a while by somebody who outlives the borrow. Dropped, it is closed.
pub(crate) struct Kept {
    open: Open,
    permit: OwnedSemaphorePermit,
}

/// Something that a connection is asked for, and may be asked for again when the answer does not come.
pub(crate) trait Ask: Send {
    type Answer: Send;

    fn ask(
        &mut self,
        sql: &Sql,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;

    /// Whether nothing of an answer has been passed on yet.
    fn is_repeatable(&self) -> bool {
        true
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "no connection became free within {within:?}: all {max} are in use; raise `max_connections`, or look for something \
     that holds them for long"
)]
struct NoneFree {
    within: Duration,
    max: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("{target} did not answer within {within:?}")]
struct NoAnswer {
    target: String,
    within: Duration,
}

/// Without the options, which hold the password.
impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("target", &self.target)
            .field("schema", &self.schema)
            .field("max", &self.max)
            .field("free", &self.free.available_permits())
            .finish_non_exhaustive()
    }
}

impl Connections {
    pub(crate) fn new(
        options: PgConnectOptions,
        target: String,
        schema: Schema,
        cache: AggregateCache,
        max: u32,
        acquire_timeout: Duration,
    ) -> Self {
        Self {
            options,
            target,
            who_and_where: in_schema(WHO_AND_WHERE, &schema),
            schema,
            cache,
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(
                usize::try_from(max).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS),
            )),
            max,
            acquire_timeout,
        }
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// How to open a connection outside the count.
    pub(crate) fn server(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(crate) fn acquire_timeout(&self) -> Duration {
        self.acquire_timeout
    }

    pub(crate) fn cache(&self) -> &AggregateCache {
        &self.cache
    }

    /// How many there may be.
    pub(crate) fn max(&self) -> u32 {
        self.max
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// An idle connection, or else a new one.
    pub(crate) async fn acquire(&self) -> Result<Lent<'_>, Error> {
        let permit = self.permit().await?;
        match self.take_idle() {
            Some(open) => Ok(Lent { open, fresh: false, owner: self, _permit: permit }),
            None => Ok(Lent { open: self.open().await?, fresh: true, owner: self, _permit: permit }),
        }
    }

    /// A new connection, for whoever has reason to distrust those that lie idle.
    pub(crate) async fn acquire_fresh(&self) -> Result<Lent<'_>, Error> {
        let permit = self.permit().await?;
        // It takes the place of an idle one, so that no more are open than are allowed.
        drop(self.take_idle());
        Ok(Lent { open: self.open().await?, fresh: true, owner: self, _permit: permit })
    }

    /// Asks on some connection. Where the connection turns out to have died while it was idle, on a new one.
    pub(crate) async fn ask<A: Ask>(&self, sql: &Sql, ask: &mut A) -> Result<A::Answer, Error> {
        let (lent, answer) = self.ask_and_hold(sql, ask).await?;
        lent.release_after(answer)
    }

    /// Like [`ask`](Self::ask), and keeps the connection that gave the answer.
    pub(crate) async fn keep<A: Ask>(&self, sql: &Sql, ask: &mut A) -> Result<Kept, Error> {
        let (lent, answer) = self.ask_and_hold(sql, ask).await?;
        match answer {
            Ok(_) => Ok(Kept { open: lent.open, permit: lent._permit }),
            Err(failure) => Err(failure.into_error(&self.schema)),
        }
    }

    /// A kept connection, as if it had only been lent.
    pub(crate) fn take_back(&self, kept: Kept) -> Lent<'_> {
        Lent { open: kept.open, fresh: false, owner: self, _permit: kept.permit }
    }

    async fn ask_and_hold<A: Ask>(
        &self,
        sql: &Sql,
        ask: &mut A,
    ) -> Result<(Lent<'_>, Result<A::Answer, Failure>), Error> {
        let mut lent = self.acquire().await?;
        let mut answer = ask.ask(sql, lent.connection()).await;
        let lost = matches!(&answer, Err(Failure::Driver(e)) if error::is_lost(e));
        if lost && !lent.fresh && ask.is_repeatable() {
            lent.open = self.open().await?;
            answer = ask.ask(sql, lent.connection()).await;
        }
        Ok((lent, answer))
    }

    /// A connection outside the count, without a look at where the events are at home.
    pub(crate) async fn connect(&self) -> Result<PgConnection, Error> {
        let connected = self.answer(PgConnection::connect_with(&self.options)).await?;
        connected.map_err(|e| error::connect(&self.target, e))
    }

    /// A server that accepts and says nothing must not be waited for.
    async fn answer<T>(&self, asked: impl Future<Output = T>) -> Result<T, Error> {
        let no_answer = || NoAnswer { target: self.target.clone(), within: self.acquire_timeout };
        timeout(self.acquire_timeout, asked).await.map_err(|_| Error::unavailable(no_answer()))
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        match timeout(self.acquire_timeout, Arc::clone(&self.free).acquire_owned()).await {
            Ok(permit) => permit.map_err(Error::store),
            Err(_) => Err(Error::unavailable(NoneFree { within: self.acquire_timeout, max: self.max })),
        }
    }

    async fn open(&self) -> Result<Open, Error> {
        let mut connection = self.connect().await?;
        let (backend, home) =
            self.answer(self.who(&mut connection)).await?.map_err(|e| error::read(&self.schema, e))?;
        self.cache.clear();
        if home { Ok(Open { connection, backend }) } else { Err(error::not_at_home(&self.schema, None)) }
    }

    async fn who(&self, connection: &mut PgConnection) -> Result<(Backend, bool), sqlx::Error> {
        let there = sqlx::query(self.who_and_where.clone()).persistent(false).fetch_one(&mut *connection).await;
        let row = match there {
            Err(e) if error::is_not_migrated(&e) => sqlx::query(WHO).persistent(false).fetch_one(connection).await?,
            row => row?,
        };
        Ok((Backend { pid: row.try_get(0)?, started: row.try_get(1)? }, row.try_get(2)?))
    }

    fn take_idle(&self) -> Option<Open> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < MAX_IDLE);
        idle.pop().map(|idle| idle.open)
    }

    /// Nothing is left half done under this lock, so one that a panic poisoned is as good as any.
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.open.connection
    }
}

impl Lent<'_> {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.open.connection
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.open.backend
    }

    /// For the next one to use. Only when the last statement was answered to its end.
    pub(crate) fn release(self) {
        let Self { open, owner, _permit, .. } = self;
        owner.idle().push(Idle { open, since: Instant::now() });
    }

    /// Gives the connection back unless it is lost, or an answer was abandoned in its middle.
    pub(crate) fn release_after<T>(self, answer: Result<T, Failure>) -> Result<T, Error> {
        let owner = self.owner;
        match &answer {
            Ok(_) => self.release(),
            Err(Failure::Driver(e)) if is_complete(e) => self.release(),
            Err(_) => drop(self),
        }
        answer.map_err(|failure| failure.into_error(&owner.schema))
    }
}

/// Whether the server has said all it had to say, and listens again.
pub(crate) fn is_complete(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_)) && !error::is_lost(error)
}
