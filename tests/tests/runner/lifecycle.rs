//! Start, pause, rebuild and stop; and several runners over one store.

use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use es_core::{Control, Phase, ProjectionState, Runner, Running, Settings, StopReason, WaitError};

use super::world::{
    Indelible, Notes, PATIENCE, Script, World, assert_exactly_once, control, id, put_texts, status, until,
};
use std::sync::Arc;

const LEASE: Duration = Duration::from_millis(600);

async fn start<S: World>(store: &S, script: &Arc<Script>) -> Running<S> {
    let settings = Settings::default().lease(LEASE);
    Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(script)).start().await.unwrap()
}

fn phase<S: World>(running: &Running<S>) -> Phase {
    running.progress()[0].1.phase.clone()
}

pub async fn a_pause_survives_a_restart<S: World>(store: S) {
    let script = Script::new();
    let running = start(&store, &script).await;
    put_texts(&store, "ada", &["one"]).await;
    running.catch_up().await.unwrap();
    control(&store, &id("notes"), Control::Pause).await;
    until("it is paused", || async { phase(&running) == Phase::Paused }).await;
    put_texts(&store, "ada", &["two"]).await;
    let paused = running.catch_up().await.unwrap_err();
    assert_eq!(paused.to_string(), "projection `notes v1` is paused: resume it first");
    running.stop().await;

    let running = start(&store, &script).await;
    until("it knows that it is paused", || async { phase(&running) == Phase::Paused }).await;
    running.catch_up().await.unwrap_err();
    let seen = status(&store, &id("notes")).await;
    assert_eq!((seen.owner(), seen.lag_events, seen.state), (None, 1, ProjectionState::Paused));
    assert_eq!(store.notes().await.len(), 1, "a paused projection takes in nothing");
    control(&store, &id("notes"), Control::Resume).await;
    running.catch_up().await.unwrap();
    assert_exactly_once(&store.notes().await, 2);
    running.stop().await;
}

pub async fn a_pause_interrupts_a_batch<S: World>(store: S) {
    let script = Script::new();
    script.held.store(true, Ordering::SeqCst);
    put_texts(&store, "ada", &["one"]).await;
    let running = start(&store, &script).await;
    until("it is inside the event", || async { script.calls() == 1 }).await;
    control(&store, &id("notes"), Control::Pause).await;
    until("it is paused", || async { phase(&running) == Phase::Paused }).await;
    script.held.store(false, Ordering::SeqCst);
    assert!(store.notes().await.is_empty(), "what was under way is rolled back");
    control(&store, &id("notes"), Control::Resume).await;
    running.catch_up().await.unwrap();
    assert_exactly_once(&store.notes().await, 1);
    running.stop().await;
}

pub async fn what_cannot_be_cleared_is_not_rebuilt<S: World>(store: S) {
    put_texts(&store, "ada", &["one"]).await;
    let run = || Runner::new(store.clone()).add(Indelible::<S>(PhantomData)).start();
    let running = run().await.unwrap();
    running.catch_up().await.unwrap();
    control(&store, &id("indelible"), Control::Rebuild).await;
    let waited = running.catch_up().await.unwrap_err();
    assert!(matches!(waited, WaitError::Stopped { reason: StopReason::NotRebuilt { .. }, .. }), "{waited:?}");
    let (_, reason) = running.stopped().await;
    assert!(matches!(reason, StopReason::NotRebuilt { .. }), "{reason:?}");
    assert!(reason.to_string().contains("implement `Projector::clear`, or give it a new version"), "{reason}");
    let seen = status(&store, &id("indelible")).await;
    assert_eq!(seen.state, ProjectionState::Stopped { reason: reason.to_string(), class: reason.class() });
    assert_eq!((seen.events, store.notes().await.len()), (1, 1), "nothing was lost");
    running.stop().await;

    put_texts(&store, "ada", &["two"]).await;
    let running = run().await.unwrap();
    running.catch_up().await.expect("it goes on as it was");
    assert_exactly_once(&store.notes().await, 2);
    running.stop().await;
}

pub async fn a_stop_waits_for_the_batch<S: World>(store: S) {
    let script = Script::new();
    script.held.store(true, Ordering::SeqCst);
    put_texts(&store, "ada", &["one"]).await;
    let running = start(&store, &script).await;
    until("it is inside the event", || async { script.calls() == 1 }).await;
    let stopping = tokio::spawn(running.stop());
    // Longer than the lease: it is renewed meanwhile.
    tokio::time::sleep(LEASE * 2).await;
    assert!(!stopping.is_finished(), "a straggler is waited for");
    script.held.store(false, Ordering::SeqCst);
    assert_eq!(stopping.await.unwrap(), [(id("notes"), StopReason::Asked)]);
    assert_exactly_once(&store.notes().await, 1);
    assert_eq!(status(&store, &id("notes")).await.owner(), None);
}

pub async fn a_deadline_cuts_a_straggler_off<S: World>(store: S) {
    let script = Script::new();
    script.held.store(true, Ordering::SeqCst);
    put_texts(&store, "ada", &["one"]).await;
    let settings = Settings::default().lease(PATIENCE);
    let runner = Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(&script));
    let running = runner.start().await.unwrap();
    until("it is inside the event", || async { script.calls() == 1 }).await;
    let began = Instant::now();
    assert_eq!(running.stop_within(Duration::from_millis(50)).await.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(5), "the deadline holds");
    script.held.store(false, Ordering::SeqCst);
    assert!(store.notes().await.is_empty(), "what was under way is rolled back");
    let running = start(&store, &Script::new()).await;
    running.catch_up().await.expect("nobody waits for the lease of one that was cut off");
    assert_exactly_once(&store.notes().await, 1);
    running.stop().await;
}

