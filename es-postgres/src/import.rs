//! Events of the past, many at a time, by `COPY`.
//!
//! A batch is looked up in one statement and stored by another, which is its own transaction. Nothing is locked in between: the
//! key of a stream is the arbiter, as it is of appends. Whoever takes one of the versions meanwhile makes the `COPY` fail as a
//! whole, and the batch is looked up again.
//!
//! The order of the log rests on what it rests on for appends. The look has seen the event before the first one of each
//! stream committed, and `pk` is drawn after that, row by row, in the order in which the rows come.

use std::collections::HashMap;
use std::num::TryFromIntError;

use es_core::{
    Error, EventId, ImportBatch, ImportEvent, ImportStore, ImportStream, InvalidAppend, NewEvent, Timestamp, Version,
};
use sqlx::PgConnection;

use crate::append::uncolumned;
use crate::columns::{causation, correlation, schema_version};
use crate::connections::Ask;
use crate::copy::Rows;
use crate::error::{self, Failure};
use crate::read::{next, signed};
use crate::row::{Column, micros};
use crate::sql::Sql;
use crate::store::PgStore;

/// How far each stream has come, in the order of the streams; and what time it is, for events that have none.
pub(crate) const VERSIONS: &str = "
SELECT coalesce((SELECT e.version FROM {schema}.events e
                  WHERE e.category = s.category AND e.stream_id = s.stream_id ORDER BY e.version DESC LIMIT 1), 0),
       statement_timestamp()
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY s(category, stream_id, nth)
 ORDER BY s.nth";

/// What is stored of the streams already, from one version of each to another.
pub(crate) const THERE: &str = "
SELECT s.nth, e.version, e.event_id
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
       s(category, stream_id, first, last, nth)
 CROSS JOIN LATERAL (
       SELECT version, event_id FROM {schema}.events
        WHERE category = s.category AND stream_id = s.stream_id AND version BETWEEN s.first AND s.last
        ORDER BY version OFFSET 0) e";

/// The database says when.
pub(crate) const NOW: &str = "
COPY {schema}.events (category, stream_id, version, event_id, type, schema_version, payload,
                      correlation_id, causation_id, metadata, slice) FROM STDIN (FORMAT binary)";

/// The events say when, which an application's role must not.
pub(crate) const THEN: &str = "
COPY {schema}.events (category, stream_id, version, event_id, type, schema_version, payload,
                      correlation_id, causation_id, metadata, slice, recorded_at) FROM STDIN (FORMAT binary)";

/// The key of a stream. Of all others none can be in the way of an event.
const STREAM_KEY: &str = "events_stream";

impl ImportStore for PgStore {
    async fn import_batch(&self, batch: &ImportBatch) -> Result<u64, Error> {
        let stored = self.connections().ask(self.sql(), &mut StoreBatch(batch)).await??;
        if stored > 0 {
            self.announce();
        }
        Ok(stored)
    }
}

/// Stores what is missing of a batch. Asked again, it finds what was stored before.
struct StoreBatch<'a>(&'a ImportBatch);

impl Ask for StoreBatch<'_> {
    /// What is wrong with the batch leaves the connection as it was.
    type Answer = Result<u64, Error>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        loop {
            let known = Known::look(self.0, sql, connection).await?;
            let missing = match self.0.missing(|number| known.version(number), |number, at| known.id(number, at)) {
                Ok(missing) if missing.is_empty() => return Ok(Ok(0)),
                Ok(missing) => missing,
                Err(conflict) => return Ok(Err(conflict.into())),
            };
            let times = Times::of(&missing, known.now);
            let rows = match rows(&missing, times) {
                Ok(rows) => rows,
                Err(error) => return Ok(Err(error)),
            };
            match rows.copy(times.statement(sql), connection).await {
                // Somebody was faster, or both waited for each other. Each turn of the loop is a success of somebody, and the next
                // look finds it.
                Err(error) if is_taken(&error) || error::is_deadlock(&error) => {}
                Err(error) if times.are_given() && error::is_forbidden(&error) => {
                    return Ok(Err(error::may_not_give_times(error)));
                }
                stored => return Ok(Ok(stored?)),
            }
        }
    }
}

/// What there is of the streams of a batch, and what time it is.
struct Known {
    versions: Vec<Version>,
    ids: HashMap<(usize, Version), EventId>,
    now: Timestamp,
}

impl Known {
    async fn look(batch: &ImportBatch, sql: &Sql, connection: &mut PgConnection) -> Result<Self, Failure> {
        let mut known = Self { versions: Vec::new(), ids: HashMap::new(), now: Timestamp::UNIX_EPOCH };
        let (categories, ids) = names(batch.streams().iter());
        {
            let mut rows = sqlx::query(sql.import_versions.clone()).bind(categories).bind(ids).fetch(&mut *connection);
            while let Some(row) = next(&mut rows).await? {
                known.versions.push(row.version(0)?);
                known.now = row.timestamp(1)?;
            }
        }
        known.look_closer(batch, sql, connection).await?;
        Ok(known)
    }

