//! What a command costs before any database is asked: `cargo run --release -p es-benches-memory`.
//!
//! It prints Markdown on standard output. With `instructions` it counts those of the hot paths, and compares them with the counts that
//! are kept in `instructions.txt`. See docs/BENCHMARKS.md.

mod domain;
mod commands;
mod threads;
mod hot_paths;
mod instructions;

use std::process::ExitCode;

use hot_paths::Path;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

const USAGE: &str = "\
usage: cargo run --release -p es-benches-memory [-- WHAT]

  (nothing)               commands by one thread and by two, and what the parts of one take, in nanoseconds
  instructions            count the instructions of the hot paths with valgrind, and compare them with those that are kept
  instructions --update   count them, and keep them
  path NAME TIMES         go along a hot path so many times, for a profiler";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => print!("{}\n{}", threads::table()?, hot_paths::table()?),
        ["instructions"] => instructions::compare()?,
        ["instructions", "--update"] => instructions::update()?,
        ["path", name, times] => hot_paths::run(Path::named(name)?, times.parse()?)?,
        ["--help" | "-h"] => println!("{USAGE}"),
        unknown => return Err(format!("`{}` is not among what can be asked for\n\n{USAGE}", unknown.join(" ")).into()),
    }
    Ok(())
}
