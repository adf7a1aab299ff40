//! From the return of an append to the moment when its effect can be read.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use es_core::{ReadModels, Runner};
use es_postgres::{PgStore, WakeUps};
use es_test_support::Server;
use tokio::sync::mpsc;

use crate::domain::{Total, deposit, migrated, percentile, store};

/// On average. The gaps are random, as those of independent callers are.
const APPENDS_A_SECOND: f64 = 100.0;

enum Where {
    Here,
    Elsewhere,
}

pub(crate) async fn measure(server: &Server, seconds: u64) {
    println!("From append to effect, {APPENDS_A_SECOND} appends/s for {seconds} s each:");
    println!("| the projection runs | p50 ms | p99 ms | max ms | appends |\n|---|---:|---:|---:|---:|");
    for (name, place, wake_ups) in [
        ("in the same process", Where::Here, WakeUps::WithinProcess),
        ("in another process, polling only", Where::Elsewhere, WakeUps::WithinProcess),
        ("in another process, with wake-ups", Where::Elsewhere, WakeUps::AcrossProcesses),
        ("in the same process, with wake-ups across", Where::Here, WakeUps::AcrossProcesses),
    ] {
        let database = migrated(server).await;
        let writer = store(database.url(), wake_ups).await;
        let mut runner = None;
        let mut child = None;
        match place {
            Where::Here => runner = Some(Runner::new(writer.clone()).document::<Total>().start().await.unwrap()),
            Where::Elsewhere => child = Some(start(database.url(), wake_ups)),
        }
        let mut latencies = latencies(&writer, Duration::from_secs(seconds)).await;
        latencies.sort_unstable();
        let ms = |percent| percentile(&latencies, percent).as_secs_f64() * 1_000.0;
        println!("| {name} | {:.1} | {:.1} | {:.1} | {} |", ms(50), ms(99), ms(100), latencies.len());
        if let Some(runner) = runner {
            runner.stop().await;
        }
        if let Some(mut child) = child {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}

/// The other process, when it is ready.
fn start(url: &str, wake_ups: WakeUps) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([crate::PROJECT, url, crate::name(wake_ups)]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    child
}

/// What the other process does, until its parent closes the pipe.
pub(crate) async fn project(url: &str, wake_ups: WakeUps) {
    let running = Runner::new(store(url, wake_ups).await).document::<Total>().start().await.unwrap();
    running.catch_up().await.unwrap();
    println!("ready");
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    end.await.unwrap().unwrap();
    running.stop().await;
}

async fn latencies(writer: &PgStore, length: Duration) -> Vec<Duration> {
    let (returned, appends) = mpsc::unbounded_channel();
    let reader = writer.clone();
    let watching = tokio::spawn(watch(reader, appends));
    let (begun, mut random) = (Instant::now(), 1_u64);
    let mut due = begun;
    while due < begun + length {
        tokio::time::sleep_until(due.into()).await;
        deposit(writer, random % 1_000).await;
        returned.send(Instant::now()).unwrap();
        due += gap(&mut random);
    }
    drop(returned);
    watching.await.unwrap()
}

/// An exponentially distributed time.
fn gap(random: &mut u64) -> Duration {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let part = ((*random >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
    Duration::from_secs_f64(-part.ln() / APPENDS_A_SECOND)
}

/// Reads the document over and over while an append is not in it yet. There is one writer, so events count in its order.
async fn watch(reader: PgStore, mut appends: mpsc::UnboundedReceiver<Instant>) -> Vec<Duration> {
    let documents = reader.documents::<Total>().unwrap();
    let (mut latencies, mut invisible) = (Vec::new(), VecDeque::new());
    while let Some(returned) = if invisible.is_empty() { appends.recv().await } else { invisible.pop_front() } {
        invisible.push_front(returned);
        let total = documents.get(Total::KEY).await.unwrap().map_or(0, |total| total.events);
        let now = Instant::now();
        while let Ok(returned) = appends.try_recv() {
            invisible.push_back(returned);
        }
        while latencies.len() < total
            && let Some(returned) = invisible.pop_front()
        {
            latencies.push(now.saturating_duration_since(returned));
        }
    }
    latencies
}
