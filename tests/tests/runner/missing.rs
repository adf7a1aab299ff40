//! Waiting for a command that a projection has passed, and does not show.

use std::sync::Arc;
use std::time::Duration;

use es_core::{
    Claim, Control, EventStoreExt, FailureClass, OnFailure, Outcome, ReadModels, Runner, Running, Version, WaitError,
};

use super::domain::{Account, AccountEvent, Fragile, Write};
use super::world::{Notes, PATIENCE, Script, World, account, control, giving_up, id, letters, put, put_texts, texts};

fn write(name: &str, text: &str) -> Write {
    Write { id: name.into(), text: Some(text.into()) }
}

/// The command is waited for by name, for as long as it takes.
async fn written<S: World>(store: &S, name: &str, text: &str) -> (Outcome<Account>, Result<(), WaitError>) {
    let visible = store.execute(write(name, text)).wait_for([id("notes")]).within(Duration::MAX).await.unwrap();
    (visible.outcome, visible.visible)
}

async fn start<S: World>(store: &S, on_failure: OnFailure, script: &Arc<Script>) -> Running<S> {
    let runner = Runner::new(store.clone()).settings(giving_up(on_failure)).add(Notes::<S>::new(script));
    runner.start().await.unwrap()
}

#[track_caller]
fn is_parked(waited: Result<(), WaitError>, expected: u64) {
    match waited {
        Err(WaitError::Parked { id: which, stream, failed }) => {
            assert_eq!((which, stream, failed), (id("notes"), account("ada"), Version(expected)));
        }
        other => panic!("its stream is parked: {other:?}"),
    }
}

#[track_caller]
fn is_left_out(waited: Result<(), WaitError>, expected: u64) {
    match waited {
        Err(WaitError::LeftOut { id: which, stream, version }) => {
            assert_eq!((which, stream, version), (id("notes"), account("ada"), Version(expected)));
        }
        other => panic!("it was left out: {other:?}"),
    }
}

/// By whichever way one waits for a command. Waits that know of no stream cannot tell.
pub async fn what_is_parked_does_not_pass_for_shown<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    let running = start(&store, OnFailure::park(), &script).await;
    let (before, shown) = written(&store, "ada", "one").await;
    shown.expect("nothing has failed yet");
    is_parked(written(&store, "ada", "poison").await.1, 2);
    let (waiting, not_shown) = written(&store, "ada", "three").await;
    assert_eq!(waiting.version, Version(3), "the command is done");
    let told = not_shown.as_ref().unwrap_err().to_string();
    assert_eq!(
        told,
        "projection `notes v1` has parked stream `account-ada` behind its event 2: retry or discard that first"
    );
    is_parked(not_shown, 2);
    is_parked(running.wait_for(&waiting).await, 2);
    running.wait_for(&before).await.expect("what came before it shows");
    written(&store, "bob", "two").await.1.expect("other streams go on");
    running.catch_up().await.expect("it has come to the end of the log");

    script.mend("poison");
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    running.wait_for(&waiting).await.expect("it is taken in at last");
    assert_eq!(texts(&store, "ada").await, ["one", "poison", "three"]);
    running.stop().await;
}

/// Waits are about what the projection wants to see: none of it is missing.
pub async fn what_the_filter_leaves_out_waits_behind_nothing<S: World>(store: S) {
    let script = Script::breaking(&["Closed"]);
    let only = Notes::<S>::only(&script, &["account.closed", "account.shared_with"]);
    let runner = Runner::new(store.clone()).settings(giving_up(OnFailure::park())).add(only);
    let running = runner.start().await.unwrap();
    put(&store, "ada", [AccountEvent::Closed]).await;
    let (unwanted, shown) = written(&store, "ada", "of no interest").await;
    shown.expect("nothing of the command waits");
    put(&store, "ada", [AccountEvent::SharedWith { accounts: Vec::new() }]).await;
    running.catch_up().await.unwrap();
    let letter = &letters(&store).await[0];
    assert_eq!((letter.first, letter.last), (Version(1), Version(3)), "the stream waits on both sides of it");
    running.wait_for(&unwanted).await.expect("nor when something behind it waits");
    script.mend("Closed");
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    running.wait_for(&unwanted).await.expect("nor while that is tried again");
    running.catch_up().await.unwrap();
    assert_eq!(store.notes().await.len(), 2);
    running.stop().await;
}

