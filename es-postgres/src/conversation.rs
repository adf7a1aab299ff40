//! Reading across streams: one conversation, and one event by its id. As with a stream, what is committed is seen at once; the
//! log and its ticks play no part.

use es_core::{Bookmark, EventId, RawEvent, ReadConversation, StreamId, Visit};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::{event, next, signed};
use crate::row::Column;
use crate::sql::Sql;

/// The events that name the conversation, and the one that begins it under its own id, behind $2. Without a limit $3 is null.
///
/// Two branches, because as one `OR` no index has them in order. Each has its order and its limit, so that they are merged, and a
/// page costs what it holds; a sort around both would read the whole conversation for each page.
///
/// The first one is a range, and not `correlation_id = $1`: then the planner knows only one index that has its order. Otherwise
/// it takes the one of `pk` while the table is small or holds one large conversation, looks through all events, and keeps that
/// plan. For the same reason `OFFSET 0` has the beginning looked up by its id.
///
/// The order of `pk` has causes before effects: whoever writes an effect has seen its cause committed, or has written it before
/// in the same transaction, and the cause drew its `pk` before that.
pub(crate) const READ: &str = "
(SELECT version, event_id, type, schema_version, payload, recorded_at, correlation_id, causation_id, metadata,
        pk, category, stream_id, correlation_id AS conversation
   FROM {schema}.events
  WHERE (correlation_id, pk) > ($1, $2) AND correlation_id <= $1
  ORDER BY conversation, pk LIMIT $3)
UNION ALL
(SELECT version, event_id, type, schema_version, payload, recorded_at, correlation_id, causation_id, metadata,
        pk, category, stream_id, event_id AS conversation
   FROM (SELECT * FROM {schema}.events WHERE event_id = $1 OFFSET 0) e
  WHERE correlation_id IS NULL AND pk > $2
  ORDER BY conversation, pk LIMIT $3)
ORDER BY conversation, pk LIMIT $3";

/// The first event that was stored under the id. Nothing but chance and care keeps ids unique, so there could be several.
pub(crate) const FIND: &str = "
SELECT version, event_id, type, schema_version, payload, recorded_at, correlation_id, causation_id, metadata,
       pk, category, stream_id
  FROM (SELECT * FROM {schema}.events WHERE event_id = $1 OFFSET 0) e
 ORDER BY pk LIMIT 1";

/// [`EventStore::read_conversation`](es_core::EventStore::read_conversation)
pub(crate) struct ReadTogether<'a, 'v> {
    read: ReadConversation,
    visit: &'a mut Visit<'v>,
    visited: u64,
    last: Bookmark,
}

impl<'a, 'v> ReadTogether<'a, 'v> {
    pub(crate) fn new(read: ReadConversation, visit: &'a mut Visit<'v>) -> Self {
        Self { last: read.after, read, visit, visited: 0 }
    }

    fn take(&mut self, row: &PgRow) -> Result<(), Failure> {
        self.visited += 1;
        self.last = Bookmark(row.count(9)?);
        Ok((self.visit)(raw(row)?)?)
    }
}

impl Ask for ReadTogether<'_, '_> {
    type Answer = Option<Bookmark>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<Bookmark>, Failure> {
        let query = sqlx::query(sql.read_conversation.clone())
            .bind(self.read.correlation.0)
            .bind(signed(self.read.after.0))
            .bind(self.read.limit.map(signed));
        let mut rows = query.fetch(connection);
        while let Some(row) = next(&mut rows).await? {
            self.take(&row)?;
        }
        let full = self.read.limit.is_some_and(|limit| self.visited >= limit);
        Ok(full.then_some(self.last))
    }

    fn is_repeatable(&self) -> bool {
        self.visited == 0
    }
}

/// [`EventStore::find_event`](es_core::EventStore::find_event)
pub(crate) struct FindById<'a, 'v> {
    id: EventId,
    visit: &'a mut Visit<'v>,
    visited: bool,
}

impl<'a, 'v> FindById<'a, 'v> {
    pub(crate) fn new(id: EventId, visit: &'a mut Visit<'v>) -> Self {
        Self { id, visit, visited: false }
    }
}

impl Ask for FindById<'_, '_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let query = sqlx::query(sql.find_by_id.clone()).bind(self.id.0);
        if let Some(row) = query.fetch_optional(connection).await? {
            self.visited = true;
            (self.visit)(raw(&row)?)?;
        }
        Ok(())
    }

    fn is_repeatable(&self) -> bool {
        !self.visited
    }
}

/// The event of a row with its stream in the columns 10 and 11.
fn raw(row: &PgRow) -> Result<RawEvent<'_>, Failure> {
    let stream = StreamId::new(row.text(10)?, row.text(11)?).map_err(es_core::Error::from)?;
    event(row, stream, None)
}
