//! Idempotency keys: which append was stored under which, for a while.
//!
//! An append under a key is one statement like any other, which inserts the key's row from the row of its first event. It does
//! so without `ON CONFLICT`: where the key is taken, the statement fails and takes the events back with it. Only then is looked
//! up what was stored under the key, so the first append under a key costs nobody a look.
//!
//! In a longer transaction a failed statement would end the transaction, so there the key is looked up before. What remains is
//! somebody who uses it at that very moment; such a transaction has to begin anew.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use es_core::{Append, Appended, Error, IdempotencyKey, KeyUse, Keyed, StreamId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use tokio::runtime::Handle;

use crate::PgStore;
use crate::append::Outcome;
use crate::connections::Ask;
use crate::error::Failure;
use crate::row::Column;
use crate::sql::Sql;

/// So many keys are removed by one statement, so that none lasts long.
const BATCH: u64 = 1_000;

/// How often a process looks for keys that have expired.
const PAUSE: Duration = Duration::from_secs(60 * 60);

/// The constraint that is violated where a key is taken.
const PRIMARY_KEY: &str = "idempotency_keys_pk";

/// Where a statement says for how long keys are kept.
pub(crate) const KEPT_FOR: &str = "{keys_kept_for}";

/// What an append does beside, under key $12 with fingerprint $13. The events begin at the version of `first`.
const KEEP: &str = ", key AS (
    INSERT INTO {schema}.idempotency_keys (key, fingerprint, category, stream_id, first_version, last_version, recorded_at)
    SELECT $12, $13, $1, $2, version, {last}, recorded_at FROM first
)";

/// What was stored under a key, and whether it is still known.
pub(crate) const FIND: &str = "
SELECT category, stream_id, first_version, last_version, fingerprint, recorded_at,
       recorded_at > clock_timestamp() - {keys_kept_for}
  FROM {schema}.idempotency_keys WHERE key = $1";

/// Makes room for a key that has expired. If somebody has used it again in the meantime, that stays.
pub(crate) const REMOVE: &str = "
DELETE FROM {schema}.idempotency_keys WHERE key = $1 AND recorded_at <= clock_timestamp() - {keys_kept_for}";

/// The oldest that have expired. The time is asked once, since an index cannot be asked for what changes from row to row.
pub(crate) const REMOVE_SOME: &str = "
DELETE FROM {schema}.idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {schema}.idempotency_keys
     WHERE recorded_at <= (SELECT clock_timestamp() - {keys_kept_for}) ORDER BY recorded_at LIMIT $1))";

/// The append of one event, and its key.
pub(crate) fn keyed_one(append: &str) -> String {
    let keep = KEEP.replace("{last}", "version");
    format!("\nWITH first AS ({append}\n){keep}\nSELECT version, recorded_at FROM first")
}

/// The append of several events up to version `last`, and their key.
pub(crate) fn keyed_all(append: &str, last: &str) -> String {
    append.to_owned() + &KEEP.replace("{last}", last)
}

/// How long keys are kept, as SQL.
pub(crate) fn interval(kept_for: Duration) -> String {
    /// Longer than that means for ever, and times have their limits.
    const LONGEST: Duration = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);
    format!("interval '{} microseconds'", kept_for.min(LONGEST).as_micros())
}

/// A key as it was found.
pub(crate) struct Found {
    first: KeyUse,
    has_expired: bool,
}

impl Found {
    fn from_row(row: &PgRow) -> Result<Self, Failure> {
        let stream = StreamId::new(row.text(0)?, row.text(1)?).map_err(Error::from)?;
        let first = KeyUse::new(stream, row.version(2)?, row.version(3)?, row.try_get(4)?, row.timestamp(5)?);
        Ok(Self { first, has_expired: !row.try_get::<bool, _>(6)? })
    }

    fn known(self) -> Option<KeyUse> {
        (!self.has_expired).then_some(self.first)
    }
}

