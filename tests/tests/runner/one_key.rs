//! One document, built anew while its projection runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::{
    Control, Document, Error, EventStoreExt, ExpectedVersion, IntoKeys, OnFailure, ReadModelTransaction, ReadModels,
    Recorded, Runner, Settings,
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::domain::{Account, AccountEvent, Statement, Told, noted};
use super::world::{PATIENCE, World, account, control, giving_up, id, put_texts, until};

/// Whether the document of this test takes in what is broken.
static MENDED: AtomicBool = AtomicBool::new(false);

/// What was noted in all streams of one initial, except what is broken.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Brittle {
    texts: Vec<String>,
}

impl Document for Brittle {
    const NAME: &'static str = "brittle";
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        event.stream.id()[..1].to_owned()
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        let text = event.event.text();
        assert!(MENDED.load(Ordering::SeqCst) || !text.starts_with("broken"), "it is broken");
        self.texts.push(text);
    }
}

async fn kept<S: World, D: Document>(store: &S, key: &str) -> Option<D> {
    store.documents::<D>().unwrap().get(key).await.unwrap()
}

async fn damage<S: World>(store: &S, key: &str, json: Option<&str>) {
    let mut transaction = store.begin().await.unwrap();
    let damaged = [(key.to_owned(), json.map(str::to_owned))];
    transaction.save_documents(&id("statement"), &damaged).await.unwrap();
    transaction.commit().await.unwrap();
}