pub async fn documents_that_lack_a_parked_stream_say_so<S: World>(store: S) {
    let runner = Runner::new(store.clone()).settings(giving_up(OnFailure::park())).document::<Fragile>();
    let running = runner.start().await.unwrap();
    put_texts(&store, "ada", &["one", "break"]).await;
    let outcome = store.execute(write("ada", "three")).await.unwrap();
    let documents = || store.documents::<Fragile>().unwrap();
    let waited = documents().wait_for(&outcome).await.map(drop);
    assert!(matches!(&waited, Err(WaitError::Parked { failed: Version(2), .. })), "{waited:?}");
    documents().catch_up_within(PATIENCE).await.map(drop).expect("it knows of no stream");
    let waited = store.execute(write("ada", "four")).wait_for_document::<Fragile>().await.unwrap().visible;
    assert!(matches!(&waited, Err(WaitError::Parked { failed: Version(2), .. })), "{waited:?}");
    running.stop().await;
}

pub async fn what_was_left_out_does_not_pass_for_shown<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    let running = start(&store, OnFailure::skip(), &script).await;
    written(&store, "ada", "one").await.1.expect("nothing has failed yet");
    let (skipped, not_shown) = written(&store, "ada", "poison").await;
    let told = not_shown.as_ref().unwrap_err().to_string();
    assert_eq!(told, "projection `notes v1` has left out event 2 of stream `account-ada`");
    is_left_out(not_shown, 2);
    written(&store, "ada", "three").await.1.expect("the stream has gone on");
    is_left_out(running.wait_for(&skipped).await, 2);

    script.mend("poison");
    control(&store, &id("notes"), Control::Rebuild).await;
    running.wait_for(&skipped).await.expect("it comes again");
    running.stop().await;
}

/// What was asked for is waited for, be it a retry or to go on without the event.
pub async fn what_is_to_be_settled_is_waited_for<S: World>(store: S) {
    let script = Script::breaking(&["poison", "worse"]);
    let running = start(&store, OnFailure::park(), &script).await;
    let (first, _) = written(&store, "ada", "poison").await;
    let (second, _) = written(&store, "ada", "worse").await;
    let (third, _) = written(&store, "ada", "three").await;
    script.mend("poison");
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    running.wait_for(&first).await.expect("it is taken in");
    is_parked(running.wait_for(&third).await, 2);
    let (stream, first, reason) = (account("ada"), Version(2), "nobody needs it".to_owned());
    control(&store, &id("notes"), Control::DiscardDeadLetter { stream, first, reason }).await;
    running.wait_for(&third).await.expect("the stream goes on");
    is_left_out(running.wait_for(&second).await, 2);
    running.stop().await;
}

/// A retry is kept until somebody runs it; for a stop or a pause nobody waits.
pub async fn what_nobody_settles_is_not_waited_for<S: World>(store: S) {
    let script = Script::breaking(&["poison"]);
    let running = start(&store, OnFailure::park(), &script).await;
    // A repeat waits for what the first one has done.
    let again = async |within| {
        let command = store.execute(write("ada", "poison")).idempotency_key("the poison").wait_for([id("notes")]);
        command.within(within).await.unwrap().visible
    };
    is_parked(again(Duration::MAX).await, 1);
    running.stop().await;
    control(&store, &id("notes"), Control::RetryDeadLetters).await;
    is_parked(again(Duration::from_millis(50)).await, 1);

    control(&store, &id("notes"), Control::Pause).await;
    let paused = again(Duration::MAX).await;
    assert!(matches!(&paused, Err(WaitError::Paused { .. })), "{paused:?}");
    control(&store, &id("notes"), Control::Resume).await;
    let lease = match store.claim(&id("notes"), 0, uuid::Uuid::now_v7(), PATIENCE).await.unwrap() {
        Claim::Granted(lease) => lease,
        other => panic!("nobody works on it: {other:?}"),
    };
    store.report_stop(&lease, "it fell ill", FailureClass::Store).await.unwrap();
    let stopped = again(Duration::MAX).await;
    assert!(matches!(&stopped, Err(WaitError::Stopped { .. })), "{stopped:?}");
    store.release(&lease).await.unwrap();

    script.mend("poison");
    let running = start(&store, OnFailure::park(), &script).await;
    again(Duration::MAX).await.expect("the retry was kept");
    running.stop().await;
}
