//! The beginning and the end of history, told exactly once, and in the right places.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use es_core::{
    Control, FailureClass, OnFailure, Position, ProjectionState, ReadModelKind, Registration, Runner, Running,
    Settings, StopReason,
};

use super::domain::AccountEvent;
use super::world::{Notes, PATIENCE, Script, World, control, giving_up, id, letters, put, put_texts, status, until};

async fn start<S: World>(store: &S, settings: Settings, script: &Arc<Script>) -> Running<S> {
    Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(script).telling()).start().await.unwrap()
}

async fn told<S: World>(store: &S) -> Vec<String> {
    store.notes().await.into_iter().map(|note| note.text).collect()
}

async fn told_by<S: World>(store: &S, settings: Settings, script: &Arc<Script>) -> Vec<String> {
    let running = start(store, settings, script).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    running.stop().await;
    told(store).await
}

pub async fn they_frame_history<S: World>(store: S) {
    put_texts(&store, "ada", &["h", "h", "h"]).await;
    store.register(&Registration::new(id("notes"), ReadModelKind::Projector)).await.unwrap();
    put_texts(&store, "ada", &["p", "p"]).await;
    assert_eq!(told_by(&store, Settings::default(), &Script::new()).await, ["begins", "h", "h", "h", "ends", "p", "p"]);
    for batch in [1, 2, 3, 4, 250] {
        let running = start(&store, Settings::default().batch(batch), &Script::new()).await;
        control(&store, &id("notes"), Control::Rebuild).await;
        running.catch_up_within(PATIENCE).await.unwrap();
        assert_eq!(told(&store).await, ["begins", "h", "h", "h", "p", "p", "ends"], "in batches of {batch}");
        running.stop().await;
    }
    let again = told_by(&store, Settings::default(), &Script::new()).await;
    assert_eq!(again.len(), 7, "a restart tells nothing");
}

/// The last of history is not wanted, and what is wanted next is the present.
pub async fn the_end_comes_before_the_present<S: World>(store: S) {
    put(&store, "ada", [AccountEvent::Closed, AccountEvent::Closed]).await;
    put_texts(&store, "ada", &["unwanted"]).await;
    store.register(&Registration::new(id("notes"), ReadModelKind::Projector)).await.unwrap();
    put(&store, "ada", [AccountEvent::Closed]).await;
    let only = Notes::<S>::only(&Script::new(), &["account.closed"]).telling();
    let running = Runner::new(store.clone()).add(only).start().await.unwrap();
    running.catch_up().await.unwrap();
    assert_eq!(told(&store).await, ["begins", "Closed", "Closed", "ends", "Closed"]);
    running.stop().await;
}

/// There is history, but nothing of it is wanted; and the present is.
pub async fn history_without_a_wanted_event_is_told_too<S: World>(store: S) {
    put_texts(&store, "ada", &["unwanted"; 5]).await;
    let only = || Notes::<S>::only(&Script::new(), &["account.closed"]).telling();
    let running = Runner::new(store.clone()).add(only()).start().await.unwrap();
    running.catch_up().await.unwrap();
    assert_eq!(told(&store).await, ["begins", "ends"]);
    running.stop().await;

    store.drop_projection(&id("notes")).await.unwrap();
    store.register(&Registration::new(id("notes"), ReadModelKind::Projector)).await.unwrap();
    put(&store, "ada", [AccountEvent::Closed]).await;
    let running = Runner::new(store.clone()).add(only()).start().await.unwrap();
    running.catch_up().await.unwrap();
    assert_eq!(told(&store).await, ["begins", "ends", "begins", "ends", "Closed"]);
    running.stop().await;
}

pub async fn where_there_is_no_history_nothing_is_told<S: World>(store: S) {
    let running = start(&store, Settings::default(), &Script::new()).await;
    put_texts(&store, "ada", &["p", "p"]).await;
    running.catch_up().await.unwrap();
    assert_eq!(told(&store).await, ["p", "p"]);
    // Back to where it is: there is nothing to take in again.
    control(&store, &id("notes"), Control::Rewind { to: store.log_end().await.unwrap() }).await;
    running.catch_up().await.unwrap();
    put_texts(&store, "ada", &["now"]).await;
    running.catch_up().await.unwrap();
    assert_eq!(told(&store).await, ["p", "p", "now"]);
    running.stop().await;
}

