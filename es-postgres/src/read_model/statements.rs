//! The statements about read models: their texts, and what most of them begin with.

use es_core::{Error, Lease, ProjectionId, Slices, StreamId, Version};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row, SqlStr};

use crate::error::Failure;
use crate::read::signed;
use crate::read_model::{checkpoint, dead_letters, documents, lease, registration, status, words};
use crate::schema::Schema;
use crate::sql::in_schema;

macro_rules! statements {
    ($($name:ident: $text:expr,)*) => {
        /// The statements whose text is always the same.
        #[derive(Debug)]
        pub(crate) struct Statements {
            $(pub(crate) $name: SqlStr,)*
        }

        impl Statements {
            pub(crate) fn new(schema: &Schema) -> Self {
                Self { $($name: in_schema($text, schema),)* }
            }

            #[cfg(test)]
            pub(crate) fn all(&self) -> Vec<&str> {
                vec![$(self.$name.as_str(),)*]
            }
        }
    };
}

statements! {
    register: registration::REGISTER,
    take_up: registration::TAKE_UP,
    taken_in: registration::TAKEN_IN,
    parts: registration::PARTS,
    serving: registration::SERVING,
    drop_projection: registration::DROP,
    claim: lease::CLAIM,
    in_the_way: lease::IN_THE_WAY,
    renew: lease::RENEW,
    release: lease::RELEASE,
    report_stop: lease::REPORT_STOP,
    kind: words::KIND,
    leave_word: words::LEAVE,
    settle_letters: words::SETTLE_LETTERS,
    serve: words::SERVE,
    stopped: words::STOPPED,
    divide: words::DIVIDE,
    advance: checkpoint::ADVANCE,
    reset: checkpoint::RESET,
    dismiss: checkpoint::DISMISS,
    seize: checkpoint::SEIZE,
    checkpoints: checkpoint::CHECKPOINTS,
    reached: checkpoint::REACHED,
    position_at: checkpoint::POSITION_AT,
    hold_appends: checkpoint::HOLD_APPENDS,
    tick: status::TICK,
    status: status::STATUS,
    make_documents: documents::MAKE,
    list_letters: dead_letters::LIST,
    save_letter: dead_letters::SAVE,
    delete_letter: dead_letters::DELETE,
}

/// A statement about a projection.
pub(crate) fn of<'a>(sql: &SqlStr, id: &'a ProjectionId) -> Query<'a, Postgres, PgArguments> {
    sqlx::query(sql.clone()).bind(id.name()).bind(i64::from(id.version()))
}

/// A statement about a part of a projection.
pub(crate) fn of_part<'a>(sql: &SqlStr, id: &'a ProjectionId, first: u16) -> Query<'a, Postgres, PgArguments> {
    // A slice that is too high for the database is one that no part begins with.
    of(sql, id).bind(i16::try_from(first).unwrap_or(i16::MAX))
}

/// A statement that works under the newest lease only.
pub(crate) fn under<'a>(sql: &SqlStr, held: &'a Lease) -> Query<'a, Postgres, PgArguments> {
    of_part(sql, &held.id, held.slices.first()).bind(signed(held.token))
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

/// The slices of a part, from its first and its last one.
pub(crate) fn slices(first: i16, last: i16) -> Result<Slices, Failure> {
    let (first, last) = (u16::try_from(first).map_err(Error::store)?, u16::try_from(last).map_err(Error::store)?);
    Ok(Slices::new(first, last).map_err(Error::store)?)
}

/// The slices of a part, from two columns that follow each other.
pub(crate) fn slices_in(row: &PgRow, column: usize) -> Result<Slices, Failure> {
    slices(row.try_get(column)?, row.try_get(column + 1)?)
}

/// What was asked about a projection that nobody has told the store of.
#[derive(Debug, thiserror::Error)]
#[error("projection `{id}` was never registered")]
pub(crate) struct Unregistered {
    pub(crate) id: ProjectionId,
}

impl Unregistered {
    pub(crate) fn failure(id: &ProjectionId) -> Failure {
        Error::store(Self { id: id.clone() }).into()
    }
}
