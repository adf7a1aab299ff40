//! Going back: to the start, to a place, to a time; and the notice of history that comes with it.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use es_core::{
    Control, DeadLetterStatus, OnFailure, Position, ReadModels, Runner, Running, Settings, StopReason, Task, Timestamp,
    Version,
};

use super::domain::Statement;
use super::world::{
    Indelible, Notes, PATIENCE, Script, World, assert_each_once, assert_exactly_once, control, giving_up, id, letters,
    put_texts, status, texts, until,
};

async fn start<S: World>(store: &S, script: &Arc<Script>) -> Running<S> {
    let settings = giving_up(OnFailure::park());
    Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(script)).start().await.unwrap()
}

pub async fn whoever_waits_after_a_rebuild_sees_it_built_again<S: World>(store: S) {
    let running = start(&store, &Script::new()).await;
    for n in 1..=10 {
        put_texts(&store, "ada", &["one", "two"]).await;
        control(&store, &id("notes"), Control::Rebuild).await;
        running.catch_up_within(PATIENCE).await.unwrap();
        let notes = store.notes().await;
        assert_exactly_once(&notes, n * 2);
        assert!(notes.iter().all(|note| note.replay), "all of it was built again: {notes:?}");
    }
    running.stop().await;
}

pub async fn what_comes_behind_a_place_comes_again<S: World>(store: S) {
    let script = Script::new();
    let running = start(&store, &script).await;
    for _ in 0..10 {
        put_texts(&store, "ada", &["now"]).await;
    }
    running.catch_up().await.unwrap();
    let to = Position(store.notes().await[5].position);
    for round in 1..=3 {
        control(&store, &id("notes"), Control::Rewind { to }).await;
        running.catch_up().await.unwrap();
        let notes = store.notes().await;
        assert_exactly_once(&notes, 10);
        assert!(notes.iter().all(|note| note.replay == (note.position > to.0)), "only those: {notes:?}");
        assert_eq!(script.calls(), 10 + round * 4);
    }
    // Two places: the earlier one counts. One ahead of the checkpoint is taken for it.
    control(&store, &id("notes"), Control::Pause).await;
    for to in [Position(u64::from(u32::MAX)), Position(store.notes().await[2].position), to] {
        control(&store, &id("notes"), Control::Rewind { to }).await;
    }
    control(&store, &id("notes"), Control::Resume).await;
    running.catch_up().await.unwrap();
    assert_exactly_once(&store.notes().await, 10);
    assert_eq!(script.calls(), 10 + 3 * 4 + 7);
    control(&store, &id("notes"), Control::Rewind { to: Position(u64::from(u32::MAX)) }).await;
    running.catch_up().await.unwrap();
    put_texts(&store, "ada", &["now"]).await;
    running.catch_up().await.unwrap();
    assert_exactly_once(&store.notes().await, 11);
    assert!(!store.notes().await.last().unwrap().replay, "what comes after it is the present");
    running.stop().await;
}

pub async fn what_happened_since_a_time_comes_again<S: World>(store: S) {
    let running = start(&store, &Script::new()).await;
    put_texts(&store, "ada", &["before", "before"]).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let time = Timestamp::now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    put_texts(&store, "ada", &["since"]).await;
    put_texts(&store, "bob", &["since"]).await;
    running.catch_up().await.unwrap();
    let to = store.position_at(time).await.unwrap();
    control(&store, &id("notes"), Control::Rewind { to }).await;
    running.catch_up().await.unwrap();
    let notes = store.notes().await;
    assert_exactly_once(&notes, 4);
    assert!(notes.iter().all(|note| note.replay == (note.text == "since")), "{notes:?}");
    running.stop().await;
}

pub async fn parts_go_back_together<S: World>(store: S) {
    let script = Script::new();
    let settings = Settings::default().parts(4);
    let runner = Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(&script).telling());
    let running = runner.start().await.unwrap();
    for n in 0..40 {
        put_texts(&store, &format!("s{n}"), &["now"]).await;
    }
    running.catch_up().await.unwrap();
    let mut places: Vec<u64> = store.notes().await.iter().map(|note| note.position).collect();
    places.sort_unstable();
    control(&store, &id("notes"), Control::Rewind { to: Position(places[9]) }).await;
    running.catch_up().await.unwrap();
    let (told, notes): (Vec<_>, Vec<_>) = store.notes().await.into_iter().partition(|note| note.stream == "-");
    assert_each_once(&notes, 40);
    assert!(notes.iter().all(|note| note.replay == (note.position > places[9])), "{notes:?}");
    let count = |text| told.iter().filter(|note| note.text == text).count();
    assert_eq!((count("begins"), count("ends")), (4, 4), "once for each part");
    running.stop().await;
}

/// A projector that does not say how.
pub async fn what_cannot_go_back_goes_on_as_it_was<S: World>(store: S) {
    put_texts(&store, "ada", &["one", "two"]).await;
    let run = || Runner::new(store.clone()).add(Indelible::<S>(PhantomData)).start();
    let running = run().await.unwrap();
    running.catch_up().await.unwrap();
    let (before, at) = (store.notes().await, status(&store, &id("indelible")).await);
    control(&store, &id("indelible"), Control::Rewind { to: Position(1) }).await;
    let (which, reason) = running.stopped().await;
    assert!(matches!(reason, StopReason::NotRewound { .. }), "{reason:?}");
    assert!(reason.to_string().contains("implement `Projector::rewind`"), "{reason}");
    running.stop().await;
    let seen = status(&store, &which).await;
    assert_eq!((which, seen.position, seen.events), (id("indelible"), at.position, at.events), "nothing has moved");
    assert_eq!(store.notes().await, before);
    put_texts(&store, "ada", &["more"]).await;
    let running = run().await.unwrap();
    running.catch_up().await.expect("it goes on as it was");
    running.stop().await;
    assert_exactly_once(&store.notes().await, 3);
}

