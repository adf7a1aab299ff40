//! Time on a processor, of this process and of the server, where the system tells (Linux).

use std::fs;
use std::ops::Sub;
use std::path::Path;

/// What `/proc/*/stat` counts in: hundredths of a second on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// In seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) client: f64,
    /// All processes of the server, those that have ended and background writers included. Unknown when it is elsewhere.
    pub(crate) server: Option<f64>,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let server = self.server.zip(before.server).map(|(now, before)| now - before);
        Self { client: self.client - before.client, server }
    }
}

pub(crate) fn read(postmaster: Option<u32>) -> Option<Cpu> {
    let client = Stat::of(Path::new("/proc/self"))?.own;
    Some(Cpu { client, server: postmaster.and_then(server) })
}

fn server(postmaster: u32) -> Option<f64> {
    // A backend that has ended is counted among what its parent's children have used.
    let first = Stat::of(Path::new(&format!("/proc/{postmaster}")))?;
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| Stat::of(&entry.path()));
    let running: f64 = processes.filter(|process| process.parent == postmaster).map(|process| process.own).sum();
    Some(first.own + first.ended_children + running)
}

struct Stat {
    parent: u32,
    own: f64,
    ended_children: f64,
}

impl Stat {
    /// The name of a process may hold anything, so its fields are counted from behind the parenthesis that closes it.
    fn of(process: &Path) -> Option<Self> {
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(11)? + seconds(12)?,
            ended_children: seconds(13)? + seconds(14)?,
        })
    }
}

/// What the whole machine has worked since it was started, in seconds.
fn of_machine() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<f64> = stat.lines().next()?.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user, nice, system, then idle and waiting, then interrupts and what the host took.
    Some(ticks.iter().take(3).chain(ticks.iter().skip(5).take(3)).sum::<f64>() / TICKS_PER_SECOND)
}

/// What the machine has worked so far, and our share of it.
#[derive(Clone, Copy)]
pub(crate) struct Busy {
    machine: f64,
    ours: f64,
}

impl Busy {
    /// What others have worked since, in seconds.
    pub(crate) fn others(self, before: Self) -> f64 {
        (self.machine - before.machine) - (self.ours - before.ours)
    }
}

pub(crate) fn busy(postmaster: Option<u32>) -> Option<Busy> {
    let Cpu { client, server } = read(postmaster)?;
    Some(Busy { machine: of_machine()?, ours: client + server.unwrap_or(0.0) })
}