pub async fn dropping_the_handle_stops_it<S: World>(store: S) {
    let script = Script::new();
    let running = start(&store, &script).await;
    put_texts(&store, "ada", &["one"]).await;
    running.catch_up().await.unwrap();
    drop(running);
    until("the lease is given back", || async { status(&store, &id("notes")).await.owner().is_none() }).await;
    put_texts(&store, "ada", &["two"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(store.notes().await.len(), 1, "nobody works any more");
}

/// Nobody was asked who runs it, so they are told.
pub async fn one_that_is_dropped_while_it_is_paused_says_so<S: World>(store: S) {
    let script = Script::new();
    for parts in [1, 3] {
        let settings = Settings::default().lease(LEASE).parts(parts);
        let runner = Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(&script));
        let running = runner.start().await.unwrap();
        running.catch_up().await.unwrap();
        control(&store, &id("notes"), Control::Pause).await;
        assert!(store.drop_projection(&id("notes")).await.unwrap());
        let stopped = tokio::time::timeout(PATIENCE, running.stopped()).await.expect("it notices");
        assert_eq!(stopped, (id("notes"), StopReason::Dropped));
        assert_eq!(running.progress()[0].1.phase, Phase::Stopped(StopReason::Dropped));
        let waited = running.catch_up().await.unwrap_err();
        assert!(matches!(waited, WaitError::Unknown { .. }), "{waited:?}");
        running.stop().await;
    }
}

pub async fn one_of_two_runners_works_and_the_other_takes_over<S: World>(store: S) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = (Script::new(), Script::new());
    let (theirs, script) = (store.clone(), Arc::clone(&first));
    let killed = runtime.spawn(async move { start(&theirs, &script).await }).await.unwrap();
    put_texts(&store, "ada", &["one"]).await;
    killed.catch_up().await.unwrap();
    let other = start(&store, &second).await;
    until("it knows of the other", || async { matches!(phase(&other), Phase::Elsewhere { .. }) }).await;
    let owner = status(&store, &id("notes")).await.owner();
    assert!(matches!(phase(&other), Phase::Elsewhere { owner: other } if Some(other) == owner));
    put_texts(&store, "ada", &["two"]).await;
    other.catch_up().await.expect("it is taken in elsewhere");
    assert_eq!((first.calls(), second.calls()), (2, 0));

    // Nobody has a chance to give anything back.
    runtime.shutdown_background();
    let began = Instant::now();
    put_texts(&store, "ada", &["three"]).await;
    other.catch_up().await.unwrap();
    assert!(began.elapsed() < LEASE * 3, "it took {:?} to take over", began.elapsed());
    assert_exactly_once(&store.notes().await, 3);
    drop(killed);
    other.stop().await;
}

#[allow(dead_code, reason = "it is not for stores with sockets")]
pub async fn what_a_fenced_owner_wrote_is_rolled_back<S: World>(store: S) {
    let (sleeper, heir) = (Script::new(), Script::new());
    sleeper.blocked.store(true, Ordering::SeqCst);
    put_texts(&store, "ada", &["one", "two"]).await;
    // On threads of its own, because it blocks the one it is on.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let (theirs, script) = (store.clone(), Arc::clone(&sleeper));
    let asleep = runtime.spawn(async move { start(&theirs, &script).await }).await.unwrap();
    until("it is inside the event", || async { sleeper.calls() == 1 }).await;
    // It never gives way, so that nothing renews its lease.
    let awake = start(&store, &heir).await;
    awake.catch_up_within(PATIENCE).await.unwrap();
    assert_exactly_once(&store.notes().await, 2);
    sleeper.blocked.store(false, Ordering::SeqCst);
    until("it has noticed", || async { matches!(phase(&asleep), Phase::Elsewhere { .. }) }).await;
    put_texts(&store, "ada", &["three"]).await;
    awake.catch_up().await.unwrap();
    assert_exactly_once(&store.notes().await, 3);
    asleep.stop().await;
    awake.stop().await;
    runtime.shutdown_background();
}

/// A batch that keeps its thread for longer than the lease is lost to another process, which would have to do the same.
#[allow(dead_code, reason = "it is not for stores with sockets")]
pub async fn what_outlives_its_lease_is_smaller_the_next_time<S: World>(store: S) {
    const EVENTS: u32 = 400;
    let all: Vec<String> = (0..EVENTS).map(|number| number.to_string()).collect();
    put_texts(&store, "ada", &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let mut processes = Vec::new();
    for _ in 0..2 {
        let (theirs, script) = (store.clone(), Script::new());
        // The first batch, of 250, takes two leases.
        script.weight.store(5, Ordering::SeqCst);
        processes.push(runtime.spawn(async move { start(&theirs, &script).await }).await.unwrap());
    }
    until("all is taken in", || async { status(&store, &id("notes")).await.events == u64::from(EVENTS) }).await;
    assert_exactly_once(&store.notes().await, all.len());
    for process in processes {
        process.stop().await;
    }
    runtime.shutdown_background();
}
