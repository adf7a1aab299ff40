//! One append is one statement, which is its own transaction: it checks the version and inserts.
//!
//! `UNIQUE (category, stream_id, version)` is the arbiter of concurrent appends. The first event of an append competes for
//! its version with `ON CONFLICT DO NOTHING`; whoever loses waits until the winner has committed, stores nothing and gets no
//! row, which is no error to the server, so that a transaction around it lives on. The further events of an append are
//! inserted only behind a first one that won: nobody else can be at the versions behind it before it is committed.
//!
//! The version that is really there comes from a statement of its own. Looked up in the statement that lost, it would be as
//! old as that statement's snapshot, and would now and then equal the version that was expected.

use es_core::{
    Append, Appended, Conflict, Error, EventId, ExpectedVersion, InvalidAppend, KeyReused, Keyed, Metadata, NewEvent,
    StreamId, Version,
};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row};

use crate::columns::{Columns, causation, correlation, schema_version};
use crate::error::Failure;
use crate::keys;
use crate::row::{Column, Json};
use crate::sql::Sql;

/// Behind version $3, if the stream is there. `EXISTS` refuses a hole, and the unique key refuses a version that is taken.
/// Scalars, because arrays of one element cost a sixth of the rate. `{upon}` is [`upon`], or nothing.
pub(crate) const ONE_AT: &str = "
INSERT INTO {schema}.events (category, stream_id, version, event_id, type, schema_version, payload,
                             correlation_id, causation_id, metadata, slice)
SELECT $1, $2, $3 + 1, $4, $5, $6, $7, $8, $9, $10, $11
 WHERE $3 = 0 OR EXISTS (SELECT FROM {schema}.events WHERE category = $1 AND stream_id = $2 AND version = $3{upon})
ON CONFLICT (category, stream_id, version) DO NOTHING
RETURNING version, recorded_at";

/// Behind whatever version is there, if it is at least $3. The version is looked up once (`OFFSET 0`).
pub(crate) const ONE_BEHIND: &str = "
INSERT INTO {schema}.events (category, stream_id, version, event_id, type, schema_version, payload,
                             correlation_id, causation_id, metadata, slice)
SELECT $1, $2, c.version + 1, $4, $5, $6, $7, $8, $9, $10, $11
  FROM (SELECT coalesce((SELECT version FROM {schema}.events WHERE category = $1 AND stream_id = $2
                          ORDER BY version DESC LIMIT 1), 0) AS version OFFSET 0) c
 WHERE c.version >= $3
ON CONFLICT (category, stream_id, version) DO NOTHING
RETURNING version, recorded_at";

/// The version of the last of several events, from that of the first.
pub(crate) const LAST_OF_ALL: &str = "version + cardinality($4) - 1";

/// [`ONE_AT`] for several events, before [`all`]. The rest is read together with the row of the first, so it comes after it, in order.
pub(crate) const ALL_AT: &str = "
WITH new AS MATERIALIZED (
    SELECT * FROM unnest($4::uuid[], $5::text[], $6::int[], $7::json[], $8::uuid[], $9::uuid[], $10::json[])
             WITH ORDINALITY n(event_id, type, schema_version, payload, correlation_id, causation_id, metadata, nth)
), first AS (
    INSERT INTO {schema}.events (category, stream_id, version, event_id, type, schema_version, payload,
                                 correlation_id, causation_id, metadata, slice)
    SELECT $1, $2, $3 + 1, event_id, type, schema_version, payload, correlation_id, causation_id, metadata, $11
      FROM new
     WHERE nth = 1
       AND ($3 = 0 OR EXISTS (SELECT FROM {schema}.events WHERE category = $1 AND stream_id = $2 AND version = $3{upon}))
    ON CONFLICT (category, stream_id, version) DO NOTHING
    RETURNING version, recorded_at
), rest AS (
    INSERT INTO {schema}.events (category, stream_id, version, event_id, type, schema_version, payload,
                                 correlation_id, causation_id, metadata, slice)
    SELECT $1, $2, f.version + n.nth - 1, n.event_id, n.type, n.schema_version, n.payload,
           n.correlation_id, n.causation_id, n.metadata, $11
      FROM first f, new n
     WHERE n.nth > 1
     ORDER BY n.nth
)";

