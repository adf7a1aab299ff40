//! What is history stays silent, and nothing is done again because somebody asks for it.

use es_core::{
    Append, Claim, Control, Error, EventStore, ExpectedVersion, NewEvent, OnFailure, Position, Reactor, ReadModelKind,
    ReadModelStore, ReadModelTransaction, Registration, Runner, StreamId,
};

use crate::support::{
    Fulfil, FulfilAll, PATIENCE, assert_once, caught_up, charged, control, fulfil, id, place, rewind_by_hand, settings,
    status, until,
};

async fn put_unreadable<S: EventStore>(store: &S) {
    let unknown = NewEvent::new("order.forgotten", 1, "{}");
    let stream = StreamId::new("order", "old").unwrap();
    store.append(Append::new(stream, ExpectedVersion::Any, vec![unknown])).await.unwrap();
}

pub async fn what_is_history_leads_to_nothing_and_is_not_even_read<S: ReadModelStore>(store: S) {
    place(&store, "7", "old").await;
    put_unreadable(&store).await;
    let end = store.log_end().await.unwrap();
    let running = fulfil(&store, OnFailure::stop()).await;
    caught_up(&running).await;
    let seen = status(&store, "fulfil").await;
    assert_eq!((seen.position, seen.events), (end, 0), "the checkpoint moves all the same");
    place(&store, "7", "new").await;
    caught_up(&running).await;
    running.stop().await;
    assert_eq!(charged(&store).await, ["new"]);
}

pub async fn one_that_begins_at_the_first_event_makes_up_for_all<S: ReadModelStore>(store: S) {
    for n in 0..20 {
        place(&store, "7", &format!("ring {n}")).await;
    }
    let start = || Runner::new(store.clone()).settings(settings().batch(4)).react(FulfilAll).start();
    for _ in 0..2 {
        let running = start().await.unwrap();
        caught_up(&running).await;
        running.stop().await;
        assert_once(&store).await;
        place(&store, "7", "one more").await;
    }
    assert_eq!(status(&store, "fulfil_all").await.live_from, Position::START);
    assert_eq!(charged(&store).await.len(), 21);
}

pub async fn a_rebuild_and_a_rewind_are_refused<S: ReadModelStore>(store: S) {
    let running = fulfil(&store, OnFailure::stop()).await;
    place(&store, "7", "one").await;
    caught_up(&running).await;
    for word in [Control::Rebuild, Control::Rewind { to: Position::START }] {
        let refused = store.control(&id("fulfil"), word).await.unwrap_err().to_string();
        assert_eq!(
            refused,
            "projection `fulfil v1` cannot be rebuilt or rewound: it reacts to events, and would do again what it has done"
        );
    }
    place(&store, "7", "two").await;
    running.catch_up_within(PATIENCE).await.expect("it goes on, and was not disturbed");
    running.stop().await;
    assert_once(&store).await;
}

fn registration() -> Registration {
    Registration::new(id("fulfil"), ReadModelKind::Reactor)
}

pub async fn a_name_is_a_reactor_for_ever<S: ReadModelStore>(store: S) {
    store.register(&Registration::new(id("fulfil"), ReadModelKind::Documents)).await.unwrap();
    let refused = Runner::new(store.clone()).react(Fulfil::default()).start().await.unwrap_err();
    let es_core::StartError::Store(error @ Error::Setup { .. }) = &refused else { panic!("{refused:?}") };
    let expected = "projection `fulfil v1` is kept as documents, and cannot be a reactor now: give it another name, or a \
                    new version";
    assert_eq!(error.to_string(), expected);
}

/// One part has passed over some of it, the other over nothing, and they meet in the middle.
pub async fn a_division_in_the_midst_of_history_passes_over_the_rest<S: ReadModelStore>(store: S) {
    for order in ["7", "8", "9"] {
        place(&store, order, "old").await;
    }
    let mut halved = registration();
    halved.parts = 2;
    store.register(&halved).await.unwrap();
    let claimed = store.claim(&halved.id, 0, uuid::Uuid::now_v7(), PATIENCE).await.unwrap();
    let Claim::Granted(lease) = claimed else { panic!("nobody works: {claimed:?}") };
    let mut transaction = store.begin().await.unwrap();
    transaction.advance(&lease, Position(1), 0).await.unwrap();
    transaction.commit().await.unwrap();
    store.release(&lease).await.unwrap();

    control(&store, Fulfil::NAME, Control::Divide { parts: 3 }).await;
    let running = fulfil(&store, OnFailure::stop()).await;
    until("it is divided", || async { status(&store, "fulfil").await.parts.len() == 3 }).await;
    place(&store, "7", "new").await;
    caught_up(&running).await;
    running.stop().await;
    assert_eq!(charged(&store).await, ["new"]);
}

/// The parts of a reactor meet at the start of the log, before any of them has looked at it.
pub async fn a_division_before_its_start_passes_over_history_too<S: ReadModelStore>(store: S) {
    for order in ["7", "8", "9"] {
        place(&store, order, "old").await;
    }
    store.register(&registration()).await.unwrap();
    control(&store, Fulfil::NAME, Control::Divide { parts: 3 }).await;
    let running = fulfil(&store, OnFailure::stop()).await;
    until("it is divided", || async { status(&store, "fulfil").await.parts.len() == 3 }).await;
    place(&store, "7", "new").await;
    caught_up(&running).await;
    control(&store, Fulfil::NAME, Control::Divide { parts: 2 }).await;
    until("it is divided anew", || async { status(&store, "fulfil").await.parts.len() == 2 }).await;
    place(&store, "8", "newer").await;
    caught_up(&running).await;
    running.stop().await;
    assert_eq!(charged(&store).await, ["new", "newer"]);

    // Moved back by hand, to a history that ends at the start.
    rewind_by_hand(&store, "fulfil").await;
    let running = fulfil(&store, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    let mut charged = charged(&store).await;
    charged.sort_unstable();
    assert_eq!(charged, ["new", "newer", "old", "old", "old"], "what was done is not done again");
}
