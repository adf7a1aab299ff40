//! What a user wrote, read but not judged. Everything keeps its tokens, so that a later check can point at them.

mod aggregate;
mod aggregate_id;
mod command;
mod document;
mod event;
mod json;

pub(crate) use aggregate::{Aggregate, Policy, Snapshot};
pub(crate) use aggregate_id::AggregateId;
pub(crate) use command::{Command, Target};
pub(crate) use document::Document;
pub(crate) use event::{Event, EventType, Step};
pub(crate) use json::JsonField;
