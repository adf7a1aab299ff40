//! The store in memory passes the conformance suite, and the suite catches stores that break one sentence each.

#[path = "memory/faulty.rs"]
mod faulty;

use es_memory::MemoryStore;

/// A few lines are all that it takes.
mod passes {
    use super::*;

    es_core::conformance_tests!(async { MemoryStore::new() });
    es_core::read_model_conformance_tests!(async { MemoryStore::new() });
    es_core::import_conformance_tests!(async { MemoryStore::new() });
}

/// The wrapper that the broken stores are made with is not what breaks them.
mod unbroken {
    use super::faulty::{Fault, Faulty};

    es_core::conformance_tests!(async { Faulty::new(Fault::Nothing) });
    es_core::import_conformance_tests!(async { Faulty::new(Fault::Nothing) });
}

/// What is particular to the store in memory.
mod in_memory {
    use super::*;
    use es_core::{
        Append, EventStore, EventStoreExt, ExpectedVersion, NewEvent, Position, RawEvent, ReadLog, ReadStream,
        StreamId, Version,
    };

    /// More appends than are copied out of a lock at once.
    const APPENDS: u64 = 1_300;

    async fn fill(store: &MemoryStore, stream: &StreamId) {
        for n in 1..=APPENDS {
            let events = (0..=n % 2).map(|_| NewEvent::new("tally.added", 1, "1")).collect();
            store.append(Append::new(stream.clone(), ExpectedVersion::Any, events)).await.unwrap();
        }
    }

    async fn versions(store: &MemoryStore, read: ReadStream) -> Vec<u64> {
        let mut versions = Vec::new();
        let mut visit = |raw: RawEvent<'_>| {
            versions.push(raw.version.0);
            Ok(())
        };
        store.read_stream(read, &mut visit).await.unwrap();
        versions
    }

    #[tokio::test]
    async fn many_appends_are_read_page_by_page_without_a_seam() {
        let (store, stream) = (MemoryStore::new(), StreamId::new("tally", "1").unwrap());
        fill(&store, &stream).await;
        let end = APPENDS + APPENDS / 2;
        let forwards = || ReadStream::forwards(stream.clone());
        assert_eq!(versions(&store, forwards()).await, (1..=end).collect::<Vec<_>>());
        let backwards = ReadStream::backwards(stream.clone());
        assert_eq!(versions(&store, backwards).await, (1..=end).rev().collect::<Vec<_>>());
        for edge in [511, 512, 513, 767, 768, 769, 1_023, 1_024, 1_535, 1_536, 1_537] {
            assert_eq!(versions(&store, forwards().from(Version(edge))).await, (edge..=end).collect::<Vec<_>>());
            assert_eq!(versions(&store, forwards().limit(edge)).await, (1..=edge).collect::<Vec<_>>());
            let back = ReadStream::backwards(stream.clone()).from(Version(edge));
            assert_eq!(versions(&store, back).await, (1..=edge).rev().collect::<Vec<_>>());
        }
        let mut places = Vec::new();
        let mut visit = |raw: RawEvent<'_>| {
            places.extend(raw.position);
            Ok(())
        };
        let page = store.read_log(ReadLog::after(Position::START).limit(u32::MAX), &mut visit).await.unwrap();
        assert!(page.at_end);
        assert_eq!(places, (1..=end).map(Position).collect::<Vec<_>>());
    }

    /// What is there is looked up page by page, too.
    #[tokio::test]
    async fn many_appends_are_known_again() {
        let (store, stream) = (MemoryStore::new(), StreamId::new("tally", "1").unwrap());
        fill(&store, &stream).await;
        let again = store.import_stream(store.export()).await.unwrap();
        assert_eq!((again.stored, again.there), (0, APPENDS + APPENDS / 2));
    }

    #[test]
    fn debug_tells_how_much_there_is() {
        let shown = format!("{:?}", MemoryStore::new());
        assert_eq!(shown, "MemoryStore { streams: 0, log_end: Position(0), .. }");
    }
}

