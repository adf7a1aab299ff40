//! How to reach the database, and how much of it to use.

use std::fmt;
use std::time::Duration;

use es_core::{AggregateCache, BoxError, Error, KEYS_KEPT_FOR};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::PgStore;
use crate::connections::Connections;
use crate::schema::Schema;
use crate::wakeup::WakeUps;

/// The schema when none is named.
const DEFAULT_SCHEMA: &str = "es";

/// As many connections at the most, when no number is given.
const DEFAULT_MAX_CONNECTIONS: u32 = 10;

/// How long to wait for a connection, when nothing else is said.
const DEFAULT_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the connections are called in `pg_stat_activity`, unless the URL has a name for them.
const DEFAULT_APPLICATION_NAME: &str = "es-postgres";

/// What every connection of the store is set to.
///
/// The statements are few and always the same, so one plan for all values is right, and making one at each call is most of
/// the cost of a short statement. A plan may be made while the tables are empty and must still be right when they are not, so
/// none may read a whole table, nor collect by bitmap and sort what an index has in order: a page would cost as much as all
/// that is left to read. Compiling a plan (`jit`) takes longer than any of them runs. READ COMMITTED is what the
/// statements are written for, whatever the database has as its default.
const SESSION: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("jit", "off"),
    ("default_transaction_isolation", "read committed"),
];

/// How to reach the database, and how much of it to use.
///
/// The session settings go along when a connection is opened (`options`), which PgBouncer passes on only if it is told to.
///
/// # Example: a schema of its own, and twenty connections
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_core::Error> {
/// use es_postgres::PgStore;
///
/// # let database = es_test_support::Database::create().await;
/// # let url = database.url();
/// let store = PgStore::options().schema("ledger").max_connections(20).connect(url).await?;
/// store.migrate().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "options do nothing until they are used to connect"]
pub struct PgStoreOptions {
    schema: String,
    max_connections: u32,
    acquire_timeout: Duration,
    application_name: Option<String>,
    behaviour: Behaviour,
}

/// How a store does what it does, apart from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behaviour {
    pub(crate) wake_ups: WakeUps,
    pub(crate) keys_kept_for: Duration,
    pub(crate) group_append: bool,
    pub(crate) group_load: bool,
    /// So many aggregates, and bytes.
    pub(crate) cache: (usize, u64),
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            wake_ups: WakeUps::default(),
            keys_kept_for: KEYS_KEPT_FOR,
            group_append: true,
            group_load: true,
            cache: (AggregateCache::DEFAULT_AGGREGATES, AggregateCache::DEFAULT_BYTES),
        }
    }
}

impl fmt::Debug for PgStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStoreOptions")
            .field("schema", &self.schema)
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("application_name", &self.application_name)
            .field("behaviour", &self.behaviour)
            .finish()
    }
}

impl Default for PgStoreOptions {
    fn default() -> Self {
        Self {
            schema: DEFAULT_SCHEMA.to_owned(),
            max_connections: DEFAULT_MAX_CONNECTIONS,
            acquire_timeout: DEFAULT_ACQUIRE_TIMEOUT,
            application_name: None,
            behaviour: Behaviour::default(),
        }
    }
}

impl PgStoreOptions {
    /// The schema that holds everything: 1 to 63 ASCII letters, digits and underscores. The default is `es`. Stores in
    /// different schemas of one database know nothing of each other.
    pub fn schema(self, name: impl Into<String>) -> Self {
        Self { schema: name.into(), ..self }
    }

    /// At most so many connections are open at a time. The default is 10. More than the server has cores for mostly makes
    /// them wait for each other; the sum over all processes must stay below the server's `max_connections`.
    pub fn max_connections(self, connections: u32) -> Self {
        Self { max_connections: connections, ..self }
    }

    /// How long a call waits for a connection, first for a free one and then for the server to accept it, before it fails as
    /// [`Unavailable`](Error::Unavailable). The default is 5 seconds.
    pub fn acquire_timeout(self, timeout: Duration) -> Self {
        Self { acquire_timeout: timeout, ..self }
    }

