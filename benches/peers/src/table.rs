//! Lanes as a table in Markdown. A column that nobody has a figure for is left out.

use crate::lane::{Lane, best_peer, by_hand};
use crate::number::{figure, grouped, quantile, ratio};
use crate::system::{About, Side};

const NONE: &str = "–";

type Cell<'l> = Box<dyn Fn(&Lane) -> Option<String> + 'l>;

struct Column<'l> {
    head: String,
    cell: Cell<'l>,
}

fn column<'l>(head: impl Into<String>, cell: impl Fn(&Lane) -> Option<String> + 'l) -> Column<'l> {
    Column { head: head.into(), cell: Box::new(cell) }
}

pub(crate) fn of(lanes: &[Lane]) -> String {
    let (best, by_hand) = (best_peer(lanes), by_hand(lanes));
    let milliseconds = |share| move |lane: &Lane| lane.latency(share).map(|micros| format!("{:.2}", micros / 1e3));
    let columns = [
        column("version", |lane| Some(lane.about.version.to_owned()).filter(|version| !version.is_empty())),
        column("per s", |lane| Some(grouped(lane.rate()))),
        column("from … to", range),
        column("p50 ms", milliseconds(0.5)),
        column("p99 ms", milliseconds(0.99)),
        column("× best peer", |lane| best.map(|best| ratio(lane.beside(best)))),
        column("× by hand", |lane| by_hand.map(|by_hand| ratio(lane.beside(by_hand)))),
        column("attempts", |lane| lane.attempts().map(|attempts| format!("{attempts:.2}"))),
        column("round trips", |lane| lane.trips.map(|trips| format!("{trips:.2}"))),
        column("CPU µs each, client + server", |lane| lane.cpu().map(cpu)),
    ];
    let mut text = render(lanes, &columns);
    if let Some(best) = best {
        text.push_str(&format!("\nThe best peer is {}.\n", best.about.name));
    }
    text
}

/// Where it is not the rate that counts, but how long one waits.
pub(crate) fn waits(lanes: &[Lane]) -> String {
    let milliseconds = |share| move |lane: &Lane| lane.latency(share).map(|micros| format!("{:.1}", micros / 1e3));
    let columns = [
        column("version", |lane| Some(lane.about.version.to_owned()).filter(|version| !version.is_empty())),
        column("p50 ms", milliseconds(0.5)),
        column("p99 ms", milliseconds(0.99)),
        column("max ms", milliseconds(1.0)),
        column("CPU µs each, client + server", |lane| lane.cpu().map(cpu)),
    ];
    render(lanes, &columns)
}

fn render(lanes: &[Lane], columns: &[Column<'_>]) -> String {
    let some: Vec<&Column<'_>> =
        columns.iter().filter(|column| lanes.iter().any(|lane| (column.cell)(lane).is_some())).collect();
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = row(std::iter::once(String::new()).chain(some.iter().map(|column| column.head.clone())).collect());
    text.push_str(&format!("|---|{}\n", "---:|".repeat(some.len())));
    for lane in lanes {
        let cells = some.iter().map(|column| (column.cell)(lane).unwrap_or_else(|| NONE.to_owned()));
        text.push_str(&row(std::iter::once(name(lane.about)).chain(cells).collect()));
    }
    text
}

fn range(lane: &Lane) -> Option<String> {
    let at = |share| grouped(quantile(lane.rates(), share));
    (lane.turns.len() > 1).then(|| format!("{} … {}", at(0.0), at(1.0)))
}

pub(crate) fn name(about: About) -> String {
    match about.side {
        Side::Ours => format!("**{}**", about.name),
        Side::ByHand | Side::Peer => about.name.to_owned(),
        Side::PeerReadsOnly => format!("*{}*", about.name),
    }
}

fn cpu((client, server): (f64, Option<f64>)) -> String {
    match server {
        Some(server) => format!("{} + {}", figure(client), figure(server)),
        None => figure(client),
    }
}
