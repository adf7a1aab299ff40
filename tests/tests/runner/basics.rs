//! Taking in: exactly once, in order, only what is wanted, history apart from the present; and waiting for it.

use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use es_core::{
    EventStoreExt, ImportStore, OnFailure, PastEvent, Phase, ReadModelKind, Registration, Retry, Runner, Settings,
    StartError, StopReason, Version, WaitError,
};

use super::domain::{AccountEvent, Misspelt, Statement, Unasked, Write, noted};
use super::world::{
    Indelible, Notes, PATIENCE, Script, World, account, assert_exactly_once, giving_up, id, put, put_texts, status,
    until,
};

/// Writers that append to shared streams, one to three events at a time. Answers with how many events that were.
pub async fn write_beside<S: World>(store: &S, writers: u64, appends: u64) -> usize {
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..appends {
                    let name = format!("a{}", (writer * 7 + n * 3) % 10);
                    put(&store, &name, (0..=n % 3).map(|k| noted(format!("{writer}-{n}-{k}")))).await;
                    tokio::task::yield_now().await;
                }
                (0..appends).map(|n| n % 3 + 1).sum::<u64>()
            })
        })
        .collect();
    let mut all = 0;
    for task in tasks {
        all += task.await.unwrap();
    }
    usize::try_from(all).unwrap()
}

pub async fn exactly_once_and_in_stream_order_beside_writers<S: World>(store: S) {
    for batch in [1, 7, 1_000] {
        let script = Script::new();
        let runner = Runner::new(store.clone()).settings(Settings::default().batch(batch));
        let running = runner.add(Notes::<S>::new(&script)).start().await.unwrap();
        let before = store.notes().await.len();
        let written = write_beside(&store, 8, 40).await;
        running.catch_up_within(PATIENCE).await.unwrap();
        assert_exactly_once(&store.notes().await, before + written);
        running.stop().await;
    }
    let seen = status(&store, &id("notes")).await;
    assert_eq!((seen.events, seen.lag_events), (store.notes().await.len() as u64, 0));
}

/// Batches come in as large transactions, behind which the writers' small ones do not wait.
pub async fn exactly_once_and_in_stream_order_beside_an_import<S: World + ImportStore>(store: S) {
    let script = Script::new();
    let settings = Settings::default().batch(100);
    let running = Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(&script)).start().await.unwrap();
    let importer = store.clone();
    let importing = tokio::spawn(async move {
        let past = (0..6_000).map(|n| {
            let (stream, version) = (account(&format!("past {}", n % 30)), Version(n / 30 + 1));
            PastEvent::encode(stream, version, &noted(n.to_string()))
        });
        importer.import(past).batches_of(1_500).await.unwrap()
    });
    let written = write_beside(&store, 4, 40).await;
    assert_eq!(importing.await.unwrap().stored, 6_000);
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_exactly_once(&store.notes().await, written + 6_000);
    running.stop().await;
}

/// It is new here, however long ago it happened.
pub async fn an_import_wakes_projections_and_is_no_old_lag<S: World + ImportStore>(store: S) {
    let script = Script::new();
    let running = Runner::new(store.clone()).add(Notes::<S>::new(&script)).start().await.unwrap();
    running.stop().await;
    let past = |version, text: &str| {
        let event = PastEvent::encode(account("past"), Version(version), &noted(text.to_owned())).unwrap();
        event.recorded_at("2019-03-01T09:30:00Z".parse().unwrap())
    };
    let woken = store.appended();
    store.import([past(1, "one"), past(2, "two")]).await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, woken).await.is_ok(), "an import wakes whoever waits for appends");
    let seen = status(&store, &id("notes")).await;
    assert_eq!(seen.lag_events, 2);
    assert!(seen.lag < Duration::from_secs(24 * 60 * 60), "it waits since it was imported: {:?}", seen.lag);
}

pub async fn only_what_is_wanted_is_taken_in<S: World>(store: S) {
    let script = Script::new();
    put_texts(&store, "ada", &["one"]).await;
    put(&store, "ada", [AccountEvent::Closed, noted("two"), AccountEvent::Closed]).await;
    let only = Notes::<S>::only(&script, &["account.closed"]);
    let running = Runner::new(store.clone()).add(only).start().await.unwrap();
    running.catch_up().await.unwrap();
    let versions: Vec<u64> = store.notes().await.iter().map(|note| note.version).collect();
    assert_eq!(versions, [2, 4], "the filter lets pass what was asked for");

    put_texts(&store, "ada", &["three"; 5]).await;
    running.catch_up().await.unwrap();
    let end = store.log_end().await.unwrap();
    until("the checkpoint moves past what is filtered", || async {
        status(&store, &id("notes")).await.position == end
    })
    .await;
    assert_eq!(script.calls(), 2);
    running.stop().await;
}

