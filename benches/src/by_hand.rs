//! The other side: the SQL that a good team would write for itself. One checkout for each command, one SELECT, one INSERT in
//! which the unique key checks the version, and serde straight from the text in the row.

use std::ops::{Deref, DerefMut};

use futures_util::TryStreamExt;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Postgres, Row, SqlSafeStr, SqlStr};
use uuid::Uuid;

use crate::Result;
use crate::domain::{AccountEvent, Balance, CATEGORY, Opened};
use crate::ledger::{Ledger, Standing};

/// The simplest table that serves: no metadata, no safe order of the log, two indexes.
const SIMPLE_TABLE: &str = "
CREATE SCHEMA {schema};
CREATE TABLE {schema}.events (
    position    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream      text        NOT NULL,
    version     bigint      NOT NULL,
    type        text        NOT NULL,
    payload     json        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stream, version)
)";

const SIMPLE: Statements<&str> = Statements {
    select: "SELECT version, type, payload FROM {schema}.events WHERE stream = $1 ORDER BY version",
    insert: "INSERT INTO {schema}.events (stream, version, type, payload) VALUES ($1, $2, $3, $4::json)",
    insert_all: "
INSERT INTO {schema}.events (stream, version, type, payload)
SELECT $1, nth, type, payload::json FROM unnest($2::text[], $3::text[]) WITH ORDINALITY n(type, payload, nth)",
};

/// On our own table: the same columns filled, the same indexes.
const SAME: Statements<&str> = Statements {
    select: "SELECT version, type, payload FROM {schema}.events WHERE category = $1 AND stream_id = $2 ORDER BY version",
    insert: "
INSERT INTO {schema}.events (category, stream_id, version, type, payload, schema_version, slice,
                             event_id, correlation_id, causation_id)
VALUES ($1, $2, $3, $4, $5::json, 1, 0, $6, $7, $8)",
    insert_all: "
INSERT INTO {schema}.events (category, stream_id, version, type, payload, schema_version, slice, event_id)
SELECT $1, $2, nth, type, payload::json, 1, 0, event_id
  FROM unnest($3::text[], $4::text[], $5::uuid[]) WITH ORDINALITY n(type, payload, event_id, nth)",
};

struct Statements<T> {
    select: T,
    insert: T,
    insert_all: T,
}

impl Statements<&str> {
    fn of(&self, schema: &str) -> Statements<SqlStr> {
        let text = |template| in_schema(template, schema);
        Statements { select: text(self.select), insert: text(self.insert), insert_all: text(self.insert_all) }
    }
}

fn in_schema(template: &str, schema: &str) -> SqlStr {
    AssertSqlSafe(template.replace("{schema}", schema)).into_sql_str()
}

/// How the hand-written side comes by a connection.
pub(crate) enum Source {
    /// From a pool, without the ping on each checkout that is sqlx's default.
    Pool(PgPool),
    /// It has one, and keeps it, which no application of several users can; and its session is set as that of es-postgres is.
    /// This is the floor.
    Kept(Box<PgConnection>),
}

/// What es-postgres sets in its sessions: a statement is planned once, and reads by index.
const SESSION: [(&str, &str); 3] =
    [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off"), ("jit", "off")];

enum Lent<'s> {
    Pooled(PoolConnection<Postgres>),
    Kept(&'s mut PgConnection),
}

impl Source {
    pub(crate) async fn pool(url: &str) -> Result<Self> {
        let options = url.parse::<PgConnectOptions>()?.disable_statement_logging();
        Ok(Self::Pool(PgPoolOptions::new().test_before_acquire(false).connect_with(options).await?))
    }

    pub(crate) async fn kept(url: &str) -> Result<Self> {
        let options = url.parse::<PgConnectOptions>()?.options(SESSION).disable_statement_logging();
        Ok(Self::Kept(Box::new(PgConnection::connect_with(&options).await?)))
    }

    async fn lend(&mut self) -> Result<Lent<'_>> {
        Ok(match self {
            Self::Pool(pool) => Lent::Pooled(pool.acquire().await?),
            Self::Kept(connection) => Lent::Kept(connection),
        })
    }
}

impl Deref for Lent<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Kept(connection) => connection,
        }
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Kept(connection) => connection,
        }
    }
}

/// On the table of es-postgres.
pub(crate) struct SameTable {
    source: Source,
    sql: Statements<SqlStr>,
}

impl SameTable {
    pub(crate) fn new(source: Source, schema: &str) -> Self {
        Self { source, sql: SAME.of(schema) }
    }
}

impl Ledger for SameTable {
    async fn append(&mut self, id: &str, events: Vec<AccountEvent>) -> Result<u64> {
        let mut connection = self.source.lend().await?;
        if let [event] = events.as_slice() {
            insert_same(&self.sql, &mut connection, (id, 1), event, None).await?;
            return Ok(1);
        }
        let (types, payloads) = columns(&events)?;
        let ids: Vec<Uuid> = events.iter().map(|_| Uuid::now_v7()).collect();
        let query = sqlx::query(self.sql.insert_all.clone()).bind(CATEGORY).bind(id);
        query.bind(types).bind(payloads).bind(ids).execute(&mut *connection).await?;
        Ok(events.len() as u64)
    }

