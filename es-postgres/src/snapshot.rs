//! Snapshots, kept beside the events and never trusted over them.

use std::sync::Arc;

use es_core::{EventStore, Snapshot, StreamId};
use sqlx::PgConnection;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::PgStore;
use crate::connections::Ask;
use crate::error::Failure;
use crate::read::signed;
use crate::row::Json;
use crate::sql::Sql;

/// So many offered snapshots may wait to be written; further ones are dropped. Each will be due again with the next command.
const MAX_WAITING: usize = 64;

/// So many offered snapshots are written at a time, so that commands find connections.
const MAX_WRITING: usize = 2;

/// One statement decides and writes, so that of two writers the newer snapshot stays, whoever comes last: the rule of
/// [`Snapshot::supersedes`] is asked of the row as it is when the row is locked. One that is ahead of its stream could not be
/// used, so it must not take the place of one that can.
pub(crate) const SAVE: &str = "
INSERT INTO {schema}.snapshots AS s (category, stream_id, state_version, version, state)
SELECT $1, $2, $3, $4, $5
 WHERE EXISTS (SELECT FROM {schema}.events WHERE category = $1 AND stream_id = $2 AND version = $4)
ON CONFLICT (category, stream_id, state_version) DO UPDATE
   SET version = excluded.version, state = excluded.state
 WHERE s.version < excluded.version OR s.version = $6";

/// All state versions of a stream.
pub(crate) const DELETE: &str = "
DELETE FROM {schema}.snapshots WHERE category = $1 AND stream_id = $2";

/// [`EventStore::save_snapshot`]
pub(crate) struct Save<'a>(pub(crate) &'a Snapshot);

impl Ask for Save<'_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let snapshot = self.0;
        let query = sqlx::query(sql.save_snapshot.clone())
            .bind(snapshot.stream.category())
            .bind(snapshot.stream.id())
            .bind(i64::from(snapshot.state_version))
            .bind(signed(snapshot.version.0))
            .bind(Json(&snapshot.state))
            .bind(snapshot.replaces.map(|version| signed(version.0)));
        query.execute(connection).await?;
        Ok(())
    }
}

/// [`EventStore::delete_snapshots`]
pub(crate) struct Delete<'a>(pub(crate) &'a StreamId);

impl Ask for Delete<'_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let query = sqlx::query(sql.delete_snapshots.clone()).bind(self.0.category()).bind(self.0.id());
        query.execute(connection).await?;
        Ok(())
    }
}

/// Snapshots that are written when there is time.
#[derive(Debug)]
pub(crate) struct Offers {
    waiting: Arc<Semaphore>,
    writing: Arc<Semaphore>,
}

impl Offers {
    pub(crate) fn new() -> Self {
        Self { waiting: Arc::new(Semaphore::new(MAX_WAITING)), writing: Arc::new(Semaphore::new(MAX_WRITING)) }
    }

    /// Has the snapshot written in the background, if there is room and a runtime.
    pub(crate) fn take(&self, store: PgStore, snapshot: Snapshot) {
        let (Ok(waiting), Ok(runtime)) = (Arc::clone(&self.waiting).try_acquire_owned(), Handle::try_current()) else {
            tracing::debug!(stream = %snapshot.stream, "dropped a snapshot: too many are waiting to be written");
            return;
        };
        let writing = Arc::clone(&self.writing);
        runtime.spawn(async move {
            let _turn = writing.acquire().await;
            if let Err(error) = store.save_snapshot(snapshot.clone()).await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(stream = %snapshot.stream, error, "a snapshot was not saved");
            }
            drop(waiting);
        });
    }
}
