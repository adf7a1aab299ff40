//! How long to measure.

use std::time::Duration;

use crate::Result;

const USAGE: &str = "\
usage: cargo run --release -p es-benches [-- OPTIONS]

  --seconds N   measure for about N seconds (150 by default), besides filling the tables
  --quick       measure for 15 seconds on small tables, to see that it works

It starts a PostgreSQL of its own, with durable settings. To measure another one, set BENCH_DATABASE_URL; the benchmark makes
schemas of its own there and drops them at the end.";

#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) budget: Duration,
    /// How many streams of 100 events lie in each table before anything is measured.
    pub(crate) background: usize,
}

impl Options {
    const FULL: Self = Self { budget: Duration::from_secs(150), background: 1_000 };
    const QUICK: Self = Self { budget: Duration::from_secs(15), background: 50 };

    pub(crate) fn from_arguments() -> Result<Self> {
        let mut options = Self::FULL;
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match (argument.as_str(), &mut arguments) {
                ("--quick", _) => options = Self::QUICK,
                ("--seconds", rest) => options.budget = seconds(rest.next())?,
                ("--help" | "-h", _) => {
                    println!("{USAGE}");
                    std::process::exit(0)
                }
                (unknown, _) => return Err(format!("there is no option `{unknown}`\n\n{USAGE}").into()),
            }
        }
        Ok(options)
    }
}

fn seconds(argument: Option<String>) -> Result<Duration> {
    let number = argument.and_then(|text| text.parse().ok());
    number.map(Duration::from_secs).ok_or_else(|| "`--seconds` wants a number behind it".into())
}
