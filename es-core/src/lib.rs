//! stub front page

mod aggregate;
mod codec;
mod command;
mod error;
mod event;
mod execute;
mod id;
mod load;
mod metadata;
mod read;
mod recorded;
mod retry;
mod snapshot;
mod store;
mod stream;
mod timestamp;
mod upcast;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use aggregate::{Aggregate, Apply, Dispatch, Loaded};
pub use command::{Command, Context, Handle, HandleWith};
pub use error::{
    BoxError, Conflict, DecodeError, DecodeErrorKind, EncodeError, Error, ExecuteError, InvalidAppend,
};
pub use event::{AggregateEvent, EncodedEvent, Event, EventType, IntoEvents};
pub use execute::{Decide, Execute, Outcome, Pure, With};
pub use id::{AggregateId, InvalidId};
pub use metadata::{CausationId, CorrelationId, EventId, Metadata, TraceContext};
pub use read::{LogEvents, StreamEvents};
pub use recorded::{Append, Appended, MAX_EVENT_TYPE_BYTES, NewEvent, Position, RawEvent, Recorded};
pub use retry::Retry;
pub use snapshot::{Snapshot, SnapshotInfo, Snapshots};
pub use store::{
    BoxFuture, Direction, DynEventStore, ErasedEventStore, EventFilter, EventStore, EventStoreExt, Fold,
    LogPage, ReadLog, ReadStream, Visit,
};
pub use stream::{
    ExpectedVersion, InvalidStreamId, MAX_CATEGORY_BYTES, MAX_ID_BYTES, SLICES, StreamId, Version,
};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use upcast::{Upcast, Upcaster};

#[cfg(feature = "macros")]
pub use es_macros::{Aggregate, AggregateId, Command, Event};
