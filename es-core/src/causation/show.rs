//! The tree as a text, for people.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use super::{CausationTree, Step};
use crate::metadata::Metadata;
use crate::timestamp::Timestamp;

/// How many levels are shown by their indentation. Deeper ones are shown by their number, so that a chain of thousands of events
/// is a text of a line for each, and not a square.
const MOST_LEVELS: usize = 20;

/// How wide a column becomes at the most, in characters. What is longer is shown whole, and pushes the rest of its line aside.
const WIDEST_COLUMN: usize = 72;

impl fmt::Display for CausationTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(begun) = self.nodes.iter().map(|node| node.event.recorded_at).min() else {
            return f.write_str("no events");
        };
        self.write_head(begun, f)?;
        let lines = self.lines(begun);
        let width = |column: fn(&Line) -> &str| {
            let widths = lines.iter().map(|line| column(line).chars().count());
            widths.filter(|width| *width <= WIDEST_COLUMN).max().unwrap_or(0)
        };
        let (names, places) = (width(|line| &line.name), width(|line| &line.place));
        for Line { name, place, rest } in &lines {
            let line = format!("{name:names$}  {place:places$}{rest}");
            write!(f, "\n{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What stands in a line, by column.
struct Line {
    name: String,
    place: String,
    rest: String,
}

impl CausationTree {
    fn write_head(&self, begun: Timestamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = || self.nodes.iter().map(|node| &node.event);
        let conversations: HashSet<_> = events().map(|event| event.metadata.conversation(event.id)).collect();
        match (conversations.len(), conversations.iter().next()) {
            (1, Some(only)) => write!(f, "conversation {only}: ")?,
            (several, _) => write!(f, "{several} conversations: ")?,
        }
        let streams: HashSet<_> = events().map(|event| &event.stream).collect();
        write!(f, "{} of {}, {begun}", counted(self.len(), "event"), counted(streams.len(), "stream"))
    }

    fn lines(&self, begun: Timestamp) -> Vec<Line> {
        let mut guides = Guides::default();
        let lines = self.walk(&self.roots).map(|step| {
            let event = step.caused.event;
            let name = format!("{}{}", guides.before(&step), event.event.event_type.escape_debug());
            let place = format!("{} @ {}", event.stream.to_string().escape_debug(), event.version);
            Line { name, place, rest: self.rest(&step, begun) }
        });
        lines.collect()
    }

    /// When it was, and who is behind it where that is not who is behind its cause.
    fn rest(&self, step: &Step<'_>, begun: Timestamp) -> String {
        let Step { caused, node, .. } = step;
        let mut rest = match caused.event.recorded_at.since(begun) {
            Duration::ZERO => String::new(),
            later => format!("  +{}", rounded(later)),
        };
        let cause = node.cause.and_then(|cause| self.nodes.get(cause)).map(|cause| &cause.event.metadata);
        for (word, part) in [("by", actor as fn(&Metadata) -> Option<&str>), ("via", source)] {
            if let Some(text) = part(&caused.event.metadata)
                && cause.and_then(part) != Some(text)
            {
                rest.push_str(&format!("  {word} {}", text.escape_debug()));
            }
        }
        if node.cause.is_none() && super::cause_of(caused.event, &self.places).is_some() {
            rest.push_str("  (its cause follows from it)");
        }
        rest
    }
}

fn actor(metadata: &Metadata) -> Option<&str> {
    metadata.actor.as_deref()
}

fn source(metadata: &Metadata) -> Option<&str> {
    metadata.source.as_deref()
}

/// The lines between an event and those above it.
#[derive(Default)]
struct Guides {
    /// For each level above the event, whether an effect of the same cause follows.
    open: Vec<bool>,
}

impl Guides {
    fn before(&mut self, step: &Step<'_>) -> String {
        let depth = step.caused.depth;
        self.open.truncate(depth);
        // A root stands at the edge, and no line leads from one root to the next.
        let above = self.open.iter().skip(1).take(MOST_LEVELS);
        let mut guides: String = above.map(|open| if *open { "│  " } else { "   " }).collect();
        match depth {
            0 => {}
            deep if deep > MOST_LEVELS + 1 => guides.push_str(&format!("… {deep}: ")),
            _ if step.is_last => guides.push_str("└─ "),
            _ => guides.push_str("├─ "),
        }
        self.open.push(!step.is_last);
        guides
    }
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// As exact as matters: three digits or so.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        ..0.01 => format!("{:.1} ms", seconds * 1_000.0),
        ..1.0 => format!("{:.0} ms", seconds * 1_000.0),
        ..100.0 => format!("{seconds:.1} s"),
        ..6_000.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}
