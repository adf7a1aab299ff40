//! Each command of each event takes effect once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::{
    Append, BoxError, Control, EventStore, ExpectedVersion, IdempotencyKey, IntoCommands, InvalidIdempotencyKey, Keyed,
    NewEvent, OnFailure, Reaction, Reactor, ReadModelStore, Recorded, Runner, StopReason, StreamId, WaitError,
};
use uuid::Uuid;

use crate::domain::{Charge, OrderEvent, Reserve, charge_for, reserve_for};
use crate::fragile::Fragile;
use crate::support::{
    Fulfil, PATIENCE, assert_once, caught_up, charged, control, fulfil, letters, orders, place, registered, reserved,
    reserved_for, rewind_by_hand, settings, status,
};

pub async fn a_reaction_takes_effect_once_each_command<S: ReadModelStore>(store: S) {
    let running = fulfil(&store, OnFailure::stop()).await;
    for n in 0..40 {
        place(&store, &format!("order {}", n % 7), &format!("ring {n}")).await;
    }
    caught_up(&running).await;
    assert_once(&store).await;
    assert_eq!(charged(&store).await, (0..40).map(|n| format!("ring {n}")).collect::<Vec<_>>(), "in log order");
    assert_eq!(status(&store, "fulfil").await.events, 40);
    running.stop().await;
}

/// One of several commands.
#[derive(Debug, PartialEq)]
enum Step {
    Reserve(Reserve),
    Charge(Charge),
}

impl IntoCommands for Step {
    async fn execute<S: EventStore>(self, reaction: &mut Reaction<'_, S>) -> Result<(), BoxError> {
        match self {
            Self::Reserve(command) => reaction.execute(command).await,
            Self::Charge(command) => reaction.execute(command).await,
        }
    }
}

struct Shapes;

impl Reactor for Shapes {
    const NAME: &'static str = "shapes";
    type Event = OrderEvent;
    type Commands = (Vec<Step>, Option<Reserve>, [Reserve; 2], (), (Charge,));

    fn react(&self, event: &Recorded<OrderEvent>) -> Self::Commands {
        let reserve = |name: &str| reserve_for(event.stream.id(), name);
        let steps = vec![Step::Reserve(reserve("1")), Step::Charge(charge_for("a")), Step::Reserve(reserve("2"))];
        let third = matches!(event.event, OrderEvent::Placed { .. }).then(|| reserve("3"));
        (steps, third, [reserve("4"), reserve("4")], (), (charge_for("b"),))
    }
}

pub async fn commands_of_all_shapes_are_executed_in_order<S: ReadModelStore>(store: S) {
    let shapes = || Runner::new(store.clone()).settings(settings()).react(Shapes).start();
    let running = shapes().await.unwrap();
    place(&store, "7", "ring").await;
    caught_up(&running).await;
    running.stop().await;
    rewind_by_hand(&store, "shapes").await;
    let running = shapes().await.unwrap();
    caught_up(&running).await;
    running.stop().await;
    assert_eq!(reserved_for(&store, "7").await, ["1", "2", "3", "4", "4"], "equal commands are two commands");
    assert_eq!(charged(&store).await, ["a", "b"]);
}

pub async fn what_comes_again_changes_nothing<S: ReadModelStore>(store: S) {
    let running = fulfil(&store, OnFailure::stop()).await;
    for n in 0..10 {
        place(&store, "7", &format!("ring {n}")).await;
    }
    caught_up(&running).await;
    running.stop().await;
    let end = store.log_end().await.unwrap();
    for _ in 0..3 {
        rewind_by_hand(&store, "fulfil").await;
        let running = fulfil(&store, OnFailure::stop()).await;
        caught_up(&running).await;
        running.stop().await;
        assert_eq!(store.log_end().await.unwrap(), end, "nothing was appended");
    }
    assert_eq!(status(&store, "fulfil").await.events, 10, "all came again");
    assert_once(&store).await;
}

/// What `Fulfil` may become.
struct Changed {
    order: Option<&'static str>,
}

impl Reactor for Changed {
    const NAME: &'static str = Fulfil::NAME;
    type Event = OrderEvent;
    type Commands = Reserve;

    fn react(&self, event: &Recorded<OrderEvent>) -> Reserve {
        reserve_for(self.order.unwrap_or(event.stream.id()), "something else")
    }
}

pub async fn what_a_later_release_makes_of_a_done_command_changes_nothing<S: ReadModelStore>(store: S) {
    let running = fulfil(&store, OnFailure::stop()).await;
    place(&store, "7", "ring").await;
    caught_up(&running).await;
    running.stop().await;
    rewind_by_hand(&store, "fulfil").await;
    let changed = Runner::new(store.clone()).settings(settings()).react(Changed { order: None });
    let running = changed.start().await.unwrap();
    caught_up(&running).await;
    running.stop().await;
    assert_once(&store).await;
}

