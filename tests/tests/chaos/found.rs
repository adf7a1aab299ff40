//! What chance has brought to light, step by step.

use std::sync::Arc;

use es_core::{Control, EventStore, EventStoreExt, ExpectedVersion, Inline, OnFailure, ReadModels, Runner, Running};

use crate::domain::{Account, Tally, noted};
use crate::homes::Home;
use crate::world::{
    Notes, PATIENCE, Script, World, assert_each_once, control, giving_up, id, letters, put_texts, texts,
};

on_both_stores! {
    a_parked_stream_that_reaches_behind_a_rewind_is_taken_in_once
    an_inline_document_is_rebuilt_with_all_that_was_appended
    an_inline_document_is_rebuilt_beside_appends
}

async fn start<S: World>(store: &S, script: &Arc<Script>) -> Running<S> {
    let settings = giving_up(OnFailure::park());
    Runner::new(store.clone()).settings(settings).add(Notes::<S>::new(script)).start().await.unwrap()
}

/// Rewound into the middle of a parked stream, and tried again before the rest of it came by.
async fn a_parked_stream_that_reaches_behind_a_rewind_is_taken_in_once<H: Home>(home: H) {
    let (store, script) = (home.open().await, Script::breaking(&["poison"]));
    let running = start(&store, &script).await;
    put_texts(&store, "ada", &["a", "poison", "c"]).await;
    let place = store.log_end().await.unwrap();
    put_texts(&store, "ada", &["d", "e"]).await;
    put_texts(&store, "bob", &["f"]).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_eq!(letters(&store).await.len(), 1);

    script.mend("poison");
    control(&store, &id("notes"), Control::Pause).await;
    control(&store, &id("notes"), Control::Rewind { to: place }).await;
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    control(&store, &id("notes"), Control::Resume).await;
    running.catch_up_within(PATIENCE).await.unwrap();
    running.stop().await;
    assert_eq!(texts(&store, "ada").await, ["a", "poison", "c", "d", "e"]);
    assert_each_once(&store.notes().await, 6);
    assert!(letters(&store).await.is_empty());
}

/// Nobody has read the log since, so that the last of it may have no place yet.
async fn an_inline_document_is_rebuilt_with_all_that_was_appended<H: Home>(home: H) {
    let store = Inline::over(home.open().await).document::<Tally<1>>().open().await.unwrap();
    for open in 1..=3 {
        store.append_events::<Account>("ada", ExpectedVersion::Any, noted("+name")).await.unwrap();
        let rebuilt = store.inner().rebuild_document::<Tally<1>>("name").await.unwrap();
        assert_eq!(rebuilt, Some(Tally { open }));
    }
    let tallies = store.inner().documents::<Tally<1>>().unwrap();
    assert_eq!(tallies.get("name").await.unwrap(), Some(Tally { open: 3 }));
}

async fn an_inline_document_is_rebuilt_beside_appends<H: Home>(home: H) {
    const EACH: i64 = 40;
    let store = Arc::new(Inline::over(home.open().await).document::<Tally<1>>().open().await.unwrap());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..3 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for _ in 0..EACH {
                let account = format!("account {writer}");
                store.append_events::<Account>(&account, ExpectedVersion::Any, noted("+name")).await.unwrap();
            }
        });
    }
    while !writers.is_empty() {
        store.inner().rebuild_document::<Tally<1>>("name").await.unwrap();
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    let tallies = store.inner().documents::<Tally<1>>().unwrap();
    assert_eq!(tallies.get("name").await.unwrap(), Some(Tally { open: 3 * EACH }));
}
