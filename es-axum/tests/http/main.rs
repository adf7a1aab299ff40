//! A small service, asked over HTTP by clients that are right, wrong, and hostile.
#![allow(clippy::unwrap_used, reason = "a test has nobody to hand an error to")]

mod bodies;
mod conditions;
mod contention;
mod conversation;
mod errors;
mod keys;
mod listener;
mod problem;
mod reads;
mod service;
mod waiting;
