//! The suite that a store must pass: the contract of [`EventStore`], and of [`ReadModelStore`], sentence by sentence.
//!
//! [`conformance_tests!`](crate::conformance_tests) turns it into tests, one for each case, in modules by theme, so that a
//! failure is named in the output of `cargo test`: `log::every_page_size_gives_the_same_sequence`. The message of a failed
//! assertion is the sentence of the contract that is broken.
//!
//! Add it as a development dependency: `es-core = { version = "…", features = ["conformance"] }`.
//!
//! # Example: the whole test file of a store
//!
//! ```
//! # mod tests {
//! use es_memory::MemoryStore;
//!
//! es_core::conformance_tests!(async { MemoryStore::new() });
//! # }
//! ```
//!
//! The expression is evaluated anew for each case, inside a runtime of the case's own. It is a future of a **fresh, empty
//! store**; of a `Result` with one, when opening it can fail; or of a pair with a guard, when something has to live as
//! long as the case. See [`Subject`].
//!
//! # Example: run one case, on a store of your own
//!
//! ```
//! use es_core::conformance;
//! use es_memory::MemoryStore;
//!
//! conformance::run(async { MemoryStore::new() }, conformance::append::versions_count_from_one_without_gaps);
//! ```
//!
//! Stores that keep read models run [`read_model_conformance_tests!`](crate::read_model_conformance_tests) too, and those that
//! import events [`import_conformance_tests!`](crate::import_conformance_tests).
//!
//! Cases with chance in them print the seed they drew. Set the environment variable `CONFORMANCE_SEED` to repeat one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this is a suite of tests: a case that fails panics, as every test does"
)]

pub mod append;
pub mod caching;
pub mod concurrency;
pub mod conversation;
pub mod execute;
pub mod export;
pub mod hostile;
pub mod idempotency;
pub mod import;
pub mod import_batch;
pub mod log;
pub mod read;
pub mod read_model;
pub mod snapshot;

mod support;
mod tally;

use std::any::Any;
use std::future::Future;
use std::time::Duration;

use crate::error::BoxError;
use crate::read_model::ReadModelStore;
use crate::store::{EventStore, ImportStore};

/// How long a case may take before it counts as hanging.
const LONGEST_CASE: Duration = Duration::from_secs(120);

/// A store that several tasks can use at once: a clone is another handle on the same store.
///
/// # Example: a case of your own, in the form of the suite's
///
/// ```
/// use es_core::Position;
/// use es_core::conformance::{self, Candidate};
///
/// async fn a_new_store_is_empty<S: Candidate>(store: S) {
///     assert_eq!(store.log_end().await.unwrap(), Position::START);
/// }
///
/// conformance::run(async { es_memory::MemoryStore::new() }, a_new_store_is_empty);
/// ```
pub trait Candidate: EventStore + Clone + 'static {}

impl<S: EventStore + Clone + 'static> Candidate for S {}

/// What the expression given to [`conformance_tests!`](crate::conformance_tests) may come to: a fresh, empty store; a
/// `(store, guard)` pair; a `Result` with either.
///
/// # Example: a database that is dropped after the case, and may fail to come up
///
/// The guard is dropped when the case has ended, inside the runtime and on the test's thread. So a guard that asks
/// [`std::thread::panicking`] learns whether the case failed, and can leave the database behind for whoever looks into it.
///
/// ```
/// # mod tests {
/// # use es_memory::MemoryStore as MyStore;
/// # struct TestDatabase;
/// # impl TestDatabase {
/// #     async fn create() -> Result<Self, std::io::Error> { Ok(Self) }
/// #     async fn connect(&self) -> Result<MyStore, es_core::Error> { Ok(MyStore::new()) }
/// # }
/// async fn open() -> Result<(MyStore, TestDatabase), es_core::conformance::OpenError> {
///     let database = TestDatabase::create().await?;
///     let store = database.connect().await?;
///     Ok((store, database))
/// }
///
/// es_core::conformance_tests!(open());
/// # }
/// ```
pub trait Subject {
    /// The store.
    type Store: Candidate;

    /// The store, and what has to live as long as the case.
    ///
    /// # Errors
    /// Why there is no store.
    fn into_parts(self) -> Result<(Self::Store, Box<dyn Any>), OpenError>;
}

