//! The store.

use std::sync::Arc;

use es_core::{
    AggregateCache, Append, Appended, Bookmark, Error, EventId, EventStore, Fold, IdempotencyKey, KeyUse, LogPage,
    Position, ReadConversation, ReadLog, ReadStream, Snapshot, StreamId, Visit,
};
use sqlx::PgConnection;

use crate::append::Prepared;
use crate::connections::Connections;
use crate::conversation::{FindById, ReadTogether};
use crate::error::{self, Failure};
use crate::group::{self, Group};
use crate::keys::{self, FindKey, Forgetting};
use crate::loads::{self, Loads};
use crate::log::{FindWindow, ReadEnd, ReadPage};
use crate::options::{Behaviour, PgStoreOptions};
use crate::outcome::Doubt;
use crate::read::{Load, ReadEvents};
use crate::snapshot::{Delete, Offers, Save};
use crate::sql::Sql;
use crate::transaction::PgTransaction;
use crate::wakeup::{Waiting, Wakeup};

/// The oldest server that has all that is used here.
const OLDEST_SERVER: u32 = 140_000;

/// An event store in a PostgreSQL database. A clone is another handle on the same store.
///
/// # Example: connect, migrate, append, read
///
/// ```
/// use es_core::{Append, EventStore, ExpectedVersion, NewEvent, ReadStream, StreamId, Version};
/// use es_postgres::PgStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = es_test_support::Database::create().await;
/// # let url = database.url();
/// let store = PgStore::connect(url).await?;
/// store.migrate().await?;
///
/// let stream = StreamId::new("account", "7")?;
/// let opened = NewEvent::new("account.opened", 1, r#"{"owner":"Ada"}"#);
/// let appended = store.append(Append::new(stream.clone(), ExpectedVersion::NoStream, vec![opened])).await?;
/// assert_eq!(appended.version, Version(1));
///
/// store.read_stream(ReadStream::forwards(stream), &mut |event| {
///     assert_eq!(event.payload, r#"{"owner":"Ada"}"#);
///     Ok(())
/// }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PgStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connections: Connections,
    sql: Sql,
    group: Option<Group>,
    loads: Option<Loads>,
    offers: Offers,
    forgetting: Forgetting,
    wakeup: Wakeup,
    /// Announces checkpoints that moved.
    advances: Waiting,
}

impl PgStore {
    /// Connects with the default options, in schema `es`.
    ///
    /// # Errors
    /// As for [`PgStoreOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::options().connect(url).await
    }

    /// The default options, to be changed before connecting.
    pub fn options() -> PgStoreOptions {
        PgStoreOptions::default()
    }

    pub(crate) async fn open(connections: Connections, behaviour: Behaviour) -> Result<Self, Error> {
        let Behaviour { wake_ups, keys_kept_for, group_append, group_load, cache: _ } = behaviour;
        let first = connections.acquire().await;
        let mut first = first.map_err(|e| error::first_connect(connections.target(), e))?;
        check_server(first.connection())?;
        connections.schema().check(first.connection()).await?;
        first.release();
        let sql = Sql::new(connections.schema(), keys_kept_for);
        let wakeup = Wakeup::new(wake_ups, &connections);
        let (group, loads) = (group_append.then(Group::default), group_load.then(Loads::default));
        let (offers, forgetting, advances) = (Offers::new(), Forgetting::default(), Waiting::new());
        Ok(Self(Arc::new(Inner { connections, sql, offers, forgetting, wakeup, advances, group, loads })))
    }

    /// Makes the schema, or brings it up to date. It may be called at each start, and by many processes at once: the first
    /// one does it, the others wait and find it done. The role needs the right to create a schema in the database, or must
    /// own the schema.
    ///
    /// # Errors
    /// [`Error::Setup`] when the role may not, or when the schema is newer than this library; and the store's own failures.
    pub async fn migrate(&self) -> Result<(), Error> {
        let connections = self.connections();
        connections.schema().migrate(&mut connections.connect().await?).await
    }

    /// The same store inside a transaction of yours: what it appends is committed, or rolled back, together with your own
    /// rows.
    ///
    /// # Example: an order and a row of your own, both or neither
    ///
    /// ```
    /// use es_core::{Append, EventStore, ExpectedVersion, NewEvent, StreamId};
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
    /// # sqlx::query("CREATE TABLE inbox (message text)").execute(&mut yours).await?;
    ///
    /// let mut transaction = yours.begin().await?;
    /// sqlx::query("INSERT INTO inbox VALUES ('7')").execute(&mut *transaction).await?;
    /// let placed = NewEvent::new("order.placed", 1, "{}");
    /// let append = Append::new(StreamId::new("order", "7")?, ExpectedVersion::NoStream, vec![placed]);
    /// store.in_transaction(&mut transaction).append(append).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn in_transaction<'c>(&self, connection: &'c mut PgConnection) -> PgTransaction<'c> {
        PgTransaction::new(self.clone(), connection)
    }

    /// Wakes the projections that wait for events, as an append does: those of this process, and those of others as
    /// [`PgStoreOptions::wake_ups`] says. It returns at once, and others are told in the background.
    ///
    /// For appends that the store does not learn of: call it after the commit of a transaction of yours. Whoever does not is only
    /// found later, when projections look by themselves.
    ///
    /// ```
    /// # use es_core::{Append, EventStore, ExpectedVersion, NewEvent, StreamId};
    /// # use es_postgres::PgStore;
    /// # use sqlx::Connection;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let database = es_test_support::Database::create().await;
    /// # let url = database.url();
    /// # let store = PgStore::connect(url).await?;
    /// # store.migrate().await?;
    /// # let mut yours = sqlx::PgConnection::connect(url).await?;
    /// # let placed = NewEvent::new("order.placed", 1, "{}");
    /// # let append = Append::new(StreamId::new("order", "7")?, ExpectedVersion::NoStream, vec![placed]);
    /// let mut transaction = yours.begin().await?;
    /// store.in_transaction(&mut transaction).append(append).await?;
    /// transaction.commit().await?;
    /// store.announce();
    /// # Ok(())
    /// # }
    /// ```
    pub fn announce(&self) {
        self.wakeup().announce();
    }

    /// Removes the idempotency keys that have expired, and tells how many. It changes no answer, and need not be called: each
    /// process that appends under keys does the same in the background, at most once an hour.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_core::Error> {
    /// # let database = es_test_support::Database::create().await;
    /// # let store = es_postgres::PgStore::connect(database.url()).await?;
    /// # store.migrate().await?;
    /// assert_eq!(store.forget_keys().await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The store's own failures.
    pub async fn forget_keys(&self) -> Result<u64, Error> {
        keys::forget(self).await
    }

    pub(crate) fn look_for_old_keys(&self) {
        self.0.forgetting.look(self);
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }

    pub(crate) fn sql(&self) -> &Sql {
        &self.0.sql
    }

    pub(crate) fn wakeup(&self) -> &Wakeup {
        &self.0.wakeup
    }

    pub(crate) fn advances(&self) -> &Waiting {
        &self.0.advances
    }

    /// Where appends wait for each other, unless that was turned off.
    pub(crate) fn group(&self) -> Option<&Group> {
        self.0.group.as_ref()
    }

    /// Where loads wait for each other, unless that was turned off.
    pub(crate) fn loads(&self) -> Option<&Loads> {
        self.0.loads.as_ref()
    }

    /// A failure of a statement that stored nothing.
    pub(crate) fn error(&self, failure: Failure) -> Error {
        failure.into_error(self.connections().schema())
    }

    /// Stores an append in a statement of its own.
    pub(crate) async fn append_alone(&self, append: &Prepared) -> Result<Appended, Error> {
        let mut lent = self.connections().acquire().await?;
        match append.store(self.sql(), lent.connection()).await {
            Err(Failure::Driver(error)) if error::is_lost(&error) => {
                let backend = lent.backend().clone();
                drop(lent);
                Doubt::new(self, append, vec![backend], error).resolve().await
            }
            outcome => lent.release_after(outcome)?.into_result(),
        }
    }
}