    async fn deposit(&mut self, id: &str, amount: u64) -> Result<Standing> {
        let mut connection = self.source.lend().await?;
        let query = sqlx::query(self.sql.select.clone()).bind(CATEGORY).bind(id);
        let (version, mut state) = fold(query.fetch(&mut *connection)).await?;
        let event = state.deposit(amount)?;
        insert_same(&self.sql, &mut connection, (id, version + 1), &event, Some(Uuid::now_v7())).await?;
        state.apply(event);
        Ok(Standing::new(version as u64 + 1, &state))
    }

    async fn load(&mut self, id: &str) -> Result<Standing> {
        let mut connection = self.source.lend().await?;
        let query = sqlx::query(self.sql.select.clone()).bind(CATEGORY).bind(id);
        let (version, state) = fold(query.fetch(&mut *connection)).await?;
        Ok(Standing::new(version as u64, &state))
    }
}

async fn insert_same(
    sql: &Statements<SqlStr>,
    connection: &mut PgConnection,
    (id, version): (&str, i64),
    event: &AccountEvent,
    conversation: Option<Uuid>,
) -> Result<()> {
    let (name, payload) = encode(event)?;
    let query = sqlx::query(sql.insert.clone()).bind(CATEGORY).bind(id).bind(version).bind(name).bind(payload);
    query.bind(Uuid::now_v7()).bind(conversation).bind(conversation).execute(connection).await?;
    Ok(())
}

/// On the simplest table.
pub(crate) struct SimpleTable {
    source: Source,
    sql: Statements<SqlStr>,
}

impl SimpleTable {
    pub(crate) fn new(source: Source, schema: &str) -> Self {
        Self { source, sql: SIMPLE.of(schema) }
    }

    pub(crate) async fn create(source: Source, schema: &str) -> Result<Self> {
        let mut ledger = Self::new(source, schema);
        let connection = &mut *ledger.source.lend().await?;
        sqlx::raw_sql(in_schema(SIMPLE_TABLE, schema)).execute(connection).await?;
        Ok(ledger)
    }
}

impl Ledger for SimpleTable {
    async fn append(&mut self, id: &str, events: Vec<AccountEvent>) -> Result<u64> {
        let mut connection = self.source.lend().await?;
        if let [event] = events.as_slice() {
            insert_simple(&self.sql, &mut connection, id, 1, event).await?;
            return Ok(1);
        }
        let (types, payloads) = columns(&events)?;
        let query = sqlx::query(self.sql.insert_all.clone()).bind(stream(id)).bind(types).bind(payloads);
        query.execute(&mut *connection).await?;
        Ok(events.len() as u64)
    }

    async fn deposit(&mut self, id: &str, amount: u64) -> Result<Standing> {
        let mut connection = self.source.lend().await?;
        let query = sqlx::query(self.sql.select.clone()).bind(stream(id));
        let (version, mut state) = fold(query.fetch(&mut *connection)).await?;
        let event = state.deposit(amount)?;
        insert_simple(&self.sql, &mut connection, id, version + 1, &event).await?;
        state.apply(event);
        Ok(Standing::new(version as u64 + 1, &state))
    }

    async fn load(&mut self, id: &str) -> Result<Standing> {
        let mut connection = self.source.lend().await?;
        let query = sqlx::query(self.sql.select.clone()).bind(stream(id));
        let (version, state) = fold(query.fetch(&mut *connection)).await?;
        Ok(Standing::new(version as u64, &state))
    }
}

async fn insert_simple(
    sql: &Statements<SqlStr>,
    connection: &mut PgConnection,
    id: &str,
    version: i64,
    event: &AccountEvent,
) -> Result<()> {
    let (name, payload) = encode(event)?;
    let query = sqlx::query(sql.insert.clone()).bind(stream(id)).bind(version).bind(name).bind(payload);
    query.execute(connection).await?;
    Ok(())
}

fn stream(id: &str) -> String {
    format!("{CATEGORY}-{id}")
}

async fn fold(mut rows: impl TryStreamExt<Ok = PgRow, Error = sqlx::Error> + Unpin) -> Result<(i64, Balance)> {
    let mut state = Balance::default();
    let mut version = 0;
    while let Some(row) = rows.try_next().await? {
        version = row.try_get(0)?;
        // Unchecked is the type alone: `json` comes as text, which sqlx does not know.
        state.apply(decode(row.try_get(1)?, row.try_get_unchecked(2)?)?);
    }
    Ok((version, state))
}

fn columns(events: &[AccountEvent]) -> Result<(Vec<&'static str>, Vec<String>)> {
    let encoded: Vec<_> = events.iter().map(encode).collect::<Result<_>>()?;
    Ok(encoded.into_iter().unzip())
}

pub(crate) fn encode(event: &AccountEvent) -> Result<(&'static str, String)> {
    Ok(match event {
        AccountEvent::Opened(event) => ("account.opened", serde_json::to_string(event)?),
        AccountEvent::Deposited(event) => ("account.deposited", serde_json::to_string(event)?),
        AccountEvent::Withdrawn(event) => ("account.withdrawn", serde_json::to_string(event)?),
    })
}

pub(crate) fn decode(name: &str, payload: &str) -> Result<AccountEvent> {
    Ok(match name {
        "account.opened" => AccountEvent::Opened(serde_json::from_str::<Opened>(payload)?),
        "account.deposited" => AccountEvent::Deposited(serde_json::from_str(payload)?),
        "account.withdrawn" => AccountEvent::Withdrawn(serde_json::from_str(payload)?),
        unknown => return Err(format!("no event is called `{unknown}`").into()),
    })
}
