//! The store inside a transaction of the caller's.

use es_core::{
    Append, Appended, Bookmark, Error, EventId, EventStore, Fold, IdempotencyKey, KeyUse, LogPage, Position,
    ReadConversation, ReadLog, ReadStream, Snapshot, StreamId, Visit,
};
use sqlx::PgConnection;
use tokio::sync::Mutex;

use crate::PgStore;
use crate::append::Prepared;
use crate::connections::Ask;
use crate::conversation::{FindById, ReadTogether};
use crate::keys::FindKey;
use crate::read::{Load, ReadEvents};
use crate::snapshot::{Delete, Save};

/// The store inside a transaction of the caller's: see [`PgStore::in_transaction`].
///
/// It sees what the transaction has written, and leaves begin and commit to the caller. A conflict stores nothing and leaves
/// the transaction usable; the repeats of [`execute`](es_core::EventStoreExt::execute) work as ever. After any other error the
/// server refuses all further statements of the transaction: roll it back. Under REPEATABLE READ and SERIALIZABLE a lost
/// race is such an error ([`Unavailable`](Error::Unavailable)); begin the transaction again. So it is, at any level, when
/// somebody else uses the same [idempotency key](Append::key) at the same time; the next try finds what became of that.
///
/// Whoever appends to a stream that this one has appended to waits until it ends, so append late and commit soon. Appending to
/// several streams in one transaction can deadlock with another that takes them in another order; the server then ends one
/// of the two.
///
/// The log is not read in here, because a place in the log is given in a transaction of its own; and offered snapshots are
/// dropped, because the transaction may roll back.
///
/// # Example: a command beside a row of your own
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// # #[derive(Default)]
/// # struct Account { balance: u64 }
/// # impl Aggregate for Account {
/// #     type Id = String;
/// #     type Event = AccountEvent;
/// #     fn apply(&mut self, event: AccountEvent) {
/// #         let AccountEvent::Deposited { amount } = event;
/// #         self.balance += amount;
/// #     }
/// # }
/// use es_core::{EventStoreExt, ExpectedVersion};
/// use es_postgres::PgStore;
/// use sqlx::Connection;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = es_test_support::Database::create().await;
/// # let url = database.url();
/// let store = PgStore::connect(url).await?;
/// store.migrate().await?;
/// let mut yours = sqlx::PgConnection::connect(url).await?;
///
/// let mut transaction = yours.begin().await?;
/// let inside = store.in_transaction(&mut transaction);
/// let ada = "ada".to_owned();
/// inside.append_events::<Account>(&ada, ExpectedVersion::Any, AccountEvent::Deposited { amount: 5 }).await?;
/// assert_eq!(inside.load::<Account>(&ada).await?.balance, 5);
/// transaction.rollback().await?;
///
/// assert_eq!(store.load::<Account>(&ada).await?.balance, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PgTransaction<'c> {
    store: PgStore,
    connection: Mutex<&'c mut PgConnection>,
}

impl<'c> PgTransaction<'c> {
    pub(crate) fn new(store: PgStore, connection: &'c mut PgConnection) -> Self {
        Self { store, connection: Mutex::new(connection) }
    }

    async fn ask<A: Ask>(&self, mut ask: A) -> Result<A::Answer, Error> {
        let mut connection = self.connection.lock().await;
        let answer = ask.ask(self.store.sql(), &mut connection).await;
        answer.map_err(|failure| failure.into_error(self.store.connections().schema()))
    }
}

impl EventStore for PgTransaction<'_> {
    async fn append(&self, append: Append) -> Result<Appended, Error> {
        let append = Prepared::new(append)?;
        let mut connection = self.connection.lock().await;
        // A lost connection is no doubt here: the transaction was not committed.
        let outcome = append.store_inside(self.store.sql(), &mut connection).await;
        let appended =
            outcome.map_err(|failure| failure.into_error(self.store.connections().schema()))?.into_result()?;
        if append.key().is_some() {
            self.store.look_for_old_keys();
        }
        Ok(appended)
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        self.ask(FindKey(key)).await
    }

    async fn fold_stream(
        &self,
        stream: &StreamId,
        state_version: Option<u32>,
        fold: &mut dyn Fold,
    ) -> Result<(), Error> {
        self.ask(Load::new(stream, state_version, fold)).await
    }

    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.ask(ReadEvents::new(read, visit)).await
    }

    async fn read_log(&self, _: ReadLog, _: &mut Visit<'_>) -> Result<LogPage, Error> {
        Err(no_log())
    }

    async fn read_conversation(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        self.ask(ReadTogether::new(read, visit)).await
    }

    async fn find_event(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.ask(FindById::new(id, visit)).await
    }

    async fn log_end(&self) -> Result<Position, Error> {
        Err(no_log())
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), Error> {
        self.ask(Save(&snapshot)).await
    }

    fn offer_snapshot(&self, _: Snapshot) {}

    fn survives_failures(&self) -> bool {
        false
    }

    async fn delete_snapshots(&self, stream: &StreamId) -> Result<(), Error> {
        self.ask(Delete(stream)).await
    }
}

fn no_log() -> Error {
    Error::setup("the log cannot be read inside a transaction, because its places are given outside: ask the `PgStore`")
}
