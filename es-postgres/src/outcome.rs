//! What became of an append whose answer was lost with its connection.
//!
//! Where the append names the version it follows, it is simply repeated: the unique key lets it in once. If the repeat meets
//! a conflict, the ids of the events tell whether it is with the first try of its own. Before that is asked, the server's
//! process that may still be working on the first try is ended and waited for: the stream may come to fit what it is about
//! to do. Once it is gone, what it did is done, and the stream tells.
//!
//! Where the append goes behind whatever is there, a repeat could store it twice. So there the process is ended first.
//!
//! A longer transaction that appended something is not repeated here. Its process is ended, and then the stream tells whether it
//! was committed.

use std::time::Duration;

use es_core::{Appended, BoxError, Error};
use sqlx::{PgConnection, Row};

use crate::PgStore;
use crate::append::{Outcome, Prepared};
use crate::connections::{Backend, Lent, is_complete};
use crate::error::{self, Failure};
use crate::sql::Sql;

/// How long to wait before each attempt to find out.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// Ends a process, if it is still there. No row means that it is gone, and that its last statement is history.
pub(crate) const END_BACKEND: &str = "
SELECT pg_terminate_backend(pid) FROM pg_stat_get_activity($1) WHERE backend_start::text = $2";

/// An append in doubt.
pub(crate) struct Doubt<'a> {
    store: &'a PgStore,
    append: &'a Prepared,
    /// Whoever may still be working on it.
    backends: Vec<Backend>,
    error: BoxError,
}

impl<'a> Doubt<'a> {
    pub(crate) fn new(
        store: &'a PgStore,
        append: &'a Prepared,
        backends: Vec<Backend>,
        error: impl Into<BoxError>,
    ) -> Self {
        Self { store, append, backends, error: error.into() }
    }

    /// Stores the append if it was not stored, and tells how it ended.
    ///
    /// # Errors
    /// [`Error::UnknownOutcome`] when the store cannot be asked, and whatever an append can fail with.
    pub(crate) async fn resolve(mut self) -> Result<Appended, Error> {
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            if let Some(outcome) = self.attempt().await? {
                return outcome.into_result();
            }
        }
        Err(Error::UnknownOutcome { stream: self.append.stream().clone(), source: self.error })
    }

    /// Whether the transaction that the append was stored in was committed. Nothing is repeated.
    ///
    /// # Errors
    /// [`Error::UnknownOutcome`] when the store cannot be asked.
    pub(crate) async fn was_committed(mut self) -> Result<bool, Error> {
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            if let Some(committed) = self.look().await? {
                return Ok(committed);
            }
        }
        Err(Error::UnknownOutcome { stream: self.append.stream().clone(), source: self.error })
    }

    /// `None` when this attempt has not cleared it up.
    async fn attempt(&mut self) -> Result<Option<Outcome>, Error> {
        let Ok(mut lent) = self.store.connections().acquire_fresh().await else { return Ok(None) };
        let answer = self.settle(self.store.sql(), lent.connection()).await;
        self.conclude(lent, answer)
    }

    /// `None` when this attempt has not cleared it up.
    async fn look(&mut self) -> Result<Option<bool>, Error> {
        let Ok(mut lent) = self.store.connections().acquire_fresh().await else { return Ok(None) };
        let answer = self.find(self.store.sql(), lent.connection()).await;
        self.conclude(lent, answer)
    }

    fn conclude<T>(&mut self, lent: Lent<'_>, answer: Result<Option<T>, Failure>) -> Result<Option<T>, Error> {
        match answer {
            Ok(answer) => {
                lent.release();
                Ok(answer)
            }
            Err(Failure::Other(refused)) => Err(refused),
            Err(Failure::Driver(error)) => {
                if error::is_lost(&error) {
                    self.backends.push(lent.backend().clone());
                } else if is_complete(&error) {
                    lent.release();
                }
                self.error = error.into();
                Ok(None)
            }
        }
    }

    async fn settle(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<Outcome>, Failure> {
        if self.append.goes_anywhere() {
            if !self.backends_are_gone(connection).await? {
                return Ok(None);
            }
            if let Some(appended) = self.append.find(sql, connection).await? {
                return Ok(Some(Outcome::Stored(appended)));
            }
        }
        match self.append.store(sql, connection).await? {
            // The first try may not have begun yet, and would store later what is a conflict now.
            Outcome::Conflict(_) if !self.backends_are_gone(connection).await? => Ok(None),
            Outcome::Conflict(conflict) => match self.append.find(sql, connection).await? {
                Some(appended) => Ok(Some(Outcome::Stored(appended))),
                None => Ok(Some(Outcome::Conflict(conflict))),
            },
            // The first try under the key may have been its own.
            Outcome::Stored(first) if first.repeated => {
                Ok(Some(Outcome::Stored(self.append.find(sql, connection).await?.unwrap_or(first))))
            }
            outcome @ (Outcome::Stored(_) | Outcome::KeyReused(_)) => Ok(Some(outcome)),
        }
    }

    async fn find(&self, sql: &Sql, connection: &mut PgConnection) -> Result<Option<bool>, Failure> {
        if !self.backends_are_gone(connection).await? {
            return Ok(None);
        }
        Ok(Some(self.append.find(sql, connection).await?.is_some()))
    }

    async fn backends_are_gone(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let mut all_gone = true;
        for backend in &self.backends {
            let query = sqlx::query(END_BACKEND).bind(backend.pid).bind(&backend.started);
            let ended = query.fetch_optional(&mut *connection).await?;
            all_gone &= ended.map(|row| row.try_get::<bool, _>(0)).transpose()?.is_none();
        }
        Ok(all_gone)
    }
}
