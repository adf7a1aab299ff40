//! Waiting for what one has written oneself, wherever it is taken in.

use std::sync::atomic::Ordering;
use std::time::Duration;

use es_core::{
    Claim, Control, DeadLetterStatus, Document as _, EventStoreExt, FailureClass, OnFailure, ProjectionId,
    ReadModelKind, ReadModels, Registration, RunError, Runner, Settings, StopReason, Version, WaitError,
};

use super::domain::{Statement, Write};
use super::world::{
    Notes, PATIENCE, Script, World, account, assert_exactly_once, control, giving_up, id, letters, put_texts, status,
    texts, until,
};

fn write(text: &str) -> Write {
    Write { id: "ada".into(), text: Some(text.into()) }
}

async fn length<S: World>(store: &S) -> usize {
    store.documents::<Statement<1>>().unwrap().get("ada").await.unwrap().map_or(0, |statement| statement.trail.len())
}

pub async fn a_command_is_answered_when_it_shows<S: World>(store: S) {
    // In another runner, and on another handle.
    let running = Runner::new(store.clone()).document::<Statement<1>>().add(Notes::<S>::new(&Script::new()));
    let running = running.start().await.unwrap();
    for n in 1..=20 {
        let command = store.execute(write("note")).wait_for_document::<Statement<1>>().wait_for([id("notes")]);
        let visible = command.await.unwrap();
        visible.visible.as_ref().expect("it shows");
        assert_eq!((visible.outcome.events.len(), visible.version.0), (1, n));
        assert_eq!((length(&store).await, store.notes().await.len()), (n as usize, n as usize));
    }
    running.stop().await;
    let nothing = store.execute(Write { id: "ada".into(), text: None }).wait_for([id("unheard_of")]).await.unwrap();
    nothing.visible.expect("there is nothing to wait for");
}

pub async fn a_command_is_done_even_if_it_does_not_show<S: World>(store: S) {
    let running = Runner::new(store.clone()).document::<Statement<1>>().start().await.unwrap();
    control(&store, &id("statement"), Control::Pause).await;
    // For as long as it takes: nobody waits for what is paused.
    let command = store.execute(write("note")).wait_for_document::<Statement<1>>().within(Duration::MAX);
    let visible = command.await.unwrap();
    match &visible.visible {
        Err(WaitError::Paused { id: which }) => assert_eq!(*which, id("statement")),
        other => panic!("it is paused: {other:?}"),
    }
    assert_eq!(visible.outcome.version.0, 1, "the command is done");
    let documents = store.documents::<Statement<1>>().unwrap();
    let late = documents.catch_up_within(Duration::MAX).await.map(drop);
    assert!(matches!(late, Err(WaitError::Paused { .. })), "{late:?}");
    let late = running.catch_up_within(Duration::MAX).await;
    assert!(matches!(late, Err(WaitError::Paused { .. })), "{late:?}");
    control(&store, &id("statement"), Control::Resume).await;
    let documents = store.documents::<Statement<1>>().unwrap().wait_for(&visible.outcome).await.unwrap();
    assert_eq!(documents.get("ada").await.unwrap().unwrap().trail, ["account-ada@1"]);
    running.stop().await;
}

/// Nobody runs it, so it does not get there, and is not known not to either.
pub async fn time_runs_out_where_nobody_works<S: World>(store: S) {
    Runner::new(store.clone()).document::<Statement<1>>().start().await.unwrap().stop().await;
    let command = store.execute(write("note")).wait_for_document::<Statement<1>>().within(Duration::from_millis(50));
    match command.await.unwrap().visible {
        Err(WaitError::TimedOut { id: which, reached, wanted }) => {
            assert_eq!(which, id("statement"));
            assert!(reached < wanted && wanted == store.log_end().await.unwrap());
        }
        other => panic!("nobody runs it: {other:?}"),
    }
}

