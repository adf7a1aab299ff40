//! Event sourcing and CQRS: the domain writes aggregates, commands and events, and everything around them is here.
//!
//! ```
//! use es_core::{Aggregate, Command, Context, Event, EventStoreExt};
//! use es_memory::MemoryStore;
//!
//! #[derive(Event, serde::Serialize, serde::Deserialize)]
//! #[event(category = "account")]
//! enum AccountEvent {
//!     Deposited { amount: u64 },
//!     Withdrawn { amount: u64 },
//! }
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("only {balance} left")]
//! struct InsufficientFunds { balance: u64 }
//!
//! #[derive(Clone, Command)]
//! #[command(aggregate = Account, handle = Account::decide, error = InsufficientFunds)]
//! enum AccountCommand {
//!     Deposit { id: String, amount: u64 },
//!     Withdraw { id: String, amount: u64 },
//! }
//!
//! #[derive(Aggregate, Default)]
//! #[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
//! struct Account { balance: u64 }
//!
//! impl Account {
//!     fn apply(&mut self, event: AccountEvent) {
//!         match event {
//!             AccountEvent::Deposited { amount } => self.balance += amount,
//!             AccountEvent::Withdrawn { amount } => self.balance -= amount,
//!         }
//!     }
//!
//!     fn decide(&self, command: AccountCommand, _: &Context) -> Result<AccountEvent, InsufficientFunds> {
//!         match command {
//!             AccountCommand::Deposit { amount, .. } => Ok(AccountEvent::Deposited { amount }),
//!             AccountCommand::Withdraw { amount, .. } if amount > self.balance => {
//!                 Err(InsufficientFunds { balance: self.balance })
//!             }
//!             AccountCommand::Withdraw { amount, .. } => Ok(AccountEvent::Withdrawn { amount }),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let ada = || "ada".to_owned();
//! store.execute(AccountCommand::Deposit { id: ada(), amount: 50 }).await?;
//! let outcome = store.execute(AccountCommand::Withdraw { id: ada(), amount: 30 }).await?;
//! assert_eq!(outcome.state.balance, 20);
//!
//! let refused = store.execute(AccountCommand::Withdraw { id: ada(), amount: 30 }).await.unwrap_err();
//! assert_eq!(refused.rejection().unwrap().balance, 20);
//! # Ok(())
//! # }
//! ```
//!
//! `PgStore` of the crate `es-postgres` takes the place of `MemoryStore`, and nothing else changes.
//!
//! # Where things are
//!
//! | you want to | see |
//! |---|---|
//! | say what can happen | [`Event`], [`Upcaster`] |
//! | decide | [`Aggregate`], [`Command`], [`Handle`], [`Context`] |
//! | run commands, load, read | [`EventStoreExt`], [`Execute`], [`Outcome`] |
//! | repeat safely | [`IdempotencyKey`], [`Execute::idempotency_key`], [`Append::idempotent`] |
//! | do what follows from events | [`Reactor`], [`Effect`], [`Metadata::scope`] |
//! | see what led to what | [`ConversationEvents`], [`CausationTree`] |
//! | take snapshots | [`Snapshots`] |
//! | read the log of all events | [`LogEvents`], [`Position`], [`Slices`] |
//! | bring events in from elsewhere, or take them out | [`Import`], [`Export`], [`PastEvent`] |
//! | keep a value for each key current, and ask for it | [`Document`], [`ReadModels`], [`Documents`] |
//! | keep tables of your own current | [`Projector`], [`Batch`] |
//! | run projections | [`Runner`], [`Settings`], [`OnFailure`], [`Running`] |
//! | pause, rebuild, rewind or divide them, settle dead letters | [`Control`], [`DeadLetter`] |
//! | see how they are doing | [`ReadModelStore::projections`], [`ProjectionStatus`] |
//! | read your own writes | [`Execute::wait_for`], [`Documents::wait_for`], [`Running::wait_for`] |
//! | write a read model in the append's own transaction | [`Inline`] |
//! | understand a failure | [`ExecuteError`], [`Error`] |
//! | choose a store at run time | [`DynEventStore`] |
//! | bring a store of your own | [`EventStore`], [`ReadModelStore`] |
//!
//! # Features
//!
//! - `macros` (default): the derives.
//! - `metrics`: how projections are doing, by the facade of the crate `metrics`.
//! - `testing`: given/when/then, and tests of read models, for `[dev-dependencies]`.
//! - `conformance`: the suite that every store passes, for `[dev-dependencies]` of a store.