/// Why a store could not be opened: any error.
pub type OpenError = BoxError;

impl<S: Candidate> Subject for S {
    type Store = S;

    fn into_parts(self) -> Result<(S, Box<dyn Any>), OpenError> {
        Ok((self, Box::new(())))
    }
}

impl<S: Candidate, G: 'static> Subject for (S, G) {
    type Store = S;

    fn into_parts(self) -> Result<(S, Box<dyn Any>), OpenError> {
        Ok((self.0, Box::new(self.1)))
    }
}

impl<T: Subject, E: Into<OpenError>> Subject for Result<T, E> {
    type Store = T::Store;

    fn into_parts(self) -> Result<(T::Store, Box<dyn Any>), OpenError> {
        self.map_err(Into::into)?.into_parts()
    }
}

/// Runs one case to its end, on a multi-thread runtime of its own.
///
/// # Panics
/// When the case fails, when the store cannot be opened, and when the case takes longer than two minutes.
pub fn run<T, F>(open: impl Future<Output = T>, case: impl FnOnce(T::Store) -> F)
where
    T: Subject,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime for the case can be built").block_on(async {
        let opened = open.await.into_parts();
        let (store, _guard) = opened.unwrap_or_else(|error| panic!("the store could not be opened: {error:?}"));
        let ended = tokio::time::timeout(LONGEST_CASE, case(store)).await;
        assert!(ended.is_ok(), "the case still hangs after {LONGEST_CASE:?}");
    });
}

