//! One projection straggles inside an event while everything else goes on, and its process is killed: nothing is lost, because
//! its checkpoint stands behind what was committed, and not behind what was begun.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use es_core::{EventStore, Position, Runner, Running, Settings};

use crate::domain::Statement;
use crate::homes::{Home, LEASE, Process};
use crate::world::{Notes, PATIENCE, Script, World, assert_exactly_once, id, put_texts, status, until};

on_both_stores! {
    a_straggler_that_is_killed_loses_nothing
}

async fn start<H: Home>(home: H, batch: u32, script: Arc<Script>) -> Running<H::Store> {
    let settings = Settings::default().batch(batch).lease(LEASE);
    let runner = Runner::new(home.open().await).settings(settings);
    runner.add(Notes::<H::Store>::new(&script)).document::<Statement<1>>().start().await.unwrap()
}

async fn stands<S: World>(store: &S, name: &str) -> Position {
    status(store, &id(name)).await.position
}

async fn a_straggler_that_is_killed_loses_nothing<H: Home>(home: H) {
    let store = home.open().await;
    for (round, batch) in (0..).zip([1, 1_000]) {
        let (process, script) = (Process::new(), Script::new());
        let killed = process.run(start(home.clone(), batch, Arc::clone(&script))).await;
        put_texts(&store, "ada", &["one", "two", "three"]).await;
        killed.catch_up_within(PATIENCE).await.unwrap();
        let (done, taken_in) = (stands(&store, "notes").await, script.calls());

        script.held.store(true, Ordering::SeqCst);
        for name in ["ada", "bob", "eve", "ada", "bob", "eve"] {
            put_texts(&store, name, &["more", "and more"]).await;
        }
        let end = store.log_end().await.unwrap();
        until("it straggles", || async { script.calls() == taken_in + 1 }).await;
        until("the other goes on", || async { stands(&store, "statement").await >= end }).await;
        assert_eq!(stands(&store, "notes").await, done, "it acknowledges what it has done, and no more");
        process.kill();
        assert_eq!(store.notes().await.len(), 15 * round + 3, "nothing is left of what it was at");

        let running = start(home.clone(), batch, Script::new()).await;
        running.catch_up_within(PATIENCE).await.unwrap();
        assert_exactly_once(&store.notes().await, 15 * (round + 1));
        running.stop().await;
        drop(killed);
    }
}
