//! Events that cannot be taken in, under each policy.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use es_core::{
    Control, ControlAnswer, DeadLetter, DeadLetterStatus, FailureClass, OnFailure, Phase, ProjectionState,
    ReadModelTransaction, Retry, Runner, Running, Settings, StopReason, StreamId, Version,
};

use super::domain::{AccountEvent, LaterEvent, Statement, audited, lit};
use super::world::{
    Notes, PATIENCE, Script, World, account, assert_exactly_once, control, giving_up, id, letters, put_raw, put_texts,
    status, texts, until,
};

async fn start<S: World>(store: &S, on_failure: OnFailure, script: &Arc<Script>) -> Running<S> {
    let runner = Runner::new(store.clone()).settings(giving_up(on_failure));
    runner.add(Notes::<S, AccountEvent>::new(script)).start().await.unwrap()
}

fn retry(stream: StreamId, first: u64) -> Control {
    Control::RetryDeadLetter { stream, first: Version(first) }
}

pub async fn stop_is_typed_and_begins_again_with_the_same_event<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    put_texts(&store, "ada", &["one", "poison", "three"]).await;
    put_texts(&store, "bob", &["four"]).await;
    for _ in 0..2 {
        let running = start(&store, OnFailure::stop(), &script).await;
        let (which, reason) = running.stopped().await;
        let error = "cannot take in poison".to_owned();
        let expected = StopReason::Failed {
            stream: account("ada"),
            version: Version(2),
            attempts: 3,
            class: FailureClass::Refused,
            error,
        };
        assert_eq!((which, &reason), (id("notes"), &expected));
        let seen = status(&store, &id("notes")).await;
        assert_eq!(seen.state, ProjectionState::Stopped { reason: reason.to_string(), class: reason.class() });
        assert_eq!((seen.owner(), seen.events), (None, 1), "the lease is given back at once");
        assert_eq!(texts(&store, "ada").await, ["one"], "nothing behind it was taken in, and nothing of it");
        running.stop().await;
    }
    script.mend("poison");
    let running = start(&store, OnFailure::stop(), &script).await;
    running.catch_up().await.unwrap();
    assert_exactly_once(&store.notes().await, 4);
    assert_eq!(status(&store, &id("notes")).await.state, ProjectionState::Running);
    running.stop().await;
}

pub async fn one_bad_event_among_many_is_found_in_few_steps<S: World>(store: S) {
    let script = Script::breaking(&["77"]);
    let all: Vec<String> = (0..128).map(|number| number.to_string()).collect();
    let texts_of_all: Vec<&str> = all.iter().map(String::as_str).collect();
    put_texts(&store, "ada", &texts_of_all).await;
    let running = start(&store, OnFailure::skip(), &script).await;
    running.catch_up().await.unwrap();
    let taken = texts(&store, "ada").await;
    assert_eq!(taken, texts_of_all.iter().copied().filter(|text| *text != "77").collect::<Vec<_>>());
    let batches = script.batches.lock().unwrap().clone();
    assert_eq!(batches.iter().copied().filter(|&events| events > 1).max(), Some(128));
    // Seven halvings, each with a half that is as it should be, and three tries of the one that is not.
    assert!(batches.len() <= 1 + 2 * 7 + 2, "{batches:?}");
    running.stop().await;
}

pub async fn skip_leaves_out_one_event_with_a_record<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    put_texts(&store, "ada", &["one", "poison", "three"]).await;
    put_texts(&store, "bob", &["four", "five"]).await;
    let running = start(&store, OnFailure::skip(), &script).await;
    running.catch_up().await.unwrap();
    assert_eq!(texts(&store, "ada").await, ["one", "three"]);
    assert_eq!(texts(&store, "bob").await, ["four", "five"]);
    let letters = letters(&store).await;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((&letter.stream, letter.first, letter.last), (&account("ada"), Version(2), Version(2)));
    assert_eq!((letter.attempts, letter.error.as_str()), (3, "cannot take in poison"));
    assert_eq!(letter.status, DeadLetterStatus::Skipped);
    let seen = status(&store, &id("notes")).await;
    assert_eq!((seen.events, seen.parked, seen.skipped, seen.lag_events), (4, 0, 1, 0));
    running.stop().await;
}