/// Makes a test of each case of the [conformance suite](crate::conformance), in modules by theme.
///
/// It takes an expression: a future of a [`Subject`](crate::conformance::Subject), evaluated anew for each case. The names
/// that it uses must be in scope of the module that the macro is called in.
///
/// # Example: a store behind the object-safe twin
///
/// ```
/// # mod tests {
/// use es_core::DynEventStore;
/// use es_memory::MemoryStore;
///
/// es_core::conformance_tests!(async { DynEventStore::new(MemoryStore::new()) });
/// # }
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($open:expr) => {
        $crate::__conformance_themes! { $open;
            append {
                versions_count_from_one_without_gaps
                any_goes_behind_whatever_is_there
                no_stream_needs_an_empty_stream
                exists_needs_at_least_one_event
                exact_needs_that_very_version
                exact_zero_is_no_stream
                an_append_goes_behind_the_event_that_it_names
                an_append_under_a_key_goes_behind_the_event_that_it_names
                an_append_behind_an_event_expects_its_version
                a_conflict_names_stream_expected_and_actual
                a_refused_append_stores_nothing
                a_malformed_append_stores_nothing
                malformed_comes_before_conflict
                what_was_acknowledged_is_seen_at_once
                ids_of_different_categories_never_collide
                every_part_of_an_event_comes_back
                recorded_time_is_the_stores_and_never_runs_backwards
            }
            read {
                every_direction_start_and_limit
                an_unknown_stream_has_nothing_to_visit
                an_error_of_the_visitor_ends_the_read
                an_error_of_the_fold_ends_the_load
                a_panic_of_the_visitor_does_no_harm
                no_lock_is_held_while_a_stream_is_visited
                no_lock_is_held_while_a_load_folds
            }
            log {
                an_empty_log_is_at_its_end
                every_event_is_there_once_in_stream_order
                the_log_shows_what_the_stream_shows
                places_never_change
                every_page_size_gives_the_same_sequence
                reading_begins_right_behind_a_place
                reading_on_from_next_misses_nothing
                at_end_is_only_said_at_the_end
                a_limit_of_zero_visits_nothing
                beyond_the_end_there_is_nothing
                filters_let_pass_what_was_asked_for
                next_moves_past_what_was_filtered
                a_limit_beside_a_filter_loses_nothing
                parts_by_slice_share_the_log
                both_ends_of_the_slices_belong_to_them
                slices_go_together_with_filters
                log_end_covers_what_was_acknowledged
                an_error_of_the_visitor_ends_the_read
                no_lock_is_held_while_the_log_is_visited
            }
            conversation {
                a_conversation_has_its_events_of_every_category
                a_conversation_shows_what_the_streams_show
                an_event_without_a_conversation_begins_one
                an_unknown_conversation_has_nothing_to_visit
                what_was_acknowledged_is_in_its_conversation_at_once
                causes_come_before_their_effects
                pages_of_a_conversation_follow_each_other_without_a_seam
                an_event_is_found_by_its_id
                an_error_of_the_visitor_ends_the_conversation
                no_lock_is_held_while_a_conversation_is_visited
                typed_conversations_turn_pages_without_loss
                the_tree_of_an_event_is_that_of_its_conversation
            }
            snapshot {
                a_load_without_a_snapshot_replays_everything
                a_load_begins_with_the_snapshot
                a_snapshot_is_only_for_who_asks
                state_versions_are_kept_apart
                a_snapshot_ahead_of_its_stream_is_not_handed_out
                a_stale_snapshot_never_overwrites_a_newer_one
                an_unreadable_snapshot_gives_way
                deleting_forgets_every_snapshot_of_the_stream
                streams_have_their_own_snapshots
                an_offer_is_kept_or_dropped_but_never_harmful
                the_newest_of_parallel_saves_stays
                hostile_states_come_back
                every_snapshot_of_every_split_equals_replay
                a_policy_changes_no_result
                an_undecodable_snapshot_is_ignored_and_replaced
            }
            concurrency {
                parallel_any_appends_are_all_stored
                one_of_parallel_exact_appends_wins
                one_of_parallel_no_stream_appends_wins
                appends_of_several_events_never_interleave
                stream_readers_see_whole_appends
                log_readers_beside_writers_miss_nothing
                writers_find_their_own_events_in_the_log
                dropped_appends_are_whole_or_absent
                dropped_calls_leave_the_store_usable
            }
            hostile {
                ids_of_every_kind
                categories_of_every_kind
                look_alikes_are_different_streams
                event_types_of_every_kind
                strings_of_every_kind
                metadata_of_every_kind
                nul_in_metadata_is_stored_or_refused
                numbers_keep_their_text
                json_keeps_its_text
                deep_nesting
                payloads_of_several_megabytes
                thousands_of_events_in_one_append
                the_largest_numbers_overflow_nothing
            }
            idempotency {
                a_repeat_is_answered_as_the_first_was
                a_repeat_is_never_a_conflict
                a_key_tells_what_was_stored_under_it
                another_fingerprint_is_refused
                another_stream_is_refused
                a_refused_append_leaves_no_key
                one_of_parallel_appends_under_a_key_is_stored
                one_of_parallel_streams_gets_the_key
                a_repeated_raw_append_is_stored_once
                events_in_other_company_are_refused
                keys_of_every_kind
                a_repeated_command_gives_the_first_outcome
                another_command_under_a_key_is_refused
                a_command_without_effect_leaves_no_key
                commands_at_once_under_one_key_take_effect_once
                keys_work_behind_the_object_safe_twin
            }
            execute {
                a_command_becomes_events
                options_reach_the_events
                a_command_begins_a_conversation
                a_rejection_is_typed_and_stores_nothing
                a_command_without_events_stores_nothing
                a_stated_version_is_checked_and_not_retried
                every_deposit_counts_once_under_contention
                everything_works_behind_the_object_safe_twin
                typed_streams_turn_pages_without_loss
                the_typed_log_turns_pages_without_loss
                folds_take_in_every_event_once
                the_past_can_be_loaded
                an_unreadable_event_is_named
            }
            caching {
                a_state_at_hand_that_is_behind_is_brought_up_to_date
                no_state_at_hand_refuses_wrongly
                no_state_at_hand_says_wrongly_that_nothing_is_to_be_done
                a_stated_version_is_not_compared_with_a_state_at_hand
                keys_are_found_beside_a_state_at_hand
                outcomes_upon_states_at_hand_equal_replays
            }
        }
    };
}

/// What the expression given to [`import_conformance_tests!`](crate::import_conformance_tests) comes to: a [`Subject`] whose
/// store imports events.
///
/// # Example: the store in memory is one
///
/// ```
/// fn is_one(_: impl es_core::conformance::Subject<Store: es_core::conformance::ImportCandidate>) {}
/// is_one(es_memory::MemoryStore::new());
/// ```
pub trait ImportCandidate: Candidate + ImportStore {}

