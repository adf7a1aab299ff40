//! What to measure, and how much of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::Result;
use crate::systems::NAMES;
use crate::workload::{self, Workload};

const OPTIONS: &str = "
options
  --quick           a little of everything, to see that it works (some minutes)
  --rounds N        how often each system has its turn (3)
  --seconds N       when a turn of commands ends, if it has not ended before (2)
  --operations N    how many commands a turn has at most (4,000)
  --clients A,B     only these numbers of clients, of those that a workload has
  --accounts N      how many accounts they belong to (1,000)
  --events N        how many events catch-up projects (200,000)
  --few N           how many of them for the systems that commit each event by itself (3,000)
  --batch N         events in a batch, for those that can choose (20,000)
  --chunk N         events in a chunk of evento (30,000)
  --connections N   in the pool of each system (10)
  --only A,B        only systems whose name contains one of these
  --charts DIR      draw the figures as SVG in this directory
  --list            the names of the systems

It starts a PostgreSQL of its own, with durable settings. To measure another server, set BENCH_DATABASE_URL to a database on
it whose role may create databases; the benchmark makes its own there and drops them at the end.";

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) rounds: u32,
    pub(crate) turn: Duration,
    pub(crate) operations: u32,
    pub(crate) accounts: u32,
    pub(crate) events: u32,
    /// For those that commit each event by itself.
    pub(crate) few: u32,
    pub(crate) batch: u32,
    pub(crate) chunk: u32,
    pub(crate) connections: u32,
    pub(crate) charts: Option<PathBuf>,
    /// Small tables, short turns: the figures are worth nothing.
    pub(crate) quick: bool,
    only: Vec<String>,
    clients: Vec<u32>,
}

impl Options {
    fn full() -> Self {
        Self {
            workloads: Vec::new(),
            rounds: 3,
            turn: Duration::from_secs(2),
            operations: 4_000,
            accounts: 1_000,
            events: 200_000,
            few: 3_000,
            batch: 20_000,
            chunk: 30_000,
            connections: 10,
            charts: None,
            quick: false,
            only: Vec::new(),
            clients: Vec::new(),
        }
    }

    fn quick() -> Self {
        let turn = Duration::from_millis(300);
        Self { rounds: 2, turn, operations: 300, accounts: 100, events: 10_000, few: 500, quick: true, ..Self::full() }
    }

    pub(crate) fn from_arguments() -> Result<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let mut options = if arguments.iter().any(|word| word == "--quick") { Self::quick() } else { Self::full() };
        let mut words = arguments.into_iter().filter(|word| word != "--quick");
        while let Some(word) = words.next() {
            if let Some(workload) = Workload::named(&word) {
                options.workloads.push(workload);
            } else {
                options.set(&word, &mut words)?;
            }
        }
        if options.workloads.is_empty() {
            options.workloads = workload::usual();
        }
        options.check()
    }

    fn set(&mut self, name: &str, words: &mut impl Iterator<Item = String>) -> Result<()> {
        let mut value = || words.next().ok_or_else(|| format!("`{name}` wants something behind it"));
        let number = |text: String| match text.replace([',', '_'], "").parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("`{name}` wants a number behind it, not `{text}`")),
        };
        match name {
            "--rounds" => self.rounds = number(value()?)?,
            "--seconds" => self.turn = Duration::from_secs(number(value()?)?.into()),
            "--operations" => self.operations = number(value()?)?,
            "--accounts" => self.accounts = number(value()?)?,
            "--events" => self.events = number(value()?)?,
            "--few" => self.few = number(value()?)?,
            "--batch" => self.batch = number(value()?)?,
            "--chunk" => self.chunk = number(value()?)?,
            "--connections" => self.connections = number(value()?)?,
            "--only" => self.only = value()?.split(',').map(str::to_owned).collect(),
            "--clients" => {
                let numbers =
                    value()?.split(',').map(|one| number(one.to_owned())).collect::<std::result::Result<_, _>>();
                self.clients = numbers?;
            }
            "--charts" => self.charts = Some(value()?.into()),
            "--list" => quit(&NAMES.join("\n")),
            "--help" | "-h" => quit(&usage()),
            unknown => return Err(format!("there is no option or workload `{unknown}`\n\n{}", usage()).into()),
        }
        Ok(())
    }

    fn check(self) -> Result<Self> {
        if [self.events, self.few].iter().any(|events| !events.is_multiple_of(self.accounts)) {
            return Err("the events must be a multiple of the accounts: each account has as many as the others".into());
        }
        Ok(self)
    }

    pub(crate) fn wants_clients(&self, clients: u32) -> bool {
        self.clients.is_empty() || self.clients.contains(&clients)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

fn usage() -> String {
    format!(
        "usage: cargo run --release --manifest-path benches/peers/Cargo.toml [-- [WORKLOAD]… [OPTIONS]]\n\n\
         workloads (all but the last, where none is named)\n{}{OPTIONS}",
        workload::list()
    )
}

fn quit(text: &str) -> ! {
    println!("{text}");
    std::process::exit(0)
}