/// A guard lives as long as its case, and opening may fail.
mod guarded {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Guard(Arc<AtomicU32>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn it_is_dropped_when_the_case_has_ended() {
        let dropped = Arc::new(AtomicU32::new(0));
        let guard = Guard(Arc::clone(&dropped));
        es_core::conformance::run(async { (MemoryStore::new(), guard) }, |_| async {
            assert_eq!(dropped.load(Ordering::SeqCst), 0, "the guard lives while the case runs");
        });
        assert_eq!(dropped.load(Ordering::SeqCst), 1, "the guard is dropped once, after the case");
    }

    #[test]
    fn a_store_that_does_not_open_fails_the_case() {
        let failed = std::panic::catch_unwind(|| {
            let open = async { Err::<MemoryStore, _>("no server".to_owned()) };
            es_core::conformance::run(open, |_| async {});
        });
        let message = *failed.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("no server"), "{message}");
    }
}

/// For each fault: the case that catches it, and a part of the sentence that it says is broken.
mod caught {
    use super::faulty::{Fault, Faulty};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn assert_caught(fault: Fault, sentence: &str, run: impl FnOnce()) {
        let Err(failure) = catch_unwind(AssertUnwindSafe(run)) else {
            panic!("a store that {fault:?} passed the case that should catch it")
        };
        let said = match failure.downcast::<String>() {
            Ok(said) => *said,
            Err(failure) => failure.downcast::<&str>().map(|said| said.to_string()).unwrap_or_default(),
        };
        assert!(said.contains(sentence), "a store that {fault:?} was caught, but not by {sentence:?}: {said}");
    }

    /// The suite is no stronger than its cases: each has a store that it catches.
    #[test]
    fn every_case_can_fail() {
        let themes = [
            ("append", include_str!("../../es-core/src/conformance/append.rs")),
            ("concurrency", include_str!("../../es-core/src/conformance/concurrency.rs")),
            ("conversation", include_str!("../../es-core/src/conformance/conversation.rs")),
            ("execute", include_str!("../../es-core/src/conformance/execute.rs")),
            ("export", include_str!("../../es-core/src/conformance/export.rs")),
            ("hostile", include_str!("../../es-core/src/conformance/hostile.rs")),
            ("idempotency", include_str!("../../es-core/src/conformance/idempotency.rs")),
            ("import", include_str!("../../es-core/src/conformance/import.rs")),
            ("import_batch", include_str!("../../es-core/src/conformance/import_batch.rs")),
            ("log", include_str!("../../es-core/src/conformance/log.rs")),
            ("read", include_str!("../../es-core/src/conformance/read.rs")),
            ("snapshot", include_str!("../../es-core/src/conformance/snapshot.rs")),
        ];
        for (theme, text) in themes {
            let cases = text.split("pub async fn ").skip(1).filter_map(|rest| rest.split('<').next());
            for case in cases {
                let caught = include_str!("memory.rs").contains(&format!(" by {theme}::{case}, "));
                assert!(caught, "no broken store shows that `{theme}::{case}` can fail");
            }
        }
    }

    macro_rules! caught {
        ($($name:ident: $fault:ident by $theme:ident::$case:ident, $sentence:literal;)*) => {$(
            #[test]
            fn $name() {
                assert_caught(Fault::$fault, $sentence, || {
                    es_core::conformance::run(
                        async { Faulty::new(Fault::$fault) },
                        es_core::conformance::$theme::$case,
                    );
                });
            }
        )*};
    }

