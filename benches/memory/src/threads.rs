//! The same commands by one thread and by two, and how long they take.

use std::fmt::Write;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use es_memory::MemoryStore;

use crate::Result;
use crate::commands::{KINDS, Kind};

/// Other work on the machine makes a slice slower and never faster, so the best of several is the truest.
const ROUNDS: usize = 50;

const HEAD: &str = "\
| commands | ns, one thread | per s | ns, two threads | per s | two ÷ one |
|---|---:|---:|---:|---:|---:|
";

pub(crate) fn table() -> Result<String> {
    let mut best = [(f64::INFINITY, f64::INFINITY); KINDS.len()];
    for _ in 0..ROUNDS {
        for (kind, (one, two)) in KINDS.iter().zip(&mut best) {
            *one = one.min(slice(*kind, 1)?);
            *two = two.min(slice(*kind, 2)?);
        }
    }
    let mut table = HEAD.to_owned();
    for (kind, (one, two)) in KINDS.iter().zip(best) {
        let (rate_one, rate_two) = (per_second(one), per_second(two));
        writeln!(table, "| {} | {one:.0} | {rate_one} | {two:.0} | {rate_two} | {:.2} |", kind.name, one / two)?;
    }
    Ok(table)
}

fn per_second(nanos: f64) -> String {
    let rate = (1e9 / nanos).round() as u64;
    match rate / 1_000_000 {
        0 => format!("{},{:03}", rate / 1_000, rate % 1_000),
        millions => format!("{millions},{:03},{:03}", rate / 1_000 % 1_000, rate % 1_000),
    }
}

/// How many nanoseconds pass from one command to the next, of whichever thread.
fn slice(kind: Kind, threads: usize) -> Result<f64> {
    let store = MemoryStore::new();
    let ids: Vec<Vec<String>> = (0..threads).map(|thread| kind.ids(thread)).collect();
    let ready = Barrier::new(threads + 1);
    let nanos = thread::scope(|scope| {
        let running: Vec<_> = ids.iter().map(|ids| scope.spawn(|| run(kind, &store, ids, &ready))).collect();
        ready.wait();
        let began = Instant::now();
        for thread in running {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok::<_, crate::Error>(began.elapsed().as_nanos())
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for ids in &ids {
        runtime.block_on(kind.check(&store, ids))?;
    }
    Ok(nanos as f64 / (kind.commands() * threads) as f64)
}

fn run(kind: Kind, store: &MemoryStore, ids: &[String], ready: &Barrier) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    ready.wait();
    runtime.block_on(kind.run(store, ids))
}
