//! Side by side: a new version is built while the old one serves, and takes its place.

use std::time::Duration;

use es_core::{
    Control, Document, Error, OnFailure, ProjectionId, ReadModelKind, ReadModels, Registration, Runner, Running,
    Settings, Version,
};

use super::basics::write_beside;
use super::domain::{Statement, lit};
use super::world::{PATIENCE, World, account, control, giving_up, put_raw, put_texts, status, until};

fn version(version: u32) -> ProjectionId {
    ProjectionId::new("statement", version).unwrap()
}

async fn start<S: World, const VERSION: u32>(store: &S, settings: Settings) -> Running<S> {
    Runner::new(store.clone()).settings(settings).document::<Statement<VERSION>>().start().await.unwrap()
}

async fn trails<S: World, D: Document + Into<Vec<String>>>(store: &S) -> Vec<(String, Vec<String>)> {
    let all = store.documents::<D>().unwrap().list(None, 1_000).await.unwrap();
    all.into_iter().map(|(key, document)| (key, document.into())).collect()
}

impl<const VERSION: u32> From<Statement<VERSION>> for Vec<String> {
    fn from(statement: Statement<VERSION>) -> Self {
        statement.trail
    }
}

pub async fn a_new_version_serves_when_it_has_caught_up<S: World>(store: S) {
    let [old, new] = [version(1), version(2)];
    put_texts(&store, "ada", &["one", "two"]).await;
    let first = start::<S, 1>(&store, Settings::default()).await;
    first.catch_up().await.unwrap();
    assert_eq!(store.serving("statement").await.unwrap(), Some(old.clone()), "the first version serves");
    let length = || async {
        let served = store.documents::<Statement<1>>().unwrap().serving().get("ada").await.unwrap();
        served.map(|statement| statement.trail.len())
    };
    store.register(&Registration::new(new.clone(), ReadModelKind::Documents)).await.unwrap();
    control(&store, &new, Control::Pause).await;
    let second = start::<S, 2>(&store, Settings::default().batch(1).serve_when_caught_up(true)).await;
    let refused = store.control(&new, Control::Serve).await.unwrap_err();
    assert!(matches!(refused, Error::Setup { .. }) && refused.to_string().contains("not caught up"), "{refused}");
    assert_eq!((store.serving("statement").await.unwrap(), length().await), (Some(old.clone()), Some(2)));
    assert!(store.documents::<Statement<2>>().unwrap().get("ada").await.unwrap().is_none());

    control(&store, &new, Control::Resume).await;
    until("the new version serves", || async {
        let serves = store.serving("statement").await.unwrap() == Some(new.clone());
        assert!(!serves || status(&store, &new).await.has_caught_up(), "not before it has caught up");
        serves
    })
    .await;
    assert_eq!(length().await, Some(2));
    let refused = store.drop_projection(&old).await.unwrap_err();
    assert!(matches!(refused, Error::Setup { .. }), "it is worked on: {refused}");
    put_texts(&store, "ada", &["three"]).await;
    second.catch_up().await.unwrap();
    assert_eq!(length().await, Some(3));
    first.stop().await;
    let settings = Settings::default().serve_when_caught_up(true);
    let once_more = start::<S, 1>(&store, settings).await;
    put_texts(&store, "ada", &["four"]).await;
    once_more.catch_up().await.unwrap();
    once_more.stop().await;
    assert_eq!(
        store.serving("statement").await.unwrap(),
        Some(new.clone()),
        "an old program does not turn the clock back"
    );
    second.catch_up().await.unwrap();
    assert!(store.drop_projection(&old).await.unwrap());
    assert!(
        store.documents::<Statement<1>>().unwrap().get("ada").await.unwrap().is_none(),
        "what is not there is nothing"
    );
    assert!(store.documents::<Statement<1>>().unwrap().list(None, 9).await.unwrap().is_empty());
    assert!(!store.drop_projection(&old).await.unwrap(), "there is no such projection any more");
    assert_eq!(length().await, Some(4), "and whoever asks for the one that serves does not notice");
    second.stop().await;
}

/// By default somebody has to ask, and may go back.
pub async fn nothing_serves_unasked<S: World>(store: S) {
    let [old, new] = [version(1), version(2)];
    put_texts(&store, "ada", &["one"]).await;
    let first = start::<S, 1>(&store, Settings::default()).await;
    let second = start::<S, 2>(&store, Settings::default()).await;
    first.catch_up().await.unwrap();
    second.catch_up().await.unwrap();
    for serving in [&old, &new, &old] {
        control(&store, serving, Control::Serve).await;
        put_texts(&store, "ada", &["more"]).await;
        first.catch_up().await.unwrap();
        second.catch_up().await.unwrap();
        assert_eq!(store.serving("statement").await.unwrap().as_ref(), Some(serving));
        assert_eq!(status(&store, &new).await.serving, *serving == new);
    }
    first.stop().await;
    second.stop().await;
    let refused = store.drop_projection(&old).await.unwrap_err();
    assert!(refused.to_string().contains("serves"), "{refused}");
    assert!(store.drop_projection(&new).await.unwrap());
}