pub async fn what_was_damaged_is_right_again<S: World>(store: S) {
    let running = Runner::new(store.clone()).document::<Statement<1>>().start().await.unwrap();
    put_texts(&store, "ada", &["one", "two"]).await;
    put_texts(&store, "bob", &["three"]).await;
    running.catch_up().await.unwrap();
    for json in [Some(r#"{"trail":["wrong"],"closed":false}"#), Some(r#"{"other":"shape"}"#), None] {
        damage(&store, "ada", json).await;
        let built = store.rebuild_document::<Statement<1>>("ada").await.unwrap();
        assert_eq!(built.as_ref().unwrap().trail, ["account-ada@1", "account-ada@2"]);
        assert_eq!(kept::<S, Statement<1>>(&store, "ada").await, built);
        assert_eq!(kept::<S, Statement<1>>(&store, "bob").await.unwrap().trail.len(), 1, "others are left alone");
    }
    put_texts(&store, "ada", &["three"]).await;
    running.catch_up().await.expect("whoever runs it goes on");
    assert_eq!(kept::<S, Statement<1>>(&store, "ada").await.unwrap().trail.len(), 3);
    // Without events there is no document.
    damage(&store, "eve", Some(r#"{"trail":["made up"],"closed":false}"#)).await;
    assert_eq!(store.rebuild_document::<Statement<1>>("eve").await.unwrap(), None);
    assert_eq!(kept::<S, Statement<1>>(&store, "eve").await, None);
    running.stop().await;
    // Nobody has to run it.
    damage(&store, "ada", None).await;
    put_texts(&store, "ada", &["four"]).await;
    let built = store.rebuild_document::<Statement<1>>("ada").await.unwrap().unwrap();
    assert_eq!(built.trail.len(), 3, "as far as its projection is");
}

pub async fn what_cannot_be_rebuilt_says_so<S: World>(store: S) {
    put_texts(&store, "ada", &["one"]).await;
    let unknown = store.rebuild_document::<Statement<1>>("ada").await.unwrap_err();
    assert!(matches!(unknown, Error::Store { .. }), "{unknown:?}");
    for key in ["", "a\0b", &"x".repeat(2_000)] {
        let refused = store.rebuild_document::<Statement<1>>(key).await.unwrap_err();
        assert!(matches!(refused, Error::Setup { .. }), "{refused:?}");
    }
    assert!(store.projections().await.unwrap().is_empty(), "nothing of it came to be");
}

/// Writes to one key all the time, from one stream or from several.
fn write_on<S: World>(store: &S, streams: u64) -> (Arc<AtomicBool>, JoinHandle<()>) {
    let goes_on = Arc::new(AtomicBool::new(true));
    let (store, flag) = (store.clone(), Arc::clone(&goes_on));
    let writing = tokio::spawn(async move {
        let mut n = 0;
        while n < 5 || flag.load(Ordering::SeqCst) {
            n += 1;
            let shared = AccountEvent::SharedWith { accounts: vec!["ada".to_owned()] };
            let name = format!("s{}", n % streams);
            store.append_events::<Account>(&name, ExpectedVersion::Any, shared).await.unwrap();
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    });
    (goes_on, writing)
}

pub async fn a_rebuild_beside_writers_equals_a_fold<S: World>(store: S) {
    for parts in [1, 3] {
        let settings = Settings::default().batch(5).parts(parts);
        // Each version is divided in another way.
        let runner = Runner::new(store.clone()).settings(settings);
        let running = match parts {
            1 => runner.document::<Statement<1>>(),
            _ => runner.document::<Statement<2>>(),
        };
        let running = running.start().await.unwrap();
        for _ in 0..10 {
            let (goes_on, writing) = write_on(&store, 7);
            match parts {
                1 => drop(store.rebuild_document::<Statement<1>>("ada").await.unwrap()),
                _ => drop(store.rebuild_document::<Statement<2>>("ada").await.unwrap()),
            }
            goes_on.store(false, Ordering::SeqCst);
            writing.await.unwrap();
            running.catch_up_within(PATIENCE).await.unwrap();
            let mut kept = match parts {
                1 => kept::<S, Statement<1>>(&store, "ada").await.unwrap().trail,
                _ => kept::<S, Statement<2>>(&store, "ada").await.unwrap().trail,
            };
            let mut folded = store.fold_document::<Statement<1>>("ada").await.unwrap().unwrap().trail;
            if parts > 1 {
                // Parts are in no order among each other.
                kept.sort();
                folded.sort();
            }
            assert_eq!(kept, folded, "in {parts} parts");
        }
        running.stop().await;
    }
}

/// What waits and what was left out stays out, and comes in once when it is tried again.
pub async fn what_was_left_out_stays_out<S: World>(store: S) {
    let start = |then| Runner::new(store.clone()).settings(giving_up(then)).document::<Brittle>().start();
    put_texts(&store, "skipped", &["one", "broken s", "three"]).await;
    let running = start(OnFailure::skip()).await.unwrap();
    running.catch_up().await.unwrap();
    running.stop().await;
    let running = start(OnFailure::park()).await.unwrap();
    put_texts(&store, "sparked", &["four", "broken p", "six"]).await;
    running.catch_up().await.unwrap();
    assert_eq!(store.dead_letters(&id("brittle")).await.unwrap().len(), 2);
    let texts = || async { kept::<S, Brittle>(&store, "s").await.unwrap().texts };
    assert_eq!(texts().await, ["one", "three", "four"]);
    for _ in 0..3 {
        let built = store.rebuild_document::<Brittle>("s").await.unwrap().unwrap();
        assert_eq!((built.texts, texts().await.len()), (["one", "three", "four"].map(String::from).to_vec(), 3));
        put_texts(&store, "sparked", &["waits"]).await;
    }
    running.catch_up().await.unwrap();
    assert_eq!(texts().await.len(), 3, "the stream still waits");
    MENDED.store(true, Ordering::SeqCst);
    let stream = account("sparked");
    control(&store, &id("brittle"), Control::RetryDeadLetter { stream, first: es_core::Version(2) }).await;
    for _ in 0..3 {
        // It may come in the midst of it.
        store.rebuild_document::<Brittle>("s").await.unwrap().unwrap();
    }
    until("nothing waits", || async { store.dead_letters(&id("brittle")).await.unwrap().len() == 1 }).await;
    let expected = ["one", "three", "four", "broken p", "six", "waits", "waits", "waits"];
    assert_eq!(texts().await, expected);
    assert_eq!(store.rebuild_document::<Brittle>("s").await.unwrap().unwrap().texts, expected);
    let noted = noted("last");
    store.append_events::<Account>(&"sparked".to_owned(), ExpectedVersion::Any, noted).await.unwrap();
    running.catch_up().await.unwrap();
    assert_eq!(texts().await.len(), 9);
    running.stop().await;
}
