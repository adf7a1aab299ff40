//! Read models: their transactions, and the store as their keeper.
//!
//! A batch costs, beside the statements of the projection itself, three round trips: begin, the checkpoint, commit.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use es_core::{
    AdvanceError, BoxError, Claim, Control, DeadLetter, Error, EventStore, Lease, Position, ProjectionId,
    ProjectionStatus, ReadModelKind, ReadModelStore, ReadModelTransaction, StreamId, Version,
};
use sqlx::postgres::PgTransactionManager;
use sqlx::{PgConnection, SqlSafeStr, SqlStr};
use sqlx_core::transaction::TransactionManager;
use uuid::Uuid;

use crate::checkpoint::{self, ClaimLease, Hold, Keep, LeaveWord, ListProjections, Move, MoveTo, Register};
use crate::connections::{Ask, Kept};
use crate::error::{self, Failure};
use crate::schema::Schema;
use crate::sql::{Sql, in_schema};
use crate::store::PgStore;
use crate::{dead_letters, documents};

/// A process that vanished without a word (no power, no network) leaves a transaction that holds locks. The server ends it when
/// nothing was said for so long, unless it was told to do so earlier anyway. Both are one message, and so one round trip.
const BEGIN: &str = "
BEGIN;
SELECT set_config('idle_in_transaction_session_timeout', '60s', true)
 WHERE current_setting('idle_in_transaction_session_timeout') = '0'";

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
    register: checkpoint::REGISTER,
    claim: checkpoint::CLAIM,
    in_the_way: checkpoint::IN_THE_WAY,
    renew: checkpoint::RENEW,
    release: checkpoint::RELEASE,
    report_stop: checkpoint::REPORT_STOP,
    pause: checkpoint::PAUSE,
    resume: checkpoint::RESUME,
    rebuild: checkpoint::REBUILD,
    settle_letter: checkpoint::SETTLE_LETTER,
    advance: checkpoint::ADVANCE,
    reset: checkpoint::RESET,
    tick: checkpoint::TICK,
    status: checkpoint::STATUS,
    list_letters: dead_letters::LIST,
    save_letter: dead_letters::SAVE,
    delete_letter: dead_letters::DELETE,
    forget_letters: dead_letters::FORGET,
}

/// A transaction over read models and checkpoints, on a connection of the store's. See [`ReadModelTransaction`].
///
/// A projector gets the connection. It can do whatever a transaction can, also `begin` and `commit` on it, which set a
/// savepoint inside. What it must not do is to say `COMMIT` or `ROLLBACK` in its own SQL: the checkpoint would not belong to
/// its effect any more. Like all connections of the store, this one plans each prepared statement once, for all values, and
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

impl PgReadModelTransaction {
    fn schema(&self) -> &Schema {
        self.store.connections().schema()
    }

    async fn ask<A: Ask>(&mut self, mut ask: A) -> Result<A::Answer, Error> {
        let answer = ask.ask(self.store.sql(), self.kept.connection()).await;
        answer.map_err(|failure| failure.into_error(self.schema()))
    }
}

impl ReadModelTransaction for PgReadModelTransaction {
    type Target = PgConnection;

    fn target(&mut self) -> &mut PgConnection {
        self.kept.connection()
    }

    async fn load_documents(&mut self, id: &ProjectionId, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        self.ask(documents::Load::new(self.schema(), id, keys)).await
    }

    async fn save_documents(&mut self, id: &ProjectionId, documents: &[(String, Option<String>)]) -> Result<(), Error> {
        self.ask(documents::Save::new(self.schema(), id, documents)).await
    }

    async fn clear_documents(&mut self, id: &ProjectionId) -> Result<(), Error> {
        self.ask(documents::Clear::new(self.schema(), id)).await
    }

    async fn advance(&mut self, held: &Lease, to: Position, events: u64) -> Result<(), AdvanceError> {
        Ok(self.ask(MoveTo(held, Move::Advance { to, events })).await??)
    }