/// [`ONE_BEHIND`] for several events, before [`all`].
pub(crate) const ALL_BEHIND: &str = "
WITH new AS MATERIALIZED (
    SELECT * FROM unnest($4::uuid[], $5::text[], $6::int[], $7::json[], $8::uuid[], $9::uuid[], $10::json[])
             WITH ORDINALITY n(event_id, type, schema_version, payload, correlation_id, causation_id, metadata, nth)
), first AS (
    INSERT INTO {schema}.events (category, stream_id, version, event_id, type, schema_version, payload,
                                 correlation_id, causation_id, metadata, slice)
    SELECT $1, $2, c.version + 1, event_id, type, schema_version, payload, correlation_id, causation_id, metadata, $11
      FROM new,
           (SELECT coalesce((SELECT version FROM {schema}.events WHERE category = $1 AND stream_id = $2
                              ORDER BY version DESC LIMIT 1), 0) AS version OFFSET 0) c
     WHERE nth = 1 AND c.version >= $3
    ON CONFLICT (category, stream_id, version) DO NOTHING
    RETURNING version, recorded_at
), rest AS (
    INSERT INTO {schema}.events (category, stream_id, version, event_id, type, schema_version, payload,
                                 correlation_id, causation_id, metadata, slice)
    SELECT $1, $2, f.version + n.nth - 1, n.event_id, n.type, n.schema_version, n.payload,
           n.correlation_id, n.causation_id, n.metadata, $11
      FROM first f, new n
     WHERE n.nth > 1
     ORDER BY n.nth
)";

/// [`ONE_AT`] and [`ALL_AT`] for an append that names the event it goes behind, as the last of so many parameters.
pub(crate) fn upon(append: &str, parameter: u32) -> String {
    append.replace(UPON, &format!(" AND event_id = ${parameter}"))
}

/// [`ONE_AT`] and [`ALL_AT`] for any other append, to which it is all the same.
pub(crate) fn upon_any(append: &str) -> String {
    append.replace(UPON, "")
}

const UPON: &str = "{upon}";

/// The append of several events, with its answer.
pub(crate) fn all(append: &str) -> String {
    format!("{append}\nSELECT {LAST_OF_ALL}, recorded_at FROM first")
}

/// The last event of a stream, no row when it has no events.
pub(crate) const LAST_EVENT: &str = "
SELECT version, event_id FROM {schema}.events WHERE category = $1 AND stream_id = $2 ORDER BY version DESC LIMIT 1";

/// Where an event is in its stream, from version $4 on. Newest first, since what is looked for was stored a moment ago.
pub(crate) const FIND_EVENT: &str = "
SELECT version, recorded_at FROM {schema}.events
 WHERE category = $1 AND stream_id = $2 AND version >= $4 AND event_id = $3
 ORDER BY version DESC LIMIT 1";

/// An append that the database could accept, in the database's own terms.
pub(crate) struct Prepared {
    append: Append,
    place: Place,
    slice: i16,
    /// What of each event's metadata has no column of its own.
    metadata: Vec<Option<String>>,
}

/// Where the first event goes.
#[derive(Clone, Copy)]
enum Place {
    /// Right behind this version.
    At(i64),
    /// Behind the stream's last event, which must have this version at least.
    Behind(i64),
    /// Behind a version that no stream of this store can have.
    Nowhere,
}

/// What became of an append.
#[derive(Debug)]
pub(crate) enum Outcome {
    Stored(Appended),
    Conflict(Conflict),
    KeyReused(KeyReused),
}

impl Outcome {
    pub(crate) fn into_result(self) -> Result<Appended, Error> {
        match self {
            Self::Stored(appended) => Ok(appended),
            Self::Conflict(conflict) => Err(conflict.into()),
            Self::KeyReused(reused) => Err(reused.into()),
        }
    }
}

impl Prepared {
    /// # Errors
    /// [`InvalidAppend`], when no store could accept it.
    pub(crate) fn new(append: Append) -> Result<Self, Error> {
        append.check()?;
        let metadata = append.events.iter().map(uncolumned).collect::<Result<_, _>>()?;
        let slice = i16::try_from(append.stream.slice()).map_err(Error::store)?;
        Ok(Self { place: Place::of(&append), slice, metadata, append })
    }

