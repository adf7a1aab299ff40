//! An event store in memory: the readable reference implementation of [`es_core::EventStore`], for tests, examples and
//! programs whose history may end with them.
//!
//! It keeps every sentence of the contract that a store on disk keeps, apart from outliving the process. What holds here
//! holds on the others, and the same conformance suites prove it, for events and for read models.
//!
//! Projections run on it as on any store that keeps read models: documents as they are, and projectors that write to [`Tables`].
//! [`MemoryStore::table`] reads what they wrote.
//!
//! # Example: a bank account, whole
//!
//! ```
//! use es_core::{Aggregate, Command, Context, Event, EventStoreExt, Handle, IntoEvents};
//! use es_memory::MemoryStore;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
//! #[event(category = "account")]
//! enum AccountEvent {
//!     Deposited { amount: u64 },
//!     Withdrawn { amount: u64 },
//! }
//!
//! #[derive(Default)]
//! struct Account {
//!     balance: u64,
//! }
//!
//! impl Aggregate for Account {
//!     type Id = String;
//!     type Event = AccountEvent;
//!
//!     fn apply(&mut self, event: AccountEvent) {
//!         match event {
//!             AccountEvent::Deposited { amount } => self.balance += amount,
//!             AccountEvent::Withdrawn { amount } => self.balance -= amount,
//!         }
//!     }
//! }
//!
//! #[derive(Clone, Command)]
//! #[command(aggregate = Account)]
//! struct Deposit {
//!     id: String,
//!     amount: u64,
//! }
//!
//! #[derive(Clone, Command)]
//! #[command(aggregate = Account)]
//! struct Withdraw {
//!     id: String,
//!     amount: u64,
//! }
//!
//! #[derive(Debug, PartialEq, thiserror::Error)]
//! #[error("only {balance} left")]
//! struct InsufficientFunds {
//!     balance: u64,
//! }
//!
//! impl Handle<Deposit> for Account {
//!     type Error = std::convert::Infallible;
//!
//!     fn handle(&self, command: Deposit, _: &Context) -> Result<impl IntoEvents<AccountEvent>, Self::Error> {
//!         Ok(AccountEvent::Deposited { amount: command.amount })
//!     }
//! }
//!
//! impl Handle<Withdraw> for Account {
//!     type Error = InsufficientFunds;
//!
//!     fn handle(&self, command: Withdraw, _: &Context) -> Result<impl IntoEvents<AccountEvent>, Self::Error> {
//!         if command.amount > self.balance {
//!             return Err(InsufficientFunds { balance: self.balance });
//!         }
//!         Ok(AccountEvent::Withdrawn { amount: command.amount })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let ada = "ada".to_owned();
//! store.execute(Deposit { id: ada.clone(), amount: 50 }).await?;
//! let outcome = store.execute(Withdraw { id: ada.clone(), amount: 20 }).await?;
//! assert_eq!(outcome.state.balance, 30);
//!
//! let refused = store.execute(Withdraw { id: ada.clone(), amount: 70 }).await.unwrap_err();
//! assert_eq!(refused.rejection(), Some(&InsufficientFunds { balance: 30 }));
//!
//! let events = store.events::<Account>(&ada)?.collect().await?;
//! assert_eq!(events[1].event, AccountEvent::Withdrawn { amount: 20 });
//! # Ok(())
//! # }
//! ```

mod commit;
mod append;
mod draft;
mod keys;
mod lock;
mod log;
mod conversation;
mod read;
mod signal;
mod snapshot;
mod import;
mod read_model;
mod store;

pub use read_model::{Table, TableError, Tables, Transaction};
pub use store::MemoryStore;
