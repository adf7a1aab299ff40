//! The cases about the runner, for every store: `runner_tests!` makes a test of each.

#[path = "basics.rs"]
pub mod basics;
#[path = "documents.rs"]
pub mod documents;
#[path = "domain.rs"]
pub mod domain;
#[path = "failures.rs"]
pub mod failures;
#[path = "lifecycle.rs"]
pub mod lifecycle;
#[path = "world.rs"]
pub mod world;

/// Makes a test of each case. It takes what `es_core::conformance_tests!` takes, for a store that is a `World`.
macro_rules! runner_tests {
    ($open:expr) => {
        runner_tests! { $open;
            basics {
                exactly_once_and_in_stream_order_beside_writers
                only_what_is_wanted_is_taken_in
                a_stop_writes_the_checkpoint
                history_is_told_from_the_present
                appends_wake_it_up
                waiting_for_a_command
                waiting_ends_when_it_stops_or_time_is_up
                bad_configuration_is_refused
                the_handle_tells_how_far_it_is
            }
            documents {
                any_batch_size_gives_the_same_documents
                a_rebuild_beside_writers_equals_a_live_twin
                a_panic_in_a_document_is_a_failure
            }
            failures {
                stop_is_typed_and_begins_again_with_the_same_event
                skip_leaves_out_one_event_with_a_record
                park_keeps_the_order_of_the_stream
                a_parked_stream_may_fail_again
                discard_leaves_out_one_event_for_good
                what_cannot_be_read_is_like_any_other_failure
                a_panic_is_like_any_other_failure
                trouble_that_passes_is_waited_out
                trouble_with_a_parked_stream_is_waited_out
            }
            lifecycle {
                a_pause_survives_a_restart
                a_pause_interrupts_a_batch
                what_cannot_be_cleared_is_not_rebuilt
                a_stop_waits_for_the_batch
                a_deadline_cuts_a_straggler_off
                dropping_the_handle_stops_it
                one_of_two_runners_works_and_the_other_takes_over
            }
        }
    };
    ($open:expr; $($theme:ident { $($case:ident)* })*) => {
        $(
            mod $theme {
                #[allow(unused_imports)]
                use super::*;

                $(
                    #[test]
                    fn $case() {
                        es_core::conformance::run($open, suite::$theme::$case);
                    }
                )*
            }
        )*
    };
}
