//! Reactors and effects on every store: what follows from an event follows once, whatever happens on the way.

#[path = "reactors/domain.rs"]
mod domain;
#[path = "reactors/fragile.rs"]
mod fragile;
#[path = "reactors/support.rs"]
mod support;

#[path = "reactors/chain.rs"]
mod chain;
#[path = "reactors/crashes.rs"]
mod crashes;
#[path = "reactors/effects.rs"]
mod effects;
#[path = "reactors/history.rs"]
mod history;
#[path = "reactors/once.rs"]
mod once;
#[path = "reactors/rejections.rs"]
mod rejections;

#[path = "reactors/few_connections.rs"]
mod few_connections;
#[path = "reactors/kit.rs"]
mod kit;

use es_core::BoxError;
use es_memory::MemoryStore;
use es_postgres::PgStore;
use es_test_support::Database;

/// A migrated store in a database of its own.
async fn open() -> Result<(PgStore, Database), BoxError> {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await?;
    store.migrate().await?;
    Ok((store, database))
}

/// Makes tests of the cases, on each store.
macro_rules! on_every_store {
    ($($theme:ident { $($case:ident)* })*) => {
        mod memory {
            $(mod $theme { $(
                #[test]
                fn $case() {
                    es_core::conformance::run(async { super::super::MemoryStore::new() }, crate::$theme::$case);
                }
            )* })*
        }

        mod postgres {
            $(mod $theme { $(
                #[test]
                fn $case() {
                    es_core::conformance::run(crate::open(), crate::$theme::$case);
                }
            )* })*
        }
    };
}

on_every_store! {
    once {
        a_reaction_takes_effect_once_each_command
        commands_of_all_shapes_are_executed_in_order
        what_comes_again_changes_nothing
        what_a_later_release_makes_of_a_done_command_changes_nothing
        a_done_command_that_goes_elsewhere_now_is_told
        nobody_takes_the_key_of_a_reaction
        a_failure_behind_the_first_command_repeats_only_the_second
        trouble_that_passes_is_waited_out
        two_runners_whose_leases_are_taken_away
        parts_react_side_by_side
    }
    crashes {
        a_crash_at_any_point_changes_nothing
        whatever_is_cut_off_is_done_once
    }
    history {
        what_is_history_leads_to_nothing_and_is_not_even_read
        one_that_begins_at_the_first_event_makes_up_for_all
        a_rebuild_and_a_rewind_are_refused
        a_name_is_a_reactor_for_ever
        a_division_before_its_start_passes_over_history_too
        a_division_in_the_midst_of_history_passes_over_the_rest
    }
    rejections {
        a_rejection_stops_it_at_once
        a_rejection_may_be_ignored
        a_skipped_reaction_is_on_record
        a_parked_stream_keeps_its_order_and_repeats_nothing
        a_panic_is_a_failure
    }
    effects {
        the_token_is_the_same_at_every_try
        trouble_that_passes_repeats_only_the_one_under_way
        a_crash_repeats_at_most_the_one_under_way
        a_failing_effect_parks_its_stream_alone
        a_refused_effect_is_tried_as_often_as_the_policy_says
    }
    chain {
        each_is_caused_by_the_one_before
        what_an_effect_executes_flows_too
        headers_stay_with_their_event
    }
}