impl<S: Candidate + ImportStore> ImportCandidate for S {}

/// Makes a test of each case about [imports](crate::ImportStore), in the modules `import`,
/// `import_batch` and `export`.
///
/// It takes what [`conformance_tests!`](crate::conformance_tests) takes, for a store that imports events too.
///
/// # Example: the store in memory
///
/// ```
/// # mod tests {
/// use es_memory::MemoryStore;
///
/// es_core::import_conformance_tests!(async { MemoryStore::new() });
/// # }
/// ```
#[macro_export]
macro_rules! import_conformance_tests {
    ($open:expr) => {
        $crate::__conformance_themes! { $open;
            import {
                every_part_of_a_past_event_comes_back
                imported_equals_appended
                without_a_time_it_is_now
                importing_again_changes_nothing
                an_import_goes_on_where_one_ended
                an_event_that_comes_twice_is_stored_once
                another_event_in_its_place_is_a_conflict
                a_gap_is_a_conflict
                an_import_goes_behind_an_append
                a_malformed_event_ends_the_import
                a_source_that_fails_ends_the_import
                progress_is_told_batch_by_batch
                a_batch_of_much_is_full
                imports_and_appends_go_on_side_by_side
                one_of_import_and_append_gets_a_version
            }
            import_batch {
                a_batch_tells_what_it_stored
                a_refused_batch_stores_nothing
                readers_see_whole_batches
                dropped_batches_are_whole_or_absent
            }
            export {
                an_export_is_the_log_and_can_be_imported
                an_export_goes_on_where_one_came_to
                an_export_gives_what_was_asked_for
            }
        }
    };
}

/// What the expression given to [`read_model_conformance_tests!`](crate::read_model_conformance_tests) comes to: a
/// [`Subject`] whose store keeps read models.
///
/// # Example: the store in memory is one
///
/// ```
/// fn is_one(_: impl es_core::conformance::Subject<Store: es_core::conformance::ReadModelCandidate>) {}
/// is_one(es_memory::MemoryStore::new());
/// ```
pub trait ReadModelCandidate: Candidate + ReadModelStore {}

impl<S: ReadModelStore> ReadModelCandidate for S {}

