//! A filter that lets pass more than before: what is behind the projection was not seen through it.

use std::sync::atomic::Ordering;

use es_core::{
    Control, EventFilter, Inline, OnFailure, OpenError, ProjectionState, ReadModelKind, Registration, Runner, Running,
    StartError, StopReason,
};

use super::domain::{AccountEvent, Statement, noted};
use super::world::{Notes, Script, World, control, giving_up, id, put, put_texts, status};

const SOME: &[&str] = &["account.closed"];

fn some<S: World>() -> Notes<S> {
    Notes::only(&Script::new(), SOME)
}

fn all<S: World>() -> Notes<S> {
    Notes::new(&Script::new())
}

async fn start<S: World>(store: &S, notes: Notes<S>) -> Result<Running<S>, StartError> {
    Runner::new(store.clone()).add(notes).start().await
}

async fn run<S: World>(store: &S, notes: Notes<S>) {
    Runner::new(store.clone()).add(notes).run_to_end().await.unwrap();
}

fn is_refused<S>(started: Result<Running<S>, StartError>) {
    let refused = started.map(drop).unwrap_err();
    assert!(matches!(&refused, StartError::WantsMore { id: refused, .. } if *refused == id("notes")), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        "projection `notes v1` wants to see events of all types now, which it has not seen in its history, and has passed that: \
         give it a new version, or have it rebuilt (`Control::Rebuild`), which is asked for before it is started"
    );
}

pub async fn what_wants_more_than_it_has_seen_is_refused<S: World>(store: S) {
    put(&store, "ada", [noted("one"), AccountEvent::Closed]).await;
    run(&store, some()).await;
    assert_eq!(store.notes().await.len(), 1, "it has seen what it wanted");
    is_refused(start(&store, all()).await);
    run(&store, some()).await;
    is_refused(start(&store, all()).await);
    control(&store, &id("notes"), Control::Rebuild).await;
    run(&store, all()).await;
    assert_eq!(store.notes().await.len(), 2, "it was built from all there is");
    run(&store, all()).await;
}

/// It would have missed what it has not seen before, as it still has.
pub async fn what_wants_more_and_is_not_rebuilt_is_refused<S: World>(store: S) {
    put(&store, "ada", [noted("one"), AccountEvent::Closed]).await;
    run(&store, some()).await;
    control(&store, &id("notes"), Control::Rebuild).await;
    let script = Script::new();
    script.indelible.store(true, Ordering::SeqCst);
    let running = start(&store, Notes::new(&script)).await.unwrap();
    let (_, reason) = running.stopped().await;
    assert!(matches!(reason, StopReason::NotRebuilt { .. }), "{reason:?}");
    running.stop().await;
    is_refused(start(&store, Notes::new(&script)).await);

    control(&store, &id("notes"), Control::Rebuild).await;
    run(&store, all()).await;
    assert_eq!(store.notes().await.len(), 2, "it was built from all there is");
    run(&store, all()).await;
}

pub async fn what_wanted_less_for_a_while_has_missed_something<S: World>(store: S) {
    put(&store, "ada", [noted("one"), AccountEvent::Closed]).await;
    run(&store, all()).await;
    // An old release goes on beside a new one that wants less; it is refused when it is started anew.
    let old = start(&store, all()).await.unwrap();
    let new = start(&store, some()).await.unwrap();
    old.stop().await;
    new.catch_up().await.unwrap();
    is_refused(start(&store, all()).await);
    new.stop().await;
}

pub async fn what_has_no_history_may_want_more<S: World>(store: S) {
    run(&store, some()).await;
    // What an earlier release has registered, which did not say what it wants, may be anything.
    store.register(&Registration::new(id("notes"), ReadModelKind::Projector)).await.unwrap();
    start(&store, all()).await.unwrap().stop().await;
    let seen = store.taken_in(&id("notes")).await.unwrap().map(|taken_in| taken_in.filter);
    assert_eq!(seen, Some(EventFilter::of::<AccountEvent>()), "it is known from then on");
}

pub async fn what_is_inline_and_wants_more_is_refused<S: World>(store: S) {
    Inline::over(store.clone()).project(some::<S>()).open().await.unwrap();
    let inline = Inline::over(store.clone()).project(all::<S>()).open().await.unwrap();
    put_texts(inline.inner(), "ada", &["one"]).await;
    Inline::over(store.clone()).project(some::<S>()).open().await.unwrap();
    let refused = Inline::over(store.clone()).project(all::<S>()).open().await.map(drop).unwrap_err();
    assert!(matches!(&refused, OpenError::WantsMore { id: refused, .. } if *refused == id("notes")), "{refused:?}");
    assert!(refused.to_string().ends_with("which it has not seen in its history: give it a new version"), "{refused}");
}

pub async fn where_one_cannot_be_started_the_others_stops_are_kept<S: World>(store: S) {
    put_texts(&store, "ada", &["broken"]).await;
    let broken = || Notes::<S>::new(&Script::breaking(&["broken"]));
    let settings = giving_up(OnFailure::stop());
    let running = Runner::new(store.clone()).settings(settings).add(broken()).start().await.unwrap();
    running.stopped().await;
    running.stop().await;
    let told = async || status(&store, &id("notes")).await.state;
    let before = told().await;
    assert!(matches!(before, ProjectionState::Stopped { .. }), "{before:?}");

    // It is kept as something else, which is found when the first one has been looked at.
    store.register(&Registration::new(id("statement"), ReadModelKind::Projector)).await.unwrap();
    let both = Runner::new(store.clone()).add(broken()).document::<Statement<1>>().start().await;
    assert!(matches!(both, Err(StartError::Store(_))), "{both:?}");
    assert_eq!(told().await, before, "nobody runs it, so it is still told why");
}
