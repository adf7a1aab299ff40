//! The figures as Markdown.

use std::fmt::Write;

use crate::catch_up;
use crate::command::{self, CLIENTS};
use crate::options::Options;
use crate::system::{About, Side};
use crate::work::Work;

/// What a system did in all its turns.
pub(crate) struct Row {
    about: About,
    work: Work,
    /// Events a second, of each turn.
    rates: Vec<f64>,
    /// Microseconds of a processor for each event: client and server.
    cpu: Option<(f64, Option<f64>)>,
}

impl Row {
    pub(crate) fn new(about: About, work: Work, turns: Vec<catch_up::Turn>) -> Self {
        let events = work.events() as f64;
        let each = |seconds: Option<f64>| seconds.map(|sum| sum * 1e6 / events / turns.len() as f64);
        let client = each(turns.iter().map(|turn| turn.cpu.map(|cpu| cpu.client)).sum());
        let server = each(turns.iter().map(|turn| turn.cpu.and_then(|cpu| cpu.server)).sum());
        let rates = turns.iter().map(|turn| events / turn.seconds).collect();
        Self { about, work, rates, cpu: client.map(|client| (client, server)) }
    }

    /// The median of the quotients of all rounds.
    fn beside(&self, other: &Self) -> f64 {
        median(self.rates.iter().zip(&other.rates).map(|(a, b)| a / b).collect())
    }
}

pub(crate) fn catch_up(rows: &[Row], options: &Options, machine: &str, others: Option<f64>) -> String {
    let rate = |row: &Row| median(row.rates.clone());
    let best = best(rows, |row| (row.about.side, rate(row)));
    let by_hand = rows.iter().find(|row| row.about.side == Side::ByHand);
    let mut text = format!(
        "### Catch-up: {} stored events into {} balances\n\n{machine}- batches of {}, chunks of evento of {}, pools of {} connections, {} rounds\n",
        grouped(f64::from(options.events)),
        grouped(f64::from(options.accounts)),
        grouped(f64::from(options.batch)),
        grouped(f64::from(options.chunk)),
        options.connections,
        options.rounds,
    );
    if let Some(others) = others {
        line(&mut text, &format!("- other work took {others:.2} cores meanwhile"));
    }
    line(
        &mut text,
        "\n| | version | events | events/s | from … to | × best peer | × by hand | CPU µs an event, client + server |",
    );
    line(&mut text, "|---|---|---:|---:|---:|---:|---:|---:|");
    for row in rows {
        let (low, high) = range(&row.rates);
        let beside = |other: Option<&Row>| other.map_or_else(|| "–".to_owned(), |other| ratio(row.beside(other)));
        line(
            &mut text,
            &format!(
                "| {} | {} | {} | {} | {} … {} | {} | {} | {} |",
                name(row.about),
                row.about.version,
                grouped(row.work.events() as f64),
                grouped(rate(row)),
                grouped(low),
                grouped(high),
                beside(best),
                beside(by_hand),
                cpu(row.cpu),
            ),
        );
    }
    if let Some(best) = best {
        line(&mut text, &format!("\nThe best peer is {}.", best.about.name));
    }
    line(&mut text, "\n| | how | what it promises |\n|---|---|---|");
    for About { name, catches_up_by, guarantees, .. } in rows.iter().map(|row| row.about) {
        line(&mut text, &format!("| {name} | {catches_up_by} | {guarantees} |"));
    }
    text
}

/// What a system did in all its turns with so many clients.
pub(crate) struct CommandRow {
    about: About,
    clients: u32,
    rates: Vec<f64>,
    latencies: Vec<f64>,
    attempts: f64,
    cpu: Option<(f64, Option<f64>)>,
}

impl CommandRow {
    pub(crate) fn new(about: About, clients: u32, turns: Vec<command::Turn>) -> Self {
        let rates = turns.iter().map(|turn| turn.latencies.len() as f64 / turn.seconds).collect();
        let operations = turns.iter().map(|turn| turn.latencies.len()).sum::<usize>() as f64;
        let each = |seconds: Option<f64>| seconds.map(|sum| sum * 1e6 / operations);
        let client = each(turns.iter().map(|turn| turn.cpu.map(|cpu| cpu.client)).sum());
        let server = each(turns.iter().map(|turn| turn.cpu.and_then(|cpu| cpu.server)).sum());
        let attempts = turns.iter().map(|turn| turn.attempts).sum::<u64>() as f64 / operations;
        let latencies = turns.into_iter().flat_map(|turn| turn.latencies).collect();
        Self { about, clients, rates, latencies, attempts, cpu: client.map(|client| (client, server)) }
    }

