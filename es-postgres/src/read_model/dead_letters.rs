//! Dead letters: pointers to events that a projection could not take in.

use std::borrow::Cow;

use es_core::{DeadLetter, DeadLetterStatus, Error, FailureClass, Position, ProjectionId, StreamId, Version};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::{next, signed};
use crate::read_model::statements::{of, of_letter};
use crate::read_model::status::class_in;
use crate::row::{Column, Time};
use crate::sql::Sql;

pub(crate) const LIST: &str = "
SELECT category, stream_id, first_version, last_version, position, event_id, error, attempts, status, reason,
       first_failed_at, last_failed_at, class
  FROM {schema}.dead_letters WHERE name = $1 AND version = $2 AND position > $3
 ORDER BY position LIMIT $4";

pub(crate) const SAVE: &str = "
INSERT INTO {schema}.dead_letters (name, version, category, stream_id, first_version, last_version, position, event_id,
                                   error, attempts, status, reason, first_failed_at, last_failed_at, class)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (name, version, category, stream_id, first_version) DO UPDATE
   SET last_version = excluded.last_version, position = excluded.position, event_id = excluded.event_id,
       error = excluded.error, attempts = excluded.attempts, status = excluded.status, reason = excluded.reason,
       first_failed_at = excluded.first_failed_at, last_failed_at = excluded.last_failed_at,
       class = excluded.class";

pub(crate) const DELETE: &str = "
DELETE FROM {schema}.dead_letters
 WHERE name = $1 AND version = $2 AND category = $3 AND stream_id = $4 AND first_version = $5";

/// Those of a projection behind a place, oldest place first, and at most so many. No two are of the same place.
pub(crate) struct List<'a>(pub(crate) &'a ProjectionId, pub(crate) Position, pub(crate) u32);

impl Ask for List<'_> {
    type Answer = Vec<DeadLetter>;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        let Self(id, after, limit) = *self;
        let query = of(&sql.read_models.list_letters, id).bind(signed(after.0)).bind(i64::from(limit));
        let mut rows = query.fetch(connection);
        let mut letters = Vec::new();
        while let Some(row) = next(&mut rows).await? {
            letters.push(letter(&row)?);
        }
        Ok(letters)
    }
}

pub(crate) struct Save<'a>(pub(crate) &'a ProjectionId, pub(crate) &'a DeadLetter);

impl Ask for Save<'_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let Self(id, letter) = self;
        let (status, reason) = words(&letter.status)?;
        let query = of_letter(&sql.read_models.save_letter, id, &letter.stream, letter.first)
            .bind(signed(letter.last.0))
            .bind(signed(letter.position.0))
            .bind(letter.event_id.0)
            .bind(storable(&letter.error))
            .bind(i64::from(letter.attempts))
            .bind(status)
            .bind(reason.map(storable))
            .bind(Time(letter.first_failed_at))
            .bind(Time(letter.last_failed_at))
            .bind(letter.class.map(FailureClass::as_str));
        query.execute(connection).await?;
        Ok(())
    }
}

pub(crate) struct Delete<'a>(pub(crate) &'a ProjectionId, pub(crate) &'a StreamId, pub(crate) Version);

impl Ask for Delete<'_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let Self(id, stream, first) = *self;
        of_letter(&sql.read_models.delete_letter, id, stream, first).execute(connection).await?;
        Ok(())
    }
}

fn letter(row: &PgRow) -> Result<DeadLetter, Failure> {
    let stream = StreamId::new(row.text(0)?, row.text(1)?).map_err(Error::from)?;
    let status = status(row.text(8)?, row.text_or_null(9)?)?;
    let (first, position, event_id) = (row.version(2)?, row.position(4)?, row.event_id(5)?);
    let mut letter = DeadLetter::new(stream, first, position, event_id, row.text(6)?, status, row.timestamp(10)?);
    letter.last = row.version(3)?;
    letter.attempts = u32::try_from(row.count(7)?).map_err(Error::store)?;
    letter.last_failed_at = row.timestamp(11)?;
    letter.class = class_in(row, 12)?;
    Ok(letter)
}

/// A status that only another release of this library knows.
#[derive(Debug, thiserror::Error)]
#[error("dead letters with the status {0:?} are not known to this release of es-postgres")]
struct UnknownStatus(String);

fn words(status: &DeadLetterStatus) -> Result<(&'static str, Option<&str>), Error> {
    match status {
        DeadLetterStatus::Parked => Ok(("parked", None)),
        DeadLetterStatus::RetryRequested => Ok(("retry_requested", None)),
        DeadLetterStatus::DiscardRequested { reason } => Ok(("discard_requested", Some(reason))),
        DeadLetterStatus::Skipped => Ok(("skipped", None)),
        DeadLetterStatus::Discarded { reason } => Ok(("discarded", Some(reason))),
        other => Err(Error::store(UnknownStatus(format!("{other:?}")))),
    }
}

pub(crate) fn status(word: &str, reason: Option<&str>) -> Result<DeadLetterStatus, Error> {
    let reason = || reason.unwrap_or_default().to_owned();
    match word {
        "parked" => Ok(DeadLetterStatus::Parked),
        "retry_requested" => Ok(DeadLetterStatus::RetryRequested),
        "discard_requested" => Ok(DeadLetterStatus::DiscardRequested { reason: reason() }),
        "skipped" => Ok(DeadLetterStatus::Skipped),
        "discarded" => Ok(DeadLetterStatus::Discarded { reason: reason() }),
        other => Err(Error::store(UnknownStatus(other.to_owned()))),
    }
}

/// What people and their code say about failures may hold anything, and a text of the database no NUL. That it is lost must
/// not be the reason why a failure cannot be written down.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
