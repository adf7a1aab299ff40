//! What broke other event stores, one module for each trap: on a real PostgreSQL, and in memory where that can have it too.

#[allow(dead_code, reason = "the oracle judges streams apart from readers")]
#[path = "oracle/checker.rs"]
mod checker;
#[path = "traps/support.rs"]
mod support;

#[path = "traps/t01_late_writer.rs"]
mod t01_late_writer;
#[path = "traps/t02_idle_transactions.rs"]
mod t02_idle_transactions;
#[path = "traps/t03_early_number.rs"]
mod t03_early_number;
#[path = "traps/t04_abandoned_appends.rs"]
mod t04_abandoned_appends;
#[path = "traps/t05_wake_ups.rs"]
mod t05_wake_ups;
#[path = "traps/t06_parallel_appends.rs"]
mod t06_parallel_appends;
#[path = "traps/t12_snapshots.rs"]
mod t12_snapshots;
#[path = "traps/t15_hostile_values.rs"]
mod t15_hostile_values;
#[path = "traps/t16_failures.rs"]
mod t16_failures;