/// Everybody learns at once, by whichever way he waits, and not only who has the handle.
pub async fn one_that_has_stopped_is_not_waited_for<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    let start = || Runner::new(store.clone()).settings(giving_up(OnFailure::stop())).add(Notes::<S>::new(&script));
    put_texts(&store, "ada", &["one", "poison"]).await;
    let running = start().start().await.unwrap();
    let reached = store.log_end().await.unwrap();
    let told = {
        // Begun before it stopped: it has not taken in anything yet, or has stopped already.
        let store = store.clone();
        tokio::spawn(async move { store.execute(write("note")).wait_for([id("notes")]).within(Duration::MAX).await })
    };
    let (_, reason) = running.stopped().await;
    running.stop().await;
    let expected = StopReason::Reported { reason: reason.to_string(), class: Some(FailureClass::Refused) };
    let is_told = |waited: &Result<(), WaitError>| match waited {
        Err(WaitError::Stopped { id: which, reason }) => assert_eq!((which, reason), (&id("notes"), &expected)),
        other => panic!("it has stopped: {other:?}"),
    };
    is_told(&told.await.unwrap().unwrap().visible);
    let visible = store.execute(write("note")).wait_for([id("notes")]).within(Duration::MAX).await.unwrap();
    is_told(&visible.visible);
    assert!(visible.outcome.version.0 > 1, "the command is done");
    let late = visible.visible.unwrap_err().to_string();
    assert_eq!(late, format!("projection `notes v1` has stopped: {reason}"));

    // Also where others are only late, as whoever waits for all waits for this one, too.
    Runner::new(store.clone()).document::<Statement<1>>().start().await.unwrap().stop().await;
    let both = store.execute(write("note")).wait_for_document::<Statement<1>>().wait_for([id("notes")]);
    is_told(&both.within(Duration::MAX).await.unwrap().visible);

    // What it had come to before it stopped needs no waiting.
    script.mend("poison");
    let running = start().start().await.unwrap();
    let visible = store.execute(write("note")).wait_for([id("notes")]).within(PATIENCE).await.unwrap();
    visible.visible.expect("it was started again, so who waits from then on is not told of what was before");
    assert!(status(&store, &id("notes")).await.position > reached);
    running.stop().await;
}

/// The same for documents, whose own query waits.
pub async fn documents_that_have_stopped_are_not_waited_for<S: World>(store: S) {
    put_texts(&store, "ada", &["panic"]).await;
    let running = Runner::new(store.clone()).settings(giving_up(OnFailure::stop())).document::<Statement<1>>();
    let running = running.start().await.unwrap();
    running.catch_up().await.unwrap();
    let documents = || store.documents::<Statement<1>>().unwrap();
    let (stop, end) = ("it fell ill".to_owned(), store.log_end().await.unwrap());
    running.stop().await;
    let lease = match store.claim(&id("statement"), 0, uuid::Uuid::now_v7(), PATIENCE).await.unwrap() {
        Claim::Granted(lease) => lease,
        other => panic!("nobody works on it: {other:?}"),
    };
    store.report_stop(&lease, &stop, FailureClass::Store).await.unwrap();
    let there = documents().catch_up_within(Duration::MAX).await.map(drop);
    there.expect("it has stopped, but not before it got there");
    let outcome = store.execute(write("note")).await.unwrap();
    let reason = StopReason::Reported { reason: stop, class: Some(FailureClass::Store) };
    let waits =
        [documents().wait_for(&outcome).await.map(drop), documents().catch_up_within(Duration::MAX).await.map(drop)];
    for waited in waits {
        match waited {
            Err(WaitError::Stopped { reason: told, .. }) => assert_eq!(told, reason),
            other => panic!("it has stopped: {other:?}"),
        }
    }
    assert_eq!(status(&store, &id("statement")).await.position, end, "nothing was taken in meanwhile");
}

/// Whoever runs it would take it over.
pub async fn a_stop_elsewhere_is_waited_out_by_who_runs_it<S: World>(store: S) {
    let settings = Settings::default().lease(Duration::from_millis(600));
    let runner = Runner::new(store.clone()).settings(settings);
    let lease = {
        let registration = Registration::new(id("notes"), ReadModelKind::Projector);
        store.register(&registration).await.unwrap();
        match store.claim(&id("notes"), 0, uuid::Uuid::now_v7(), PATIENCE).await.unwrap() {
            Claim::Granted(lease) => lease,
            other => panic!("nobody works on it: {other:?}"),
        }
    };
    let running = runner.add(Notes::<S>::new(&Script::new())).start().await.unwrap();
    put_texts(&store, "ada", &["one"]).await;
    store.report_stop(&lease, "an older release could not read it", FailureClass::Unreadable).await.unwrap();
    store.release(&lease).await.unwrap();
    running.catch_up_within(PATIENCE).await.expect("it is taken over");
    assert_exactly_once(&store.notes().await, 1);
    running.stop().await;
}

pub async fn what_nobody_has_started_is_not_waited_for<S: World>(store: S) {
    let unknown = ProjectionId::new("statement", 7).unwrap();
    let visible = store.execute(write("note")).wait_for([unknown.clone()]).await.unwrap();
    match &visible.visible {
        Err(WaitError::Unknown { id }) => assert_eq!(*id, unknown),
        other => panic!("nobody knows it: {other:?}"),
    }
    assert_eq!(visible.version.0, 1);
    let documents = store.documents::<Statement<7>>().unwrap().wait_for(&visible.outcome).await;
    assert!(matches!(documents, Err(WaitError::Unknown { .. })));
    assert_eq!(Statement::<7>::NAME, unknown.name());
}