pub async fn park_keeps_the_order_of_the_stream<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    put_texts(&store, "ada", &["one", "poison", "three"]).await;
    put_texts(&store, "bob", &["four"]).await;
    let running = start(&store, OnFailure::park(), &script).await;
    running.catch_up().await.unwrap();
    put_texts(&store, "ada", &["five", "six"]).await;
    put_texts(&store, "bob", &["seven"]).await;
    running.catch_up().await.unwrap();
    assert_eq!(texts(&store, "ada").await, ["one"], "the rest of the stream waits");
    assert_eq!(texts(&store, "bob").await, ["four", "seven"], "others go on");
    let waiting = letters(&store).await;
    assert_eq!((waiting[0].first, waiting[0].last), (Version(2), Version(5)), "further events extend it");
    let seen = status(&store, &id("notes")).await;
    assert_eq!((seen.parked, seen.events), (1, 3));

    // Still broken, and across a restart.
    running.stop().await;
    let running = start(&store, OnFailure::park(), &script).await;
    control(&store, &id("notes"), retry(account("ada"), 2)).await;
    until("it was tried again", || async {
        let letters = letters(&store).await;
        letters[0].status == DeadLetterStatus::Parked && letters[0].attempts > waiting[0].attempts
    })
    .await;
    assert_eq!(texts(&store, "ada").await, ["one"]);

    script.mend("poison");
    put_texts(&store, "ada", &["eight"]).await;
    control(&store, &id("notes"), retry(account("ada"), 2)).await;
    until("nothing waits", || async { letters(&store).await.is_empty() }).await;
    put_texts(&store, "ada", &["nine"]).await;
    running.catch_up().await.unwrap();
    assert_eq!(texts(&store, "ada").await, ["one", "poison", "three", "five", "six", "eight", "nine"]);
    assert_each_at_its_place(&store).await;
    assert_eq!(status(&store, &id("notes")).await.parked, 0);
    running.stop().await;
}

/// Also what waited comes with its own place in the log.
async fn assert_each_at_its_place<S: World>(store: &S) {
    let mut notes = store.notes().await;
    notes.sort_by_key(|note| note.position);
    assert_exactly_once(&notes, notes.len());
    let seen = status(store, &id("notes")).await;
    assert_eq!(seen.events, notes.len() as u64);
}

pub async fn a_parked_stream_may_fail_again<S: World>(store: S) {
    let script = Script::breaking(&["poison a", "poison b"]);
    put_texts(&store, "ada", &["one", "poison a", "three"]).await;
    put_texts(&store, "bob", &["between"]).await;
    put_texts(&store, "ada", &["poison b", "five"]).await;
    let running = start(&store, OnFailure::park(), &script).await;
    running.catch_up().await.unwrap();
    let first = letters(&store).await.remove(0);
    script.mend("poison a");
    control(&store, &id("notes"), retry(account("ada"), 2)).await;
    until("it waits at the second", || async {
        letters(&store).await.first().is_some_and(|l| l.first == Version(4) && l.status == DeadLetterStatus::Parked)
    })
    .await;
    let second = letters(&store).await.remove(0);
    assert_eq!((second.last, second.error.as_str()), (Version(5), "cannot take in poison b"));
    assert!(second.position > first.position && second.event_id != first.event_id, "it points to the second event");
    assert_eq!(texts(&store, "ada").await, ["one", "poison a", "three"]);
    script.mend("poison b");
    control(&store, &id("notes"), retry(account("ada"), 4)).await;
    until("nothing waits", || async { letters(&store).await.is_empty() }).await;
    assert_eq!(texts(&store, "ada").await, ["one", "poison a", "three", "poison b", "five"]);
    assert_each_at_its_place(&store).await;
    running.stop().await;
}

