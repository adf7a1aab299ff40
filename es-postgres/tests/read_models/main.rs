//! Read models on PostgreSQL: leases by the database's clock, fencing, documents, dead letters, and what failures leave behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test has nobody to hand an error to")]

mod fixture;
mod registration;
mod leases;
mod words;
mod dead_letters;
mod documents;
mod fields;
mod places;
mod transaction;
mod killed;
