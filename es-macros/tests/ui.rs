//! What a user sees who makes a mistake: each case is a file named after the mistake, with the words beside it.
//!
//! After a change of wording run the test with `TRYBUILD=overwrite` and read what became of every message.

use std::process::Command;

/// The compiler whose own words are in `ui/traits`. They change from release to release, ours do not.
const WORDED_BY: &str = "rustc 1.95.";

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    for theme in
        ["aggregate", "aggregate_id", "command", "document", "event", "indexed", "serde", "snapshot", "union", "upcast"]
    {
        cases.compile_fail(format!("tests/ui/{theme}/*.rs"));
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiler = Command::new(rustc).arg("--version").output().unwrap().stdout;
    if compiler.starts_with(WORDED_BY.as_bytes()) {
        cases.compile_fail("tests/ui/traits/*.rs");
    } else {
        eprintln!("not compared: tests/ui/traits holds the words of {WORDED_BY}*, this is another compiler");
    }
}