pub async fn a_done_command_that_goes_elsewhere_now_is_told<S: ReadModelStore>(store: S) {
    let running = fulfil(&store, OnFailure::stop()).await;
    place(&store, "7", "ring").await;
    caught_up(&running).await;
    running.stop().await;
    rewind_by_hand(&store, "fulfil").await;
    let changed = Runner::new(store.clone()).settings(settings()).react(Changed { order: Some("8") });
    let running = changed.start().await.unwrap();
    let (_, reason) = running.stopped().await;
    let StopReason::Failed { attempts, error, .. } = &reason else { panic!("{reason:?}") };
    assert!(error.contains("was used for another command") && error.contains("stock-7"), "{error}");
    assert_eq!(*attempts, 1, "trying again does not help");
    running.stop().await;
    assert_once(&store).await;
}

pub async fn nobody_takes_the_key_of_a_reaction<S: ReadModelStore>(store: S) {
    registered(&store).await;
    place(&store, "7", "ring").await;
    let event = orders(&store).await[0].id;
    for n in 1..=2 {
        // As clients with the names `reaction` and `~es` would choose theirs.
        let keys = [format!("reaction/fulfil/{event}/{n}"), format!("~es/reaction/fulfil/{event}/{n}")];
        let [key, own] = keys.map(IdempotencyKey::try_from);
        assert_eq!(own, Err(InvalidIdempotencyKey::Reserved));
        let noted = vec![NewEvent::new("elsewhere.noted", 1, "{}")];
        let append = Append::new(StreamId::new("elsewhere", "1").unwrap(), ExpectedVersion::Any, noted);
        store.append(append.keyed(Keyed::new(key.unwrap(), Uuid::nil()))).await.unwrap();
    }
    let running = fulfil(&store, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    assert_once(&store).await;
}

pub async fn a_failure_behind_the_first_command_repeats_only_the_second<S: ReadModelStore>(store: S) {
    registered(&store).await;
    for n in 0..3 {
        place(&store, "7", &format!("ring {n}")).await;
    }
    // The second command of the second event fails twice.
    let fails = Fragile::failing_appends(store.clone(), 3, 2);
    let running = fulfil(&fails, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    assert_once(&store).await;

    // And for ever, as far as the policy is concerned.
    place(&store, "8", "last").await;
    let fails = Fragile::failing_appends(store.clone(), 1, u32::MAX);
    let running = fulfil(&fails, OnFailure::stop()).await;
    let (_, reason) = running.stopped().await;
    let failed = matches!(&reason, StopReason::Failed { attempts: 3, error, .. } if error.contains("the disk is full"));
    assert!(failed, "{reason:?}");
    running.stop().await;
    assert_eq!(reserved_for(&store, "8").await, ["last"], "the first command is done");
    let running = fulfil(&store, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    assert_once(&store).await;
    assert!(letters(&store, "fulfil").await.is_empty());
}

/// More often than a command is tried, and than the policy allows: trouble that passes does not count.
pub async fn trouble_that_passes_is_waited_out<S: ReadModelStore>(store: S) {
    registered(&store).await;
    for n in 0..3 {
        place(&store, "7", &format!("ring {n}")).await;
    }
    let troubled = Fragile::troubled(store.clone(), 3, 4 * es_core::Retry::DEFAULT_ATTEMPTS);
    let running = fulfil(&troubled, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    assert_once(&store).await;
    assert!(letters(&store, "fulfil").await.is_empty());
}

/// Pauses take the lease away from whoever is in the middle of a reaction, and either runner may go on.
pub async fn two_runners_whose_leases_are_taken_away<S: ReadModelStore>(store: S) {
    let short = settings().lease(Duration::from_millis(300));
    let start = || Runner::new(store.clone()).settings(short).react(Fulfil::default()).start();
    let (one, two) = (start().await.unwrap(), start().await.unwrap());
    let done = Arc::new(AtomicBool::new(false));
    let words = tokio::spawn({
        let (store, done) = (store.clone(), Arc::clone(&done));
        async move {
            while !done.load(Ordering::SeqCst) {
                control(&store, "fulfil", Control::Pause).await;
                control(&store, "fulfil", Control::Resume).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    });
    for n in 0..60 {
        place(&store, &format!("order {}", n % 5), &format!("ring {n}")).await;
    }
    // For moments it is paused, which is for whoever waits to sit out.
    while matches!(one.catch_up_within(PATIENCE).await, Err(WaitError::Paused { .. })) {}
    done.store(true, Ordering::SeqCst);
    words.await.unwrap();
    for running in [one, two] {
        caught_up(&running).await;
        running.stop().await;
    }
    assert_once(&store).await;
}

pub async fn parts_react_side_by_side<S: ReadModelStore>(store: S) {
    let divided = Runner::new(store.clone()).settings(settings().parts(6)).react(Fulfil::default());
    let running = divided.start().await.unwrap();
    for n in 0..60 {
        place(&store, &format!("order {}", n % 20), &format!("ring {n}")).await;
    }
    caught_up(&running).await;
    running.stop().await;
    assert_once(&store).await;
    for order in 0..20 {
        let expected: Vec<String> = [0, 20, 40].map(|n| format!("ring {}", n + order)).into();
        assert_eq!(reserved_for(&store, &format!("order {order}")).await, expected, "each stream in order");
    }
    assert_eq!(reserved(&store).await.len(), 60);
}