fn check_server(connection: &PgConnection) -> Result<(), Error> {
    match connection.server_version_num() {
        Some(version) if version < OLDEST_SERVER => Err(Error::setup(format!(
            "the server is PostgreSQL {}, and this library needs 14 or later: upgrade the server",
            version / 10_000
        ))),
        _ => Ok(()),
    }
}

impl EventStore for PgStore {
    async fn append(&self, append: Append) -> Result<Appended, Error> {
        let is_keyed = append.key.is_some();
        let appended = group::append(self, Prepared::new(append)?).await?;
        if !appended.repeated {
            self.announce();
        }
        if is_keyed {
            self.look_for_old_keys();
        }
        Ok(appended)
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        self.connections().ask(self.sql(), &mut FindKey(key)).await
    }

    async fn fold_stream(
        &self,
        stream: &StreamId,
        state_version: Option<u32>,
        fold: &mut dyn Fold,
    ) -> Result<(), Error> {
        loads::load(self, Load::new(stream, state_version, fold)).await
    }

    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.connections().ask(self.sql(), &mut ReadEvents::new(read, visit)).await
    }

    async fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        let window = self.connections().ask(self.sql(), &mut FindWindow(&read)).await?;
        // The page is read by another statement than the window, so that it sees the rows of a tick made on the way.
        let mut page = ReadPage::new(read, window, visit);
        if !page.is_empty() {
            self.connections().ask(self.sql(), &mut page).await?;
        }
        Ok(page.end())
    }

    async fn read_conversation(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        self.connections().ask(self.sql(), &mut ReadTogether::new(read, visit)).await
    }

    async fn find_event(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.connections().ask(self.sql(), &mut FindById::new(id, visit)).await
    }

    async fn log_end(&self) -> Result<Position, Error> {
        self.connections().ask(self.sql(), &mut ReadEnd).await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), Error> {
        self.connections().ask(self.sql(), &mut Save(&snapshot)).await
    }

    fn offer_snapshot(&self, snapshot: Snapshot) {
        self.0.offers.take(self.clone(), snapshot);
    }

    /// Where appends meet, those that follow each other go out as one, in their order.
    fn appends_in_order(&self) -> bool {
        self.group().is_some()
    }

    async fn delete_snapshots(&self, stream: &StreamId) -> Result<(), Error> {
        self.connections().ask(self.sql(), &mut Delete(stream)).await
    }

    fn cache(&self) -> Option<&AggregateCache> {
        Some(self.connections().cache())
    }
}
