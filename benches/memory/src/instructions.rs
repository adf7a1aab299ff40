//! How many instructions the hot paths take, beside how many they took when that was last looked at.
//!
//! Other work on a machine changes every time, and no count. So a path that grew by a tenth is seen, where a clock would have to be
//! asked for minutes.

use std::fmt::Write;
use std::process::Command;

use crate::Result;
use crate::hot_paths::Path;

const KEPT: &str = include_str!("../instructions.txt");
const KEPT_AT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
const UPDATE: &str = "cargo run --release -p es-benches-memory -- instructions --update";

const HEAD: &str = "\
# Instructions of the hot paths, each on its own, as `valgrind --tool=callgrind` counts them on 64-bit x86 Linux in a release build.
# Made by: cargo run --release -p es-benches-memory -- instructions --update
";

/// Compilers, C libraries and seeds of hashes differ by so much of a count.
const TOLERANCE: f64 = 0.10;

/// What is counted. The clock is the machine's affair.
const COUNTED: [Path; 6] = [Path::Command, Path::CachedCommand, Path::Fold, Path::Encode, Path::Decode, Path::Id];

/// Compares with the counts that are kept, and fails where one of them holds no more. Without valgrind it says so, and fails nothing.
pub(crate) fn compare() -> Result<()> {
    if !can_count() {
        println!("skipped: there is no `valgrind` to count with, or this is not 64-bit x86 Linux");
        return Ok(());
    }
    println!("| path | instructions | kept | change |\n|---|---:|---:|---:|");
    let mut off = Vec::new();
    for path in COUNTED {
        let (now, kept) = (count(path)?, kept(path)?);
        let change = now as f64 / kept as f64 - 1.0;
        println!("| {} | {now} | {kept} | {:+.1} % |", path.name(), change * 100.0);
        if change.abs() > TOLERANCE {
            off.push(path.name());
        }
    }
    if off.is_empty() {
        return Ok(());
    }
    let (off, tolerance) = (off.join(", "), TOLERANCE * 100.0);
    Err(format!(
        "off by more than {tolerance} %: {off}\nwhere that is meant, or for the better, keep the new counts: {UPDATE}"
    )
    .into())
}

pub(crate) fn update() -> Result<()> {
    let mut table = HEAD.to_owned();
    for path in COUNTED {
        writeln!(table, "{} {}", path.name(), count(path)?)?;
    }
    print!("{table}");
    Ok(std::fs::write(KEPT_AT, table)?)
}

fn can_count() -> bool {
    let is_known = cfg!(all(target_arch = "x86_64", target_os = "linux"));
    is_known && Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn kept(path: Path) -> Result<u64> {
    let found = KEPT.lines().find_map(|line| line.strip_prefix(path.name())?.strip_prefix(' '));
    let count = found.ok_or_else(|| format!("no count of `{}` is kept: {UPDATE}", path.name()))?;
    Ok(count.trim().parse()?)
}

/// Of one time: what a long run takes more than a short one, so that beginning and end count for nothing.
fn count(path: Path) -> Result<u64> {
    let (short, long) = if path == Path::Fold { (5, 25) } else { (500, 3_000) };
    let more = collected(path, long)?.saturating_sub(collected(path, short)?);
    Ok(more / (long - short))
}

fn collected(path: Path, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["path", path.name(), &times.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")?.1.split_whitespace().next());
    match collected {
        Some(count) if output.status.success() => Ok(count.parse()?),
        _ => Err(format!("valgrind counted nothing:\n{said}").into()),
    }
}
