//! A data folder fresh from `initdb`, made once and copied for each server: 0.05 s instead of 0.5 s.

use crate::binaries::Binaries;
use crate::{Result, account, cache, random};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The role that owns the cluster.
pub(crate) const SUPERUSER: &str = "postgres";

/// macOS does not have `C.UTF-8` in every release.
const LOCALE: &str = if cfg!(target_os = "macos") { "C" } else { "C.UTF-8" };

pub(crate) struct Template {
    folder: PathBuf,
}

impl Template {
    pub(crate) fn of(binaries: &Binaries) -> Result<Self> {
        let name = format!("template-{}-{:016x}", binaries.major, fingerprint(binaries));
        let folder = cache::build_once(&name, |folder| initialise(binaries, folder))?;
        Ok(Self { folder })
    }

    pub(crate) fn password(&self) -> Result<String> {
        let path = password_file(&self.folder);
        fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))
    }

    pub(crate) fn copy_to(&self, data: &Path) -> Result<()> {
        let mut copy = Command::new("cp");
        copy.arg("-R").arg(self.folder.join("data")).arg(data).current_dir(&self.folder);
        account::run(account::demote(&mut copy)).map(|_| ())
    }
}

/// Other programs, another release or another account: another template.
fn fingerprint(binaries: &Binaries) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&binaries.folder, &binaries.release, account::uid(), LOCALE).hash(&mut hasher);
    hasher.finish()
}

fn initialise(binaries: &Binaries, folder: &Path) -> Result<()> {
    account::create_folder(folder)?;
    let password = password_file(folder);
    let written = fs::write(&password, format!("{:016x}{:016x}", random(), random()));
    let written = written.and_then(|()| account::set_mode(&password, 0o600));
    let written = written.and_then(|()| account::give_away(&password));
    written.map_err(|e| format!("cannot write {}: {e}", password.display()))?;
    let mut initdb = Command::new(binaries.program("initdb"));
    initdb.arg("--pgdata").arg(folder.join("data")).arg("--pwfile").arg(&password).current_dir(folder);
    initdb.args(["--username", SUPERUSER, "--auth=password", "--encoding=UTF8", "--locale", LOCALE, "--no-sync"]);
    account::run(account::demote(&mut initdb)).map(|_| ())
}

fn password_file(folder: &Path) -> PathBuf {
    folder.join("password")
}