/// What was accepted is done, whatever else was refused.
pub async fn a_rewind_outlasts_a_refused_rebuild<S: World>(store: S) {
    let script = Script::new();
    script.indelible.store(true, Ordering::SeqCst);
    let running = start(&store, &script).await;
    put_texts(&store, "ada", &["one", "two", "three", "four"]).await;
    running.catch_up().await.unwrap();
    let to = Position(store.notes().await[1].position);
    for word in [Control::Pause, Control::Rewind { to }, Control::Rebuild, Control::Resume] {
        control(&store, &id("notes"), word).await;
    }
    let (_, reason) = running.stopped().await;
    assert!(matches!(reason, StopReason::NotRebuilt { .. }), "{reason:?}");
    running.stop().await;
    let seen = status(&store, &id("notes")).await;
    assert_eq!((seen.task, seen.has_caught_up()), (Some(Task::Rewind(to)), false), "the rewind is still to be done");

    let running = start(&store, &script).await;
    running.catch_up().await.expect("it goes back, and on from there");
    let notes = store.notes().await;
    assert_exactly_once(&notes, 4);
    assert!(notes[2..].iter().all(|note| note.replay), "what lies behind the place has come again: {notes:?}");
    assert_eq!((script.calls(), status(&store, &id("notes")).await.task), (6, None), "once");
    running.stop().await;
}

pub async fn documents_are_not_disturbed_by_a_rewind<S: World>(store: S) {
    put_texts(&store, "ada", &["one", "two"]).await;
    let running = Runner::new(store.clone()).document::<Statement<1>>().start().await.unwrap();
    running.catch_up().await.unwrap();
    let refused = store.control(&id("statement"), Control::Rewind { to: Position(1) }).await.unwrap_err();
    assert!(refused.to_string().contains("ask for a rebuild"), "{refused}");
    put_texts(&store, "ada", &["more"]).await;
    running.catch_up().await.expect("it goes on, and has not stopped");
    running.stop().await;
    let kept = store.documents::<Statement<1>>().unwrap().get("ada").await.unwrap().unwrap();
    assert_eq!(Some(kept), store.fold_document("ada").await.unwrap());
}

pub async fn dead_letters_behind_the_place_come_again<S: World>(store: S) {
    let script = Script::breaking(&["poison a", "poison b"]);
    put_texts(&store, "ada", &["one", "poison a", "three"]).await;
    put_texts(&store, "bob", &["four", "poison b", "six"]).await;
    let running = start(&store, &script).await;
    running.catch_up().await.unwrap();
    assert_eq!(letters(&store).await.len(), 2);
    let bob = store.notes().await.last().unwrap().clone();
    assert_eq!(bob.text, "four");
    script.mend("poison b");
    control(&store, &id("notes"), Control::Rewind { to: Position(bob.position) }).await;
    running.catch_up().await.unwrap();
    assert_eq!(texts(&store, "bob").await, ["four", "poison b", "six"], "what was left out has come again");
    let left = letters(&store).await;
    assert_eq!((left.len(), left[0].first, left[0].last), (1, Version(2), Version(3)), "what lies before it stays");
    assert_eq!(texts(&store, "ada").await, ["one"], "and its stream waits");

    // From before the event on the stream does not wait any more. It is still broken.
    let ada = store.notes().await[0].position;
    control(&store, &id("notes"), Control::Rewind { to: Position(ada) }).await;
    running.catch_up().await.unwrap();
    let again = letters(&store).await.remove(0);
    assert_eq!((again.first, again.last, again.status), (Version(2), Version(3), DeadLetterStatus::Parked));
    script.mend("poison a");
    control(&store, &id("notes"), Control::Rebuild).await;
    running.catch_up().await.unwrap();
    assert!(letters(&store).await.is_empty());
    assert_exactly_once(&store.notes().await, 6);
    running.stop().await;
}

pub async fn all_dead_letters_are_tried_again<S: World>(store: S) {
    let script = Script::breaking(&["poison a", "poison b", "poison c"]);
    for name in ["a", "b", "c"] {
        put_texts(&store, name, &["one", &format!("poison {name}"), "three"]).await;
    }
    let running = start(&store, &script).await;
    assert!(!store.control(&id("notes"), Control::RetryDeadLetters).await.unwrap().is_accepted(), "there are none yet");
    running.catch_up().await.unwrap();
    let before = letters(&store).await;
    assert_eq!(before.len(), 3);
    let discard =
        Control::DiscardDeadLetter { stream: before[2].stream.clone(), first: Version(2), reason: "no".into() };
    control(&store, &id("notes"), Control::Pause).await;
    control(&store, &id("notes"), discard).await;
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    control(&store, &id("notes"), Control::Resume).await;
    script.mend("poison a");
    until("each is done with", || async {
        let letters = letters(&store).await;
        letters.len() == 2 && letters.iter().all(|letter| letter.status != DeadLetterStatus::RetryRequested)
    })
    .await;
    assert_eq!(texts(&store, "a").await, ["one", "poison a", "three"]);
    assert_eq!(texts(&store, "b").await, ["one"], "it has failed again");
    until("the third is discarded", || async { texts(&store, "c").await == ["one", "three"] }).await;
    script.mend("poison b");
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    until("nothing waits", || async { status(&store, &id("notes")).await.parked == 0 }).await;
    assert_eq!(texts(&store, "b").await, ["one", "poison b", "three"]);
    assert_eq!(script.trouble.load(Ordering::SeqCst), 0);
    running.stop().await;
}
