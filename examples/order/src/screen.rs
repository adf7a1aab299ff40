//! How it looks on a terminal.

use std::error::Error;
use std::fmt;
use std::io::IsTerminal;
use std::net::SocketAddr;

use order::client::Request;

/// Where the status stands, behind the method and the path.
const REQUEST: usize = 48;

fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

pub(crate) fn opened(address: SocketAddr, whereabouts: &str) {
    println!("{}", bold(&format!("The shop is open, {whereabouts}")));
    println!();
    println!("  a page to try it    http://{address}/");
    println!("  OpenAPI document    http://{address}/openapi.json");
    println!("  how it is doing     http://{address}/health");
    println!();
    println!("ctrl-c closes it.");
}

pub(crate) fn closed() {
    println!("\nThe shop is closed. Whatever was answered is stored.");
}

pub(crate) fn title(text: &str) {
    println!("{}", bold(text));
}

pub(crate) fn chapter(text: &str) {
    println!("\n{}", bold(text));
}

/// A request, the answer's status, and what it says; below it the headers that were sent.
pub(crate) fn request(request: &Request, status: u16, says: &str) {
    let line = format!("{:<7}{}", request.method.as_str(), request.path);
    println!("  {line:<REQUEST$} {status}  {says}");
    for (name, value) in request.headers.iter().filter(|(name, _)| is_shown(name)) {
        println!("         {name}: {value}");
    }
}

fn is_shown(header: &str) -> bool {
    matches!(header, "Idempotency-Key" | "If-Match" | "If-None-Match" | "Prefer" | "Accept")
}

/// What an answer says besides, or what came of it.
pub(crate) fn more(text: impl fmt::Display) {
    println!("  {:<REQUEST$} {:<3}  {text}", "", "");
}

/// A line of its own.
pub(crate) fn line(left: &str, right: &str) {
    println!("  {left:<REQUEST$} {right}");
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