pub async fn discard_leaves_out_one_event_for_good<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    put_texts(&store, "ada", &["one", "poison", "three", "four"]).await;
    let running = start(&store, OnFailure::park(), &script).await;
    running.catch_up().await.unwrap();
    let (stream, first, reason) = (account("ada"), Version(2), "a test by Bob".to_owned());
    control(&store, &id("notes"), Control::DiscardDeadLetter { stream, first, reason: reason.clone() }).await;
    let discarded = DeadLetterStatus::Discarded { reason };
    until("it is discarded", || async {
        let letters = letters(&store).await;
        letters.len() == 1 && letters[0].status == discarded
    })
    .await;
    assert_eq!(texts(&store, "ada").await, ["one", "three", "four"]);
    let letter = letters(&store).await.remove(0);
    assert_eq!((letter.first, letter.last), (Version(2), Version(2)));
    put_texts(&store, "ada", &["five"]).await;
    running.catch_up().await.unwrap();
    assert_eq!(texts(&store, "ada").await, ["one", "three", "four", "five"]);
    running.stop().await;
}

pub async fn what_cannot_be_read_is_like_any_other_failure<S: World>(store: S) {
    let script = Script::new();
    put_texts(&store, "ada", &["one"]).await;
    put_raw(&store, "ada", audited("eve")).await;
    put_texts(&store, "ada", &["three"]).await;
    put_raw(&store, "ada", audited("mallory")).await;
    put_texts(&store, "bob", &["four"]).await;

    let running = start(&store, OnFailure::stop(), &script).await;
    let (_, reason) = running.stopped().await;
    assert!(matches!(&reason, StopReason::Failed { version: Version(2), error, .. } if error.contains("audited")));
    let told = "event 2 of stream `account-ada` could not be taken in after 1 try: event 2 of stream `account-ada` cannot be read: \
                event type `account.audited` of category `account` is not known here";
    assert_eq!(reason.to_string(), told);
    running.stop().await;

    let running = start(&store, OnFailure::park(), &script).await;
    running.catch_up().await.unwrap();
    assert_eq!((texts(&store, "ada").await.len(), texts(&store, "bob").await.len()), (1, 1));
    let letter = letters(&store).await.remove(0);
    assert_eq!((letter.first, letter.last), (Version(2), Version(4)), "another that cannot be read waits too");
    control(&store, &id("notes"), retry(account("ada"), 2)).await;
    until("it was tried again", || async { letters(&store).await[0].attempts == 2 }).await;
    running.stop().await;

    control(&store, &id("notes"), retry(account("ada"), 2)).await;
    let runner = Runner::new(store.clone()).settings(giving_up(OnFailure::park()));
    let running = runner.add(Notes::<S, LaterEvent>::new(&script)).start().await.unwrap();
    until("tomorrow's code reads it", || async { letters(&store).await.is_empty() }).await;
    assert_eq!(texts(&store, "ada").await, ["one", "audited by eve", "three", "audited by mallory"]);
    assert_each_at_its_place(&store).await;
    running.stop().await;
}

pub async fn a_panic_is_like_any_other_failure<S: World>(store: S) {
    let script = Script::breaking(&["panic at once"]);
    put_texts(&store, "ada", &["one", "panic at once", "three"]).await;
    put_raw(&store, "bob", lit()).await;
    put_texts(&store, "bob", &["five"]).await;
    let running = start(&store, OnFailure::stop(), &script).await;
    let (_, reason) = running.stopped().await;
    assert!(reason.to_string().contains("the code panicked: panicked over panic at once"), "{reason}");
    running.stop().await;
    let running = start(&store, OnFailure::skip(), &script).await;
    running.catch_up().await.unwrap();
    assert_eq!(texts(&store, "ada").await, ["one", "three"]);
    assert_eq!(texts(&store, "bob").await, ["five"]);
    let errors: Vec<String> = letters(&store).await.into_iter().map(|letter| letter.error).collect();
    assert!(errors[1].contains("the fuse burns"), "{errors:?}");
    running.stop().await;
}

