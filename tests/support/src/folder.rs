//! The temporary folder of one server, which says by a lock whether its test process still lives.

use crate::{Result, account, cache, random};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, SystemTime};

const PREFIX: &str = "es-postgres-";

/// A folder younger than this may not have been locked yet by the process that creates it.
const SETTLED: Duration = Duration::from_secs(60);

/// How long the folder of a failed test is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The kernel lets go of the lock when this process ends, however it ends.
    _lock: File,
}

impl Folder {
    pub(crate) fn create() -> Result<Self> {
        static SWEPT: Once = Once::new();
        let temp = cache::temp();
        SWEPT.call_once(|| sweep(&temp));
        let path = temp.join(format!("{PREFIX}{:016x}", random()));
        account::create_folder(&path)?;
        let lock = File::create(path.join("lock")).and_then(|file| file.lock().map(|()| file));
        Ok(Self { _lock: lock.map_err(|e| format!("cannot lock {}: {e}", path.display()))?, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Asks the supervisor to leave the folder behind.
    pub(crate) fn keep(&self) {
        File::create(self.path.join("keep")).expect("marks the server's folder as one to keep");
    }
}

/// Removes what processes left that died together with their supervisor, the server that may still run included.
fn sweep(temp: &Path) {
    let entries = fs::read_dir(temp).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for folder in ours.map(|entry| entry.path()) {
        if let Some(_lock) = abandoned(&folder) {
            stop_server_in(&folder);
            // Another process may sweep the same folder at this moment: the result is the same.
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

/// The folder's lock, if nobody else holds it and nobody wants the folder any longer.
fn abandoned(folder: &Path) -> Option<File> {
    let lock = File::open(folder.join("lock")).ok()?;
    let outlived = older_than(&lock, SETTLED) && lock.try_lock().is_ok();
    let kept = File::open(folder.join("keep")).is_ok_and(|keep| !older_than(&keep, KEPT));
    (outlived && !kept).then_some(lock)
}

fn older_than(file: &File, age: Duration) -> bool {
    let modified = file.metadata().and_then(|data| data.modified());
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|passed| passed > age))
}

/// A process id may have been given to somebody else since, so its command line must name the folder.
fn stop_server_in(folder: &Path) {
    let Ok(file) = fs::read_to_string(folder.join("data/postmaster.pid")) else { return };
    let pid = file.lines().next().unwrap_or_default();
    let is_ours = || command_line(pid).contains(&*folder.to_string_lossy());
    if is_ours() {
        let _ = Command::new("sh").args(["-c", "kill -QUIT \"$1\"", "sh", pid]).status();
        let deadline = SystemTime::now() + Duration::from_secs(5);
        while is_ours() && SystemTime::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn command_line(pid: &str) -> String {
    let from_proc = fs::read(format!("/proc/{pid}/cmdline"));
    let from_proc = from_proc.map(|line| String::from_utf8_lossy(&line).into_owned());
    from_proc.or_else(|_| account::run(Command::new("ps").args(["-o", "args=", "-p", pid]))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_in(temp: &Path, name: &str, files: &[&str], age: Duration) -> PathBuf {
        let folder = temp.join(format!("{PREFIX}{name}"));
        fs::create_dir_all(&folder).expect("a folder");
        for file in files {
            let file = File::create(folder.join(file)).expect("a file");
            file.set_modified(SystemTime::now() - age).expect("an age");
        }
        folder
    }

    #[test]
    fn only_abandoned_folders_are_swept() {
        let temp = std::env::temp_dir().join(format!("es-sweep-{:016x}", random()));
        let old = SETTLED * 2;
        let abandoned = folder_in(&temp, "abandoned", &["lock"], old);
        let fresh = folder_in(&temp, "fresh", &["lock"], Duration::ZERO);
        let kept = folder_in(&temp, "kept", &["lock", "keep"], old);
        let forgotten = folder_in(&temp, "forgotten", &["lock", "keep"], KEPT * 2);
        let held = folder_in(&temp, "held", &["lock"], old);
        let lock = File::open(held.join("lock")).expect("the lock file");
        lock.lock().expect("holds the lock");

        sweep(&temp);

        let left = [&abandoned, &fresh, &kept, &forgotten, &held].map(|folder| folder.exists());
        assert_eq!(left, [false, true, true, false, true]);
        fs::remove_dir_all(temp).expect("removes the folder");
    }
}