pub async fn a_switch_beside_writers_changes_nothing<S: World>(store: S) {
    let new = version(2);
    write_beside(&store, 4, 40).await;
    let first = start::<S, 1>(&store, Settings::default()).await;
    first.catch_up_within(PATIENCE).await.unwrap();
    let (_, second) = tokio::join!(write_beside(&store, 4, 60), async {
        let second = start::<S, 2>(&store, Settings::default().batch(3).serve_when_caught_up(true)).await;
        until("the new version serves", || async { store.serving("statement").await.unwrap() == Some(new.clone()) })
            .await;
        assert!(status(&store, &new).await.has_caught_up());
        second
    });
    first.catch_up_within(PATIENCE).await.unwrap();
    second.catch_up_within(PATIENCE).await.unwrap();
    let all = trails::<S, Statement<1>>(&store).await;
    assert!(all.len() > 4, "there is something to compare");
    assert_eq!(all, trails::<S, Statement<2>>(&store).await);
    first.stop().await;
    second.stop().await;
}

/// The last of its parts to catch up makes it serve, and a rebuild in between does not keep it from it.
pub async fn a_divided_version_serves_when_all_of_it_has_caught_up<S: World>(store: S) {
    let new = version(2);
    write_beside(&store, 4, 40).await;
    let first = start::<S, 1>(&store, Settings::default()).await;
    first.catch_up_within(PATIENCE).await.unwrap();
    let settings = Settings::default().batch(2).parts(4).serve_when_caught_up(true);
    let second = start::<S, 2>(&store, settings).await;
    for _ in 0..3 {
        control(&store, &new, Control::Rebuild).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    until("the new version serves", || async {
        let serves = store.serving("statement").await.unwrap() == Some(new.clone());
        assert!(!serves || store.log_end().await.unwrap() > es_core::Position::START);
        serves
    })
    .await;
    second.catch_up_within(PATIENCE).await.unwrap();
    let sorted = |mut all: Vec<(String, Vec<String>)>| {
        // Parts are in no order among each other.
        all.iter_mut().for_each(|(_, trail)| trail.sort());
        all
    };
    assert_eq!(sorted(trails::<S, Statement<1>>(&store).await), sorted(trails::<S, Statement<2>>(&store).await));
    first.stop().await;
    second.stop().await;
}

/// Otherwise readers would miss what its code cannot take in, and perhaps everything.
pub async fn one_that_lacks_history_does_not_serve_by_itself<S: World>(store: S) {
    put_texts(&store, "ada", &["one"]).await;
    put_raw(&store, "bob", lit()).await;
    start::<S, 1>(&store, giving_up(OnFailure::skip())).await.catch_up_and_stop().await;
    let serving = || async { store.serving("statement").await.unwrap().unwrap().version() };
    let wanted = |policy| giving_up(policy).serve_when_caught_up(true);

    start::<S, 2>(&store, wanted(OnFailure::skip())).await.catch_up_and_stop().await;
    assert_eq!((serving().await, status(&store, &version(2)).await.skipped), (1, 1), "an event was skipped");
    control(&store, &version(2), Control::Serve).await;
    assert_eq!(serving().await, 2, "by hand it serves all the same");

    start::<S, 3>(&store, wanted(OnFailure::park())).await.catch_up_and_stop().await;
    assert_eq!((serving().await, status(&store, &version(3)).await.parked), (2, 1), "a stream is parked");
    let third = start::<S, 3>(&store, wanted(OnFailure::park())).await;
    let (stream, first, reason) = (account("bob"), Version(1), "nobody needs it".to_owned());
    control(&store, &version(3), Control::DiscardDeadLetter { stream, first, reason }).await;
    until("it serves once somebody has decided", || async { serving().await == 3 }).await;
    third.stop().await;
}

/// What comes behind its history does not keep it from serving, as it would not if it served already.
pub async fn one_that_fails_behind_its_history_serves<S: World>(store: S) {
    put_texts(&store, "ada", &["one"]).await;
    start::<S, 1>(&store, Settings::default()).await.catch_up_and_stop().await;
    store.register(&Registration::new(version(2), ReadModelKind::Documents)).await.unwrap();
    put_raw(&store, "bob", lit()).await;
    let second = start::<S, 2>(&store, giving_up(OnFailure::skip()).serve_when_caught_up(true)).await;
    until("it serves", || async { store.serving("statement").await.unwrap() == Some(version(2)) }).await;
    second.catch_up_and_stop().await;
    assert_eq!(status(&store, &version(2)).await.skipped, 1);
}

/// To the end of the step at which it has caught up, so that it has decided by then whether it serves.
trait CatchUpAndStop {
    async fn catch_up_and_stop(self);
}

impl<S: World> CatchUpAndStop for Running<S> {
    async fn catch_up_and_stop(self) {
        self.catch_up().await.unwrap();
        self.stop().await;
    }
}
