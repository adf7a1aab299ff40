//! The runner on the store in memory: every case of the suite, and what only a store that fails and counts on demand can show.

#[path = "runner/suite.rs"]
#[macro_use]
mod suite;
#[path = "runner/counting.rs"]
mod counting;
#[path = "runner/on_memory.rs"]
mod on_memory;

use es_memory::MemoryStore;
use suite::world;

runner_tests!(async { MemoryStore::new() });

/// Here only, because a blocked thread may be the one that looks after everybody's sockets.
#[test]
fn what_a_fenced_owner_wrote_is_rolled_back() {
    es_core::conformance::run(async { MemoryStore::new() }, suite::lifecycle::what_a_fenced_owner_wrote_is_rolled_back);
}

/// Here only, for the same reason.
#[test]
fn what_outlives_its_lease_is_smaller_the_next_time() {
    let case = suite::lifecycle::what_outlives_its_lease_is_smaller_the_next_time;
    es_core::conformance::run(async { MemoryStore::new() }, case);
}
