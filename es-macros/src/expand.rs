//! Writes the implementations. What is generic is in `es_core::__private`, so that these stay small.

mod aggregate;
mod aggregate_id;
mod command;
mod event;
mod inherent;

pub(crate) use aggregate::aggregate;
pub(crate) use aggregate_id::{aggregate_id, text_forms};
pub(crate) use command::command;
pub(crate) use event::{conversions, event};