pub async fn a_stop_writes_the_checkpoint<S: World>(store: S) {
    let script = Script::new();
    let only = Notes::<S>::only(&script, &["account.closed"]);
    let running = Runner::new(store.clone()).add(only).start().await.unwrap();
    put_texts(&store, "ada", &["one", "two"]).await;
    running.catch_up().await.unwrap();
    assert_eq!(running.stop().await, [(id("notes"), StopReason::Asked)]);
    let seen = status(&store, &id("notes")).await;
    assert_eq!(seen.position, store.log_end().await.unwrap(), "also past what was of no interest");
    assert_eq!(seen.owner(), None, "and the lease is given back");
}

pub async fn history_is_told_from_the_present<S: World>(store: S) {
    put_texts(&store, "ada", &["h"; 5]).await;
    store.register(&Registration::new(id("notes"), ReadModelKind::Projector)).await.unwrap();
    // One page holds both, and the border lies inside it.
    put_texts(&store, "ada", &["p"; 3]).await;
    let running = Runner::new(store.clone()).add(Notes::<S>::new(&Script::new())).start().await.unwrap();
    running.catch_up().await.unwrap();
    put_texts(&store, "ada", &["p"; 2]).await;
    running.catch_up().await.unwrap();
    let notes = store.notes().await;
    assert_exactly_once(&notes, 10);
    assert!(notes.iter().all(|note| note.replay == (note.text == "h")), "{notes:?}");

    let _ = es_core::ReadModelStore::control(&store, &id("notes"), es_core::Control::Rebuild).await.unwrap();
    until("it is built again", || async {
        store.notes().await.len() == 10 && store.notes().await.iter().all(|note| note.replay)
    })
    .await;
    put_texts(&store, "ada", &["now"]).await;
    running.catch_up().await.unwrap();
    assert!(!store.notes().await.last().unwrap().replay, "what comes after the rebuild is the present again");
    running.stop().await;
}

/// With a poll interval of seconds, a lost wake-up would show.
pub async fn appends_wake_it_up<S: World>(store: S) {
    let slow = Settings::default().poll(Duration::from_secs(5));
    let running = Runner::new(store.clone()).settings(slow).add(Notes::<S>::new(&Script::new())).start().await.unwrap();
    let began = Instant::now();
    for n in 0..100 {
        put_texts(&store, "ada", &["now"]).await;
        running.catch_up_within(PATIENCE).await.unwrap();
        if n % 10 == 0 {
            until("it is idle", || async { running.progress()[0].1.phase == Phase::Idle }).await;
        }
    }
    assert!(began.elapsed() < Duration::from_secs(4), "a wake-up was lost: {:?}", began.elapsed());
    running.stop().await;
}

pub async fn waiting_for_a_command<S: World>(store: S) {
    let running = Runner::new(store.clone()).add(Notes::<S>::new(&Script::new())).start().await.unwrap();
    for n in 1..=20 {
        let outcome = store.execute(Write { id: "ada".into(), text: Some("note".into()) }).await.unwrap();
        running.wait_for(&outcome).await.unwrap();
        assert_eq!(store.notes().await.len(), n, "what one wrote oneself is there");
    }
    let nothing = store.execute(Write { id: "ada".into(), text: None }).await.unwrap();
    running.stop().await;
    let script = Script::breaking(&["poison"]);
    put_texts(&store, "ada", &["poison"]).await;
    let broken = Runner::new(store.clone()).settings(giving_up(OnFailure::stop())).add(Notes::<S>::new(&script));
    let running = broken.start().await.unwrap();
    running.wait_for(&nothing).await.expect("there is nothing to wait for");
}

