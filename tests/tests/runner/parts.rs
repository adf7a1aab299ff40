//! Parts: several owners for one projection, also when it is divided anew while it runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use es_core::{
    Control, FailureClass, OnFailure, Phase, ProjectionState, ReadModels, Runner, Running, Settings, StopReason,
    Version, WaitError,
};
use uuid::Uuid;

use super::basics::write_beside;
use super::domain::Tally;
use super::world::{
    Notes, PATIENCE, Script, World, account, assert_each_once, control, giving_up, id, letters, put_texts, status,
    texts, until,
};

const LEASE: Duration = Duration::from_millis(600);

async fn start<S: World>(store: &S, parts: u16, script: &Arc<Script>) -> Running<S> {
    let settings = Settings::default().lease(LEASE).parts(parts);
    Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(script)).start().await.unwrap()
}

/// How many parts each owner has.
async fn shares<S: World>(store: &S) -> HashMap<Uuid, usize> {
    let mut shares = HashMap::new();
    for owner in status(store, &id("notes")).await.parts.into_iter().filter_map(|part| part.owner) {
        *shares.entry(owner).or_default() += 1;
    }
    shares
}

async fn is_shared<S: World>(store: &S, expected: &[usize]) -> bool {
    let mut shares: Vec<usize> = shares(store).await.into_values().collect();
    shares.sort_unstable();
    shares == expected
}

pub async fn all_parts_are_worked_on_in_one_process<S: World>(store: S) {
    let script = Script::new();
    let before = write_beside(&store, 4, 20).await;
    let running = start(&store, 4, &script).await;
    let written = before + write_beside(&store, 8, 40).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    let notes = store.notes().await;
    assert_each_once(&notes, written);
    let seen = status(&store, &id("notes")).await;
    assert_eq!((seen.parts.len(), seen.events), (4, written as u64));
    assert!(is_shared(&store, &[4]).await, "one process works on all of them: {:?}", seen.parts);
    let taken: HashSet<_> = notes.iter().map(|note| account(&note.stream).slice() / 256).collect();
    assert!(taken.len() > 1, "there is something in several parts");
    until("the handle tells of all of them", || async {
        let progress = running.progress()[0].1.clone();
        progress.events == written as u64 && progress.position == store.log_end().await.unwrap()
    })
    .await;
    running.stop().await;
    assert!(is_shared(&store, &[]).await, "all leases are given back");
}