    caught! {
        a_lost_event: LosesTheSecondEvent by append::versions_count_from_one_without_gaps, "version of its last event";
        the_first_version: AnswersWithTheFirstVersion by append::versions_count_from_one_without_gaps, "version of its last event";
        a_wrong_actual: NamesTheWrongActualVersion by append::a_conflict_names_stream_expected_and_actual, "names the version that is there";
        a_wrong_actual_in_a_race: NamesTheWrongActualVersion by concurrency::one_of_parallel_exact_appends_wins, "names the version that is in the way";
        a_wrong_expectation: NamesTheWrongExpectation by append::a_conflict_names_stream_expected_and_actual, "names what was expected";
        a_version_ahead: AcceptsAVersionAhead by append::exact_needs_that_very_version, "is a conflict";
        a_stated_version_ahead: AcceptsAVersionAhead by append::a_refused_append_stores_nothing, "the answer is `Error::Conflict`";
        no_stream_as_any: TakesNoStreamForAny by append::no_stream_needs_an_empty_stream, "is a conflict";
        no_stream_twice: TakesNoStreamForAny by concurrency::one_of_parallel_no_stream_appends_wins, "is the next of the stream";
        exists_as_any: TakesExistsForAny by append::exists_needs_at_least_one_event, "is a conflict";
        exact_zero_as_any: TakesExactZeroForAny by append::exact_zero_is_no_stream, "is a conflict";
        a_part_of_a_refused_append: StoresAPartOfARefusedAppend by append::a_refused_append_stores_nothing, "stores nothing at all";
        a_part_of_a_malformed_append: StoresTheGoodPartOfAMalformedAppend by append::a_malformed_append_stores_nothing, "that no store can accept";
        the_version_before_the_form: LooksAtTheVersionFirst by append::malformed_comes_before_conflict, "whatever the stream";
        versions_only: LooksAtVersionsOnly by append::an_append_goes_behind_the_event_that_it_names, "the answer is `Error::Conflict`";
        versions_only_under_a_key: LooksAtVersionsOnly by append::an_append_under_a_key_goes_behind_the_event_that_it_names, "the answer is `Error::Conflict`";
        an_event_at_no_version: LooksAtVersionsOnly by append::an_append_behind_an_event_expects_its_version, "says no version";
        a_late_append: ShowsAppendsLate by append::what_was_acknowledged_is_seen_at_once, "sees at once what was acknowledged";
        colliding_categories: MixesUpCategories by append::ids_of_different_categories_never_collide, "is a stream of its own";
        ids_without_case: IgnoresCase by hostile::look_alikes_are_different_streams, "is a stream of its own";
        trimmed_ids: TrimsIds by hostile::ids_of_every_kind, "names the stream";
        lost_metadata: LosesMetadata by append::every_part_of_an_event_comes_back, "every part of an event";
        lost_options: LosesMetadata by execute::options_reach_the_events, "the options surround each event";
        a_lost_conversation: LosesMetadata by execute::a_command_begins_a_conversation, "begins one";
        a_lost_trace_state: LosesTheTraceState by append::every_part_of_an_event_comes_back, "every part of an event";
        metadata_cut_at_nul: CutsMetadataAtNul by hostile::nul_in_metadata_is_stored_or_refused, "comes back as it was handed in";
        other_event_ids: MakesItsOwnEventIds by append::every_part_of_an_event_comes_back, "every part of an event";
        other_ids_than_the_outcomes: MakesItsOwnEventIds by execute::a_command_becomes_events, "names the stored event";
        a_clock_set_back: RunsTheClockBackwards by append::recorded_time_is_the_stores_and_never_runs_backwards, "time at which";
        rewritten_json: RewritesJson by hostile::json_keeps_its_text, "comes back as the same text";
        rewritten_numbers: RewritesJson by hostile::numbers_keep_their_text, "comes back as the same text";
        rewritten_escapes: RewritesJson by hostile::strings_of_every_kind, "comes back as the same text";
        signed_versions: CountsWithSigns by hostile::the_largest_numbers_overflow_nothing, "the answer is `Error::Conflict`";
        a_truncated_append: SwallowsTheLastOfThousands by hostile::thousands_of_events_in_one_append, "version of its last event";

        refused_parallel_appends: RefusesParallelAny by concurrency::parallel_any_appends_are_all_stored, "is never a conflict";
        lost_parallel_appends: ClaimsLostAppends by concurrency::parallel_any_appends_are_all_stored, "a version of its own";
        two_winners: ChecksThenActs by concurrency::one_of_parallel_exact_appends_wins, "is the next of the stream";
        two_beginnings: ChecksThenActs by concurrency::one_of_parallel_no_stream_appends_wins, "is the next of the stream";
        interleaved_appends: SplitsAppends by concurrency::appends_of_several_events_never_interleave, "stand behind each other";
        torn_appends: SplitsAppends by concurrency::stream_readers_see_whole_appends, "whole or not at all";
        half_dropped_appends: SplitsAppends by concurrency::dropped_appends_are_whole_or_absent, "whole or not at all";

        forgotten_keys: ForgetsKeys by idempotency::a_repeat_is_answered_as_the_first_was, "told from what was stored now";
        a_repeat_with_the_version_now: AnswersRepeatsWithTheVersionNow by idempotency::a_repeat_is_answered_as_the_first_was, "what became of the first";
        a_conflict_before_a_key: LooksForConflictsBeforeKeys by idempotency::a_repeat_is_never_a_conflict, "whatever it expects";
        a_key_that_is_not_found: FindsNoKeys by idempotency::a_key_tells_what_was_stored_under_it, "tells what was stored";
        an_ignored_fingerprint: IgnoresFingerprints by idempotency::another_fingerprint_is_refused, "is refused, not answered";
        an_ignored_stream: AnswersForOtherStreams by idempotency::another_stream_is_refused, "is refused, not answered";
        a_key_without_events: KeepsKeysOfRefusedAppends by idempotency::a_refused_append_leaves_no_key, "leaves no key";
        two_under_a_key: LooksAtKeysFirst by idempotency::one_of_parallel_appends_under_a_key_is_stored, "what became of the one";
        two_streams_under_a_key: LooksAtKeysFirst by idempotency::one_of_parallel_streams_gets_the_key, "one is stored";
        repeated_raw_appends: ForgetsKeys by idempotency::a_repeated_raw_append_is_stored_once, "told from what was stored now";
        events_in_any_company: IgnoresFingerprints by idempotency::events_in_other_company_are_refused, "is refused, not answered";
        mixed_up_keys: MixesUpKeys by idempotency::keys_of_every_kind, "is a key of its own";
        a_forgotten_command: ForgetsKeys by idempotency::a_repeated_command_gives_the_first_outcome, "used for the same one succeeds";
        another_command_for_a_key: ForgetsKeys by idempotency::another_command_under_a_key_is_refused, "is refused, not answered";
        an_invented_key: InventsKeys by idempotency::a_command_without_effect_leaves_no_key, "the domain's own error";
        two_commands_under_a_key: LooksAtKeysFirst by idempotency::commands_at_once_under_one_key_take_effect_once, "take effect once";
        forgotten_keys_behind_the_twin: ForgetsKeys by idempotency::keys_work_behind_the_object_safe_twin, "told from what was stored now";

        an_ignored_limit: IgnoresTheLimit by read::every_direction_start_and_limit, "visits what is asked for";
        a_start_behind_from: StartsBehindFrom by read::every_direction_start_and_limit, "visits what is asked for";
        a_start_behind_from_at_a_page: StartsBehindFrom by execute::typed_streams_turn_pages_without_loss, "at the most";
        one_direction: ReadsBackwardsForwards by read::every_direction_start_and_limit, "visits what is asked for";
        a_failure_on_unknown_streams: FailsOnUnknownStreams by read::an_unknown_stream_has_nothing_to_visit, "can be read";
        a_swallowed_error: SwallowsErrors by read::an_error_of_the_visitor_ends_the_read, "comes back from the read";
        a_swallowed_error_of_a_fold: SwallowsErrors by read::an_error_of_the_fold_ends_the_load, "comes back from the read";
        a_swallowed_error_of_the_log: SwallowsErrors by log::an_error_of_the_visitor_ends_the_read, "comes back from the read";
        a_hidden_unreadable_event: SwallowsErrors by execute::an_unreadable_event_is_named, "an error of its own";
        a_lock_held: HoldsALock by read::no_lock_is_held_while_a_stream_is_visited, "holds no lock";
        a_lock_held_while_folding: HoldsALock by read::no_lock_is_held_while_a_load_folds, "holds no lock";
        a_lock_held_over_the_log: HoldsALock by log::no_lock_is_held_while_the_log_is_visited, "holds no lock";

        a_skipped_event: SkipsAtThePageBorder by log::every_page_size_gives_the_same_sequence, "the same sequence";
        a_skipped_event_beside_writers: SkipsAtThePageBorder by concurrency::log_readers_beside_writers_miss_nothing, "it missed";
        a_doubled_event: RepeatsAtThePageBorder by log::every_page_size_gives_the_same_sequence, "not behind `next`";
        swapped_events: SwapsTwoEvents by log::every_event_is_there_once_in_stream_order, "in version order";
        events_that_differ: SwapsTwoEvents by log::the_log_shows_what_the_stream_shows, "what its stream shows";
        no_places: ShowsNoPlaces by log::the_log_shows_what_the_stream_shows, "has a position";
        moved_places: MovesPlaces by log::places_never_change, "places never change";
        a_stay_behind_the_filter: StaysBehindTheFilter by log::next_moves_past_what_was_filtered, "says that this is the end";
        an_early_end_of_a_filter: SaysTheEndTooEarly by log::a_limit_beside_a_filter_loses_nothing, "wanted events are left";
        ignored_slices: IgnoresSlices by log::parts_by_slice_share_the_log, "only events of the streams in the slices";
        a_lost_slice: LosesTheLastSlice by log::both_ends_of_the_slices_belong_to_them, "both ends included";
        slices_forgotten_beside_a_filter: ForgetsSlicesBesideAFilter by log::slices_go_together_with_filters, "only events of the streams in the slices";
        an_ignored_type: IgnoresTypes by log::filters_let_pass_what_was_asked_for, "only events that the filter lets pass";
        an_early_end: SaysTheEndTooEarly by log::at_end_is_only_said_at_the_end, "is not at its end";
        an_early_end_of_nothing: SaysTheEndTooEarly by log::a_limit_of_zero_visits_nothing, "is not at its end";
        one_category: ReadsOneCategory by conversation::a_conversation_has_its_events_of_every_category, "of all categories";
        mixed_up_conversations: MixesUpConversations by conversation::a_conversation_has_its_events_of_every_category, "and no others";
        places_in_a_conversation: PlacesConversations by conversation::a_conversation_shows_what_the_streams_show, "what its stream shows";
        forgotten_beginnings: ForgetsBeginnings by conversation::an_event_without_a_conversation_begins_one, "under its own id";
        a_failure_on_unknown_conversations: FailsOnUnknownStreams by conversation::an_unknown_conversation_has_nothing_to_visit, "can be read";
        a_late_conversation: SkipsYoungEvents by conversation::what_was_acknowledged_is_in_its_conversation_at_once, "at once what was acknowledged";
        a_conversation_by_stream: ReadsConversationsByStream by conversation::causes_come_before_their_effects, "before their effects";
        a_skipped_word: SkipsAtTheBookmark by conversation::pages_of_a_conversation_follow_each_other_without_a_seam, "the same sequence";
        an_early_end_of_a_conversation: EndsAfterAPage by conversation::pages_of_a_conversation_follow_each_other_without_a_seam, "the same sequence";
        a_lost_event_by_id: FindsNoEvents by conversation::an_event_is_found_by_its_id, "as its stream shows it";
        any_event_by_id: FindsAnyEvent by conversation::an_event_is_found_by_its_id, "is found";
        a_swallowed_error_of_a_conversation: SwallowsErrors by conversation::an_error_of_the_visitor_ends_the_conversation, "comes back from the read";
        a_lock_held_over_a_conversation: HoldsALock by conversation::no_lock_is_held_while_a_conversation_is_visited, "holds no lock";
        a_typed_conversation_that_ends_early: EndsAfterAPage by conversation::typed_conversations_turn_pages_without_loss, "come in order";
        an_event_without_a_tree: FindsNoEvents by conversation::the_tree_of_an_event_is_that_of_its_conversation, "there is such an event";
        an_end_before_the_end: EndsTheLogTooEarly by log::log_end_covers_what_was_acknowledged, "highest place given";
        a_fall_back: FallsBackAtTheEnd by log::beyond_the_end_there_is_nothing, "never before the place the read began at";
        a_late_commit: PassesLateCommits by concurrency::log_readers_beside_writers_miss_nothing, "it missed";
        an_own_late_commit: SkipsYoungEvents by concurrency::writers_find_their_own_events_in_the_log, "committed before `log_end`";
        a_late_place: SkipsYoungEvents by log::log_end_covers_what_was_acknowledged, "has its place in the log";

        lost_metadata_of_the_past: LosesMetadata by import::every_part_of_a_past_event_comes_back, "as they were given";
        a_past_of_another_payload: RewritesJson by import::imported_equals_appended, "reads as an appended one";
        a_past_at_the_beginning: TimesImportsAtTheBeginning by import::without_a_time_it_is_now, "since";
        the_past_once_more: ImportsByAppending by import::importing_again_changes_nothing, "what is there is passed over";
        a_batch_that_was_begun: CountsABatchAsThereByItsFirst by import::an_import_goes_on_where_one_ended, "it goes on";
        a_refused_repeat: RefusesWhatIsThere by import::an_event_that_comes_twice_is_stored_once, "known again";
        any_event_for_the_same: TakesAnyEventForTheSame by import::another_event_in_its_place_is_a_conflict, "is a conflict";
        a_gap_that_is_closed: ImportsByAppending by import::a_gap_is_a_conflict, "cannot be imported is named";
        a_stream_that_was_begun: ImportsIntoEmptyStreamsOnly by import::an_import_goes_behind_an_append, "what can be imported is";
        a_lost_event_before_a_malformed_one: LosesTheLastOfABatch by import::a_malformed_event_ends_the_import, "before a malformed event is stored";
        a_lost_event_before_a_failure: LosesTheLastOfABatch by import::a_source_that_fails_ends_the_import, "before the failure is stored";
        a_batch_that_is_counted_wrong: CountsWhatWasThere by import::progress_is_told_batch_by_batch, "each batch is told of";
        a_payload_that_is_cut: RewritesJson by import::a_batch_of_much_is_full, "comes back whole";
        an_export_that_skips: SkipsAtThePageBorder by export::an_export_is_the_log_and_can_be_imported, "an export is the log";
        an_export_that_repeats: RepeatsAtThePageBorder by export::an_export_goes_on_where_one_came_to, "goes on where another came to";
        an_export_of_all_slices: IgnoresSlices by export::an_export_gives_what_was_asked_for, "the streams in the slices";
        imports_over_each_other: ChecksThenActs by import::imports_and_appends_go_on_side_by_side, "each event is";
        an_import_and_an_append: ChecksThenActs by import::one_of_import_and_append_gets_a_version, "one of them wins";
        a_wrong_count: CountsWhatWasThere by import_batch::a_batch_tells_what_it_stored, "were not there";
        a_part_of_a_refused_batch: StoresTheGoodPartOfARefusedBatch by import_batch::a_refused_batch_stores_nothing, "nothing is stored";
        a_wrong_expectation_of_a_batch: NamesTheWrongExpectation by import_batch::a_refused_batch_stores_nothing, "names the first event";
        torn_batches: SplitsAppends by import_batch::readers_see_whole_batches, "whole or not at all";
        half_dropped_batches: SplitsAppends by import_batch::dropped_batches_are_whole_or_absent, "whole or not at all";

        mixed_state_versions: MixesUpStateVersions by snapshot::state_versions_are_kept_apart, "only to who asks";
        a_snapshot_ahead: HandsOutSnapshotsAhead by snapshot::a_snapshot_ahead_of_its_stream_is_not_handed_out, "not handed out";
        an_unasked_snapshot: HandsOutUnaskedSnapshots by snapshot::a_snapshot_is_only_for_who_asks, "only to who asks";
        an_event_twice: LoadsTheSnapshotsEventAgain by snapshot::a_load_begins_with_the_snapshot, "behind a snapshot";
        an_event_applied_twice: LoadsTheSnapshotsEventAgain by snapshot::every_snapshot_of_every_split_equals_replay, "BrokenStream";
        a_stale_snapshot: OverwritesNewerSnapshots by snapshot::a_stale_snapshot_never_overwrites_a_newer_one, "never overwrites a newer one";
        a_stale_snapshot_in_a_race: OverwritesNewerSnapshots by snapshot::the_newest_of_parallel_saves_stays, "saved side by side";
        a_stale_offer: OffersOverwriteNewerSnapshots by snapshot::an_offer_is_kept_or_dropped_but_never_harmful, "supersedes";
        an_unreadable_snapshot_kept: KeepsUnreadableSnapshots by snapshot::an_unreadable_snapshot_gives_way, "gives way";
        an_unreadable_snapshot_for_ever: KeepsUnreadableSnapshots by snapshot::an_undecodable_snapshot_is_ignored_and_replaced, "is replaced";
        a_good_snapshot_replaced: ReplacesWhateverIsSaid by snapshot::an_unreadable_snapshot_gives_way, "and no other";
        a_snapshot_not_forgotten: DeletesNoSnapshots by snapshot::deleting_forgets_every_snapshot_of_the_stream, "is forgotten";
        other_snapshots_forgotten: DeletesAllSnapshots by snapshot::deleting_forgets_every_snapshot_of_the_stream, "of other streams stay";
        shared_snapshots: SharesSnapshotsBetweenStreams by snapshot::streams_have_their_own_snapshots, "has its own snapshot";
        any_as_exists: TakesAnyForExists by append::any_goes_behind_whatever_is_there, "is never a conflict";
        a_log_without_end: NeverSaysTheEnd by log::an_empty_log_is_at_its_end, "has nothing more";
        a_place_twice: VisitsThePlaceItself by log::reading_begins_right_behind_a_place, "lies behind `after`";
        a_follower_that_misses: SkipsAtThePageBorder by log::reading_on_from_next_misses_nothing, "sees every event once";
        an_event_folded_twice: RepeatsAtThePageBorder by execute::folds_take_in_every_event_once, "once and in order";
        a_typed_event_twice: RepeatsAtThePageBorder by execute::the_typed_log_turns_pages_without_loss, "knows the place";
        a_lost_first_event: LosesTheFirstEvent by snapshot::a_load_without_a_snapshot_replays_everything, "in order";
        a_rejection_on_half_a_state: LosesTheFirstEvent by execute::a_rejection_is_typed_and_stores_nothing, "the domain's own error";
        a_version_that_is_not_found: LosesTheFirstEvent by execute::a_stated_version_is_checked_and_not_retried, "is a conflict, not";
        a_policy_that_shows: LoadsTheSnapshotsEventAgain by snapshot::a_policy_changes_no_result, "BrokenStream";
        a_cut_state: CutsStatesAtNul by snapshot::hostile_states_come_back, "comes back as it was saved";
        trimmed_types: TrimsTypes by hostile::event_types_of_every_kind, "can name a type";
        other_categories: MixesUpCategories by hostile::categories_of_every_kind, "names the stream";
        dropped_texts: DropsEmptyTexts by hostile::metadata_of_every_kind, "comes back as it was handed in";
        refused_depth: RefusesWhatIsDeepOrLong by hostile::deep_nesting, "any JSON can be stored";
        refused_length: RefusesWhatIsDeepOrLong by hostile::payloads_of_several_megabytes, "several megabytes";
        a_failure_to_do_nothing: FailsOnUnknownStreams by execute::a_command_without_events_stores_nothing, "there is nothing to fail";
        other_ids_behind_the_twin: MakesItsOwnEventIds by execute::everything_works_behind_the_object_safe_twin, "names the stored event";
        a_past_without_its_event: RunsTheClockBackwards by execute::the_past_can_be_loaded, "has that event";
        a_store_lost_to_a_panic: StaysBusy by read::a_panic_of_the_visitor_does_no_harm, "as usable as before";
        a_store_lost_to_a_dropped_call: StaysBusy by concurrency::dropped_calls_leave_the_store_usable, "can be read";
        deposits_counted_twice: ChecksThenActs by execute::every_deposit_counts_once_under_contention, "is decided on all events before its own";
    }
}
