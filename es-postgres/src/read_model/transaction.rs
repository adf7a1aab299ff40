//! A transaction over read models and checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use es_core::{
    AdvanceError, Append, Appended, Checkpoint, DeadLetter, Error, Lease, Position, ProjectionId, ReadModelTransaction,
    StreamId, Version,
};
use sqlx::postgres::PgTransactionManager;
use sqlx::{Connection, Executor, PgConnection, Row, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use crate::append::Prepared;
use crate::connections::{Ask, Kept};
use crate::error::{self, Failure};
use crate::outcome::Doubt;
use crate::read_model::checkpoint::{self, HoldAppends, Move, MoveTo, Seize};
use crate::read_model::{dead_letters, documents};
use crate::schema::Schema;
use crate::sql::Sql;
use crate::store::PgStore;

/// A process that vanished without a word (no power, no network) leaves a transaction that holds locks. The server ends it when
/// nothing was said for so long, unless it was told to do so earlier anyway. The mark goes with the transaction, so that one that a
/// projector has ended is known. All are one message, and so one round trip.
const BEGIN: &str = "
BEGIN;
SELECT set_config('es.transaction', 'open', true);
SELECT set_config('idle_in_transaction_session_timeout', '60s', true)
 WHERE current_setting('idle_in_transaction_session_timeout') = '0'";

/// Where a projector had the connection: what it set goes with it, in the same round trip, so that nobody else meets a session that
/// is read-only, or another role's. `RESET` returns to what the connection was opened with; newer servers take the role along with
/// the session's user, older ones do not. It is a transaction of its own, so that it does not take back how this one is to be
/// committed. The last one is only there to be ended by the driver's own means, so that it knows.
const COMMIT_AND_RESET: &str = "
COMMIT AND CHAIN; RESET ALL; RESET SESSION AUTHORIZATION; RESET ROLE; COMMIT AND CHAIN";

/// A transaction over read models and checkpoints, on a connection of the store's. See [`ReadModelTransaction`].
///
/// A projector gets the connection. It can do whatever a transaction can, also `begin` and `commit` on it, which set a
/// savepoint inside. What it must not do is to say `COMMIT` or `ROLLBACK` in its own SQL: the checkpoint would not belong to
/// its effect any more, so it is not moved then, and the projection has failed. Nor must it keep a failure of its SQL to itself, for
/// the server does nothing more in such a transaction. What it says with `SET` lasts until the end of the transaction. Like all connections of the store, this one plans each prepared statement once, for all values, and
/// avoids to read whole tables where there is an index.
///
/// Dropped without commit, it closes its connection, and so the server rolls back.
///
/// # Example: a row of your own, or not
///
/// ```
/// use es_core::{ReadModelStore, ReadModelTransaction};
/// use es_postgres::PgStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = es_test_support::Database::create().await;
/// # let url = database.url();
/// let store = PgStore::connect(url).await?;
/// store.migrate().await?;
///
/// let mut transaction = store.begin().await?;
/// sqlx::query("CREATE TABLE balances (account text)").execute(&mut *transaction.target()).await?;
/// transaction.commit().await?;
///
/// let mut transaction = store.begin().await?;
/// sqlx::query("INSERT INTO balances VALUES ('ada')").execute(&mut *transaction.target()).await?;
/// drop(transaction);
///
/// let mut transaction = store.begin().await?;
/// let count: i64 = sqlx::query_scalar("SELECT count(*) FROM balances").fetch_one(&mut *transaction.target()).await?;
/// assert_eq!(count, 0);
/// # Ok(())
/// # }
/// ```
pub struct PgReadModelTransaction {
    store: PgStore,
    kept: Kept,
    /// Whether a projector had the connection since the server last answered to the store.
    lent_out: bool,
    /// Whether a projector ever had it, and may have changed the session.
    was_lent_out: bool,
    /// Whether a checkpoint was moved.
    moved: bool,
    /// What was appended last. It was committed if all of the transaction was.
    appended: Option<Prepared>,
    /// Keys that are locked and name no document so far.
    not_there: BTreeMap<ProjectionId, BTreeSet<String>>,
}

impl fmt::Debug for PgReadModelTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgReadModelTransaction").field("store", &self.store).finish_non_exhaustive()
    }
}

/// By the driver's own means, so that it knows of the transaction, and takes a projector's `begin` for a savepoint.
struct Begin;

impl Ask for Begin {
    type Answer = ();

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        Ok(PgTransactionManager::begin(connection, Some(BEGIN.into_sql_str())).await?)
    }
}

