//! Time on a processor, where the system tells (Linux).

use std::fs;
use std::path::Path;
use std::time::Duration;

use es_test_support::Server;

/// The first process of the server.
pub(crate) fn postmaster(server: &Server) -> u32 {
    let pid_file = server.data_dir().unwrap().join("postmaster.pid");
    fs::read_to_string(pid_file).unwrap().lines().next().unwrap().parse().unwrap()
}

/// Of this process.
pub(crate) fn client() -> Duration {
    fs::read_dir("/proc/self/task").unwrap().flatten().filter_map(|task| on_cpu(&task.path())).sum()
}

/// Of the processes of the server that there are now.
pub(crate) fn server(postmaster: u32) -> Duration {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
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
