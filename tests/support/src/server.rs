//! The server that databases are made on.

use crate::binaries::{self, Binaries};
use crate::cluster::{Cluster, Durability};
use crate::{Result, address};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// A PostgreSQL server: the one you named, or one of our own.
///
/// A clone is the same server; one of our own stops when the last clone is dropped.
///
/// # Example: a crash and what is left after it
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sqlx::Error> {
/// use es_test_support::{Database, Server};
/// use sqlx::{Connection, PgConnection};
///
/// let server = Server::durable().await;
/// let db = Database::create_on(&server).await;
/// let mut connection = PgConnection::connect(db.url()).await?;
/// sqlx::query("CREATE TABLE proof AS SELECT 42 AS answer").execute(&mut connection).await?;
///
/// server.kill_hard().await;
/// server.restart().await;
///
/// let mut connection = PgConnection::connect(db.url()).await?;
/// let (answer,): (i32,) = sqlx::query_as("SELECT answer FROM proof").fetch_one(&mut connection).await?;
/// assert_eq!(answer, 42);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Server {
    url: String,
    version: u32,
    own: Option<Arc<Cluster>>,
}

impl Server {
    /// The one server of this process, found or started when it is first asked for.
    ///
    /// # Panics
    /// When there is none to be had; the message names the remedies.
    ///
    /// # Example: speaking to the server itself
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let server = es_test_support::Server::shared().await;
    /// assert!(server.version() >= 14);
    /// # }
    /// ```
    pub async fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Server>> = OnceLock::new();
        // The outcome is stored also when it is a failure: each test then fails at once, with the same message.
        let found = blocking(|| SHARED.get_or_init(Self::find)).await;
        found.as_ref().unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// A private server with the durable settings of production, for crash tests and benchmarks.
    ///
    /// It is always one of our own, also when `TEST_DATABASE_URL` names another.
    ///
    /// # Example: a benchmark that pays for each commit
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), sqlx::Error> {
    /// # use sqlx::Connection;
    /// let server = es_test_support::Server::durable().await;
    /// let mut connection = sqlx::PgConnection::connect(&server.url("postgres")).await?;
    /// let (fsync,): (String,) = sqlx::query_as("SHOW fsync").fetch_one(&mut connection).await?;
    /// assert_eq!(fsync, "on");
    /// # Ok(()) }
    /// ```
    pub async fn durable() -> Self {
        blocking(|| Self::own(Durability::Durable)).await.unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// A private server with the fast settings of the shared one, for tests that disturb a whole server.
    ///
    /// # Example: changing a setting for everybody
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), sqlx::Error> {
    /// # use sqlx::Connection;
    /// let server = es_test_support::Server::private().await;
    /// let mut connection = sqlx::PgConnection::connect(&server.url("postgres")).await?;
    /// sqlx::query("ALTER SYSTEM SET lock_timeout = '1s'").execute(&mut connection).await?;
    /// # Ok(()) }
    /// ```
    pub async fn private() -> Self {
        blocking(|| Self::own(Durability::Fast)).await.unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// Where a database of this server is reached.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let url = es_test_support::Server::shared().await.url("accounts");
    /// assert!(url.contains("/accounts"));
    /// # }
    /// ```
    pub fn url(&self, database: &str) -> String {
        address::with_database(&self.url, database)
    }

    /// The major version, such as 18.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let server = es_test_support::Server::shared().await;
    /// let has_merge_returning = server.version() >= 17;
    /// # let _ = has_merge_returning;
    /// # }
    /// ```
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The data folder of a server of our own; a server that was named keeps its own to itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let server = es_test_support::Server::private().await;
    /// assert!(server.data_dir().is_some_and(|folder| folder.join("PG_VERSION").exists()));
    /// # }
    /// ```
    pub fn data_dir(&self) -> Option<PathBuf> {
        self.own.as_ref().map(|cluster| cluster.folder().data())
    }

    /// One of PostgreSQL's programs, in the server's version where the server is one of our own.
    ///
    /// # Panics
    /// When this machine has no such program.
    ///
    /// # Example: a dump
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = es_test_support::Server::private().await;
    /// let dump = std::process::Command::new(server.bin("pg_dump")).arg(server.url("postgres")).output()?;
    /// assert!(dump.status.success());
    /// # Ok(()) }
    /// ```
    pub fn bin(&self, program: &str) -> PathBuf {
        let found = self.own.as_ref().map_or_else(Binaries::find, |cluster| Ok(cluster.binaries().clone()));
        let path = found.unwrap_or_else(|reason| panic!("{reason}")).program(program);
        assert!(path.exists(), "there is no {}", path.display());
        path
    }

    /// Kills every process of the server at once, as a power cut would, and returns when they are gone.
    ///
    /// # Panics
    /// When the server is not one of our own; take a [`Server::durable`].
    pub async fn kill_hard(&self) {
        let cluster = self.cluster();
        blocking(move || cluster.kill()).await.unwrap_or_else(|reason| panic!("{reason}"));
    }

    /// Starts a killed server again, on the same data and the same port, and returns when it has recovered.
    ///
    /// # Panics
    /// When the server is not one of our own; take a [`Server::durable`].
    pub async fn restart(&self) {
        let cluster = self.cluster();
        blocking(move || cluster.restart()).await.unwrap_or_else(|reason| panic!("{reason}"));
    }

    /// Runs one statement outside of any test's database.
    pub(crate) async fn execute(&self, statement: String) -> std::result::Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect(&self.url).await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    }

    pub(crate) fn own_cluster(&self) -> Option<&Cluster> {
        self.own.as_deref()
    }

    fn cluster(&self) -> Arc<Cluster> {
        let own = self.own.clone();
        own.expect("only a server of our own is killed or restarted: take a `Server::durable()`")
    }

    fn find() -> Result<Self> {
        named_url().map_or_else(|| Self::own(Durability::Fast), |(variable, url)| Self::named(variable, url))
    }

    fn own(durability: Durability) -> Result<Self> {
        let cluster = Cluster::start(durability)?;
        Ok(Self { url: cluster.url(), version: cluster.binaries().major, own: Some(Arc::new(cluster)) })
    }

    fn named(variable: &str, url: String) -> Result<Self> {
        let asked = on_own_runtime(async |url: String| version_of(&url).await, url.clone());
        let version = asked.map_err(|e| format!("{variable} names a server that does not answer: {e}"))?;
        match binaries::wanted_major()? {
            Some(wanted) if wanted != version => Err(format!(
                "TEST_POSTGRES_VERSION asks for {wanted}, but the server that {variable} names is of version {version}"
            )),
            _ => Ok(Self { url, version, own: None }),
        }
    }
}

fn named_url() -> Option<(&'static str, String)> {
    let named = |variable| Some((variable, std::env::var(variable).ok().filter(|url| !url.is_empty())?));
    named("TEST_DATABASE_URL").or_else(|| named("DATABASE_URL"))
}

async fn version_of(url: &str) -> std::result::Result<u32, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let number = "SELECT current_setting('server_version_num')::int / 10000";
    let (major,): (i32,) = sqlx::query_as(number).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(major.unsigned_abs())
}

/// Keeps slow work off the threads of the test's own runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Runs a future to its end in a place where nobody can await it, such as a `Drop`.
pub(crate) fn on_own_runtime<A: Send + 'static, T: Send + 'static>(
    work: impl AsyncFnOnce(A) -> T + Send + 'static,
    argument: A,
) -> T {
    on_own_thread(work, argument).join().expect("the thread does not panic")
}

/// The same, which goes on alone when it takes longer than that.
pub(crate) fn on_own_runtime_within<A: Send + 'static, T: Send + 'static>(
    patience: Duration,
    work: impl AsyncFnOnce(A) -> T + Send + 'static,
    argument: A,
) -> Option<T> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let and_tell = async move |argument| {
        // Nobody listens when it took too long.
        let _ = sender.send(work(argument).await);
    };
    on_own_thread(and_tell, argument);
    receiver.recv_timeout(patience).ok()
}

fn on_own_thread<A: Send + 'static, T: Send + 'static>(
    work: impl AsyncFnOnce(A) -> T + Send + 'static,
    argument: A,
) -> JoinHandle<T> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime of our own").block_on(work(argument))
    })
}