pub async fn waiting_ends_when_it_stops_or_time_is_up<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    let runner = Runner::new(store.clone()).settings(giving_up(OnFailure::stop()));
    let running = runner.add(Notes::<S>::new(&script)).start().await.unwrap();
    put_texts(&store, "ada", &["one", "poison"]).await;
    match running.catch_up_within(PATIENCE).await {
        Err(WaitError::Stopped { id: which, reason: StopReason::Failed { .. } }) => assert_eq!(which, id("notes")),
        other => panic!("it has stopped: {other:?}"),
    }
    running.stop().await;

    script.mend("poison");
    script.held.store(true, Ordering::SeqCst);
    let running = Runner::new(store.clone()).add(Notes::<S>::new(&script)).start().await.unwrap();
    let wanted = store.log_end().await.unwrap();
    match running.catch_up_within(Duration::from_millis(50)).await {
        Err(WaitError::TimedOut { wanted: told, reached, .. }) => assert!(told == wanted && reached < wanted),
        other => panic!("time is up: {other:?}"),
    }
    script.held.store(false, Ordering::SeqCst);
    running.catch_up().await.unwrap();
    running.stop().await;
}

pub async fn bad_configuration_is_refused<S: World>(store: S) {
    let refused = |settings: Settings| {
        let runner = Runner::new(store.clone()).settings(settings).document::<Statement<1>>();
        async move { runner.start().await.unwrap_err().to_string() }
    };
    let settings = Settings::default();
    assert!(refused(settings.batch(0)).await.contains("a batch of 0"));
    assert!(refused(settings.lease(Duration::from_millis(299))).await.contains("lease"));
    assert!(refused(settings.poll(Duration::ZERO)).await.contains("poll interval of 0"));
    assert!(refused(settings.poll(Duration::from_secs(11))).await.contains("longer than the lease"));
    assert!(matches!(Runner::new(store.clone()).start().await, Err(StartError::Nothing)));
    let twice = Runner::new(store.clone()).document::<Statement<1>>().document::<Statement<1>>().start().await;
    assert!(matches!(twice, Err(StartError::Twice { .. })));
    for settings in [settings, settings.batch(0)] {
        let behind = Runner::new(store.clone()).document::<Statement<1>>().settings(settings).start().await;
        assert!(matches!(behind, Err(StartError::SettingsForNothing)), "they are for what is added after them");
    }
    assert!(store.projections().await.unwrap().is_empty(), "nothing of it came to be");
    let two_versions = Runner::new(store.clone()).document::<Statement<1>>().document::<Statement<2>>().start().await;
    two_versions.unwrap().stop().await;
}

pub async fn filters_that_name_what_there_is_not_are_refused<S: World>(store: S) {
    let script = Script::new();
    let runner = || Runner::new(store.clone()).document::<Statement<1>>();
    for (refused, name, problem) in [
        (
            runner().document::<Misspelt>(),
            "misspelt",
            "its filter names the type `order.plaecd`, which no event has that could pass: they are of the types `order.placed`",
        ),
        (
            runner().add(Notes::<S>::only(&script, &["account.noted", "order.placed"])),
            "notes",
            "its filter names the type `order.placed`, which no event has that could pass: they are of the types \
             `account.noted`, `account.shared_with`, `account.lit`, `account.closed`",
        ),
        (runner().document::<Unasked>(), "unasked", "its filter could not be asked for: nobody knows"),
    ] {
        let refused = refused.start().await.unwrap_err();
        assert!(matches!(&refused, StartError::Filter { id, .. } if id.name() == name), "{refused:?}");
        assert_eq!(refused.to_string(), format!("projection `{name} v1`: {problem}"));
    }
    assert!(store.projections().await.unwrap().is_empty(), "nothing of it came to be");
}

pub async fn the_handle_tells_how_far_it_is<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    script.held.store(true, Ordering::SeqCst);
    put_texts(&store, "ada", &["one", "poison"]).await;
    let slow = OnFailure::stop().after(Retry::attempts(50).base(Duration::from_secs(2)).cap(Duration::from_secs(2)));
    let runner = Runner::new(store.clone()).settings(Settings::default().batch(1).on_failure(slow));
    let running = runner.add(Notes::<S>::new(&script)).add(Indelible::<S>(PhantomData)).start().await.unwrap();
    let phase = || running.progress()[0].1.phase.clone();
    until("it works", || async { phase() == Phase::Working }).await;
    script.held.store(false, Ordering::SeqCst);
    until("it tries again", || async { matches!(phase(), Phase::Retrying { .. }) }).await;
    let Phase::Retrying { error, .. } = phase() else { panic!("it tries for long") };
    assert_eq!(error, "cannot take in poison");
    assert_eq!(running.progress()[0].1.events, 1);
    script.mend("poison");
    until("it rests", || async { phase() == Phase::Idle }).await;
    let progress = running.progress()[0].1.clone();
    assert_eq!((progress.events, progress.position), (2, store.log_end().await.unwrap()));
    running.stop().await;
}