    async fn reset(&mut self, held: &Lease, to: Position, live_from: Position) -> Result<(), AdvanceError> {
        Ok(self.ask(MoveTo(held, Move::Reset { to, live_from })).await??)
    }

    async fn save_dead_letter(&mut self, id: &ProjectionId, letter: &DeadLetter) -> Result<(), Error> {
        self.ask(dead_letters::Save(id, letter)).await
    }

    async fn delete_dead_letter(&mut self, id: &ProjectionId, stream: &StreamId, first: Version) -> Result<(), Error> {
        self.ask(dead_letters::Delete(id, stream, first)).await
    }

    async fn commit(mut self) -> Result<(), Error> {
        match PgTransactionManager::commit(self.kept.connection()).await {
            Ok(()) => {
                self.store.connections().take_back(self.kept).release();
                Ok(())
            }
            Err(error) => Err(error::read(self.schema(), error)),
        }
    }
}

impl ReadModelStore for PgStore {
    type Target = PgConnection;
    type Transaction = PgReadModelTransaction;

    async fn register(&self, id: &ProjectionId, kind: ReadModelKind) -> Result<(), Error> {
        let live_from = self.log_end().await?;
        self.connections().ask(self.sql(), &mut Register { id, kind, live_from }).await
    }

    async fn claim(&self, id: &ProjectionId, owner: Uuid, lease: Duration) -> Result<Claim, Error> {
        self.connections().ask(self.sql(), &mut ClaimLease { id, owner, lease }).await
    }

    async fn renew(&self, held: &Lease, lease: Duration) -> Result<bool, Error> {
        self.connections().ask(self.sql(), &mut Hold(held, Keep::Renew(lease))).await
    }

    async fn release(&self, held: &Lease) -> Result<(), Error> {
        self.connections().ask(self.sql(), &mut Hold(held, Keep::Release)).await.map(drop)
    }

    async fn begin(&self) -> Result<PgReadModelTransaction, Error> {
        let kept = self.connections().keep(self.sql(), &mut Begin).await?;
        Ok(PgReadModelTransaction { store: self.clone(), kept })
    }

    async fn report_stop(&self, held: &Lease, reason: &str) -> Result<(), Error> {
        self.connections().ask(self.sql(), &mut Hold(held, Keep::ReportStop(reason))).await.map(drop)
    }

    async fn control(&self, id: &ProjectionId, control: Control) -> Result<bool, Error> {
        self.connections().ask(self.sql(), &mut LeaveWord(id, &control)).await
    }

    async fn projections(&self) -> Result<Vec<ProjectionStatus>, Error> {
        self.connections().ask(self.sql(), &mut ListProjections).await
    }

    async fn dead_letters(&self, id: &ProjectionId) -> Result<Vec<DeadLetter>, Error> {
        self.connections().ask(self.sql(), &mut dead_letters::List(id)).await
    }

    async fn get_documents(&self, id: &ProjectionId, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        let mut load = documents::Load::new(self.connections().schema(), id, keys);
        self.connections().ask(self.sql(), &mut load).await
    }

    async fn list_documents(
        &self,
        id: &ProjectionId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, Error> {
        let mut list = documents::List::new(self.connections().schema(), id, after, limit);
        self.connections().ask(self.sql(), &mut list).await
    }

    /// An append through [`in_transaction`](PgStore::in_transaction) wakes nobody, because nobody here learns of its commit.
    fn appended(&self) -> impl Future<Output = ()> + Send {
        self.wakeup().next()
    }

    /// The error itself, or whatever caused it, may be one of the database that passes.
    fn is_transient(&self, error: &BoxError) -> bool {
        let first: &(dyn std::error::Error + 'static) = &**error;
        std::iter::successors(Some(first), |error| error.source()).any(error::will_pass)
    }
}