    /// What the connections are called in `pg_stat_activity`. The default is the URL's `application_name`, else
    /// `es-postgres`.
    pub fn application_name(self, name: impl Into<String>) -> Self {
        Self { application_name: Some(name.into()), ..self }
    }

    /// Whose appends wake the projections of this process before they look by themselves, which they do every 20 to 250
    /// milliseconds. The default is [`WakeUps::WithinProcess`]: those of this process, and that costs nothing.
    ///
    /// With [`WakeUps::AcrossProcesses`] a process tells the others of its appends, and hears of theirs, within a few
    /// milliseconds. Let all processes choose it that append or run projections. An append does the same as without: what it
    /// stored is announced in the background, at most once in 10 milliseconds, and the appends in between share it. It takes up to
    /// two connections beyond [`max_connections`](Self::max_connections), one to announce, from the first append on, and one to
    /// listen, while projections run. They are called the store's name with `announcer` and `listener` behind it. When they are
    /// lost, they are opened again; meanwhile, projections find events by themselves, as ever.
    ///
    /// `LISTEN` needs a connection that stays: not a pooler's between transactions, and not a standby's.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_core::Error> {
    /// use es_postgres::{PgStore, WakeUps};
    ///
    /// # let database = es_test_support::Database::create().await;
    /// # let url = database.url();
    /// let store = PgStore::options().wake_ups(WakeUps::AcrossProcesses).connect(url).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wake_ups(self, wake_ups: WakeUps) -> Self {
        Self { behaviour: Behaviour { wake_ups, ..self.behaviour }, ..self }
    }

    /// How long idempotency keys are known, counted from when their events were recorded, by the database's clock. The default is
    /// [`KEYS_KEPT_FOR`], 7 days. An older key is as if it had never been used, so take longer than anybody repeats a request, and
    /// the same in all processes. A change counts for the keys that are there, too.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_core::Error> {
    /// use std::time::Duration;
    /// use es_postgres::PgStore;
    ///
    /// # let database = es_test_support::Database::create().await;
    /// # let url = database.url();
    /// let a_month = Duration::from_secs(30 * 24 * 60 * 60);
    /// let store = PgStore::options().idempotency_keys_for(a_month).connect(url).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn idempotency_keys_for(self, time: Duration) -> Self {
        Self { behaviour: Behaviour { keys_kept_for: time, ..self.behaviour }, ..self }
    }

    /// How many aggregates are kept at hand between commands at the most, and how many bytes they take together, of those kinds that
    /// [say so](es_core::Caching). The default is 10,000 and 64 MiB. With 0 every command loads its own.
    ///
    /// # Example
    ///
    /// ```
    /// let options = es_postgres::PgStore::options().cache(100_000, 512 << 20);
    /// # let _ = options;
    /// ```
    pub fn cache(self, max_aggregates: usize, max_bytes: u64) -> Self {
        Self { behaviour: Behaviour { cache: (max_aggregates, max_bytes), ..self.behaviour }, ..self }
    }

    /// Whether appends that meet share a statement. The default is that they do: with 64 callers at a time that is several times as
    /// many appends in a second, and a caller who is alone does not notice. Each append still has an outcome of its own, and is
    /// stored as a whole or not at all.
    ///
    /// Turn it off to have each append in a transaction of its own, for example where something in the database counts transactions.
    ///
    /// # Example
    ///
    /// ```
    /// let options = es_postgres::PgStore::options().group_append(false);
    /// # let _ = options;
    /// ```
    pub fn group_append(self, group_append: bool) -> Self {
        Self { behaviour: Behaviour { group_append, ..self.behaviour }, ..self }
    }

    /// Whether loads that meet share a statement. The default is that they do: with many callers at a time more is loaded in a second,
    /// and a caller who is alone does not notice. Each load still finds whatever was committed before it was asked for, and its errors
    /// are its own. A stream that several ask for at a time is read once.
    ///
    /// Turn it off to have each load in a statement of its own, for example to see in the server's statistics what a load costs.
    ///
    /// # Example
    ///
    /// ```
    /// let options = es_postgres::PgStore::options().group_load(false);
    /// # let _ = options;
    /// ```
    pub fn group_load(self, group_load: bool) -> Self {
        Self { behaviour: Behaviour { group_load, ..self.behaviour }, ..self }
    }

    /// Connects, and looks whether server and schema fit this library.
    ///
    /// # Errors
    /// [`Error::Setup`] with what to do about it: no server, a refused password, no such database, a server older than 14,
    /// a schema that is newer than this library, events that were restored from another cluster. A schema that is not there
    /// yet is no error here.
    pub async fn connect(self, url: &str) -> Result<PgStore, Error> {
        self.connect_with(parse(url)?).await
    }

    /// Like [`connect`](Self::connect), for what a URL cannot say.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use es_postgres::PgStore;
    /// use sqlx::postgres::PgConnectOptions;
    ///
    /// # let database = es_test_support::Database::create().await;
    /// # let url = database.url();
    /// let server: PgConnectOptions = url.parse()?;
    /// let store = PgStore::options().connect_with(server.application_name("billing")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_with(self, server: PgConnectOptions) -> Result<PgStore, Error> {
        let behaviour = self.behaviour;
        PgStore::open(self.connections(server)?, behaviour).await
    }

    /// Makes a home of the cluster that `url` leads to, into which the events were restored from another one, and connects.
    ///
    /// A log's order is told by the numbers that a cluster gives to its transactions, and another cluster counts differently:
    /// after `pg_dump` and `pg_restore`, after logical replication, and after `pg_upgrade`. [`connect`](Self::connect)
    /// notices and refuses. Call this once, as the owner of the schema, before anything is appended there. It leaves every
    /// place in the log as it was, and gives places to the events that had none yet. Where the events are at home it does
    /// nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_core::Error> {
    /// use es_postgres::PgStore;
    ///
    /// # let database = es_test_support::Database::create().await;
    /// # let url = database.url();
    /// # PgStore::connect(url).await?.migrate().await?;
    /// let store = PgStore::options().reanchor(url).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn reanchor(self, url: &str) -> Result<PgStore, Error> {
        let behaviour = self.behaviour;
        let connections = self.connections(parse(url)?)?;
        connections.schema().reanchor(&mut connections.connect().await?).await?;
        PgStore::open(connections, behaviour).await
    }

    fn connections(self, server: PgConnectOptions) -> Result<Connections, Error> {
        if self.max_connections == 0 {
            return Err(Error::setup("a store with `max_connections(0)` could not do anything: take 1 or more"));
        }
        let schema = Schema::new(&self.schema)?;
        let target = target(&server);
        let name = self.application_name.or_else(|| server.get_application_name().map(str::to_owned));
        let server = server
            .application_name(name.as_deref().unwrap_or(DEFAULT_APPLICATION_NAME))
            .options(SESSION)
            .disable_statement_logging();
        let (aggregates, bytes) = self.behaviour.cache;
        let cache = AggregateCache::new(aggregates, bytes);
        Ok(Connections::new(server, target, schema, cache, self.max_connections, self.acquire_timeout))
    }
}

/// sqlx would take `localhost:5432` for a database called `5432`.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(unreadable(None));
    }
    url.parse().map_err(|error: sqlx::Error| unreadable(Some(error.into())))
}

fn unreadable(source: Option<BoxError>) -> Error {
    let message = "the URL of the database cannot be read: write `postgres://user:password@host:5432/database`";
    Error::Setup { message: message.to_owned(), source }
}

fn target(server: &PgConnectOptions) -> String {
    let database = server.get_database().unwrap_or_else(|| server.get_username());
    match server.get_socket() {
        Some(socket) => format!("`{database}` at {}", socket.display()),
        None => format!("`{database}` at {}:{}", server.get_host(), server.get_port()),
    }
}