pub async fn a_rewind_tells_again<S: World>(store: S) {
    put_texts(&store, "ada", &["a", "b", "c", "d"]).await;
    let script = Script::new();
    let running = start(&store, Settings::default(), &script).await;
    running.catch_up().await.unwrap();
    let to = Position(store.notes().await[2].position);
    control(&store, &id("notes"), Control::Rewind { to }).await;
    running.catch_up().await.unwrap();
    // What is told at no place stays when notes are forgotten.
    assert_eq!(told(&store).await, ["begins", "a", "b", "ends", "begins", "c", "d", "ends"]);
    control(&store, &id("notes"), Control::Rewind { to: Position::START }).await;
    running.catch_up().await.unwrap();
    let expected = ["begins", "ends", "begins", "ends", "begins", "a", "b", "c", "d", "ends"];
    assert_eq!(told(&store).await, expected);
    running.stop().await;
}

/// Failures of events, trouble that passes, and cut off in the middle.
pub async fn they_are_told_once_whatever_goes_wrong<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    script.trouble.store(5, Ordering::SeqCst);
    put_texts(&store, "ada", &["poison", "b", "c", "poison", "e", "poison"]).await;
    let settings = giving_up(OnFailure::skip()).batch(2);
    let running = start(&store, settings, &script).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_eq!(told(&store).await, ["begins", "b", "c", "e", "ends"]);
    assert_eq!(letters(&store).await.len(), 3);
    script.mend("poison");
    let rebuilt = ["begins", "poison", "b", "c", "poison", "e", "poison", "ends"];
    control(&store, &id("notes"), Control::Rebuild).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_eq!(told(&store).await, rebuilt);
    running.stop().await;

    script.slowness.store(5, Ordering::SeqCst);
    for wait in 1..=12 {
        let running = start(&store, settings.batch(1), &script).await;
        if wait % 6 == 1 {
            control(&store, &id("notes"), Control::Rebuild).await;
        }
        tokio::time::sleep(Duration::from_millis(wait * 2)).await;
        running.stop_within(Duration::ZERO).await;
    }
    script.slowness.store(0, Ordering::SeqCst);
    assert_eq!(told_by(&store, settings, &script).await, rebuilt);
}

pub async fn one_that_fails_stops_it<S: World>(store: S) {
    put_texts(&store, "ada", &["a", "b"]).await;
    let settings = giving_up(OnFailure::skip());
    let script = Script::breaking(&["begins", "ends"]);
    for (text, before) in [("begins", 0), ("ends", 0)] {
        for _ in 0..2 {
            let running = start(&store, settings, &script).await;
            let (_, reason) = running.stopped().await;
            assert_eq!(
                reason,
                StopReason::Replay { class: FailureClass::Refused, error: format!("cannot take in {text}") }
            );
            let seen = status(&store, &id("notes")).await;
            assert_eq!(seen.state, ProjectionState::Stopped { reason: reason.to_string(), class: reason.class() });
            assert_eq!(store.notes().await.len(), before, "nothing of it was kept");
            running.stop().await;
        }
        script.mend(text);
    }
    assert!(letters(&store).await.is_empty(), "no event is to blame");
    assert_eq!(told_by(&store, settings, &script).await, ["begins", "a", "b", "ends"]);

    // Trouble that passes is waited out.
    script.trouble.store(3, Ordering::SeqCst);
    let running = start(&store, settings, &script).await;
    control(&store, &id("notes"), Control::Rebuild).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_eq!(told(&store).await, ["begins", "a", "b", "ends"]);
    running.stop().await;
}

pub async fn parts_are_told_each<S: World>(store: S) {
    for n in 0..30 {
        put_texts(&store, &format!("s{n}"), &["h", "h"]).await;
    }
    let running = start(&store, Settings::default().parts(3).batch(7), &Script::new()).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    until("all parts are through", || async { told(&store).await.iter().filter(|text| *text == "ends").count() == 3 })
        .await;
    let told = told(&store).await;
    assert_eq!((told.len(), told.iter().filter(|text| *text == "begins").count()), (66, 3));
    assert!(told[0] == "begins" && told[65] == "ends");
    running.stop().await;
}
