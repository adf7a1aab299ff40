//! An event store on PostgreSQL 14 and later, for [`es_core`], with the read models beside the events.
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
//! - [`WakeUps`]: whose appends wake projections at once.
//! - [`PgTransaction`]: the store inside a transaction of yours, so that events and your own rows commit together.
//! - [`PgReadModelTransaction`]: what a projector writes in.
//!
//! # Features
//!
//! Connections are not encrypted unless the feature `tls-rustls` is on, and the URL asks for it
//! (`?sslmode=verify-full`).
//!
//! # What happens in the database
//!
//! A command costs two round trips: one statement loads, one statement checks the version and appends. Neither is wrapped in
//! `BEGIN` and `COMMIT`. Everything lies in one schema, `es` unless named otherwise, in plain tables: `select * from
//! es.events` and `select * from es.read_log(0)` are there for whoever has `psql` at hand. How the log gets its order, so
//! that no late commit is missed and no stranger's transaction stalls anybody, is told beside the table of ticks in
//! `migrations/0001_events_ticks_snapshots.sql`.
//!
//! Projections keep their checkpoints in `es.projection_parts`, their dead letters in `es.dead_letters`, and documents in a table for each
//! type and version, with an index for each field that is asked for. `es.docs_<name>` shows those of the version that serves. Projectors
//! write to tables of your own, in the transaction that moves the checkpoint. A batch does not wait for the disk, since effect and
//! checkpoint can only be lost together; an append does. Who locks what is told in `migrations/0002_read_models.sql`.
//!
//! # An application's role
//!
//! The database itself refuses to change or remove an event, whoever asks. Its owner could still switch that off, so let one
//! role own the schema and migrate it, and give the application another, which can append, read and keep read models, and
//! nothing else. As the owner, once, and again after each migration:
//!
//! ```sql
//! SELECT es.grant_to('the_application');
//! ```
//!
//! # When something is wrong
//!
//! [`Error::Setup`](es_core::Error::Setup) says in its message what a person has to do: start the server, correct the
//! password, migrate, grant, update the library, re-anchor. [`Error::Unavailable`](es_core::Error::Unavailable) passes:
//! a deadlock, a serialization failure, a server that restarts, all connections in use. When a connection breaks while an
//! append is under way, the store finds out by itself whether it was stored, and stores it if it was not; only when the
//! database cannot be asked for about two seconds is it [`Error::UnknownOutcome`](es_core::Error::UnknownOutcome).

mod schema;
mod error;
mod row;
mod sql;
mod columns;
mod append;
mod keys;
mod queue;
mod group;
mod read;
mod loads;
mod log;
mod conversation;
mod snapshot;
mod connections;
mod outcome;
mod wakeup;
mod options;
mod store;
mod transaction;
mod copy;
mod import;
mod read_model;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test has nobody to hand an error to")]
mod plans;

pub use options::PgStoreOptions;
pub use read_model::PgReadModelTransaction;
pub use store::PgStore;
pub use transaction::PgTransaction;
pub use wakeup::WakeUps;
