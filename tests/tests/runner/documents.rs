//! Documents: the same whatever the batches, and the same built anew as built live.

use es_core::{Control, Document, EventStoreExt, ExpectedVersion, ProjectionId, ReadModels, Runner, Settings};

use super::domain::{Account, AccountEvent, Fragile, Statement, noted};
use super::world::{PATIENCE, World, control, place, put, put_texts, status, until};
use es_core::{OnFailure, Phase, StopReason};

/// A few hundred events of two categories: shared, closed, ordered, private.
async fn history<S: World>(store: &S, seed: u64, appends: u64) {
    let mut state = seed;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for n in 0..appends {
        let (own, other, third) = (format!("k{}", draw(8)), format!("k{}", draw(8)), format!("k{}", draw(8)));
        match draw(10) {
            0 => put(store, &own, [AccountEvent::Closed]).await,
            1 | 2 => put(store, &own, [AccountEvent::SharedWith { accounts: vec![other, third] }]).await,
            3 | 4 => place(store, &format!("o{n}"), &other).await,
            5 => put_texts(store, &own, &["private", "public"]).await,
            6 => put(store, &own, [AccountEvent::Closed, noted("anew"), AccountEvent::Closed, noted("again")]).await,
            _ => put_texts(store, &own, &["public"]).await,
        }
    }
}

async fn all<S: World, D: Document>(store: &S) -> Vec<(String, D)> {
    store.documents::<D>().unwrap().list(None, 1_000).await.unwrap()
}

fn run<S: World, D: Document>(store: &S, batch: u32) -> Runner<S> {
    Runner::new(store.clone()).settings(Settings::default().batch(batch)).document::<D>()
}

async fn built<S: World, const VERSION: u32>(store: &S, batch: u32) -> Vec<(String, Vec<String>)> {
    let running = run::<S, Statement<VERSION>>(store, batch).start().await.unwrap();
    running.catch_up_within(PATIENCE).await.unwrap();
    running.stop().await;
    let all = all::<S, Statement<VERSION>>(store).await;
    all.into_iter().map(|(key, statement)| (key, statement.trail)).collect()
}

pub async fn any_batch_size_gives_the_same_documents<S: World>(store: S) {
    history(&store, 42, 300).await;
    let one_by_one = built::<S, 1>(&store, 1).await;
    assert!(one_by_one.len() > 4, "there is something to compare");
    assert_eq!(built::<S, 2>(&store, 2).await, one_by_one);
    assert_eq!(built::<S, 3>(&store, 3).await, one_by_one);
    assert_eq!(built::<S, 7>(&store, 7).await, one_by_one);
    assert_eq!(built::<S, 64>(&store, 64).await, one_by_one);
    assert_eq!(built::<S, 1000>(&store, 1_000).await, one_by_one);
    for n in 0..8 {
        let key = format!("k{n}");
        let folded = store.fold_document::<Statement<1>>(&key).await.unwrap().map(|statement| statement.trail);
        let kept = one_by_one.iter().find(|(of, _)| *of == key).map(|(_, trail)| trail.clone());
        assert_eq!(kept, folded, "a kept document equals one that is folded on demand");
    }
}

pub async fn a_rebuild_beside_writers_equals_a_live_twin<S: World>(store: S) {
    history(&store, 1, 60).await;
    let runner = run::<S, Statement<1>>(&store, 5).document::<Statement<2>>();
    let running = runner.start().await.unwrap();
    let writers: Vec<_> = (2..5)
        .map(|seed| {
            let store = store.clone();
            tokio::spawn(async move { history(&store, seed, 150).await })
        })
        .collect();
    let [live, rebuilt] = [1, 2].map(|version| ProjectionId::new("statement", version).unwrap());
    for _ in 0..3 {
        control(&store, &rebuilt, Control::Rebuild).await;
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    running.catch_up_within(PATIENCE).await.unwrap();
    until("both are current", || async { store.projections().await.unwrap().iter().all(|s| s.lag_events == 0) }).await;
    // A rebuild begins after a while, and moves the checkpoint when it does.
    let before = status(&store, &rebuilt).await.updated_at;
    control(&store, &rebuilt, Control::Rebuild).await;
    until("the last rebuild has begun and ended", || async {
        let (live, twin) = (status(&store, &live).await, status(&store, &rebuilt).await);
        twin.updated_at > before && twin.lag_events == 0 && twin.events == live.events
    })
    .await;
    let (live, twin) = (all::<S, Statement<1>>(&store).await, all::<S, Statement<2>>(&store).await);
    let live: Vec<_> = live.into_iter().map(|(key, statement)| (key, statement.trail)).collect();
    let twin: Vec<_> = twin.into_iter().map(|(key, statement)| (key, statement.trail)).collect();
    assert_eq!(live, twin, "built anew beside writers it is what it would have been");
    running.stop().await;
}

pub async fn a_panic_in_a_document_is_a_failure<S: World>(store: S) {
    for (text, said) in [("no key", "there is no key"), ("break", "it is broken")] {
        let name = text.to_owned();
        store.append_events::<Account>(&name, ExpectedVersion::Any, noted("fine")).await.unwrap();
        store.append_events::<Account>(&name, ExpectedVersion::Any, noted(text)).await.unwrap();
        let settings = super::world::giving_up(OnFailure::stop());
        let running = Runner::new(store.clone()).settings(settings).document::<Fragile>().start().await.unwrap();
        let (_, reason) = running.stopped().await;
        let StopReason::Failed { version, error, .. } = &reason else { panic!("{reason:?}") };
        assert!(version.0 == 2 && error.contains(said), "{reason:?}");
        assert_eq!(running.progress()[0].1.phase, Phase::Stopped(reason.clone()));
        running.stop().await;
        let skip = super::world::giving_up(OnFailure::skip());
        let running = Runner::new(store.clone()).settings(skip).document::<Fragile>().start().await.unwrap();
        running.catch_up().await.unwrap();
        running.stop().await;
    }
}
