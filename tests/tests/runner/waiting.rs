//! Waiting for what one has written oneself, wherever it is taken in.

use std::time::Duration;

use es_core::{
    Control, Document as _, EventStoreExt, OnFailure, ProjectionId, ReadModels, RunError, Runner, Settings, WaitError,
};

use super::domain::{Statement, Write};
use super::world::{
    Notes, PATIENCE, Script, World, assert_exactly_once, control, giving_up, id, put_texts, status, until,
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
    let command = store.execute(write("note")).wait_for_document::<Statement<1>>().within(Duration::from_millis(100));
    let visible = command.await.unwrap();
    match &visible.visible {
        Err(WaitError::TimedOut { id: which, reached, wanted }) => {
            assert_eq!(*which, id("statement"));
            assert!(reached < wanted && *wanted == store.log_end().await.unwrap());
        }
        other => panic!("it is paused: {other:?}"),
    }
    assert_eq!(visible.outcome.version.0, 1, "the command is done");
    let documents = store.documents::<Statement<1>>().unwrap();
    let late = documents.catch_up_within(Duration::from_millis(50)).await;
    assert!(matches!(late, Err(WaitError::TimedOut { .. })));
    control(&store, &id("statement"), Control::Resume).await;
    let documents = store.documents::<Statement<1>>().unwrap().wait_for(&visible.outcome).await.unwrap();
    assert_eq!(documents.get("ada").await.unwrap().unwrap().trail, ["account-ada@1"]);
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