async fn find(sql: &Sql, connection: &mut PgConnection, key: &IdempotencyKey) -> Result<Option<Found>, Failure> {
    let row = sqlx::query(sql.find_key.clone()).bind(key.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(Found::from_row).transpose()
}

/// What is to be answered to an append under a key that is known.
fn answer(keyed: &Keyed, first: &KeyUse, stream: &StreamId) -> Outcome {
    match keyed.check(first, stream) {
        Ok(()) => Outcome::Stored(Appended::again(first)),
        Err(reused) => Outcome::KeyReused(reused),
    }
}

/// What is to be answered to an append, if it has a key and that is known.
pub(crate) async fn repeat_of(
    sql: &Sql,
    connection: &mut PgConnection,
    append: &Append,
) -> Result<Option<Outcome>, Failure> {
    let Some(keyed) = &append.key else { return Ok(None) };
    let first = find(sql, connection, &keyed.key).await?.and_then(Found::known);
    Ok(first.map(|first| answer(keyed, &first, &append.stream)))
}

/// Like [`repeat_of`], and removes the key if it has expired, so that it can be used again.
pub(crate) async fn repeat_or_make_room(
    sql: &Sql,
    connection: &mut PgConnection,
    append: &Append,
) -> Result<Option<Outcome>, Failure> {
    let Some(keyed) = &append.key else { return Ok(None) };
    match find(sql, connection, &keyed.key).await? {
        Some(Found { has_expired: true, .. }) => {
            sqlx::query(sql.remove_key.clone()).bind(keyed.key.as_str()).execute(connection).await?;
            Ok(None)
        }
        Some(Found { first, .. }) => Ok(Some(answer(keyed, &first, &append.stream))),
        None => Ok(None),
    }
}

/// Whether an append failed because its key was taken.
pub(crate) fn is_taken(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database.is_some_and(|e| e.is_unique_violation() && e.constraint() == Some(PRIMARY_KEY))
}

/// Somebody else was faster under the same key, and the transaction has failed by it. Whoever begins anew finds what became of
/// it.
#[derive(Debug, thiserror::Error)]
#[error("idempotency key `{key}` was used by somebody else at the same time, so the transaction has to begin anew")]
pub(crate) struct UsedMeanwhile {
    pub(crate) key: IdempotencyKey,
    pub(crate) source: sqlx::Error,
}

/// [`EventStore::find_key`](es_core::EventStore::find_key)
pub(crate) struct FindKey<'a>(pub(crate) &'a IdempotencyKey);

impl Ask for FindKey<'_> {
    type Answer = Option<KeyUse>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<KeyUse>, Failure> {
        Ok(find(sql, connection, self.0).await?.and_then(Found::known))
    }
}

/// Removes a batch of keys that have expired, and tells how many.
struct RemoveSome;

impl Ask for RemoveSome {
    type Answer = u64;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<u64, Failure> {
        let batch = i64::try_from(BATCH).unwrap_or(i64::MAX);
        Ok(sqlx::query(sql.remove_some_keys.clone()).bind(batch).execute(connection).await?.rows_affected())
    }
}

/// Removes all keys that have expired, batch by batch, and tells how many.
pub(crate) async fn forget(store: &PgStore) -> Result<u64, Error> {
    let mut all = 0;
    loop {
        let removed = store.connections().ask(store.sql(), &mut RemoveSome).await?;
        all += removed;
        if removed < BATCH {
            return Ok(all);
        }
    }
}

/// Removes keys that have expired in the background, now and then.
#[derive(Debug, Default)]
pub(crate) struct Forgetting(Mutex<Option<Instant>>);

impl Forgetting {
    /// An append under a key was stored: time to look for old ones, if this process has not done so within the hour.
    pub(crate) fn look(&self, store: &PgStore) {
        if !self.is_due() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let store = store.clone();
        runtime.spawn(async move {
            match forget(&store).await {
                Ok(0) => {}
                Ok(keys) => tracing::debug!(keys, "removed idempotency keys that had expired"),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "idempotency keys that have expired were not removed");
                }
            }
        });
    }

    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= PAUSE);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}
