//! Reading one stream. What is committed is seen at once; the log and its ticks play no part.

use std::pin::Pin;

use es_core::{
    Direction, EncodedEvent, EventId, Fold, Metadata, Position, RawEvent, ReadStream, StreamId, Timestamp, Version,
    Visit,
};
use futures_core::stream::BoxStream;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, SqlStr};

use crate::connections::Ask;
use crate::error::Failure;
use crate::loads::Wish;
use crate::loads::batch::{self, Part};
use crate::row::Column;
use crate::sql::Sql;

/// What is needed to fold a stream, and nothing else.
pub(crate) const LOAD: &str = "
SELECT version, type, schema_version, payload FROM {schema}.events
 WHERE category = $1 AND stream_id = $2
 ORDER BY version";

/// What comes behind version $3 of it.
pub(crate) const LOAD_REST: &str = "
SELECT version, type, schema_version, payload FROM {schema}.events
 WHERE category = $1 AND stream_id = $2 AND version > $3
 ORDER BY version";

/// The same behind a snapshot, which comes first. A snapshot that the stream has not reached was taken of another stream of
/// that name, in another life of the database; whether it has is looked up by key (as `EXISTS` it becomes a join that reads
/// the whole stream). The order is that of the two branches: an `ORDER BY` around both would sort, and so copy, every event.
/// Whoever folds checks it, because versions have no gaps.
pub(crate) const LOAD_WITH_SNAPSHOT: &str = "
WITH s AS MATERIALIZED (
    SELECT n.version, n.state FROM {schema}.snapshots n
     WHERE n.category = $1 AND n.stream_id = $2 AND n.state_version = $3
       AND n.version = (SELECT e.version FROM {schema}.events e
                         WHERE e.category = $1 AND e.stream_id = $2 AND e.version = n.version)
)
(SELECT version, NULL::text AS type, 0 AS schema_version, state AS payload FROM s)
UNION ALL
(SELECT version, type, schema_version, payload FROM {schema}.events
  WHERE category = $1 AND stream_id = $2 AND version > coalesce((SELECT version FROM s), 0)
  ORDER BY version)";

/// Whole events from version $3 on. Without a limit $4 is null.
pub(crate) const FORWARDS: &str = "
SELECT version, event_id, type, schema_version, payload, recorded_at, correlation_id, causation_id, metadata
  FROM {schema}.events
 WHERE category = $1 AND stream_id = $2 AND version >= $3
 ORDER BY version LIMIT $4";

/// Whole events from version $3 back. Without a limit $4 is null.
pub(crate) const BACKWARDS: &str = "
SELECT version, event_id, type, schema_version, payload, recorded_at, correlation_id, causation_id, metadata
  FROM {schema}.events
 WHERE category = $1 AND stream_id = $2 AND version <= $3
 ORDER BY version DESC LIMIT $4";

/// [`EventStore::fold_stream`](es_core::EventStore::fold_stream)
pub(crate) struct Load<'a> {
    stream: &'a StreamId,
    state_version: Option<u32>,
    fold: &'a mut dyn Fold,
    /// What was folded before this is asked.
    behind: Option<Version>,
    folded: bool,
}

impl<'a> Load<'a> {
    pub(crate) fn new(stream: &'a StreamId, state_version: Option<u32>, fold: &'a mut dyn Fold) -> Self {
        Self { stream, state_version, fold, behind: None, folded: false }
    }

    pub(crate) fn wish(&self) -> Wish {
        Wish { stream: self.stream.clone(), state_version: self.state_version }
    }

    /// Whether that was all. Where it was not, the load goes on behind it when it is asked.
    pub(crate) fn take_part(&mut self, part: &Part) -> Result<bool, Failure> {
        let mut events = 0;
        for row in &part.rows {
            let (version, kind) = self.take(row)?;
            self.behind = Some(version);
            events += usize::from(kind == Kind::Event);
        }
        self.folded = false;
        Ok(!part.is_cut && events < batch::MOST_EVENTS)
    }

    fn take(&mut self, row: &PgRow) -> Result<(Version, Kind), Failure> {
        self.folded = true;
        let (version, payload) = (row.version(0)?, row.text(3)?);
        let Some(name) = row.text_or_null(1)? else {
            self.fold.snapshot(version, payload);
            return Ok((version, Kind::Snapshot));
        };
        let event = EncodedEvent::new(self.stream.category(), name, row.int(2)?, payload);
        self.fold.event(version, event)?;
        Ok((version, Kind::Event))
    }
}