    pub(crate) fn stream(&self) -> &StreamId {
        &self.append.stream
    }

    /// Whether a repeat could store the events a second time: where the version is given, the unique key prevents it.
    pub(crate) fn goes_anywhere(&self) -> bool {
        matches!(self.place, Place::Behind(_))
    }

    pub(crate) fn key(&self) -> Option<&Keyed> {
        self.append.key.as_ref()
    }

    /// The event that it goes behind, if it says so.
    pub(crate) fn behind(&self) -> Option<EventId> {
        self.append.behind
    }

    /// Its last event.
    pub(crate) fn last(&self) -> Option<EventId> {
        self.append.events.last().map(|event| event.id)
    }

    pub(crate) fn slice(&self) -> i16 {
        self.slice
    }

    /// The version that the append names as the one it follows, if it names one that can be there.
    pub(crate) fn follows(&self) -> Option<i64> {
        match self.place {
            Place::At(version) => Some(version),
            Place::Behind(_) | Place::Nowhere => None,
        }
    }

    /// The events, each with what of its metadata has no column of its own.
    pub(crate) fn events(&self) -> impl ExactSizeIterator<Item = (&NewEvent, Option<&str>)> {
        self.append.events.iter().zip(self.metadata.iter().map(Option::as_deref))
    }

