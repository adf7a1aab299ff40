//! What announcing costs those who append.

use std::time::{Duration, Instant};

use es_core::EventStore;
use es_postgres::{PgStore, WakeUps};
use es_test_support::Server;
use tokio::task::JoinSet;

use crate::domain::{deposit, migrated, percentile, store};

const WRITERS: u64 = 16;
const SLICE: Duration = Duration::from_secs(1);

/// Slices of both sides in turns; who begins changes from round to round.
pub(crate) async fn measure(server: &Server, rounds: u64) {
    let database = migrated(server).await;
    let without = store(database.url(), WakeUps::WithinProcess).await;
    let with = store(database.url(), WakeUps::AcrossProcesses).await;
    for warm_up in [&without, &with] {
        appends(warm_up, 0).await;
    }
    let (mut plain, mut announced, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (a, b) = if round % 2 == 0 {
            let a = appends(&without, round).await;
            (a, appends(&with, round).await)
        } else {
            let b = appends(&with, round).await;
            (appends(&without, round).await, b)
        };
        plain.push(a);
        announced.push(b);
        ratios.push(b / a);
    }
    for all in [&mut plain, &mut announced, &mut ratios] {
        all.sort_unstable_by(f64::total_cmp);
    }
    println!("Appends of one event, {WRITERS} writers, medians of {rounds} rounds of {SLICE:?} each:");
    println!("- within the process: {:.0}/s", percentile(&plain, 50));
    println!("- announced to other processes: {:.0}/s", percentile(&announced, 50));
    let [low, middle, high] = [25, 50, 75].map(|percent| percentile(&ratios, percent));
    println!("- with ÷ without: {middle:.2} ({low:.2} to {high:.2})");
}

/// So many in a second, each writer on streams of its own.
async fn appends(store: &PgStore, round: u64) -> f64 {
    // What the other side has left without a place.
    store.log_end().await.unwrap();
    let (begun, mut writers) = (Instant::now(), JoinSet::new());
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let mut done = 0_u64;
            while begun.elapsed() < SLICE {
                deposit(&store, (round * WRITERS + writer) * 1_000 + done % 1_000).await;
                done += 1;
            }
            done
        });
    }
    let done: u64 = writers.join_all().await.into_iter().sum();
    done as f64 / begun.elapsed().as_secs_f64()
}