/// After an error that somebody kept to himself the server refuses everything, but takes `COMMIT` for `ROLLBACK` and calls it
/// done. After a `COMMIT` or `ROLLBACK` of somebody's own it refuses nothing, and keeps whatever comes.
struct IsWhole;

impl Ask for IsWhole {
    type Answer = ();

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        let row = sqlx::query(checkpoint::IS_WHOLE).fetch_one(connection).await?;
        if row.try_get(0)? { Ok(()) } else { Err(Error::store(Spoiled::Ended).into()) }
    }
}

/// What a projector has done to the transaction that it was lent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Spoiled {
    #[error(
        "the projection has ended the transaction that it was lent, so its checkpoint was not moved, and what it has committed would \
         be taken in again: it must not say COMMIT or ROLLBACK in its SQL; `begin` on the connection sets a savepoint that it may end"
    )]
    Ended,
    #[error(
        "a statement of the projection has failed, and it did not return the error, so nothing of the transaction is kept: return it, \
         or set a savepoint by `begin` on the connection, which it may roll back"
    )]
    Failed,
}

impl Spoiled {
    /// Whether this is why.
    pub(crate) fn is_cause_of(error: &Error) -> bool {
        matches!(error, Error::Store { source } if source.is::<Self>())
    }
}

/// An append comes after the checkpoint was moved.
struct Durable;

impl Ask for Durable {
    type Answer = ();

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        sqlx::query(checkpoint::DURABLE).execute(connection).await?;
        Ok(())
    }
}

impl PgReadModelTransaction {
    pub(crate) async fn begin(store: &PgStore) -> Result<Self, Error> {
        let kept = store.connections().keep(store.sql(), &mut Begin).await?;
        Ok(Self {
            store: store.clone(),
            kept,
            lent_out: false,
            was_lent_out: false,
            moved: false,
            appended: None,
            not_there: BTreeMap::new(),
        })
    }

    fn schema(&self) -> &Schema {
        self.store.connections().schema()
    }

    async fn ask<A: Ask>(&mut self, ask: A) -> Result<A::Answer, Error> {
        self.check_whole().await?;
        self.ask_at_once(ask).await
    }

    /// Nothing of the store's own is written where a projector has ended the transaction.
    async fn check_whole(&mut self) -> Result<(), Error> {
        if self.lent_out { self.ask_at_once(IsWhole).await } else { Ok(()) }
    }

    async fn ask_at_once<A: Ask>(&mut self, mut ask: A) -> Result<A::Answer, Error> {
        let answer = ask.ask(self.store.sql(), self.kept.connection()).await;
        let was_lent_out = self.lent_out;
        self.lent_out &= answer.is_err();
        answer.map_err(|failure| match failure {
            Failure::Driver(error) if was_lent_out && error::has_failed_before(&error) => Error::store(Spoiled::Failed),
            failure => failure.into_error(self.schema()),
        })
    }

    async fn move_to(&mut self, held: &Lease, to: Move) -> Result<(), AdvanceError> {
        self.moved = true;
        if !to.looks_itself() {
            return Ok(self.ask(MoveTo(held, to)).await??);
        }
        let was_lent = self.lent_out;
        let moved = self.ask_at_once(MoveTo(held, to)).await?;
        if moved.is_err() && was_lent {
            self.ask_at_once(IsWhole).await?;
        }
        Ok(moved?)
    }

    /// What stands where keys were locked and nothing was saved is removed, and a transaction that has failed is found out.
    async fn prepare_commit(&mut self) -> Result<(), Error> {
        for (id, keys) in std::mem::take(&mut self.not_there) {
            if !keys.is_empty() {
                let tidy = documents::Tidy::new(self.schema(), &id, keys);
                self.ask(tidy).await?;
            }
        }
        self.check_whole().await
    }

    /// After a lost connection a transaction that only writes read models is simply done again. One that appended may not be.
    async fn find_out(
        store: &PgStore,
        kept: Kept,
        appended: Option<Prepared>,
        error: sqlx::Error,
    ) -> Result<(), Error> {
        let append = match appended {
            Some(append) if error::is_lost(&error) => append,
            _ => return Err(error::read(store.connections().schema(), error)),
        };
        let lent = store.connections().take_back(kept);
        let backend = lent.backend().clone();
        drop(lent);
        let lost = error.to_string();
        if Doubt::new(store, &append, vec![backend], error).was_committed().await? {
            return Ok(());
        }
        Err(Error::unavailable(NotCommitted { lost }))
    }
}