    /// Stores the events, or finds out why not, in statements that are transactions of their own.
    ///
    /// # Errors
    /// As the driver says. Then nothing was stored, unless the connection was lost.
    pub(crate) async fn store(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Outcome, Failure> {
        loop {
            match self.compete(sql, connection).await {
                Err(Failure::Driver(error)) if keys::is_taken(&error) => {}
                outcome => return outcome,
            }
            if let Some(first) = keys::repeat_or_make_room(sql, connection, &self.append).await? {
                return Ok(first);
            }
        }
    }

    /// Stores the events, or finds out why not, inside a longer transaction.
    ///
    /// # Errors
    /// As the driver says, and [`Error::Unavailable`] when somebody else was faster under the same key.
    pub(crate) async fn store_inside(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Outcome, Failure> {
        if let Some(first) = keys::repeat_or_make_room(sql, connection, &self.append).await? {
            return Ok(first);
        }
        match (self.compete(sql, connection).await, &self.append.key) {
            (Err(Failure::Driver(source)), Some(keyed)) if keys::is_taken(&source) => {
                Err(Error::unavailable(keys::UsedMeanwhile { key: keyed.key.clone(), source }).into())
            }
            (outcome, _) => outcome,
        }
    }

    /// Competes for the versions until it wins, or a conflict is found. What has lost to a first try of its own is no conflict.
    async fn compete(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Outcome, Failure> {
        loop {
            if let Some(appended) = self.insert(sql, connection).await? {
                return Ok(Outcome::Stored(appended));
            }
            let last = last_event(sql, connection, self.stream()).await?;
            if let Some(first) = keys::repeat_of(sql, connection, &self.append).await? {
                return Ok(first);
            }
            if let Some(conflict) = self.conflict(last)? {
                return Ok(Outcome::Conflict(conflict));
            }
            // Somebody was faster, and the stream is as expected again. Each turn of the loop is a success of somebody.
        }
    }

    /// Where the append is in its stream, if it was stored after all. It was stored as a whole, so its last event will tell.
    pub(crate) async fn find(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<Appended>, sqlx::Error> {
        let (Some(last), Ok(count)) = (self.append.events.last(), i64::try_from(self.append.events.len())) else {
            return Ok(None);
        };
        let from = match self.place {
            Place::At(version) => version.saturating_add(count),
            Place::Behind(version) => version.saturating_add(1),
            Place::Nowhere => return Ok(None),
        };
        let found = self.query(&sql.find_event).bind(last.id.0).bind(from).fetch_optional(connection).await?;
        found.map(|row| appended(&row)).transpose()
    }

    async fn insert(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<Appended>, sqlx::Error> {
        let statements = if self.key().is_some() { &sql.keyed_appends } else { &sql.appends };
        let query = match (self.place, self.behind(), self.append.events.as_slice()) {
            (Place::Nowhere, _, _) => return Ok(None),
            (Place::At(version), None, [event]) => self.one(&statements.one_at, version, event),
            (Place::At(version), Some(_), [event]) => self.one(&statements.one_upon, version, event),
            (Place::Behind(version), _, [event]) => self.one(&statements.one_behind, version, event),
            (Place::At(version), None, _) => self.all(&statements.all_at, version),
            (Place::At(version), Some(_), _) => self.all(&statements.all_upon, version),
            (Place::Behind(version), _, _) => self.all(&statements.all_behind, version),
        };
        let query = match &self.append.key {
            Some(Keyed { key, fingerprint, .. }) => query.bind(key.as_str()).bind(fingerprint),
            None => query,
        };
        let query = match self.behind() {
            Some(event) => query.bind(event.0),
            None => query,
        };
        let row = query.fetch_optional(connection).await?;
        row.map(|row| appended(&row)).transpose()
    }

    fn query(&self, sql: &sqlx::SqlStr) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(sql.clone()).bind(self.stream().category()).bind(self.stream().id())
    }

    fn one<'a>(&'a self, sql: &sqlx::SqlStr, version: i64, event: &'a NewEvent) -> Query<'a, Postgres, PgArguments> {
        self.query(sql)
            .bind(version)
            .bind(event.id.0)
            .bind(&*event.event_type)
            .bind(schema_version(event))
            .bind(Json(&event.payload))
            .bind(correlation(event))
            .bind(causation(event))
            .bind(self.metadata.first().and_then(Option::as_deref).map(Json))
            .bind(self.slice)
    }

    fn all<'a>(&'a self, sql: &sqlx::SqlStr, version: i64) -> Query<'a, Postgres, PgArguments> {
        let mut columns = Columns::default();
        self.events().for_each(|(event, metadata)| columns.push(event, metadata));
        columns.bind(self.query(sql).bind(version)).bind(self.slice)
    }

    /// The conflict with a stream that ends so, if it is one.
    fn conflict(&self, (actual, last): (Version, Option<EventId>)) -> Result<Option<Conflict>, Error> {
        let expected = self.append.expected;
        let is_behind = self.behind().is_none_or(|event| last == Some(event));
        match (self.place, expected.allows(actual) && is_behind) {
            (Place::Nowhere, true) => Err(InvalidAppend::TooManyEvents(self.stream().clone()).into()),
            (_, true) => Ok(None),
            (_, false) => Ok(Some(Conflict { stream: self.stream().clone(), expected, actual })),
        }
    }
}

impl Place {
    fn of(append: &Append) -> Self {
        match append.expected {
            ExpectedVersion::Any => Self::Behind(0),
            ExpectedVersion::Exists => Self::Behind(1),
            ExpectedVersion::NoStream => Self::At(0),
            ExpectedVersion::Exact(version) => Self::at(version, append.events.len()),
        }
    }

    /// The versions of a stream are counted in a signed integer here.
    fn at(version: Version, events: usize) -> Self {
        match (i64::try_from(version.0), i64::try_from(events)) {
            (Ok(version), Ok(events)) if version.checked_add(events).is_some() => Self::At(version),
            _ => Self::Nowhere,
        }
    }
}

/// How the stream ends now, by a snapshot of its own.
async fn last_event(
    sql: &Sql,
    connection: &mut PgConnection,
    stream: &StreamId,
) -> Result<(Version, Option<EventId>), sqlx::Error> {
    let query = sqlx::query(sql.last_event.clone()).bind(stream.category()).bind(stream.id());
    match query.fetch_optional(connection).await? {
        Some(row) => Ok((row.version(0)?, Some(EventId(row.try_get(1)?)))),
        None => Ok((Version::NONE, None)),
    }
}

fn appended(row: &PgRow) -> Result<Appended, sqlx::Error> {
    Ok(Appended::new(row.version(0)?, row.timestamp(1)?))
}

/// What of an event's metadata has no column of its own.
pub(crate) fn uncolumned(event: &NewEvent) -> Result<Option<String>, Error> {
    let mut rest = event.metadata.clone();
    rest.correlation_id = None;
    rest.causation_id = None;
    if rest == Metadata::default() {
        return Ok(None);
    }
    serde_json::to_string(&rest).map(Some).map_err(Error::store)
}
