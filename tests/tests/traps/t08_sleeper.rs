//! An owner sleeps past its lease, somebody else takes over, and it wakes up and writes: it is refused, with all it wrote.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use es_core::{
    AdvanceError, Claim, FailureClass, Lease, Phase, Position, ProjectionState, Pulse, ReadModelKind, ReadModelStore,
    ReadModelTransaction, Registration, Renewal, Runner, Running, Settings,
};
use uuid::Uuid;

use crate::homes::{Home, LEASE, Process};
use crate::world::{Note, Notes, PATIENCE, Script, World, assert_exactly_once, id, put_texts, status, until};

on_both_stores! {
    an_owner_that_wakes_up_too_late_is_refused
    a_process_that_wakes_up_too_late_writes_nothing
}

fn note(text: &str) -> Note {
    Note { stream: "ada".into(), version: 1, position: 1, replay: false, text: text.into() }
}

/// Claims as soon as the lease of the other has run out by the store's clock.
async fn take_over<S: World>(store: &S) -> Lease {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match store.claim(&id("notes"), 0, Uuid::now_v7(), PATIENCE).await.unwrap() {
            Claim::Granted(lease) => return lease,
            other => assert!(tokio::time::Instant::now() < deadline, "the lease never runs out: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What the contract says, without the runner.
async fn an_owner_that_wakes_up_too_late_is_refused<H: Home>(home: H) {
    let (sleeps, wakes) = (home.open().await, home.open().await);
    sleeps.register(&Registration::new(id("notes"), ReadModelKind::Projector)).await.unwrap();
    let claimed = sleeps.claim(&id("notes"), 0, Uuid::now_v7(), LEASE).await.unwrap();
    let Claim::Granted(old) = claimed else { panic!("nobody else holds it: {claimed:?}") };
    let mut late = sleeps.begin().await.unwrap();
    H::Store::note(late.target(), note("too late")).await.unwrap();

    let new = take_over(&wakes).await;
    assert!(new.token > old.token);
    let mut works = wakes.begin().await.unwrap();
    H::Store::note(works.target(), note("in time")).await.unwrap();
    works.advance(&new, Position(1), 1).await.unwrap();
    works.commit().await.unwrap();

    match late.advance(&old, Position(1), 1).await {
        Err(AdvanceError::Fenced(fenced)) => assert_eq!(fenced.id, id("notes")),
        other => panic!("it is not the owner any more: {other:?}"),
    }
    drop(late);
    let mut again = sleeps.begin().await.unwrap();
    assert!(matches!(again.reset(&old, Position(0), Position(0)).await, Err(AdvanceError::Fenced(_))));
    drop(again);
    assert_eq!(sleeps.renew(&old, PATIENCE, &Pulse::default()).await.unwrap(), Renewal::Lost);
    sleeps.release(&old).await.unwrap();
    sleeps.report_stop(&old, "a nightmare", FailureClass::Refused).await.unwrap();

    assert_eq!(wakes.notes().await, [note("in time")]);
    let seen = status(&wakes, &id("notes")).await;
    assert_eq!((seen.position, seen.events, &seen.state), (Position(1), 1, &ProjectionState::Running));
    let renewed = wakes.renew(&new, PATIENCE, &Pulse::default()).await.unwrap();
    assert_eq!((seen.owner().is_some(), renewed), (true, Renewal::Kept), "the new owner is left alone");
}

async fn start<H: Home>(home: H, script: Arc<Script>) -> Running<H::Store> {
    let runner = Runner::new(home.open().await).settings(Settings::default().lease(LEASE));
    runner.add(Notes::<H::Store>::new(&script)).start().await.unwrap()
}

/// What the runner makes of it: all of the process sleeps, inside an event.
async fn a_process_that_wakes_up_too_late_writes_nothing<H: Home>(home: H) {
    let (process, script) = (Process::new(), Script::new());
    script.blocked.store(true, Ordering::SeqCst);
    let sleeps = process.run(start(home.clone(), Arc::clone(&script))).await;
    let store = home.open().await;
    put_texts(&store, "ada", &["one", "two"]).await;
    until("it sleeps", || async { script.calls() == 1 }).await;

    let heir = Script::new();
    let wakes = start(home.clone(), Arc::clone(&heir)).await;
    wakes.catch_up_within(PATIENCE).await.unwrap();
    assert_exactly_once(&store.notes().await, 2);

    script.blocked.store(false, Ordering::SeqCst);
    until("it has noticed", || async { matches!(sleeps.progress()[0].1.phase, Phase::Elsewhere { .. }) }).await;
    put_texts(&store, "ada", &["three"]).await;
    wakes.catch_up_within(PATIENCE).await.unwrap();
    assert!(script.calls() <= 2 && heir.calls() == 3, "it may have gone through with its batch, and has had no other");
    assert_exactly_once(&store.notes().await, 3);
    wakes.stop().await;
    process.kill();
}
