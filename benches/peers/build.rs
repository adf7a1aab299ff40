//! Tells the benchmark which compiler built it, and with which versions, so that its report can say so.

use std::process::Command;

const PACKAGES: [(&str, &str); 9] = [
    ("es-postgres", "PEERS_ES"),
    ("cqrs-es", "PEERS_CQRS_ES"),
    ("postgres-es", "PEERS_POSTGRES_ES"),
    ("disintegrate", "PEERS_DISINTEGRATE"),
    ("disintegrate-postgres", "PEERS_DISINTEGRATE_POSTGRES"),
    ("esrs", "PEERS_ESRS"),
    ("eventcore", "PEERS_EVENTCORE"),
    ("evento", "PEERS_EVENTO"),
    ("tokio", "PEERS_TOKIO"),
];

fn main() {
    println!("cargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rustc-env=PEERS_RUSTC={}", compiler().unwrap_or_else(|| "an unknown rustc".to_owned()));
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    for (package, variable) in PACKAGES {
        println!("cargo:rustc-env={variable}={}", locked(&lock, package).join(" and "));
    }
    println!("cargo:rustc-env=PEERS_SQLX={}", locked(&lock, "sqlx").join(" and "));
}

fn compiler() -> Option<String> {
    let output = Command::new(std::env::var_os("RUSTC")?).arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Every version of the package that is in the lock.
fn locked(lock: &str, package: &str) -> Vec<String> {
    let head = format!("name = \"{package}\"\nversion = \"");
    lock.split(head.as_str()).skip(1).filter_map(|entry| Some(entry.split_once('"')?.0.to_owned())).collect()
}
