//! Documents: the same whatever the batches, and the same built anew as built live.

use es_core::{Control, Document, EventStoreExt, ExpectedVersion, ProjectionId, ReadModels, Runner, Settings};

use super::domain::{Account, AccountEvent, Fragile, Mean, Statement, noted};
use super::world::{PATIENCE, World, control, giving_up, id, place, put, put_texts, status, until};
use es_core::{Claim, DeadLetterStatus, Error, OnFailure, Phase, ReadModelTransaction, StopReason, Version};

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

/// JSON has no such number, and `null` in its place would be read as `None`. What leaves out a field could not be read at all, nor
/// could the page that it is on.
pub async fn what_could_not_be_read_again_is_not_stored<S: World>(store: S) {
    put_texts(&store, "ada", &["one", "not a number", "three"]).await;
    put_texts(&store, "bob", &["one"]).await;
    put_texts(&store, "eve", &["not a text", "two"]).await;
    put_texts(&store, "ida", &["left out", "two"]).await;
    let run = |on_failure| Runner::new(store.clone()).settings(giving_up(on_failure)).document::<Mean>().start();
    let means = || async {
        let all = all::<S, Mean>(&store).await;
        all.into_iter().map(|(key, document)| (key, document.mean)).collect::<Vec<_>>()
    };
    let (number, text, left_out) = (
        "document `ada` of `mean v1` cannot be written as JSON: a number that is not finite (NaN, in field `spread`) cannot be \
         kept in JSON",
        "document `eve` of `mean v1` cannot be written as JSON: key must be a string",
        "document `ida` of `mean v1` could not be read again once it is stored, because JSON does not hold what is in it: \
         missing field `left_out`",
    );

    let running = run(OnFailure::stop()).await.unwrap();
    let (_, reason) = running.stopped().await;
    let StopReason::Failed { version: Version(2), attempts: 3, error, .. } = &reason else { panic!("{reason:?}") };
    assert!(error.starts_with(number), "{error}");
    running.stop().await;
    assert_eq!(means().await, [("ada".to_owned(), 1.0)], "what was stored before can be read");

    let running = run(OnFailure::park()).await.unwrap();
    running.catch_up().await.unwrap();
    running.stop().await;
    assert_eq!(means().await, [("ada".to_owned(), 1.0), ("bob".to_owned(), 1.0)], "the others go on");
    let letters = store.dead_letters(&id("mean")).await.unwrap();
    assert!(letters[0].error.starts_with(number), "{letters:?}");
    assert_eq!((letters[1].error.as_str(), &letters[1].status), (text, &DeadLetterStatus::Parked));
    assert!(letters.iter().any(|letter| letter.error.starts_with(left_out)), "{letters:?}");
}

pub async fn a_rebuilt_document_that_could_not_be_read_again_is_not_stored<S: World>(store: S) {
    let running = Runner::new(store.clone()).document::<Mean>().start().await.unwrap();
    put_texts(&store, "ada", &["one"]).await;
    running.catch_up().await.unwrap();
    running.stop().await;
    // What the log holds is not what the document was made of.
    put_texts(&store, "ada", &["not a number"]).await;
    let claimed = store.claim(&id("mean"), 0, uuid::Uuid::now_v7(), PATIENCE).await.unwrap();
    let Claim::Granted(lease) = claimed else { panic!("{claimed:?}") };
    let mut transaction = store.begin().await.unwrap();
    transaction.advance(&lease, store.log_end().await.unwrap(), 1).await.unwrap();
    transaction.commit().await.unwrap();
    let refused = store.rebuild_document::<Mean>("ada").await.unwrap_err();
    let Error::Document(document) = &refused else { panic!("{refused:?}") };
    assert_eq!((document.projection(), document.key(), document.is_stored()), (&id("mean"), "ada", false));
    assert_eq!(all::<S, Mean>(&store).await.len(), 1, "it is as it was");
}

pub async fn a_document_of_another_shape_says_which_it_is<S: World>(store: S) {
    let running = run::<S, Statement<1>>(&store, 10).start().await.unwrap();
    put_texts(&store, "ada", &["one"]).await;
    put_texts(&store, "bob", &["one"]).await;
    running.catch_up().await.unwrap();
    running.stop().await;
    let mut transaction = store.begin().await.unwrap();
    let odd = [("bob".to_owned(), Some(r#"{"other":"shape"}"#.to_owned()))];
    transaction.save_documents(&id("statement"), &odd).await.unwrap();
    transaction.commit().await.unwrap();

    let own = store.documents::<Statement<1>>().unwrap();
    // The newer type reads the version that serves.
    let newer = store.documents::<Statement<2>>().unwrap().serving();
    for error in [
        own.get("bob").await.unwrap_err(),
        own.get_many(["ada", "eve", "bob"]).await.unwrap_err(),
        own.list(None, 10).await.unwrap_err(),
    ] {
        let Error::Document(document) = &error else { panic!("{error:?}") };
        assert_eq!((document.projection(), document.key(), document.is_stored()), (&id("statement"), "bob", true));
        let told = "document `bob` of `statement v1` does not fit its type any more: give the type a new version, so that it \
                    is built anew";
        assert_eq!(error.to_string(), told);
        assert!(std::error::Error::source(&error).unwrap().to_string().starts_with("missing field `trail`"));
    }
    assert!(own.get_many(["ada"]).await.is_ok());
    for error in [newer.get("bob").await.unwrap_err(), newer.list(Some("ada"), 10).await.unwrap_err()] {
        let Error::Document(document) = &error else { panic!("{error:?}") };
        assert_eq!((document.projection(), document.is_stored()), (&id("statement"), true));
        let told = "document `bob` of `statement v1`, the version that serves, does not fit the type of version 2, which is newer: \
                    let the type read both, or read its own version, without `serving`";
        assert_eq!(error.to_string(), told);
    }

    // Old code, when the newer version serves.
    let two = ProjectionId::new("statement", 2).unwrap();
    Runner::new(store.clone()).document::<Statement<2>>().run_to_end().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let other = r#"{"other":"shape"}"#.to_owned();
    transaction.save_documents(&two, &[("eve".to_owned(), Some(other))]).await.unwrap();
    transaction.commit().await.unwrap();
    control(&store, &two, Control::Serve).await;
    let older = store.documents::<Statement<1>>().unwrap().serving();
    let told = "document `eve` of `statement v2`, the version that serves, does not fit the type of version 1, which is older: \
                deploy the newer type, or read the type's own version, without `serving`";
    assert_eq!(older.get("eve").await.unwrap_err().to_string(), told);

    // A projection that comes to it says the same.
    put_texts(&store, "bob", &["two"]).await;
    let settings = giving_up(OnFailure::stop());
    let running = Runner::new(store.clone()).settings(settings).document::<Statement<1>>().start().await.unwrap();
    let (_, reason) = running.stopped().await;
    assert!(reason.to_string().contains("document `bob` of `statement v1` does not fit"), "{reason}");
    running.stop().await;
}