/// Makes a test of each case about [read models](crate::ReadModelStore), in modules by theme inside the module `read_model`.
///
/// It takes what [`conformance_tests!`](crate::conformance_tests) takes, for a store that keeps read models too.
///
/// # Example: the store in memory
///
/// ```
/// # mod tests {
/// use es_memory::MemoryStore;
///
/// es_core::read_model_conformance_tests!(async { MemoryStore::new() });
/// # }
/// ```
#[macro_export]
macro_rules! read_model_conformance_tests {
    ($open:expr) => {
        $crate::__conformance_themes! { $open; in read_model;
            registration {
                a_projection_begins_at_the_start_of_the_log
                registering_again_changes_nothing
                registering_tells_whether_it_was_new
                one_of_parallel_registrations_makes_it
                a_projection_stays_of_its_kind
                a_known_projection_stays_as_it_is_divided
                versions_of_a_projection_are_kept_apart
                what_is_there_at_registration_is_history
                all_is_present_to_one_without_history
                projections_are_listed_in_the_order_of_their_ids
                what_is_wanted_is_kept_when_it_is_taken_up
                what_is_to_be_taken_in_again_is_not_behind_it
            }
            leases {
                one_of_parallel_claims_wins
                a_held_lease_cannot_be_claimed
                the_holder_may_claim_again
                a_lease_that_ran_out_can_be_claimed
                a_lease_that_ran_out_stays_the_newest
                a_renewed_lease_lasts
                a_released_lease_can_be_claimed_at_once
                an_old_lease_releases_nothing
                an_unknown_projection_cannot_be_claimed
                an_old_lease_moves_nothing
                an_owner_that_slept_past_its_lease_commits_nothing
                a_paused_projection_cannot_be_claimed
            }
            checkpoints {
                the_checkpoint_moves_forwards_only
                effect_and_checkpoint_are_one
                a_dropped_transaction_leaves_nothing
                what_is_not_committed_is_seen_by_nobody
                a_reset_moves_the_checkpoint_anywhere
                it_is_told_how_far_projections_have_come
                a_time_has_its_place_in_the_log
                nothing_that_was_recorded_since_a_time_lies_before_its_place
                a_moved_checkpoint_wakes_who_has_asked_before
                an_append_wakes_who_has_asked_before
                trouble_that_passes_is_told_from_trouble_that_lasts
            }
            status {
                the_status_tells_events_and_lag
                a_divided_projection_lags_as_its_last_part_does
                a_stop_is_told_until_the_next_claim
                a_stop_is_forgotten_when_it_is_taken_up_again
                it_is_told_how_far_it_has_come_and_whether_it_goes_on
                a_stop_of_one_part_is_told
                an_old_lease_reports_nothing
                what_a_holder_tells_is_seen_by_everybody
                what_the_holders_of_parts_tell_is_put_together
            }
            parts {
                parts_are_for_every_slice_once
                parts_have_leases_of_their_own
                each_part_is_granted_to_one
                parts_have_checkpoints_of_their_own
                a_part_that_is_not_there_is_gone
                a_holder_of_many_parts_learns_who_has_fewer
                the_holder_of_the_only_part_keeps_it
            }
            divisions {
                parts_meet_where_the_foremost_is
                a_projection_is_divided_when_all_its_parts_have_met
                a_division_keeps_what_the_parts_have
                leases_of_old_parts_are_worthless
                old_parts_are_gone
                parallel_divisions_are_one
                what_is_under_way_is_divided_before_or_not_at_all
                what_cannot_be_divided_is_refused
            }
            tasks {
                a_rebuild_is_asked_for_until_the_reset
                a_task_outlasts_a_pause
                a_task_is_for_the_first_part
                a_reset_moves_all_parts
                a_dismissed_task_moves_nothing
                a_rewind_outlasts_a_refused_rebuild
                a_rebuild_goes_for_a_rewind
                an_old_lease_dismisses_nothing
                a_rewind_ahead_is_taken_for_the_checkpoint
                nothing_is_reached_while_a_task_is_to_be_done
            }
            words {
                every_word_takes_the_lease_away
                word_for_one_that_has_stopped_says_so
                word_for_one_that_is_paused_says_so
                what_is_under_way_is_done_before_a_word_or_not_at_all
                a_word_that_a_version_serves_leaves_the_leases_alone
                word_for_an_unknown_projection_finds_nothing
                nobody_runs_what_is_written_inline
                what_a_kind_cannot_do_is_refused
                words_reach_parked_streams_only
                all_parked_streams_can_be_tried_again_at_once
            }
            seizing {
                seizing_takes_all_leases_away
                a_dropped_seizure_leaves_the_leases
                an_unknown_projection_cannot_be_seized
                nobody_is_granted_a_lease_until_a_seizure_ends
                no_checkpoint_moves_until_a_seizure_ends
                what_was_under_way_is_told_or_refused
            }
            documents {
                documents_come_back_in_the_order_of_their_keys
                documents_are_replaced_and_removed
                documents_are_listed_in_the_order_of_their_bytes
                clearing_removes_all_documents_of_one_projection
                keys_of_every_kind
                contents_of_every_kind
                thousands_of_documents_at_once
            }
            locks {
                no_write_under_a_lock_is_lost
                no_first_write_under_a_lock_is_lost
                a_document_that_comes_and_goes_stays_locked
                a_lock_lasts_until_the_transaction_ends
                a_lock_without_a_write_leaves_nothing
                locks_in_any_order_come_to_an_end
            }
            queries {
                documents_are_found_by_a_text
                a_long_value_is_found_under_the_longest_key
                documents_are_found_by_numbers_and_truth_values
                several_fields_must_all_be_equal
                pages_of_a_query_follow_each_other_without_a_seam
                a_query_finds_documents_as_they_are_committed
                values_of_every_kind_are_found
                a_nul_in_a_document_is_in_nobodys_way
                fields_of_every_kind_can_be_asked_for
                fields_can_be_asked_for_later
            }
            dead_letters {
                dead_letters_come_back
                dead_letters_come_page_by_page
                a_dead_letter_takes_the_place_of_its_like
                a_nul_character_is_replaced_in_what_is_told
                a_reset_forgets_the_dead_letters_behind_it
                it_is_told_what_is_missing_of_a_stream
            }
            serving {
                the_first_version_of_a_name_serves
                one_of_parallel_first_versions_serves
                a_version_serves_when_it_has_caught_up
                exactly_one_version_serves_at_any_time
                a_dropped_projection_is_forgotten
                a_dropped_projection_can_begin_anew
                what_somebody_works_on_is_not_dropped
                what_serves_is_not_dropped_while_another_could
            }
            inline {
                an_append_in_a_transaction_is_seen_after_the_commit
                a_dropped_append_never_happened
                a_transaction_sees_its_own_appends
                a_conflict_in_a_transaction_is_typed
                of_parallel_transactions_on_a_version_one_wins
                of_a_transaction_and_an_append_on_a_version_one_wins
                a_late_commit_appears_before_no_reader
                effects_in_the_appends_transaction_count_every_event
                a_committed_append_wakes_who_has_asked_before
                an_append_under_an_old_lease_never_happens
                a_key_is_there_when_its_transaction_is_committed
                a_repeat_in_a_transaction_appends_nothing
                of_a_transaction_and_an_append_under_a_key_one_wins
            }
            holds {
                nothing_is_appended_between_a_look_and_its_commit
                an_append_waits_for_a_hold_or_undoes_it
                an_append_under_way_waits_for_a_hold_or_undoes_it
                whoever_holds_appends_may_append
                a_dropped_hold_lets_go
            }
        }
    };
}

