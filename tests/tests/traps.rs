//! What broke other event stores, one module for each trap: on a real PostgreSQL, and in memory where that can have it too.

#[allow(dead_code, reason = "the oracle judges streams apart from readers")]
#[path = "oracle/checker.rs"]
mod checker;
#[allow(dead_code, reason = "the oracle dawdles")]
#[path = "oracle/random.rs"]
mod random;
#[path = "traps/support.rs"]
mod support;

// What the runner's own suite has.
#[allow(dead_code, reason = "the suite has more cases")]
#[path = "runner/domain.rs"]
mod domain;
#[allow(dead_code, reason = "the suite has more cases")]
#[path = "runner/world.rs"]
mod world;
#[path = "runner/on_memory.rs"]
mod on_memory;
#[allow(dead_code, reason = "the suite opens stores in its own way")]
#[path = "runner/on_postgres.rs"]
mod on_postgres;
#[path = "traps/homes.rs"]
#[macro_use]
mod homes;

#[path = "traps/t01_late_writer.rs"]
mod t01_late_writer;
#[path = "traps/t02_idle_transactions.rs"]
mod t02_idle_transactions;
#[path = "traps/t02_live_projection.rs"]
mod t02_live_projection;
#[path = "traps/t03_early_number.rs"]
mod t03_early_number;
#[path = "traps/t04_abandoned_appends.rs"]
mod t04_abandoned_appends;
#[path = "traps/t05_wake_ups.rs"]
mod t05_wake_ups;
#[path = "traps/t06_parallel_appends.rs"]
mod t06_parallel_appends;
#[path = "traps/t07_straggler.rs"]
mod t07_straggler;
#[path = "traps/t08_sleeper.rs"]
mod t08_sleeper;
#[path = "traps/t09_pause.rs"]
mod t09_pause;
#[path = "traps/t10_poison.rs"]
mod t10_poison;
#[path = "traps/t11_rebuild.rs"]
mod t11_rebuild;
#[path = "traps/t12_snapshots.rs"]
mod t12_snapshots;
#[path = "traps/t13_configuration.rs"]
mod t13_configuration;
#[path = "traps/t14_restored_dump.rs"]
mod t14_restored_dump;
#[path = "traps/t15_hostile_values.rs"]
mod t15_hostile_values;
#[path = "traps/t16_failures.rs"]
mod t16_failures;
