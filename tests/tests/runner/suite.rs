//! The cases about the runner, for every store: `runner_tests!` makes a test of each.

#[path = "asking.rs"]
pub mod asking;
#[path = "basics.rs"]
pub mod basics;
#[path = "documents.rs"]
pub mod documents;
#[path = "domain.rs"]
pub mod domain;
#[path = "failures.rs"]
pub mod failures;
#[path = "going_back.rs"]
pub mod going_back;
#[path = "inline.rs"]
pub mod inline;
#[path = "lifecycle.rs"]
pub mod lifecycle;
#[path = "missing.rs"]
pub mod missing;
#[path = "one_key.rs"]
pub mod one_key;
#[path = "parts.rs"]
pub mod parts;
#[path = "replays.rs"]
pub mod replays;
#[path = "side_by_side.rs"]
pub mod side_by_side;
#[path = "waiting.rs"]
pub mod waiting;
#[path = "widening.rs"]
pub mod widening;
#[path = "world.rs"]
pub mod world;

/// Makes a test of each case. It takes what `es_core::conformance_tests!` takes, for a store that is a `World`.
macro_rules! runner_tests {
    ($open:expr) => {
        runner_tests! { $open;
            basics {
                exactly_once_and_in_stream_order_beside_writers
                exactly_once_and_in_stream_order_beside_an_import
                an_import_wakes_projections_and_is_no_old_lag
                only_what_is_wanted_is_taken_in
                a_stop_writes_the_checkpoint
                history_is_told_from_the_present
                appends_wake_it_up
                waiting_for_a_command
                waiting_ends_when_it_stops_or_time_is_up
                bad_configuration_is_refused
                filters_that_name_what_there_is_not_are_refused
                the_handle_tells_how_far_it_is
            }
            documents {
                any_batch_size_gives_the_same_documents
                a_rebuild_beside_writers_equals_a_live_twin
                a_panic_in_a_document_is_a_failure
                what_could_not_be_read_again_is_not_stored
                a_rebuilt_document_that_could_not_be_read_again_is_not_stored
                a_document_of_another_shape_says_which_it_is
            }
            failures {
                stop_is_typed_and_begins_again_with_the_same_event
                one_bad_event_among_many_is_found_in_few_steps
                skip_leaves_out_one_event_with_a_record
                park_keeps_the_order_of_the_stream
                a_parked_stream_may_fail_again
                discard_leaves_out_one_event_for_good
                what_cannot_be_read_is_like_any_other_failure
                a_panic_is_like_any_other_failure
                each_failure_is_of_a_class
                a_document_that_cannot_be_read_is_of_that_class
                what_goes_wrong_right_now_is_of_a_class
                word_for_one_that_has_stopped_says_so
                a_single_try_is_told_as_one
                what_is_told_of_a_failure_is_cut
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
                one_that_is_dropped_while_it_is_paused_says_so
                one_of_two_runners_works_and_the_other_takes_over
            }
            going_back {
                whoever_waits_after_a_rebuild_sees_it_built_again
                what_comes_behind_a_place_comes_again
                what_happened_since_a_time_comes_again
                parts_go_back_together
                what_cannot_go_back_goes_on_as_it_was
                a_rewind_outlasts_a_refused_rebuild
                documents_are_not_disturbed_by_a_rewind
                dead_letters_behind_the_place_come_again
                all_dead_letters_are_tried_again
            }
            parts {
                all_parts_are_worked_on_in_one_process
                two_runners_share_the_parts_fairly
                divisions_beside_writers_lose_nothing
                parked_streams_survive_a_division
                documents_of_several_streams_are_whole
                a_part_that_stops_takes_the_others_along
                it_is_rebuilt_as_a_whole
                it_is_paused_as_a_whole
            }
            replays {
                they_frame_history
                the_end_comes_before_the_present
                history_without_a_wanted_event_is_told_too
                where_there_is_no_history_nothing_is_told
                a_rewind_tells_again
                they_are_told_once_whatever_goes_wrong
                one_that_fails_stops_it
                parts_are_told_each
            }
            side_by_side {
                a_new_version_serves_when_it_has_caught_up
                nothing_serves_unasked
                a_switch_beside_writers_changes_nothing
                a_divided_version_serves_when_all_of_it_has_caught_up
                one_that_lacks_history_does_not_serve_by_itself
                one_that_fails_behind_its_history_serves
            }
            asking {
                by_one_field_and_by_several_and_page_by_page
                for_values_of_every_kind
                for_hostile_values
                what_cannot_be_asked_for_says_so
                what_holds_a_list_is_refused_at_the_start
            }
            waiting {
                a_command_is_answered_when_it_shows
                a_command_is_done_even_if_it_does_not_show
                time_runs_out_where_nobody_works
                one_that_has_stopped_is_not_waited_for
                documents_that_have_stopped_are_not_waited_for
                a_stop_elsewhere_is_waited_out_by_who_runs_it
                what_nobody_has_started_is_not_waited_for
                a_rebuild_is_waited_for
                a_run_to_the_end_takes_in_what_is_there
                a_retry_that_was_asked_for_is_waited_for
                a_retry_that_nobody_does_is_not_waited_for
            }
            missing {
                what_is_parked_does_not_pass_for_shown
                what_the_filter_leaves_out_waits_behind_nothing
                documents_that_lack_a_parked_stream_say_so
                what_was_left_out_does_not_pass_for_shown
                what_is_to_be_settled_is_waited_for
                what_nobody_settles_is_not_waited_for
            }
            inline {
                what_is_appended_shows_at_once
                what_cannot_be_taken_in_is_not_stored
                a_conflict_is_a_conflict
                writers_of_one_document_lose_nothing
                history_is_taken_in_first_and_once
                it_may_be_opened_beside_writers
                appends_beside_it_do_not_keep_it_from_being_built
                a_document_is_rebuilt_beside_writers
                nobody_runs_it
                what_cannot_be_opened_says_why
                a_refused_append_is_told_from_a_failure_of_the_store
            }
            one_key {
                what_was_damaged_is_right_again
                what_cannot_be_rebuilt_says_so
                a_rebuild_beside_writers_equals_a_fold
                what_was_left_out_stays_out
            }
            widening {
                what_wants_more_than_it_has_seen_is_refused
                what_wants_more_and_is_not_rebuilt_is_refused
                what_wanted_less_for_a_while_has_missed_something
                what_has_no_history_may_want_more
                what_is_inline_and_wants_more_is_refused
                where_one_cannot_be_started_the_others_stops_are_kept
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
