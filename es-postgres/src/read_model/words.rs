//! Words that are left for whoever runs a projection.

use es_core::{Control, ControlAnswer, Error, ProjectionId, Refusal};
use sqlx::{PgConnection, Row};

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::signed;
use crate::read_model::dead_letters::storable;
use crate::read_model::registration::{checked_parts, kind_of};
use crate::read_model::statements::of;
use crate::read_model::status::class_in;
use crate::row::Column;
use crate::sql::Sql;

pub(crate) const LEAVE: &str = "SELECT {schema}.leave_word($1, $2, $3, $4)";

pub(crate) const SETTLE_LETTERS: &str = "SELECT {schema}.settle_letters($1, $2, $3, $4, $5, $6, $7)";

pub(crate) const SERVE: &str = "SELECT answer, reached, history FROM {schema}.serve_projection($1, $2)";

/// It stays as it is for as long as there is the projection, so it may be asked before the word is left.
pub(crate) const KIND: &str = "SELECT kind, inline FROM {schema}.projections WHERE name = $1 AND version = $2";

/// Why a projection has stopped, if it has, and whether it is paused.
pub(crate) const STOPPED: &str = "
SELECT p.paused, a.stopped, a.stopped_class FROM {schema}.projections p
  LEFT JOIN LATERAL (SELECT s.stopped, s.stopped_class FROM {schema}.projection_parts s
                      WHERE s.name = $1 AND s.version = $2 AND s.stopped IS NOT NULL
                      ORDER BY s.first_slice LIMIT 1) a ON true
 WHERE p.name = $1 AND p.version = $2";

pub(crate) const DIVIDE: &str = "SELECT {schema}.divide_projection($1, $2)";

/// [`ReadModelStore::control`](es_core::ReadModelStore::control)
pub(crate) struct LeaveWord<'a>(pub(crate) &'a ProjectionId, pub(crate) &'a Control);

impl LeaveWord<'_> {
    /// Refuses to have it go back where its kind cannot.
    async fn check_kind(&self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        if !matches!(self.1, Control::Rebuild | Control::Rewind { .. }) {
            return Ok(());
        }
        let row = of(&sql.read_models.kind, self.0).fetch_optional(connection).await?;
        let Some(row) = row else { return Ok(()) };
        if row.try_get(1)? {
            return Err(Refusal::Inline.of(self.0).into());
        }
        Ok(self.1.check(self.0, kind_of(row.text(0)?)?)?)
    }

    async fn leave(
        &self,
        sql: &Sql,
        connection: &mut PgConnection,
        word: &str,
        argument: Option<i64>,
    ) -> Result<bool, Failure> {
        let query = of(&sql.read_models.leave_word, self.0).bind(word).bind(argument);
        let row = query.fetch_one(connection).await?;
        match row.text(0)? {
            "inline" => Err(Refusal::Inline.of(self.0).into()),
            "dividing" => Err(Refusal::Dividing.of(self.0).into()),
            "task" => Err(Refusal::GoingBack.of(self.0).into()),
            answer => Ok(answer == "done"),
        }
    }

    async fn serve(&self, sql: &Sql, connection: &mut PgConnection) -> Result<bool, Failure> {
        let row = of(&sql.read_models.serve, self.0).fetch_one(connection).await?;
        match row.text(0)? {
            "task" => Err(Refusal::NotBack.of(self.0).into()),
            "behind" => Err(Refusal::Behind { at: row.position(1)?, history: row.position(2)? }.of(self.0).into()),
            answer => Ok(answer == "done"),
        }
    }

    /// The status and the reason that this word gives to letters, and which one it is about, if not about all.
    async fn settle(&self, sql: &Sql, connection: &mut PgConnection) -> Result<bool, Failure> {
        let query = of(&sql.read_models.settle_letters, self.0);
        let query = match self.1 {
            Control::DiscardDeadLetter { reason, .. } => query.bind("discard_requested").bind(storable(reason)),
            _ => query.bind("retry_requested").bind(None::<&str>),
        };
        let query = match self.1 {
            Control::RetryDeadLetter { stream, first } | Control::DiscardDeadLetter { stream, first, .. } => {
                query.bind(stream.category()).bind(stream.id()).bind(signed(first.0))
            }
            _ => query.bind(None::<&str>).bind(None::<&str>).bind(None::<i64>),
        };
        let row = query.fetch_one(connection).await?;
        match row.text(0)? {
            "inline" => Err(Refusal::Inline.of(self.0).into()),
            answer => Ok(answer == "done"),
        }
    }
}

impl LeaveWord<'_> {
    async fn say(&self, sql: &Sql, connection: &mut PgConnection) -> Result<bool, Failure> {
        match self.1 {
            Control::Pause => self.leave(sql, connection, "pause", None).await,
            Control::Resume => self.leave(sql, connection, "resume", None).await,
            Control::Rebuild => self.leave(sql, connection, "rebuild", None).await,
            Control::Rewind { to } => self.leave(sql, connection, "rewind", Some(signed(to.0))).await,
            Control::Divide { parts } => {
                let parts = checked_parts(self.0, *parts)?;
                self.leave(sql, connection, "divide", Some(parts.into())).await
            }
            Control::Serve => self.serve(sql, connection).await,
            Control::RetryDeadLetter { .. } | Control::RetryDeadLetters | Control::DiscardDeadLetter { .. } => {
                self.settle(sql, connection).await
            }
            other => Err(Error::setup(format!("this release of es-postgres does not know the word {other:?}")).into()),
        }
    }
}

impl Ask for LeaveWord<'_> {
    type Answer = ControlAnswer;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<ControlAnswer, Failure> {
        self.check_kind(sql, &mut *connection).await?;
        if !self.say(sql, connection).await? {
            return Ok(ControlAnswer::Nothing);
        }
        if *self.1 == Control::Serve {
            return Ok(ControlAnswer::Accepted);
        }
        // Asked when the word is committed: who stops after that has not missed it.
        let Some(row) = of(&sql.read_models.stopped, self.0).fetch_optional(connection).await? else {
            return Ok(ControlAnswer::Accepted);
        };
        Ok(match (row.text_or_null(1)?, row.try_get(0)?) {
            (Some(reason), _) => {
                ControlAnswer::AcceptedWhileStopped { reason: reason.to_owned(), class: class_in(&row, 2)? }
            }
            (None, true) if *self.1 != Control::Pause => ControlAnswer::AcceptedWhilePaused,
            (None, _) => ControlAnswer::Accepted,
        })
    }
}

/// [`ReadModelStore::divide`](es_core::ReadModelStore::divide)
pub(crate) struct Divide<'a>(pub(crate) &'a ProjectionId);

impl Ask for Divide<'_> {
    type Answer = bool;

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<bool, Failure> {
        Ok(of(&sql.read_models.divide, self.0).fetch_one(connection).await?.try_get(0)?)
    }
}