/// Commits, and leaves the session as it was when the connection was opened.
async fn commit_and_reset(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute(COMMIT_AND_RESET).await?;
    PgTransactionManager::start_rollback(connection);
    // Sent and not waited for: whoever uses the connection next reads the answer first. If it cannot be sent, neither can what comes
    // next, which says so.
    let mut sent = pin!(connection.flush());
    poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx).is_ready())).await;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("the connection was lost before the transaction was committed, and nothing of it was stored: {lost}")]
struct NotCommitted {
    lost: String,
}

impl ReadModelTransaction for PgReadModelTransaction {
    type Target = PgConnection;

    fn target(&mut self) -> &mut PgConnection {
        (self.lent_out, self.was_lent_out) = (true, true);
        self.kept.connection()
    }

    async fn load_documents(&mut self, id: &ProjectionId, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        let load = documents::Load::new(self.schema(), id, keys);
        self.ask(load).await
    }

    async fn lock_documents(&mut self, id: &ProjectionId, keys: &[String]) -> Result<(), Error> {
        let lock = documents::Lock::new(self.schema(), id, keys);
        let not_there = self.ask(lock).await?;
        self.not_there.entry(id.clone()).or_default().extend(not_there);
        Ok(())
    }

    async fn save_documents(&mut self, id: &ProjectionId, documents: &[(String, Option<String>)]) -> Result<(), Error> {
        let save = documents::Save::new(self.schema(), id, documents);
        self.ask(save).await?;
        if let Some(not_there) = self.not_there.get_mut(id) {
            for (key, _) in documents {
                not_there.remove(key);
            }
        }
        Ok(())
    }

    async fn clear_documents(&mut self, id: &ProjectionId) -> Result<(), Error> {
        let clear = documents::Clear::new(self.schema(), id);
        self.ask(clear).await?;
        self.not_there.remove(id);
        Ok(())
    }

    async fn advance(&mut self, held: &Lease, to: Position, events: u64) -> Result<(), AdvanceError> {
        let durable = self.appended.is_some();
        self.move_to(held, Move::Advance { to, events, durable }).await
    }

    async fn reset(&mut self, held: &Lease, to: Position, live_from: Position) -> Result<(), AdvanceError> {
        self.move_to(held, Move::Reset { to, live_from }).await
    }

    async fn dismiss(&mut self, held: &Lease) -> Result<(), AdvanceError> {
        self.move_to(held, Move::Dismiss).await
    }

    async fn seize(&mut self, id: &ProjectionId) -> Result<Vec<Checkpoint>, Error> {
        self.ask(Seize(id)).await
    }

    async fn append(&mut self, append: Append) -> Result<Appended, Error> {
        let append = Prepared::new(append)?;
        self.check_whole().await?;
        if self.moved {
            self.ask(Durable).await?;
        }
        let outcome = append.store_inside(self.store.sql(), self.kept.connection()).await;
        let appended = outcome.map_err(|failure| failure.into_error(self.schema()))?.into_result()?;
        self.lent_out = false;
        if append.key().is_some() {
            self.store.look_for_old_keys();
        }
        if !appended.repeated {
            self.appended = Some(append);
        }
        Ok(appended)
    }

    async fn hold_appends(&mut self) -> Result<(), Error> {
        self.ask(HoldAppends).await
    }

    async fn save_dead_letter(&mut self, id: &ProjectionId, letter: &DeadLetter) -> Result<(), Error> {
        self.ask(dead_letters::Save(id, letter)).await
    }

    async fn delete_dead_letter(&mut self, id: &ProjectionId, stream: &StreamId, first: Version) -> Result<(), Error> {
        self.ask(dead_letters::Delete(id, stream, first)).await
    }

    async fn commit(mut self) -> Result<(), Error> {
        self.prepare_commit().await?;
        let Self { store, mut kept, was_lent_out, moved, appended, .. } = self;
        let has_appended = appended.is_some();
        let committed = if was_lent_out {
            commit_and_reset(kept.connection()).await
        } else {
            PgTransactionManager::commit(kept.connection()).await
        };
        match committed {
            Ok(()) => store.connections().take_back(kept).release(),
            Err(error) => Self::find_out(&store, kept, appended, error).await?,
        }
        if has_appended {
            store.wakeup().announce();
        }
        if moved {
            store.advances().wake();
        }
        Ok(())
    }
}
