//! What to measure, and how much of it.

use crate::Result;
use crate::systems::NAMES;

const USAGE: &str = "\
usage: cargo run --release --manifest-path benches/peers/Cargo.toml -- WORKLOAD [OPTIONS]

workloads
  catch-up          stored events into a balance for each account (a quarter of an hour: some systems are slow)
  command           load, decide, append, by 1, 16 and 64 clients at a time

options
  --events N        how many events catch-up projects (200,000)
  --few N           how many of them for the systems that commit each event by itself (as many as for the others)
  --operations N    how many commands a turn has (2,000)
  --accounts N      how many accounts they belong to (1,000)
  --rounds N        how often each system has its turn (3)
  --batch N         events in a batch, for those that can choose (10,000)
  --chunk N         events in a chunk of evento (30,000)
  --connections N   in the pool of each system (10)
  --only A,B        only systems whose name contains one of these
  --list            the names

It starts a PostgreSQL of its own, with durable settings. To measure another server, set BENCH_DATABASE_URL to a database on
it whose role may create databases; the benchmark makes its own there and drops them at the end.";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Workload {
    CatchUp,
    Command,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) workload: Workload,
    pub(crate) events: u32,
    /// For those that commit each event by itself.
    pub(crate) few: Option<u32>,
    pub(crate) operations: u32,
    pub(crate) accounts: u32,
    pub(crate) rounds: u32,
    pub(crate) batch: u32,
    pub(crate) chunk: u32,
    pub(crate) connections: u32,
    only: Vec<String>,
}

impl Options {
    fn new(workload: Workload) -> Self {
        Self {
            workload,
            events: 200_000,
            few: None,
            operations: 2_000,
            accounts: 1_000,
            rounds: 3,
            batch: 10_000,
            chunk: 30_000,
            connections: 10,
            only: Vec::new(),
        }
    }

    pub(crate) fn from_arguments() -> Result<Self> {
        let mut arguments = std::env::args().skip(1);
        let mut options = match arguments.next().as_deref() {
            Some("catch-up") => Self::new(Workload::CatchUp),
            Some("command") => Self::new(Workload::Command),
            Some("--list") => quit(&NAMES.join("\n")),
            _ => quit(USAGE),
        };
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.replace([',', '_'], "").parse().ok());
            let place = match argument.as_str() {
                "--events" => &mut options.events,
                "--few" => options.few.insert(0),
                "--operations" => &mut options.operations,
                "--accounts" => &mut options.accounts,
                "--rounds" => &mut options.rounds,
                "--batch" => &mut options.batch,
                "--chunk" => &mut options.chunk,
                "--connections" => &mut options.connections,
                "--only" => {
                    let names = arguments.next().unwrap_or_default();
                    options.only = names.split(',').map(str::to_owned).collect();
                    continue;
                }
                "--list" => quit(&NAMES.join("\n")),
                "--help" | "-h" => quit(USAGE),
                unknown => return Err(format!("there is no option `{unknown}`\n\n{USAGE}").into()),
            };
            *place = number().filter(|n| *n > 0).ok_or_else(|| format!("`{argument}` wants a number behind it"))?;
        }
        options.check()
    }

    fn check(self) -> Result<Self> {
        if self.events % self.accounts != 0 || self.few.is_some_and(|few| few % self.accounts != 0) {
            return Err("the events must be a multiple of the accounts: each account has as many as the others".into());
        }
        Ok(self)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

fn quit(text: &str) -> ! {
    println!("{text}");
    std::process::exit(0)
}
