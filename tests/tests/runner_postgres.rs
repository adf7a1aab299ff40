//! The runner on PostgreSQL: every case of the suite.

#[path = "runner/suite.rs"]
#[macro_use]
mod suite;
#[path = "runner/on_postgres.rs"]
mod on_postgres;

use on_postgres::open;
use suite::world;

runner_tests!(open());