mod fresh_id;
mod id;
mod stream;
mod slices;
mod timestamp;
mod metadata;
mod idempotency;

mod command;
mod aggregate;
mod event;
mod upcast;
mod codec;
mod recorded;
mod past;
mod context;

mod store;
mod snapshot;
mod load;
mod ahead;
mod turns;
mod cache;
mod basis;
mod execute;
mod retry;
mod read;
mod export;
mod import;
mod causation;
mod error;

mod projection;
mod read_model;
mod document;
mod reactor;
mod runner;
mod documents;
mod visible;
mod inline;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use aggregate::{Aggregate, Apply, Dispatch, Loaded};
pub use cache::{AggregateCache, Caching};
pub use causation::{CausationTree, Caused};
pub use command::{Command, Context, Handle, HandleWith};
pub use document::{Document, DocumentError, IntoKeys, InvalidIndex, MAX_KEY_BYTES};
pub use documents::{Documents, ReadModels};
pub use error::{
    BoxError, Conflict, DecodeError, DecodeErrorKind, EncodeError, Error, ExecuteError, InvalidAppend, KeyReused,
};
pub use event::{AggregateEvent, EncodedEvent, Event, EventType, IntoEvents};
pub use execute::{Decide, Execute, Outcome, Pure, With};
pub use export::Export;
pub use id::{AggregateId, AsId, InvalidId};
pub use idempotency::{IdempotencyKey, InvalidIdempotencyKey, KEYS_KEPT_FOR, KeyUse, Keyed, MAX_IDEMPOTENCY_KEY_BYTES};
pub use import::{Import, ImportError, Imported};
pub use inline::{Inline, InlineBuilder, OpenError};
pub use metadata::{CausationId, CorrelationId, EventId, Metadata, TraceContext};
pub use past::{IntoPastEvent, PastEvent};
pub use projection::{Batch, Projector};
pub use reactor::{BeginsAt, Effect, IntoCommands, OnRejection, Reaction, Reactor};
pub use read::{ConversationEvents, LogEvents, StreamEvents};
pub use read_model::{
    AdvanceError, Checkpoint, Claim, Control, ControlAnswer, DeadLetter, DeadLetterStatus, DocumentQuery, FailureClass,
    Fenced, InvalidProjection, Lease, MAX_PROJECTION_NAME_BYTES, Missing, PartStatus, ProjectionId, ProjectionState,
    ProjectionStatus, Pulse, Reached, ReadModelKind, ReadModelStore, ReadModelTransaction, Refusal, Registration,
    Renewal, TakenIn, Task, Written,
};
pub use recorded::{Append, Appended, JsonText, MAX_EVENT_TYPE_BYTES, NewEvent, Position, RawEvent, Recorded, Untyped};
pub use retry::Retry;
pub use runner::{OnFailure, Phase, Progress, RunError, Runner, Running, Settings, StartError, StopReason, WaitError};
pub use slices::{InvalidSlices, Slices};
pub use snapshot::{Snapshot, SnapshotInfo, Snapshots};
pub use store::{
    Bookmark, BoxFuture, Direction, DynEventStore, ErasedEventStore, EventFilter, EventStore, EventStoreExt, Fold,
    ImportBatch, ImportEvent, ImportStore, ImportStream, InvalidFilter, LogPage, ReadConversation, ReadLog, ReadStream,
    Visit,
};
pub use stream::{ExpectedVersion, InvalidStreamId, MAX_CATEGORY_BYTES, MAX_ID_BYTES, SLICES, StreamId, Version};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use upcast::{Upcast, Upcaster};
pub use visible::{ExecuteAndWait, Visible};

#[cfg(feature = "macros")]
pub use es_macros::{Aggregate, AggregateId, Command, Document, Event};
