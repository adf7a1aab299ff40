//! The tests, in the order of the example's files: the four aggregates, what is stored of them, what follows from what, the whole of it under all sorts of
//! trouble, and the read models.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod words;

mod order;
mod payment;
mod stock;
mod shipment;
mod shapes;

mod reactions;
mod model;
mod read_models;
mod service;