pub async fn two_runners_share_the_parts_fairly<S: World>(store: S) {
    let (first, second) = (Script::new(), Script::new());
    let one = start(&store, 4, &first).await;
    let mut written = write_beside(&store, 2, 20).await;
    one.catch_up_within(PATIENCE).await.unwrap();
    assert!(is_shared(&store, &[4]).await);
    let other = start(&store, 4, &second).await;
    until("each has two", || is_shared(&store, &[2, 2])).await;
    // Whoever gives away what it has just got would show in this time.
    let since = Instant::now();
    while since.elapsed() < LEASE * 6 {
        assert!(is_shared(&store, &[2, 2]).await, "what is fair stays: {:?}", shares(&store).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let calls = first.calls();
    written += write_beside(&store, 4, 40).await;
    other.catch_up_within(PATIENCE).await.unwrap();
    assert_each_once(&store.notes().await, written);
    assert!(first.calls() > calls && second.calls() > 0, "both have taken something in");
    let end = store.log_end().await.unwrap();
    until("both tell how far they are", || async {
        [&one, &other].iter().all(|running| running.progress()[0].1.position == end)
    })
    .await;

    one.stop().await;
    written += write_beside(&store, 4, 20).await;
    other.catch_up().await.expect("what is given back is taken over");
    assert_each_once(&store.notes().await, written);
    until("it has all of them", || is_shared(&store, &[4])).await;
    other.stop().await;
}

pub async fn divisions_beside_writers_lose_nothing<S: World>(store: S) {
    let script = Script::new();
    let runners = [start(&store, 1, &script).await, start(&store, 1, &script).await];
    let goes_on = Arc::new(AtomicBool::new(true));
    let writer = tokio::spawn({
        let (store, goes_on) = (store.clone(), Arc::clone(&goes_on));
        async move {
            let mut written = 0;
            while goes_on.load(Ordering::SeqCst) {
                written += write_beside(&store, 4, 5).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            written
        }
    });
    for parts in [4, 2, 1, 3, 1, 16, 5] {
        control(&store, &id("notes"), Control::Divide { parts }).await;
        until("it is divided", || async { status(&store, &id("notes")).await.parts.len() == usize::from(parts) }).await;
        let wanted = store.log_end().await.unwrap();
        until("all parts go on", || async { status(&store, &id("notes")).await.position >= wanted }).await;
    }
    goes_on.store(false, Ordering::SeqCst);
    let written = writer.await.unwrap();
    runners[0].catch_up_within(PATIENCE).await.unwrap();
    assert_each_once(&store.notes().await, written);
    assert_eq!(status(&store, &id("notes")).await.events, written as u64, "what was counted stays counted");
    for running in runners {
        running.stop().await;
    }
}

pub async fn parked_streams_survive_a_division<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    put_texts(&store, "ada", &["one", "poison", "three"]).await;
    let runner = Runner::new(store.clone()).settings(giving_up(OnFailure::park()).lease(LEASE));
    let running = runner.add(Notes::<S>::new(&script)).start().await.unwrap();
    running.catch_up().await.unwrap();
    for parts in [4, 2] {
        control(&store, &id("notes"), Control::Divide { parts }).await;
        until("it is divided", || async { status(&store, &id("notes")).await.parts.len() == usize::from(parts) }).await;
        put_texts(&store, "ada", &["more"]).await;
        put_texts(&store, "bob", &["more"]).await;
        running.catch_up().await.unwrap();
        assert_eq!(texts(&store, "ada").await, ["one"], "the stream still waits");
        let letter = letters(&store).await.remove(0);
        assert_eq!((letter.first, letter.last.0), (Version(2), 3 + texts(&store, "bob").await.len() as u64));
    }
    script.mend("poison");
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    until("nothing waits", || async { letters(&store).await.is_empty() }).await;
    assert_eq!(texts(&store, "ada").await, ["one", "poison", "three", "more", "more"]);
    running.stop().await;
}

pub async fn documents_of_several_streams_are_whole<S: World>(store: S) {
    let settings = Settings::default().lease(LEASE).batch(7);
    let divided = Runner::new(store.clone()).settings(settings.parts(4)).document::<Tally<1>>();
    let running = divided.settings(settings).document::<Tally<2>>().start().await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..40 {
                    // The first comes and goes all the time, and all others only grow.
                    let sign = if n % 2 == 0 { "+gone" } else { "-gone" };
                    let grown = format!("+k{}", (n + writer) % 3);
                    put_texts(&store, &format!("w{writer}"), &[sign, &grown]).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    running.catch_up_within(PATIENCE).await.unwrap();
    let divided = store.documents::<Tally<1>>().unwrap().list(None, 100).await.unwrap();
    let open: Vec<_> = divided.iter().map(|(key, tally)| (key.as_str(), tally.open)).collect();
    assert_eq!(open.iter().map(|(_, open)| open).sum::<i64>(), 320, "nobody hides what others wrote: {open:?}");
    assert_eq!(open.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["k0", "k1", "k2"], "what is closed is gone");
    let whole = store.documents::<Tally<2>>().unwrap().list(None, 100).await.unwrap();
    assert_eq!(whole.iter().map(|(key, tally)| (key.as_str(), tally.open)).collect::<Vec<_>>(), open);
    running.stop().await;
}

pub async fn a_part_that_stops_takes_the_others_along<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    let settings = giving_up(OnFailure::stop()).lease(LEASE).parts(4);
    let start = || Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(&script)).start();
    let running = start().await.unwrap();
    let mut written = write_beside(&store, 4, 20).await;
    put_texts(&store, "ada", &["one", "poison", "three"]).await;
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
    match running.catch_up().await {
        Err(WaitError::Stopped { reason: told, .. }) => assert_eq!(told, reason),
        other => panic!("it has stopped: {other:?}"),
    }
    let seen = status(&store, &id("notes")).await;
    assert_eq!(seen.state, ProjectionState::Stopped { reason: reason.to_string(), class: reason.class() });
    assert!(is_shared(&store, &[]).await, "all leases are given back");
    assert_eq!(running.stop().await, [(id("notes"), reason)]);

    script.mend("poison");
    let running = start().await.unwrap();
    written += 3 + write_beside(&store, 4, 20).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_each_once(&store.notes().await, written);
    assert_eq!(status(&store, &id("notes")).await.state, ProjectionState::Running);
    running.stop().await;
}

pub async fn it_is_rebuilt_as_a_whole<S: World>(store: S) {
    let script = Script::new();
    let running = start(&store, 4, &script).await;
    let mut written = 0;
    for _ in 0..3 {
        written += write_beside(&store, 4, 20).await;
        control(&store, &id("notes"), Control::Rebuild).await;
        running.catch_up_within(PATIENCE).await.unwrap();
        let notes = store.notes().await;
        assert_each_once(&notes, written);
        assert!(notes.iter().all(|note| note.replay), "all of it came again");
        assert_eq!(status(&store, &id("notes")).await.events, written as u64);
    }
    // Beside writers there is no telling what is history.
    let (more, ()) = tokio::join!(write_beside(&store, 4, 40), async {
        for _ in 0..5 {
            control(&store, &id("notes"), Control::Rebuild).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_each_once(&store.notes().await, written + more);
    running.stop().await;
}

pub async fn it_is_paused_as_a_whole<S: World>(store: S) {
    let running = start(&store, 4, &Script::new()).await;
    let written = write_beside(&store, 2, 20).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    control(&store, &id("notes"), Control::Pause).await;
    until("it is paused", || async { running.progress()[0].1.phase == Phase::Paused }).await;
    let more = write_beside(&store, 2, 20).await;
    running.catch_up_within(Duration::from_millis(300)).await.unwrap_err();
    assert_each_once(&store.notes().await, written);
    assert!(is_shared(&store, &[]).await && status(&store, &id("notes")).await.state == ProjectionState::Paused);
    control(&store, &id("notes"), Control::Resume).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_each_once(&store.notes().await, written + more);
    running.stop().await;
}
