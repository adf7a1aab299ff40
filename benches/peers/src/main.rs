//! The same work by es-postgres, by SQL written by hand, and by the other Rust event-sourcing crates, in one run:
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- catch-up`.
//!
//! Each system has a database of its own on one server with durable settings, filled with the same events in the form that
//! its own append gives them. The systems take turns, and every result is compared with the truth before its time counts. It
//! prints Markdown on standard output; what it is doing meanwhile goes to standard error. See docs/BENCHMARKS.md.

mod options;
mod work;
mod place;
mod cpu;
mod machine;
mod system;
mod systems;
mod catch_up;
mod command;
mod report;

use options::{Options, Workload};
use place::Place;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let place = Place::find().await?;
    let report = match options.workload {
        Workload::CatchUp => catch_up::run(&options, &place).await,
        Workload::Command => command::run(&options, &place).await,
    };
    // Also after a failure: a server that was named belongs to somebody.
    let left = place.leave().await;
    print!("{}", report?);
    left
}
