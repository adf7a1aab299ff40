//! A database of one test.

use std::time::Duration;

use crate::Server;
use crate::random;
use crate::server::{on_own_runtime, on_own_runtime_within};

/// PostgreSQL cuts names at 63 bytes; the random part must survive.
const LONGEST_LABEL: usize = 40;

/// Copies the template's files instead of writing each of its pages to the log: a third of the time.
const FAST_COPY: &str = " STRATEGY file_copy";

/// The first version that knows [`FAST_COPY`].
const FAST_COPY_SINCE: u32 = 15;

/// So long a test waits until its database on a server of our own is dropped. A store that opens a connection in that moment cannot
/// go on with it, because its runtime waits here; and the server waits for that connection, for a minute.
const PATIENCE: Duration = Duration::from_secs(1);

/// An empty database that belongs to one test alone.
///
/// It is dropped with the value, connections or not; when the test panics it is kept, and where to find it is printed.
/// A test that fails by returning an error drops it, because nobody tells a destructor about that.
///
/// # Example: one test, one database
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sqlx::Error> {
/// # use sqlx::Connection;
/// let db = es_test_support::Database::create().await;
/// let mut connection = sqlx::PgConnection::connect(db.url()).await?;
/// sqlx::query("CREATE TABLE mine (id int)").execute(&mut connection).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Database {
    server: Server,
    name: String,
    url: String,
}

impl Database {
    /// Makes one on the [shared server](Server::shared).
    ///
    /// # Panics
    /// When there is no server, or it refuses.
    pub async fn create() -> Self {
        Self::create_on(Server::shared().await).await
    }

    /// Makes one on a server of your choice.
    ///
    /// # Panics
    /// When the server refuses.
    ///
    /// # Example: on a server that the test may crash
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use es_test_support::{Database, Server};
    /// let db = Database::create_on(&Server::durable().await).await;
    /// db.server().kill_hard().await;
    /// # }
    /// ```
    pub async fn create_on(server: &Server) -> Self {
        let name = fresh_name();
        let strategy = if server.version() >= FAST_COPY_SINCE { FAST_COPY } else { "" };
        // `template0` takes no connections, so nobody can stand in the way of the copy.
        let created = server.execute(format!("CREATE DATABASE {name} TEMPLATE template0{strategy}")).await;
        created.unwrap_or_else(|e| panic!("cannot create the test's database `{name}`: {e}"));
        Self { url: server.url(&name), name, server: server.clone() }
    }

    /// Where to connect.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let db = es_test_support::Database::create().await;
    /// assert!(db.url().starts_with("postgres"));
    /// # }
    /// ```
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Made of the test's name and a random number, so that a kept one is easily found.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let db = es_test_support::Database::create().await;
    /// assert!(db.url().contains(db.name()));
    /// # }
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it lives on.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let db = es_test_support::Database::create().await;
    /// assert_eq!(db.server().url(db.name()), db.url());
    /// # }
    /// ```
    pub fn server(&self) -> &Server {
        &self.server
    }

    fn keep(&self) {
        eprintln!("kept the failed test's database: {}", self.url);
        if let Some(cluster) = self.server.own_cluster() {
            cluster.folder().keep();
            eprintln!("its server ends with this process; start it again with: {}", cluster.revival());
        }
    }

    fn drop_now(&self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let work = async |(server, statement): (Server, String)| server.execute(statement).await;
        let argument = (self.server.clone(), statement);
        // A server of our own may have been killed by the test, and takes the database with it anyway.
        if self.server.own_cluster().is_some() {
            on_own_runtime_within(PATIENCE, work, argument);
        } else if let Err(e) = on_own_runtime(work, argument) {
            eprintln!("the test's database `{}` was not dropped: {e}", self.name);
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() { self.keep() } else { self.drop_now() }
    }
}

/// The test harness names each thread after its test.
fn fresh_name() -> String {
    let thread = std::thread::current();
    let label = thread.name().unwrap_or("test").replace("::", "_").to_lowercase();
    let plain: String = label.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let end = &plain[plain.len().saturating_sub(LONGEST_LABEL)..];
    format!("es_{end}_{:016x}", random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_test_and_is_never_cut() {
        let name = fresh_name();
        assert!(name.contains("a_name_tells_the_test_and_is_never_cut"), "{name}");
        assert!(name.len() <= 63, "{name}");
        assert_ne!(name, fresh_name());
    }
}