    fn beside(&self, other: &Self) -> f64 {
        median(self.rates.iter().zip(&other.rates).map(|(a, b)| a / b).collect())
    }
}

pub(crate) fn command(rows: &[CommandRow], options: &Options, machine: &str) -> String {
    let mut text = format!(
        "### Commands: load, decide, append, on {} accounts of ten events\n\n{machine}- {} rounds of {} commands, pools of {} \
         connections\n",
        grouped(f64::from(options.accounts)),
        options.rounds,
        grouped(f64::from(options.operations)),
        options.connections,
    );
    for clients in CLIENTS {
        let rows: Vec<&CommandRow> = rows.iter().filter(|row| row.clients == clients).collect();
        let rate = |row: &CommandRow| median(row.rates.clone());
        let best = best(&rows, |row| (row.about.side, rate(row))).copied();
        let by_hand = rows.iter().find(|row| row.about.side == Side::ByHand).copied();
        let at_a_time = if clients == 1 { "One client".to_owned() } else { format!("{clients} clients at a time") };
        line(&mut text, &format!("\n{at_a_time}\n"));
        line(
            &mut text,
            "| | version | per s | p50 ms | p99 ms | × best peer | × by hand | attempts | CPU µs, client + server |",
        );
        line(&mut text, "|---|---|---:|---:|---:|---:|---:|---:|---:|");
        for row in rows {
            let beside =
                |other: Option<&CommandRow>| other.map_or_else(|| "–".to_owned(), |other| ratio(row.beside(other)));
            line(
                &mut text,
                &format!(
                    "| {} | {} | {} | {:.2} | {:.2} | {} | {} | {:.2} | {} |",
                    // What follows the comma tells how it keeps read models.
                    name(About { name: commander(row.about.name), ..row.about }),
                    row.about.version,
                    grouped(rate(row)),
                    quantile(row.latencies.clone(), 0.5) / 1e3,
                    quantile(row.latencies.clone(), 0.99) / 1e3,
                    beside(best),
                    beside(by_hand),
                    row.attempts,
                    cpu(row.cpu),
                ),
            );
        }
    }
    text
}

fn best<'r, R>(rows: &'r [R], rate: impl Fn(&R) -> (Side, f64)) -> Option<&'r R> {
    let peers = rows.iter().filter(|row| rate(row).0 == Side::Peer);
    peers.max_by(|a, b| rate(a).1.total_cmp(&rate(b).1))
}

/// How a system keeps a read model is nothing to a command; whether it keeps states at hand is.
fn commander(name: &'static str) -> &'static str {
    if name.ends_with(", cached") { name } else { name.split(',').next().unwrap_or(name) }
}

fn name(about: About) -> String {
    match about.side {
        Side::Ours => format!("**{}**", about.name),
        Side::ByHand | Side::Peer => about.name.to_owned(),
        Side::PeerReadsOnly => format!("*{}*", about.name),
    }
}

fn cpu(cpu: Option<(f64, Option<f64>)>) -> String {
    match cpu {
        Some((client, Some(server))) => format!("{} + {}", figure(client), figure(server)),
        Some((client, None)) => figure(client),
        None => "–".to_owned(),
    }
}

fn ratio(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 10.0 => format!("{ratio:.0}"),
        ratio if ratio >= 0.1 => format!("{ratio:.2}"),
        ratio => format!("{ratio:.4}"),
    }
}

fn figure(number: f64) -> String {
    match number {
        number if number >= 100.0 => grouped(number),
        number if number >= 10.0 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}

fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value that a share of the values lies below; 0 of none.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

fn range(values: &[f64]) -> (f64, f64) {
    (quantile(values.to_vec(), 0.0), quantile(values.to_vec(), 1.0))
}

fn line(text: &mut String, more: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{more}");
}

pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
