//! The figures as Markdown.

use std::fmt::Write;

use crate::race::{Finish, Lane, Ratio};
use crate::scenario::Table;

const FOOT: &str = "
What this does not show: many clients at a time, contention for one stream, the log and its readers, large events, a network
between client and server, tables that do not fit into memory, other machines.
";

/// What we want to reach beside SQL by hand.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// At most this multiple of its time for an operation.
    Time(f64),
    /// At least this share of its rate.
    Rate(f64),
    None,
}

#[derive(Default)]
pub(crate) struct Report(String);

impl Report {
    pub(crate) fn setting(&mut self, versions: &str, hardware: &str, settings: &str) {
        self.line(&format!("- {versions}\n- {hardware}\n- {settings}"));
    }

    pub(crate) fn others(&mut self, cores: f64, server_is_here: bool) {
        let server = if server_is_here { "" } else { ", a server among it that may be on this machine" };
        self.line(&format!("\nOther work took {cores:.2} cores meanwhile{server}."));
    }

    /// The first lane is the measure, the second is ours.
    pub(crate) fn race(&mut self, title: &str, finish: &Finish, aim: Aim) {
        self.heading(title, finish);
        self.line("| | per s | p50 µs | p99 µs | CPU µs client + server | time × | rate × | CPU × |");
        self.line("|---|---:|---:|---:|---:|---:|---:|---:|");
        self.lanes(finish);
        self.line("");
        if let [by_hand, ours, others @ ..] = finish.lanes.as_slice() {
            self.verdict(by_hand, ours, aim);
            let measures = others.iter().filter(|lane| lane.name.starts_with("by hand"));
            measures.for_each(|lane| self.verdict(lane, ours, aim));
        }
    }

    pub(crate) fn in_memory(&mut self, title: &str, finish: &Finish) {
        self.heading(title, finish);
        self.line("| | per s | p50 µs | p99 µs | CPU µs | time × | rate × | CPU × |");
        self.line("|---|---:|---:|---:|---:|---:|---:|---:|");
        self.lanes(finish);
    }

    pub(crate) fn turns(&mut self, turns: &[(&'static str, f64)]) {
        self.line("\n### Round trips of a command, pings of the pool included\n");
        self.line("| | round trips |\n|---|---:|");
        turns.iter().for_each(|(name, turns)| self.line(&format!("| {name} | {turns:.1} |")));
    }

    pub(crate) fn tables(&mut self, tables: &[Table]) {
        let Some(first) = tables.first() else { return };
        self.line(&format!("\n### Room\n\nEach side stored the same {} events.\n", grouped(first.events as f64)));
        self.line("| table | bytes an event, indexes included |\n|---|---:|");
        for (schema, name) in [("ours", "es-postgres"), ("simple", "the simplest table")] {
            for table in tables.iter().filter(|table| table.name == schema) {
                self.line(&format!("| {name} | {:.0} |", table.bytes as f64 / table.events as f64));
            }
        }
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str(FOOT);
        self.0
    }

    fn heading(&mut self, title: &str, finish: &Finish) {
        let Finish { rounds, operations, .. } = finish;
        self.line(&format!("\n### {title}\n\n{rounds} rounds of {} each.\n", grouped(*operations as f64)));
    }

    fn lanes(&mut self, finish: &Finish) {
        let Some(measure) = finish.lanes.first() else { return };
        for lane in &finish.lanes {
            self.line(&format!(
                "| {} | {} | {} | {} | {} | {:.2} | {:.2} | {} |",
                lane.name,
                grouped(lane.per_second()),
                figure(lane.latency(0.5)),
                figure(lane.latency(0.99)),
                cpu(lane),
                lane.time_beside(measure).median,
                lane.rate_beside(measure).median,
                lane.cpu_beside(measure).map_or_else(|| "–".to_owned(), |ratio| format!("{:.2}", ratio.median)),
            ));
        }
    }

    fn verdict(&mut self, measure: &Lane, ours: &Lane, aim: Aim) {
        let (time, rate) = (ours.time_beside(measure), ours.rate_beside(measure));
        let verdict = match aim {
            Aim::None => "",
            Aim::Time(most) if time.median <= most => ": the aim is reached",
            Aim::Rate(least) if rate.median >= least => ": the aim is reached",
            Aim::Time(_) | Aim::Rate(_) => ": **the aim is missed**",
        };
        let name = measure.name;
        self.line(&format!("- es-postgres ÷ {name}: time {}, rate {}{verdict}", ratio(time), ratio(rate)));
    }

    fn line(&mut self, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{text}");
    }
}

fn ratio(ratio: Ratio) -> String {
    let (low, high) = ratio.quartiles;
    format!("{:.2} ({low:.2} to {high:.2})", ratio.median)
}

fn cpu(lane: &Lane) -> String {
    match lane.cpu() {
        Some((client, Some(server))) if server > 0.0 => format!("{} + {}", figure(client), figure(server)),
        Some((client, _)) => figure(client),
        None => "–".to_owned(),
    }
}

fn figure(micros: f64) -> String {
    if micros < 100.0 { format!("{micros:.1}") } else { grouped(micros) }
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