/// What is there will not stay, and is not worth anything to whoever waits.
pub async fn a_rebuild_is_waited_for<S: World>(store: S) {
    let running = Runner::new(store.clone()).settings(Settings::default().batch(1)).document::<Statement<1>>();
    let running = running.start().await.unwrap();
    for n in 1..=10 {
        let visible = store.execute(write("note")).wait_for_document::<Statement<1>>();
        control(&store, &id("statement"), Control::Rebuild).await;
        visible.await.unwrap().visible.unwrap();
        assert_eq!(length(&store).await, n);
    }
    running.stop().await;
}

pub async fn a_run_to_the_end_takes_in_what_is_there<S: World>(store: S) {
    let script = Script::new();
    let runner = || Runner::new(store.clone()).settings(giving_up(OnFailure::stop()).batch(7).parts(3));
    runner().add(Notes::<S>::new(&script)).run_to_end().await.expect("there is nothing to do");
    put_texts(&store, "ada", &["note"; 100]).await;
    runner().add(Notes::<S>::new(&script)).document::<Statement<1>>().run_to_end().await.unwrap();
    assert_exactly_once(&store.notes().await, 100);
    assert_eq!(length(&store).await, 100);
    for name in ["notes", "statement"] {
        let seen = status(&store, &id(name)).await;
        assert!(seen.parts.iter().all(|part| part.owner.is_none()), "{name}: all leases are given back");
        assert_eq!(seen.lag_events, 0);
    }
    put_texts(&store, "ada", &["note"]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(script.calls(), 100, "nobody works any more");

    let broken = Script::breaking(&["poison"]);
    put_texts(&store, "ada", &["poison"]).await;
    let ended = tokio::time::timeout(PATIENCE, runner().add(Notes::<S>::new(&broken)).run_to_end()).await;
    let error = ended.expect("it ends").unwrap_err();
    assert!(matches!(&error, RunError::Wait(WaitError::Stopped { .. })), "{error:?}");
    assert!(error.to_string().contains("cannot take in poison"), "{error}");
    until("the leases are given back", || async {
        status(&store, &id("notes")).await.parts.iter().all(|part| part.owner.is_none())
    })
    .await;
    assert!(matches!(Runner::new(store.clone()).run_to_end().await, Err(RunError::Start(_))));

    control(&store, &id("statement"), Control::Pause).await;
    let paused = tokio::time::timeout(PATIENCE, runner().document::<Statement<1>>().run_to_end()).await;
    let error = paused.expect("nobody is waited for").unwrap_err();
    assert_eq!(error.to_string(), "projection `statement v1` is paused: resume it first");
}

pub async fn a_retry_that_was_asked_for_is_waited_for<S: World>(store: S) {
    let script = Script::breaking(&["poison", "worse"]);
    let runner = || Runner::new(store.clone()).settings(giving_up(OnFailure::park())).add(Notes::<S>::new(&script));
    put_texts(&store, "ada", &["one", "poison", "three", "worse", "five"]).await;
    runner().run_to_end().await.unwrap();
    script.mend("poison");
    script.slowness.store(50, Ordering::SeqCst);
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    runner().run_to_end().await.unwrap();
    assert_eq!(texts(&store, "ada").await, ["one", "poison", "three"]);
    let again = &letters(&store).await[..];
    assert!(matches!(again, [letter] if letter.first == Version(4)), "what fails again is parked again: {again:?}");
    assert_eq!(again[0].status, DeadLetterStatus::Parked);

    let running = runner().start().await.unwrap();
    let (stream, first, reason) = (account("ada"), Version(4), "nobody needs it".to_owned());
    control(&store, &id("notes"), Control::DiscardDeadLetter { stream, first, reason }).await;
    running.catch_up().await.unwrap();
    assert_eq!(texts(&store, "ada").await, ["one", "poison", "three", "five"]);
    let seen = status(&store, &id("notes")).await;
    assert_eq!((seen.parked, seen.requested, seen.discarded), (0, 0, 1));
    running.stop().await;
}

pub async fn a_retry_that_nobody_does_is_not_waited_for<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    put_texts(&store, "ada", &["poison"]).await;
    let runner = Runner::new(store.clone()).settings(giving_up(OnFailure::park())).add(Notes::<S>::new(&script));
    let running = runner.start().await.unwrap();
    running.catch_up().await.unwrap();
    script.mend("poison");
    script.held.store(true, Ordering::SeqCst);
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    let late = running.catch_up_within(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(&late, WaitError::Unsettled { requested: 1, .. }), "{late:?}");
    control(&store, &id("notes"), Control::Pause).await;
    let paused = running.catch_up_within(PATIENCE).await.unwrap_err();
    assert!(matches!(paused, WaitError::Paused { .. }), "{paused:?}");
    script.held.store(false, Ordering::SeqCst);
    control(&store, &id("notes"), Control::Resume).await;
    running.catch_up().await.unwrap();
    assert_eq!(texts(&store, "ada").await, ["poison"]);
    running.stop().await;
}
