//! An event that today's code cannot read: its stream waits behind it in order, others go on. Once the code can read it, and
//! somebody says so, everything is taken in, in order; also when the process has crashed in between.

use es_core::{Control, DeadLetterStatus, Event, NewEvent, OnFailure, Runner, Running, Version};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::Told;
use crate::homes::{Home, LEASE, Process, log};
use crate::world::{
    Notes, PATIENCE, Script, World, account, control, giving_up, id, letters, put_raw, status, texts, until,
};

on_both_stores! {
    what_waited_behind_a_poisoned_event_is_taken_in_order
}

/// As it is shipped first. Notes had once been written in capitals, under another name; somebody has mistyped it.
#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum Mistaken {
    #[event(version = 2, upcast(1 = from_a_field_that_is_not_there))]
    Noted { text: String },
}

/// As it is mended.
#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum Mended {
    #[event(version = 2, upcast(1 = from_capitals))]
    Noted { text: String },
}

fn from_a_field_that_is_not_there(old: Value) -> Result<Value, &'static str> {
    let shouted = old["capitols"].as_str().ok_or("there is no `capitols`")?;
    Ok(json!({ "text": shouted.to_lowercase() }))
}

fn from_capitals(old: Value) -> Result<Value, &'static str> {
    let shouted = old["capitals"].as_str().ok_or("there are no `capitals`")?;
    Ok(json!({ "text": shouted.to_lowercase() }))
}

impl Told for Mistaken {
    fn text(&self) -> String {
        let Self::Noted { text } = self;
        text.clone()
    }
}

impl Told for Mended {
    fn text(&self) -> String {
        let Self::Noted { text } = self;
        text.clone()
    }
}

async fn put_old<S: World>(store: &S, name: &str, shouted: &str) {
    put_raw(store, name, NewEvent::new("account.noted", 1, json!({ "capitals": shouted }).to_string())).await;
}

async fn put_new<S: World>(store: &S, name: &str, text: &str) {
    put_raw(store, name, NewEvent::new("account.noted", 2, json!({ "text": text }).to_string())).await;
}

async fn start<H: Home, E: Event + Told>(home: H) -> Running<H::Store> {
    let settings = giving_up(OnFailure::park()).lease(LEASE);
    let runner = Runner::new(home.open().await).settings(settings);
    runner.add(Notes::<H::Store, E>::new(&Script::new())).start().await.unwrap()
}

async fn what_waited_behind_a_poisoned_event_is_taken_in_order<H: Home>(home: H) {
    let store = home.open().await;
    let process = Process::new();
    let running = process.run(start::<H, Mistaken>(home.clone())).await;
    put_new(&store, "ada", "one").await;
    put_old(&store, "ada", "TWO").await;
    put_new(&store, "ada", "three").await;
    put_new(&store, "bob", "four").await;
    running.catch_up_within(PATIENCE).await.unwrap();
    put_old(&store, "ada", "FIVE").await;
    put_new(&store, "bob", "six").await;
    running.catch_up_within(PATIENCE).await.unwrap();
    let waits = || async { (texts(&store, "ada").await, texts(&store, "bob").await) };
    assert_eq!(waits().await, (vec!["one".into()], vec!["four".into(), "six".into()]), "others go on");
    process.kill();

    // Mended code alone changes nothing: somebody has to say that it is mended.
    let process = Process::new();
    let running = process.run(start::<H, Mended>(home.clone())).await;
    put_new(&store, "ada", "seven").await;
    put_new(&store, "bob", "eight").await;
    running.catch_up_within(PATIENCE).await.unwrap();
    assert_eq!(texts(&store, "ada").await, ["one"], "what comes later waits, too");
    assert_eq!(texts(&store, "bob").await, ["four", "six", "eight"]);
    let letter = letters(&store).await.remove(0);
    assert_eq!((&letter.stream, letter.first, letter.last), (&account("ada"), Version(2), Version(5)));
    assert_eq!(letter.status, DeadLetterStatus::Parked);
    assert!(letter.error.contains("there is no `capitols`"), "{}", letter.error);
    process.kill();

    control(&store, &id("notes"), Control::RetryDeadLetter { stream: letter.stream, first: letter.first }).await;
    let running = start::<H, Mended>(home.clone()).await;
    until("nothing waits", || async { letters(&store).await.is_empty() }).await;
    put_new(&store, "ada", "nine").await;
    running.catch_up_within(PATIENCE).await.unwrap();
    running.stop().await;
    assert_eq!(texts(&store, "ada").await, ["one", "two", "three", "five", "seven", "nine"]);
    assert_eq!(texts(&store, "bob").await, ["four", "six", "eight"]);
    assert_nothing_is_missing(&store).await;
}

/// Each event of the log once, with its own place.
async fn assert_nothing_is_missing<S: World>(store: &S) {
    let mut notes: Vec<_> =
        store.notes().await.into_iter().map(|note| (note.stream, note.version, note.position)).collect();
    notes.sort_by_key(|(.., position)| *position);
    assert_eq!(notes, log(store).await);
    let seen = status(store, &id("notes")).await;
    assert_eq!((seen.events, seen.parked, seen.lag_events), (notes.len() as u64, 0, 0));
}