/// Whoever decides by it need not read the text.
pub async fn each_failure_is_of_a_class<S: World>(store: S) {
    let script = Script::breaking(&["poison", "panic at once"]);
    put_texts(&store, "refused", &["poison"]).await;
    put_texts(&store, "panicked", &["panic at once"]).await;
    put_raw(&store, "unreadable", audited("eve")).await;
    put_raw(&store, "panicked while it was read", lit()).await;
    let running = start(&store, OnFailure::park(), &script).await;
    running.catch_up().await.unwrap();
    let classes = |letters: Vec<DeadLetter>| letters.into_iter().map(|letter| letter.class).collect::<Vec<_>>();
    let expected =
        [FailureClass::Refused, FailureClass::Panicked, FailureClass::Unreadable, FailureClass::Panicked].map(Some);
    let parked = letters(&store).await;
    assert_eq!(classes(parked.clone()), expected, "{parked:?}");

    // What it fails with the next time is what is told.
    script.mend("panic at once");
    script.shatter("panic at once");
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    until("they were tried again", || async {
        let again = letters(&store).await;
        again.iter().zip(&parked).all(|(again, before)| again.attempts > before.attempts)
    })
    .await;
    let expected =
        [FailureClass::Refused, FailureClass::Store, FailureClass::Unreadable, FailureClass::Panicked].map(Some);
    let parked = letters(&store).await;
    assert_eq!(classes(parked.clone()), expected, "{parked:?}");
    running.stop().await;

    for (text, class) in [("poison", FailureClass::Refused), ("panic at once", FailureClass::Store)] {
        put_texts(&store, "stops", &[text]).await;
        let running = start(&store, OnFailure::stop(), &script).await;
        let (_, reason) = running.stopped().await;
        assert!(matches!(&reason, StopReason::Failed { class: told, .. } if *told == class), "{reason:?}");
        let told = ProjectionState::Stopped { reason: reason.to_string(), class: Some(class) };
        assert_eq!(status(&store, &id("notes")).await.state, told);
        running.stop().await;
        let running = start(&store, OnFailure::skip(), &script).await;
        running.catch_up().await.unwrap();
        running.stop().await;
    }
}

pub async fn a_document_that_cannot_be_read_is_of_that_class<S: World>(store: S) {
    put_texts(&store, "ada", &["one"]).await;
    let runner = || Runner::new(store.clone()).settings(giving_up(OnFailure::stop())).document::<Statement<1>>();
    runner().run_to_end().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let damaged = [("ada".to_owned(), Some("17".to_owned()))];
    transaction.save_documents(&id("statement"), &damaged).await.unwrap();
    transaction.commit().await.unwrap();
    put_texts(&store, "ada", &["two"]).await;
    let running = runner().start().await.unwrap();
    let (_, reason) = running.stopped().await;
    assert_eq!(reason.class(), Some(FailureClass::Unreadable), "{reason:?}");
    running.stop().await;
}

/// Whoever tries again sees it while it goes wrong.
pub async fn what_goes_wrong_right_now_is_of_a_class<S: World>(store: S) {
    let script = Script::breaking(&["panic at once"]);
    put_texts(&store, "ada", &["panic at once"]).await;
    let patient = OnFailure::stop().after(Retry::attempts(u32::MAX).base(Duration::from_secs(60)));
    let settings = Settings::default().lease(Duration::from_millis(600)).on_failure(patient);
    let runner = Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(&script));
    let running = runner.start().await.unwrap();
    until("everybody sees it", || async { status(&store, &id("notes")).await.last_error.is_some() }).await;
    assert_eq!(status(&store, &id("notes")).await.last_error_class, Some(FailureClass::Panicked));
    let phase = &running.progress()[0].1.phase;
    assert!(matches!(phase, Phase::Retrying { class: FailureClass::Panicked, .. }), "{phase:?}");
    running.stop().await;
}