/// What a row of a load holds.
#[derive(PartialEq)]
enum Kind {
    Snapshot,
    Event,
}

impl Ask for Load<'_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let query = |text: &SqlStr| sqlx::query(text.clone()).bind(self.stream.category()).bind(self.stream.id());
        let query = match (self.behind, self.state_version) {
            (Some(version), _) => query(&sql.load_rest).bind(signed(version.0)),
            (None, Some(state_version)) => query(&sql.load_with_snapshot).bind(i64::from(state_version)),
            (None, None) => query(&sql.load),
        };
        let mut rows = query.fetch(connection);
        while let Some(row) = next(&mut rows).await? {
            self.take(&row)?;
        }
        Ok(())
    }

    fn is_repeatable(&self) -> bool {
        !self.folded
    }
}

/// [`EventStore::read_stream`](es_core::EventStore::read_stream)
pub(crate) struct ReadEvents<'a, 'v> {
    read: ReadStream,
    visit: &'a mut Visit<'v>,
    visited: bool,
}

impl<'a, 'v> ReadEvents<'a, 'v> {
    pub(crate) fn new(read: ReadStream, visit: &'a mut Visit<'v>) -> Self {
        Self { read, visit, visited: false }
    }

    fn take(&mut self, row: &PgRow) -> Result<(), Failure> {
        self.visited = true;
        Ok((self.visit)(event(row, self.read.stream.clone(), None)?)?)
    }

    /// Versions are signed in the database, and none is near the limit.
    fn from(&self) -> i64 {
        let first_or_last = match self.read.direction {
            Direction::Forwards => Version::FIRST,
            Direction::Backwards => Version(u64::MAX),
        };
        signed(self.read.from.unwrap_or(first_or_last).0)
    }
}

impl Ask for ReadEvents<'_, '_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let text = match self.read.direction {
            Direction::Forwards => &sql.read_forwards,
            Direction::Backwards => &sql.read_backwards,
        };
        let stream = self.read.stream.clone();
        let query = sqlx::query(text.clone())
            .bind(stream.category())
            .bind(stream.id())
            .bind(self.from())
            .bind(self.read.limit.map(signed));
        let mut rows = query.fetch(connection);
        while let Some(row) = next(&mut rows).await? {
            self.take(&row)?;
        }
        Ok(())
    }

    fn is_repeatable(&self) -> bool {
        !self.visited
    }
}

/// The event of a row whose first nine columns are those of [`FORWARDS`].
pub(crate) fn event(row: &PgRow, stream: StreamId, position: Option<Position>) -> Result<RawEvent<'_>, Failure> {
    match Parts::of(row) {
        Ok(Parts { version, id, event_type, schema_version, payload, recorded_at, metadata }) => {
            Ok(RawEvent { id, stream, version, position, event_type, schema_version, payload, metadata, recorded_at })
        }
        Err(source) => {
            let version = row.version(0).unwrap_or_default();
            Err(es_core::Error::store(Unreadable { stream, version, source }).into())
        }
    }
}

/// What a row tells of its event.
struct Parts<'r> {
    version: Version,
    id: EventId,
    event_type: &'r str,
    schema_version: u32,
    payload: &'r str,
    recorded_at: Timestamp,
    metadata: Metadata,
}

impl<'r> Parts<'r> {
    fn of(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            version: row.version(0)?,
            id: row.event_id(1)?,
            event_type: row.text(2)?,
            schema_version: row.int(3)?,
            payload: row.text(4)?,
            recorded_at: row.timestamp(5)?,
            metadata: row.metadata(6)?,
        })
    }
}

/// A row that the library did not write like this.
#[derive(Debug, thiserror::Error)]
#[error("the row of event {version} of stream `{stream}` cannot be read")]
struct Unreadable {
    stream: StreamId,
    version: Version,
    source: sqlx::Error,
}

pub(crate) async fn next(rows: &mut BoxStream<'_, Result<PgRow, sqlx::Error>>) -> Result<Option<PgRow>, sqlx::Error> {
    std::future::poll_fn(|context| Pin::as_mut(rows).poll_next(context)).await.transpose()
}

/// What is counted unsigned here and signed in the database, where nothing comes near the limit.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
