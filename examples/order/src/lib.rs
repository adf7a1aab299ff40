//! Orders, payments, stock and shipments that work together: the example to copy.
//!
//! Read it in the order of its modules, which is the order in which data flows:
//!
//! 1. [`domain`]: four aggregates that know nothing of each other. [`order`](domain::order) first.
//! 2. [`reactions`]: what follows from an event, in commands to the others. The choreography is this one file.
//! 3. [`partners`]: the payment provider and the carrier, who are asked over the network.
//! 4. [`read_models`]: what the shop shows.
//! 5. [`service`]: everything that has to run, in one place.
//! 6. [`http`]: the shop over HTTP. Nothing above knows of it.
//! 7. [`client`]: a small HTTP client, for the demo and the tests.
//!
//! Every order that is checked out ends shipped or cancelled, whatever is delayed, repeated or interrupted. Money is kept for what was
//! shipped and for nothing else, and no piece is lost. `tests/shop/model.rs` shows it.
#![allow(missing_docs, reason = "the domain is meant to be read as a whole")]

pub mod domain;
pub mod reactions;
pub mod partners;
pub mod read_models;
pub mod service;
pub mod http;
pub mod client;
