//! The same work by es-postgres, by SQL written by hand, and by the other Rust event-sourcing crates, in one run:
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`, with the names of some workloads, or all of them.
//!
//! Each system has a database of its own on one server with durable settings, filled with the same events in the form that
//! its own append gives them. The systems take turns, and every result is compared with the truth before its time counts. It
//! prints Markdown on standard output; what it is doing meanwhile goes to standard error. See docs/BENCHMARKS.md.

mod options;
mod workload;
mod work;
mod place;
mod cpu;
mod machine;
mod system;
mod systems;
mod number;
mod lane;
mod race;
mod clients;
mod trips;
mod table;
mod chart;
mod command;
mod rehydrate;
mod catch_up;
mod visible;
mod beside;
mod memory;
mod ordering;
mod growth;

use std::time::Instant;

use options::Options;
use place::Place;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let place = Place::find().await?;
    let done = all(&options, &place).await;
    // Also after a failure: a server that was named belongs to somebody.
    place.leave().await?;
    done
}

/// Each is printed as soon as it is done, so that a failure later on does not cost what went before.
async fn all(options: &Options, place: &Place) -> Result<()> {
    println!("{}", machine::describe(&mut place.connect().await?).await?);
    for workload in &options.workloads {
        let (busy, begun) = (cpu::busy(place.postmaster()), Instant::now());
        println!("{}", workload.run(options, place).await?);
        if let Some((busy, now)) = busy.zip(cpu::busy(place.postmaster())) {
            let others = (now.others(busy) / begun.elapsed().as_secs_f64()).max(0.0);
            println!("Other work took {others:.2} cores meanwhile.\n");
        }
    }
    Ok(())
}
