//! What can be measured.

use crate::Result;
use crate::options::Options;
use crate::place::Place;
use crate::{beside, catch_up, command, growth, memory, ordering, rehydrate, visible};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    Open,
    Command,
    Hot,
    Rehydrate,
    CatchUp,
    Visible,
    Beside,
    Memory,
    Ordering,
    Growth,
}

/// In the order in which they run: name, and what it is.
const ALL: [(Workload, &str, &str); 10] = [
    (Workload::Open, "open", "the first event of a new account, by 1, 16, 64 and 256 clients"),
    (Workload::Command, "command", "load, decide, append on accounts of ten events, by 1, 16, 64 and 256 clients"),
    (Workload::Hot, "hot", "the same on one account, by 16 clients"),
    (Workload::Rehydrate, "rehydrate", "a state from 10, 100, 1,000 and 10,000 events, with and without snapshots"),
    (Workload::CatchUp, "catch-up", "stored events into a balance for each account"),
    (Workload::Visible, "visible", "how long after a command its effect can be read"),
    (Workload::Beside, "beside", "a read model kept beside 16 writers: what it missed, what they lost"),
    (Workload::Memory, "memory", "commands on stores in memory"),
    (Workload::Ordering, "ordering", "appends with and without what puts the log in order"),
    (Workload::Growth, "growth", "appends and loads on 1,000,000 and on 10,000,000 events (ten minutes, 10 GB)"),
];

impl Workload {
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, other, _)| *other == name).map(|(workload, ..)| *workload)
    }

    /// What it shows, as Markdown.
    pub(crate) async fn run(self, options: &Options, place: &Place) -> Result<String> {
        match self {
            Self::Open => command::run(command::Kind::Open, options, place).await,
            Self::Command => command::run(command::Kind::Command, options, place).await,
            Self::Hot => command::run(command::Kind::Hot, options, place).await,
            Self::Rehydrate => rehydrate::run(options, place).await,
            Self::CatchUp => catch_up::run(options, place).await,
            Self::Visible => visible::run(options, place).await,
            Self::Beside => beside::run(options, place).await,
            Self::Memory => memory::run(options).await,
            Self::Ordering => ordering::run(options, place).await,
            Self::Growth => growth::run(options, place).await,
        }
    }
}

/// All but the one that takes long.
pub(crate) fn usual() -> Vec<Workload> {
    ALL.iter().map(|(workload, ..)| *workload).filter(|workload| *workload != Workload::Growth).collect()
}

pub(crate) fn list() -> String {
    ALL.iter().map(|(_, name, what)| format!("  {name:<18}{what}\n")).collect()
}
