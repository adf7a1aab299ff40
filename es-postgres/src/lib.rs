//! An event store on PostgreSQL 14 and later, for [`es_core`].
//!
//! ```
//! # use es_core::{Aggregate, Event};
//! # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
//! # #[event(category = "account")]
//! # enum AccountEvent { Deposited { amount: u64 } }
//! # #[derive(Default)]
//! # struct Account { balance: u64 }
//! # impl Aggregate for Account {
//! #     type Id = String;
//! #     type Event = AccountEvent;
//! #     fn apply(&mut self, event: AccountEvent) {
//! #         let AccountEvent::Deposited { amount } = event;
//! #         self.balance += amount;
//! #     }
//! # }
//! use es_core::{EventStoreExt, ExpectedVersion};
//! use es_postgres::PgStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_core::Error> {
//! # let database = es_test_support::Database::create().await;
//! # let url = database.url();
//! let store = PgStore::connect(url).await?;
//! store.migrate().await?;
//!
//! let ada = "ada".to_owned();
//! store.append_events::<Account>(&ada, ExpectedVersion::NoStream, AccountEvent::Deposited { amount: 5 }).await?;
//! assert_eq!(store.load::<Account>(&ada).await?.balance, 5);
//! # Ok(())
//! # }
//! ```
//!
//! - [`PgStore`]: the store, a cheap handle.
//! - [`PgStoreOptions`]: the schema's name, how many connections, how long to wait for one.
//! - [`PgTransaction`]: the store inside a transaction of yours, so that events and your own rows commit together.
//! - [`PgReadModelTransaction`]: what a projector writes in.
//!
//! # Features
//!
//! Connections are not encrypted unless one of the features `tls-rustls` and `tls-native` is on, and the URL asks for it
//! (`?sslmode=verify-full`).
//!
//! # What the database is used for
//!
//! A command costs two round trips: one statement loads, one statement checks the version and appends. Neither is wrapped in
//! `BEGIN` and `COMMIT`. Everything lies in one schema, `es` unless named otherwise, in plain tables: `select * from
//! es.events` and `select * from es.read_log(0)` are there for whoever has `psql` at hand. The database itself refuses to
//! change or remove an event. How the log gets its order is told in `migrations/0001_events_ticks_snapshots.sql`.

mod append;
mod checkpoint;
mod connections;
mod dead_letters;
mod documents;
mod error;
mod log;
mod options;
mod outcome;
mod read;
mod read_model;
mod row;
mod schema;
mod snapshot;
mod sql;
mod store;
mod transaction;
mod wakeup;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test has nobody to hand an error to")]
mod plans;

pub use options::PgStoreOptions;
pub use read_model::PgReadModelTransaction;
pub use store::PgStore;
pub use transaction::PgTransaction;