/// A module for each theme; of a family of them, inside a module for the family.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_themes {
    ($open:expr; in $family:ident; $($theme:ident { $($case:ident)* })*) => {
        mod $family {
            #[allow(unused_imports)]
            use super::*;

            $($crate::__conformance_cases! { $open; ($family::$theme) $theme $($case)* })*
        }
    };
    ($open:expr; $($theme:ident { $($case:ident)* })*) => {
        $($crate::__conformance_cases! { $open; ($theme) $theme $($case)* })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($open:expr; $path:tt $theme:ident $($case:ident)*) => {
        mod $theme {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[test]
                fn $case() {
                    $crate::conformance::run($open, $crate::__conformance_case!($path $case));
                }
            )*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_case {
    (($($path:ident)::+) $case:ident) => {
        $crate::conformance::$($path::)+$case
    };
}

#[cfg(test)]
mod tests {
    /// A case that no list names would never run.
    #[test]
    fn every_case_is_listed() {
        let list = include_str!("conformance.rs");
        let listed = |case: &str| list.lines().any(|line| line.trim() == case);
        let themes = [
            include_str!("conformance/append.rs"),
            include_str!("conformance/caching.rs"),
            include_str!("conformance/concurrency.rs"),
            include_str!("conformance/conversation.rs"),
            include_str!("conformance/execute.rs"),
            include_str!("conformance/hostile.rs"),
            include_str!("conformance/idempotency.rs"),
            include_str!("conformance/import.rs"),
            include_str!("conformance/log.rs"),
            include_str!("conformance/read.rs"),
            include_str!("conformance/snapshot.rs"),
            include_str!("conformance/read_model/checkpoints.rs"),
            include_str!("conformance/read_model/dead_letters.rs"),
            include_str!("conformance/read_model/divisions.rs"),
            include_str!("conformance/read_model/documents.rs"),
            include_str!("conformance/read_model/holds.rs"),
            include_str!("conformance/read_model/inline.rs"),
            include_str!("conformance/read_model/leases.rs"),
            include_str!("conformance/read_model/locks.rs"),
            include_str!("conformance/read_model/parts.rs"),
            include_str!("conformance/read_model/queries.rs"),
            include_str!("conformance/read_model/registration.rs"),
            include_str!("conformance/read_model/seizing.rs"),
            include_str!("conformance/read_model/serving.rs"),
            include_str!("conformance/read_model/status.rs"),
            include_str!("conformance/read_model/tasks.rs"),
            include_str!("conformance/read_model/words.rs"),
        ];
        let cases = themes.iter().flat_map(|theme| theme.split("pub async fn ").skip(1));
        for case in cases.filter_map(|rest| rest.split('<').next()) {
            assert!(listed(case), "the case `{case}` is missing from the lists of the macros");
        }
    }
}
