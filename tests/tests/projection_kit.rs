//! The kit for tests of read models: it passes the right ones, and for each mistake there is a check that catches it and says so.

#[path = "projection_kit/domain.rs"]
mod domain;
#[path = "projection_kit/documents.rs"]
mod documents;
#[path = "projection_kit/projectors.rs"]
mod projectors;
#[path = "projection_kit/on_postgres.rs"]
mod on_postgres;
