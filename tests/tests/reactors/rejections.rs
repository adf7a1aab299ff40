//! Commands that the domain refuses, and reactions that fail otherwise.

use es_core::{Control, DeadLetterStatus, OnFailure, ReadModelStore, Runner, StopReason, StreamId, Version};

use crate::domain::TillEvent;
use crate::support::{
    Fulfil, assert_once, caught_up, charged, control, fulfil, giving_up, letters, place, registered, reserved_for,
    status, till, until,
};

fn order(id: &str) -> StreamId {
    StreamId::new("order", id).unwrap()
}

fn says_what_was_rejected(error: &str) {
    assert!(error.starts_with("command 2 of the reaction, `"), "{error}");
    assert!(error.ends_with("Charge`, was rejected: the till is closed"), "{error}");
}

pub async fn a_rejection_stops_it_at_once<S: ReadModelStore>(store: S) {
    registered(&store).await;
    place(&store, "7", "one").await;
    till(&store, TillEvent::Closed).await;
    place(&store, "7", "two").await;
    // The first may be charged before the till is closed or not at all, as the reactor does not wait for it.
    let running = fulfil(&store, OnFailure::stop()).await;
    let (_, reason) = running.stopped().await;
    let StopReason::Failed { stream, version, attempts, error, .. } = &reason else { panic!("{reason:?}") };
    assert_eq!((stream, *version, *attempts), (&order("7"), Version(1), 1), "it is not tried again");
    says_what_was_rejected(error);
    running.stop().await;
    assert_eq!(reserved_for(&store, "7").await, ["one"], "the command before it is done, and those behind it are not");

    till(&store, TillEvent::Opened).await;
    let running = fulfil(&store, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    assert_once(&store).await;
}

pub async fn a_rejection_may_be_ignored<S: ReadModelStore>(store: S) {
    registered(&store).await;
    till(&store, TillEvent::Closed).await;
    place(&store, "7", "one").await;
    let ignoring = Runner::new(store.clone()).react(Fulfil { ignores_rejections: true });
    let running = ignoring.start().await.unwrap();
    caught_up(&running).await;
    till(&store, TillEvent::Opened).await;
    place(&store, "7", "two").await;
    caught_up(&running).await;
    running.stop().await;
    assert_eq!(reserved_for(&store, "7").await, ["one", "two"]);
    assert_eq!(charged(&store).await, ["two"]);
    assert!(letters(&store, "fulfil").await.is_empty());
}

pub async fn a_skipped_reaction_is_on_record<S: ReadModelStore>(store: S) {
    registered(&store).await;
    till(&store, TillEvent::Closed).await;
    for name in ["one", "two", "three"] {
        place(&store, "7", name).await;
    }
    let running = fulfil(&store, OnFailure::skip()).await;
    caught_up(&running).await;
    till(&store, TillEvent::Opened).await;
    place(&store, "7", "four").await;
    caught_up(&running).await;
    running.stop().await;
    let letters = letters(&store, "fulfil").await;
    assert_eq!(letters.iter().map(|letter| letter.first.0).collect::<Vec<_>>(), [1, 2, 3]);
    for letter in &letters {
        assert_eq!((&letter.status, letter.attempts), (&DeadLetterStatus::Skipped, 1));
        says_what_was_rejected(&letter.error);
    }
    assert_eq!(reserved_for(&store, "7").await, ["one", "two", "three", "four"]);
    assert_eq!(charged(&store).await, ["four"]);
    assert_eq!(status(&store, "fulfil").await.events, 1);
}

pub async fn a_parked_stream_keeps_its_order_and_repeats_nothing<S: ReadModelStore>(store: S) {
    registered(&store).await;
    till(&store, TillEvent::Closed).await;
    for (id, name) in [("7", "one"), ("7", "two"), ("8", "three"), ("7", "four")] {
        place(&store, id, name).await;
    }
    let running = fulfil(&store, OnFailure::park()).await;
    caught_up(&running).await;
    assert_eq!(reserved_for(&store, "7").await, ["one"], "the rest of the stream waits");
    assert_eq!(reserved_for(&store, "8").await, ["three"], "other streams go on");
    let waiting = letters(&store, "fulfil").await;
    assert_eq!((waiting.len(), waiting[0].first, waiting[0].last), (2, Version(1), Version(3)));

    control(&store, "fulfil", Control::RetryDeadLetter { stream: order("7"), first: Version(1) }).await;
    until("it was tried again", || async { letters(&store, "fulfil").await[0].attempts == 2 }).await;
    assert_eq!(reserved_for(&store, "7").await, ["one"], "what was done before it failed is not done again");

    till(&store, TillEvent::Opened).await;
    place(&store, "9", "five").await;
    caught_up(&running).await;
    control(&store, "fulfil", Control::RetryDeadLetters).await;
    until("nothing waits", || async { letters(&store, "fulfil").await.is_empty() }).await;
    place(&store, "7", "six").await;
    caught_up(&running).await;
    running.stop().await;
    assert_once(&store).await;
    assert_eq!(reserved_for(&store, "7").await, ["one", "two", "four", "six"]);
    let charged = charged(&store).await;
    let of_7: Vec<&str> = charged.iter().map(String::as_str).filter(|n| !matches!(*n, "three" | "five")).collect();
    assert_eq!(of_7, ["one", "two", "four", "six"]);
}

pub async fn a_panic_is_a_failure<S: ReadModelStore>(store: S) {
    registered(&store).await;
    for name in ["one", "panic", "three"] {
        place(&store, "7", name).await;
    }
    let runner = Runner::new(store.clone()).settings(giving_up(OnFailure::skip()));
    let running = runner.react(Fulfil::default()).start().await.unwrap();
    caught_up(&running).await;
    running.stop().await;
    let letters = letters(&store, "fulfil").await;
    assert_eq!((letters.len(), letters[0].first, letters[0].attempts), (1, Version(2), 3));
    assert!(letters[0].error.contains("panicked over an order"), "{}", letters[0].error);
    assert_eq!(charged(&store).await, ["one", "three"]);
}
