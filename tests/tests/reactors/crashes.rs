//! The process dies at any point of a reaction, and another one takes over.

use std::time::Duration;

use es_core::{OnFailure, ReadModelStore};

use crate::fragile::Fragile;
use crate::support::{assert_once, caught_up, charged, fulfil, place, registered};

/// More points than a reaction has.
const MANY: u32 = 100;

/// Before and behind each call that a reaction of two commands is made of, and that its checkpoint is moved by.
pub async fn a_crash_at_any_point_changes_nothing<S: ReadModelStore>(store: S) {
    registered(&store).await;
    for point in 1..MANY {
        let dies = Fragile::dying_at(store.clone(), point);
        let running = fulfil(&dies, OnFailure::stop()).await;
        place(&store, &format!("order {point}"), &format!("ring {point}")).await;
        let is_dead = tokio::select! {
            () = dies.died() => true,
            () = caught_up(&running) => false,
        };
        // Nothing is finished, as in a process that is killed; its lease need not be waited for, though.
        running.stop_within(Duration::ZERO).await;
        let running = fulfil(&store, OnFailure::stop()).await;
        caught_up(&running).await;
        running.stop().await;
        assert_once(&store).await;
        assert_eq!(charged(&store).await.len(), point as usize);
        if !is_dead {
            assert!(point > 12, "there are points at which it may die: {point}");
            return;
        }
    }
    panic!("it never comes to an end");
}

/// Also while the store is at work, which may finish what nobody waits for any more.
pub async fn whatever_is_cut_off_is_done_once<S: ReadModelStore>(store: S) {
    registered(&store).await;
    for round in 0..60_u64 {
        for order in 0..4 {
            place(&store, &format!("order {order}"), &format!("ring {round} {order}")).await;
        }
        let running = fulfil(&store, OnFailure::stop()).await;
        tokio::time::sleep(Duration::from_micros(round * 7 % 23 * 400)).await;
        running.stop_within(Duration::ZERO).await;
    }
    let running = fulfil(&store, OnFailure::stop()).await;
    caught_up(&running).await;
    running.stop().await;
    assert_once(&store).await;
}
