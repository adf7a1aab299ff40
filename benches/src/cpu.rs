//! Time on a processor, of this process and of the server, where the system tells (Linux).

use std::fs;
use std::ops::{Add, Sub};
use std::path::Path;
use std::time::Duration;

/// A running thread's account is a tick old; that of one that has just slept is exact.
const SETTLE: Duration = Duration::from_millis(1);

const NANOS_PER_TICK: u64 = 10_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) client: Duration,
    /// All processes of the server, background writers included. Unknown when the server is elsewhere.
    pub(crate) server: Option<Duration>,
}

impl Cpu {
    pub(crate) fn total(&self) -> Duration {
        self.client + self.server.unwrap_or_default()
    }
}

impl Add for Cpu {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        let server = self.server.zip(more.server).map(|(a, b)| a + b);
        Self { client: self.client + more.client, server }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let server = self.server.zip(before.server).map(|(now, before)| now.saturating_sub(before));
        Self { client: self.client.saturating_sub(before.client), server }
    }
}

/// Reads both accounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    pub(crate) postmaster: Option<u32>,
}

impl Meter {
    pub(crate) fn read(&self) -> Option<Cpu> {
        std::thread::sleep(SETTLE);
        let client = fs::read_dir("/proc/self/task").ok()?.flatten().filter_map(|task| on_cpu(&task.path())).sum();
        Some(Cpu { client, server: self.postmaster.map(server) })
    }
}

fn server(postmaster: u32) -> Duration {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    processes.filter(|process| parent(process) == Some(postmaster)).filter_map(|process| on_cpu(&process)).sum()
}

/// The name of a process may hold anything, so its fields are counted from behind the parenthesis that closes it.
fn parent(process: &Path) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn on_cpu(task: &Path) -> Option<Duration> {
    let schedstat = fs::read_to_string(task.join("schedstat")).ok()?;
    schedstat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// What the whole machine has worked since it was started.
pub(crate) fn of_machine() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user, nice, system, then idle and waiting, then interrupts and what the host took.
    let busy = ticks.iter().take(3).chain(ticks.iter().skip(5).take(3)).sum::<u64>();
    Some(Duration::from_nanos(busy * NANOS_PER_TICK))
}
