//! What is special about this store: its schema, its connections, its log, and what happens when these fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test has nobody to hand an error to")]

mod fixture;
mod conversations;
mod facts;
mod import;
mod keys;
mod log;
mod outcome;
mod restore;
mod round_trips;
mod runs;
mod schema;
mod setup;
mod snapshot;
mod transaction;
