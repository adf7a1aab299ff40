//! Tells the benchmark which compiler built it, and with which driver, so that its report can say so.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=../Cargo.lock");
    println!("cargo:rustc-env=BENCH_RUSTC={}", compiler().unwrap_or_else(|| "an unknown rustc".to_owned()));
    println!("cargo:rustc-env=BENCH_SQLX={}", locked("sqlx").unwrap_or_else(|| "of an unknown version".to_owned()));
}

fn compiler() -> Option<String> {
    let output = Command::new(std::env::var_os("RUSTC")?).arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn locked(package: &str) -> Option<String> {
    let lock = std::fs::read_to_string("../Cargo.lock").ok()?;
    let (_, entry) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(entry.split_once('"')?.0.to_owned())
}
