//! The bank account: the smallest whole application of the framework.
//!
//! [`domain`] is all that a domain team writes: events, state, commands and decisions. [`read_models`] adds two durable read
//! models in fifteen lines more. [`service`] puts two commands together to a transfer. `main.rs` tells a story with them, in memory or on PostgreSQL.
#![allow(missing_docs, reason = "the domain is meant to be read as a whole, and to be counted")]

pub mod domain;
pub mod read_models;
pub mod service;
