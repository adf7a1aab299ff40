//! How the story looks on a terminal.

use std::error::Error;
use std::io::IsTerminal;

use bank_account::domain::AccountEvent;
use es_core::{Event, Recorded, Timestamp, Version};

const LEFT: usize = 44;

fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

pub(crate) fn title(text: &str) {
    println!("{}", bold(text));
}

pub(crate) fn chapter(text: &str) {
    println!("\n{}", bold(text));
}

pub(crate) fn line(left: &str, right: &str) {
    println!("  {left:<LEFT$}{right}");
}

/// An error with its causes, one below the other.
pub(crate) fn trouble(error: &(dyn Error + 'static)) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}

/// A line of a statement.
pub(crate) fn statement(at: Timestamp, change: i128) {
    println!("        {}  {change:>+8}", time_of(at));
}

/// The time of the day, to the millisecond.
fn time_of(at: Timestamp) -> String {
    at.to_string().chars().skip(11).take(12).collect()
}

/// Version, type, what happened, at what time of the day, who did it, from where, and because of what.
pub(crate) fn event(event: &Recorded<AccountEvent>, what: String, cause: Option<Version>) {
    let time = time_of(event.recorded_at);
    let actor = event.metadata.actor.iter().map(|actor| format!("  by {actor}"));
    let source = event.metadata.source.iter().map(|source| format!("  from the {source}"));
    let cause = cause.iter().map(|version| format!("  because of version {version}"));
    let context: String = actor.chain(source).chain(cause).collect();
    println!("  {:>4}  {:<20}{what:<18}{time}{context}", event.version, event.event.event_type().name());
}
