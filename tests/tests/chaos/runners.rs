//! Processes that run the projections, and end in every way there is.

use std::time::Duration;

use es_core::{ProjectionId, Running, StopReason};

use crate::Run;
use crate::homes::{Home, Process};
use crate::random::Random;
use crate::readers::runner;
use crate::words::second_tally;

pub async fn come_and_go<H: Home>(run: Run<H>, actor: u64) {
    let mut random = run.random(actor);
    while run.goes_on() {
        let (process, home, mut choices) = (Process::new(), run.home.clone(), Random::of(random.next(), 0));
        let started = process.run(async move { runner(home.open().await, &mut choices, 4).start().await }).await;
        match started {
            Ok(running) => end(process, running, &mut random).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Lets it run for a while, and ends it.
async fn end<S: es_core::ReadModelStore>(process: Process, running: Running<S>, random: &mut Random) {
    let a_while = Duration::from_millis(50 + random.below(1200));
    let way = random.below(5);
    let deadline = Duration::from_millis(random.below(60));
    let reasons = process.run(async move {
        tokio::select! {
            () = tokio::time::sleep(a_while) => {}
            (id, reason) = running.stopped() => check(&id, &reason),
        }
        match way {
            0 | 1 => running.stop().await,
            2 => running.stop_within(deadline).await,
            3 => {
                drop(running);
                tokio::time::sleep(deadline).await;
                Vec::new()
            }
            // Killed, inside whatever it does.
            _ => {
                std::mem::forget(running);
                Vec::new()
            }
        }
    });
    for (id, reason) in reasons.await {
        check(&id, &reason);
    }
    process.kill();
}

/// Nobody stops without having been asked to, but for those whose projection is there no more.
fn check(id: &ProjectionId, reason: &StopReason) {
    let is_gone = *id == second_tally() && *reason == StopReason::Dropped;
    assert!(*reason == StopReason::Asked || is_gone, "{id} stopped: {reason}");
}
