//! The small shell that runs the server, so that the server ends with the test process, however that ends.
//!
//! Linux could tie the two together by `prctl`, which is unsafe code and Linux alone. A pipe needs neither.

use crate::{Result, account};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

const SCRIPT: &str = include_str!("supervisor.sh");

/// Crash recovery of a large test may take its time.
const PATIENCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Supervisor {
    shell: Mutex<Child>,
    folder: PathBuf,
}

impl Supervisor {
    pub(crate) fn spawn(postgres: &Path, folder: &Path) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(SCRIPT).arg("postgres-supervisor").arg(postgres).arg(folder).current_dir(folder);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let spawned = account::detach(account::demote(&mut shell)).spawn();
        let shell = spawned.map_err(|e| format!("cannot run the server's supervisor: {e}"))?;
        Ok(Self { shell: Mutex::new(shell), folder: folder.to_owned() })
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(&self) -> Result<()> {
        let _ = fs::remove_file(self.folder.join("pid"));
        let _ = fs::remove_file(self.folder.join("exited"));
        self.order("start");
        self.poll("start", || if self.has_exited() { Some(Err(())) } else { self.is_ready().then_some(Ok(())) })
    }

    /// Starts the server again, once its last run is over: however it ended, the supervisor may not have noted it yet.
    pub(crate) fn restart(&self) -> Result<()> {
        self.poll("end before it was to be started again", || self.has_exited().then_some(Ok(())))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.start() {
                // After a hard kill the last of its processes may still be dying, and the new server refuses to join them.
                Err(reason) if is_still_dying(&reason) && Instant::now() < deadline => thread::sleep(POLL),
                started => return started,
            }
        }
    }

    /// Kills all of the server's processes at once and waits until they are gone.
    pub(crate) fn kill(&self) -> Result<()> {
        self.order("kill");
        self.poll("die", || self.has_exited().then_some(Ok(())))
    }

    fn order(&self, order: &str) {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = shell.stdin.as_mut().expect("the pipe to the supervisor is open until the end");
        writeln!(pipe, "{order}").expect("the supervisor runs as long as its pipe is open");
    }

    fn poll(&self, act: &str, check: impl Fn() -> Option<std::result::Result<(), ()>>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match check() {
                Some(Ok(())) => return Ok(()),
                Some(Err(())) => break,
                None => thread::sleep(POLL),
            }
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(format!("the PostgreSQL server in {} did not {act}; its log:\n{log}", self.folder.display()))
    }

    fn has_exited(&self) -> bool {
        self.folder.join("exited").exists()
    }

    /// The eighth line of the server's own pid file is its state; a file of an earlier life has another pid.
    fn is_ready(&self) -> bool {
        let Ok(pid) = fs::read_to_string(self.folder.join("pid")) else { return false };
        let state = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        let mut lines = state.lines();
        lines.next() == Some(pid.trim()) && lines.nth(6).is_some_and(|state| state.trim() == "ready")
    }
}

/// Waits for the clean-up, so that a test that ends leaves nothing behind.
impl Drop for Supervisor {
    fn drop(&mut self) {
        let shell = self.shell.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(shell.stdin.take());
        let _ = shell.wait();
    }
}

/// Whether the server's last word is that processes of its last run are still there.
fn is_still_dying(reason: &str) -> bool {
    let last_fatal = reason.lines().rev().find(|line| line.contains("FATAL:"));
    last_fatal.is_some_and(|line| line.contains("pre-existing shared memory block"))
}