/// Nobody hears it before it is started again, and whoever leaves it should know.
pub async fn word_for_one_that_has_stopped_says_so<S: World>(store: S) {
    let script = Script::breaking(&["parked", "poison"]);
    put_texts(&store, "ada", &["parked"]).await;
    let running = start(&store, OnFailure::park(), &script).await;
    running.catch_up().await.unwrap();
    running.stop().await;
    put_texts(&store, "bob", &["poison"]).await;
    let running = start(&store, OnFailure::stop(), &script).await;
    let (_, reason) = running.stopped().await;
    let stopped = ControlAnswer::AcceptedWhileStopped { reason: reason.to_string(), class: reason.class() };
    script.mend("parked");
    for word in [Control::Resume, Control::RetryDeadLetters, retry(account("ada"), 1)] {
        assert_eq!(store.control(&id("notes"), word.clone()).await.unwrap(), stopped, "{word:?}");
    }
    assert_eq!(letters(&store).await[0].status, DeadLetterStatus::RetryRequested, "it is kept");
    running.stop().await;

    script.mend("poison");
    let running = start(&store, OnFailure::stop(), &script).await;
    until("nothing waits", || async { letters(&store).await.is_empty() }).await;
    assert_eq!(store.control(&id("notes"), Control::Resume).await.unwrap(), ControlAnswer::Accepted);
    running.catch_up().await.unwrap();
    assert_eq!(store.notes().await.len(), 2);
    running.stop().await;
}

/// One is not several.
pub async fn a_single_try_is_told_as_one<S: World>(store: S) {
    put_raw(&store, "ada", audited("eve")).await;
    let running = start(&store, OnFailure::stop(), &Script::new()).await;
    let (_, reason) = running.stopped().await;
    let told = reason.to_string();
    assert!(told.starts_with("event 1 of stream `account-ada` could not be taken in after 1 try: "), "{told}");
    running.stop().await;
}

/// An error may quote what it failed at, however long that is.
pub async fn what_is_told_of_a_failure_is_cut<S: World>(store: S) {
    for (name, poison) in [("ada", "poison ".repeat(2_000)), ("bob", "panic! ".repeat(2_000))] {
        let script = Script::breaking(&[&poison]);
        put_texts(&store, name, &[&poison]).await;
        let running = start(&store, OnFailure::skip(), &script).await;
        running.catch_up_within(PATIENCE).await.unwrap();
        running.stop().await;
        let error = letters(&store).await.pop().unwrap().error;
        assert!(
            error.ends_with('…') && error.len() <= DeadLetter::MAX_ERROR_BYTES,
            "{} bytes: {error:.60}",
            error.len()
        );
    }
    assert_eq!(letters(&store).await.len(), 2);
}

pub async fn trouble_that_passes_is_waited_out<S: World>(store: S) {
    let script = Script::new();
    script.trouble.store(6, Ordering::SeqCst);
    put_texts(&store, "ada", &["one", "two"]).await;
    let running = start(&store, OnFailure::stop(), &script).await;
    running.catch_up_within(PATIENCE).await.expect("three tries are the limit, but trouble that passes does not count");
    assert_exactly_once(&store.notes().await, 2);
    assert!(letters(&store).await.is_empty());
    assert!(!matches!(running.progress()[0].1.phase, Phase::Retrying { .. }));
    running.stop().await;
}

pub async fn trouble_with_a_parked_stream_is_waited_out<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    put_texts(&store, "ada", &["poison", "two"]).await;
    let running = start(&store, OnFailure::park(), &script).await;
    running.catch_up().await.unwrap();
    script.mend("poison");
    script.trouble.store(2, Ordering::SeqCst);
    control(&store, &id("notes"), retry(account("ada"), 1)).await;
    until("nothing waits", || async { letters(&store).await.is_empty() }).await;
    assert_eq!(texts(&store, "ada").await, ["poison", "two"]);
    running.stop().await;
}
