//! What the framework costs beside SQL written by hand: `cargo run --release -p es-benches`.
//!
//! Every figure is taken in turns (ours, by hand, ours, by hand, …) on one server with durable settings, and compared within
//! a turn, because machines differ and also differ from one second to the next. It prints Markdown on standard output; what
//! it is doing meanwhile goes to standard error. See docs/BENCHMARKS.md.

mod options;
mod domain;
mod ledger;
mod ours;
mod by_hand;
mod in_memory;
mod cpu;
mod slice;
mod race;
mod place;
mod scenario;
mod machine;
mod report;

use options::Options;
use place::Place;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// One thread, because one client has no use for more, and a second one would only add its own wake-ups to both sides.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let place = Place::find().await?;
    let outcome = scenario::run_all(&options, &place).await;
    // Also after a failure: a database that was named belongs to somebody.
    let left = place.leave().await;
    print!("{}", outcome?);
    left
}