    /// Finds the ids of what is there already: nothing, unless an import is repeated.
    async fn look_closer(
        &mut self,
        batch: &ImportBatch,
        sql: &Sql,
        connection: &mut PgConnection,
    ) -> Result<(), Failure> {
        let begun: Vec<(usize, &ImportStream)> =
            batch.streams().iter().enumerate().filter(|(number, of)| of.first <= self.version(*number)).collect();
        if begun.is_empty() {
            return Ok(());
        }
        let (categories, ids) = names(begun.iter().map(|(_, of)| *of));
        let firsts: Vec<i64> = begun.iter().map(|(_, of)| signed(of.first.0)).collect();
        let lasts: Vec<i64> = begun.iter().map(|(_, of)| signed(of.last.0)).collect();
        let query = sqlx::query(sql.import_there.clone()).bind(categories).bind(ids).bind(firsts).bind(lasts);
        let mut rows = query.fetch(connection);
        while let Some(row) = next(&mut rows).await? {
            let nth = usize::try_from(row.count(0)?).map_err(Error::store)?;
            // Counted from 1.
            if let Some((number, _)) = nth.checked_sub(1).and_then(|nth| begun.get(nth)) {
                self.ids.insert((*number, row.version(1)?), row.event_id(2)?);
            }
        }
        Ok(())
    }

    fn version(&self, number: usize) -> Version {
        self.versions.get(number).copied().unwrap_or_default()
    }

    fn id(&self, number: usize, version: Version) -> Option<EventId> {
        self.ids.get(&(number, version)).copied()
    }
}

fn names<'a>(streams: impl Iterator<Item = &'a ImportStream>) -> (Vec<&'a str>, Vec<&'a str>) {
    streams.map(|of| (of.stream.category(), of.stream.id())).unzip()
}

/// Who says when the events were recorded.
#[derive(Clone, Copy)]
enum Times {
    /// The database.
    Now,
    /// The events; and where one does not, it is this time.
    Given(Timestamp),
}

impl Times {
    fn of(events: &[(&ImportStream, &ImportEvent)], now: Timestamp) -> Self {
        if events.iter().any(|(_, event)| event.recorded_at.is_some()) { Self::Given(now) } else { Self::Now }
    }

    fn are_given(self) -> bool {
        matches!(self, Self::Given(_))
    }

    fn statement(self, sql: &Sql) -> &str {
        match self {
            Self::Now => sql.import_now.as_str(),
            Self::Given(_) => sql.import_then.as_str(),
        }
    }
}

fn rows(events: &[(&ImportStream, &ImportEvent)], times: Times) -> Result<Rows, Error> {
    let mut rows = Rows::new(if times.are_given() { 12 } else { 11 });
    for (of, event) in events {
        let Ok(version) = i64::try_from(event.version.0) else {
            return Err(InvalidAppend::TooManyEvents(of.stream.clone()).into());
        };
        let slice = i16::try_from(of.stream.slice()).map_err(Error::store)?;
        let metadata = uncolumned(&event.event)?;
        let given = match times {
            Times::Now => None,
            Times::Given(now) => Some(event.recorded_at.unwrap_or(now)),
        };
        rows.row();
        push(&mut rows, of, version, &event.event, metadata.as_deref()).map_err(Error::store)?;
        rows.value(&slice.to_be_bytes()).map_err(Error::store)?;
        if let Some(time) = given {
            rows.value(&micros(time).to_be_bytes()).map_err(Error::store)?;
        }
    }
    Ok(rows)
}

/// What comes before the slice, in the order in which the statements name it.
fn push(
    rows: &mut Rows,
    of: &ImportStream,
    version: i64,
    event: &NewEvent,
    metadata: Option<&str>,
) -> Result<(), TryFromIntError> {
    rows.value(of.stream.category().as_bytes())?;
    rows.value(of.stream.id().as_bytes())?;
    rows.value(&version.to_be_bytes())?;
    rows.value(event.id.0.as_bytes())?;
    rows.value(event.event_type.as_bytes())?;
    rows.value(&schema_version(event).to_be_bytes())?;
    rows.value(event.payload.as_bytes())?;
    rows.value_or_null(correlation(event).as_ref().map(|id| &id.as_bytes()[..]))?;
    rows.value_or_null(causation(event).as_ref().map(|id| &id.as_bytes()[..]))?;
    rows.value_or_null(metadata.map(str::as_bytes))
}

fn is_taken(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database.is_some_and(|e| e.is_unique_violation() && e.constraint() == Some(STREAM_KEY))
}
