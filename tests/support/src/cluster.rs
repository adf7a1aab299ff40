//! A server of our own: programs, a data folder, a port, and the supervisor that ends it.

use crate::binaries::Binaries;
use crate::folder::Folder;
use crate::supervisor::Supervisor;
use crate::template::{SUPERUSER, Template};
use crate::{Result, account, random};
use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};

/// Whether a crash of the machine may lose what was committed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Durability {
    /// For tests of correctness: the data does not outlive the test anyway.
    Fast,
    /// For crash tests and benchmarks: as PostgreSQL is run in production.
    Durable,
}

/// Below the ports that systems give to outgoing connections, so that a server which restarts finds its own free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How often another port is tried, should somebody take the first between our look and the server's start.
const ATTEMPTS: u32 = 5;

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
";

const FAST_SETTINGS: &str = "
fsync = off
full_page_writes = off
";

const DURABLE_SETTINGS: &str = "
fsync = on
full_page_writes = on
synchronous_commit = on
";

#[derive(Debug)]
pub(crate) struct Cluster {
    // The fields are dropped in this order: the server stops before the lock on its folder is released.
    supervisor: Supervisor,
    folder: Folder,
    binaries: Binaries,
    port: u16,
    password: String,
}

impl Cluster {
    pub(crate) fn start(durability: Durability) -> Result<Self> {
        if !cfg!(unix) {
            return Err("a server is started only on Unix: set TEST_DATABASE_URL to a running one".to_owned());
        }
        let binaries = Binaries::find()?;
        let mut outcome = Err(String::new());
        for _ in 0..ATTEMPTS {
            outcome = Self::start_on(free_port(), &binaries, durability);
            if outcome.as_ref().err().is_none_or(|reason| !reason.contains("Address already in use")) {
                break;
            }
        }
        outcome
    }

    fn start_on(port: u16, binaries: &Binaries, durability: Durability) -> Result<Self> {
        let template = Template::of(binaries)?;
        let folder = Folder::create()?;
        template.copy_to(&folder.data())?;
        configure(&folder, port, durability)?;
        let supervisor = Supervisor::spawn(&binaries.program("postgres"), folder.path())?;
        supervisor.start()?;
        Ok(Self { supervisor, folder, binaries: binaries.clone(), port, password: template.password()? })
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://{SUPERUSER}:{}@127.0.0.1:{}/postgres", self.password, self.port)
    }

    pub(crate) fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(crate) fn kill(&self) -> Result<()> {
        self.supervisor.kill()
    }

    pub(crate) fn restart(&self) -> Result<()> {
        self.supervisor.restart()
    }

    /// The command that brings a kept data folder back to life.
    pub(crate) fn revival(&self) -> String {
        let demote = if account::is_root() { "setpriv --reuid=65534 --regid=65534 --clear-groups " } else { "" };
        let postgres = self.binaries.program("postgres");
        format!("{demote}{} -D {}", postgres.display(), self.folder.data().display())
    }
}

/// A failed test of a private server keeps its data, like one of the shared server does.
impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.keep();
        }
    }
}

/// In the file rather than on the command line, so that a kept folder can be started by hand as it was.
fn configure(folder: &Folder, port: u16, durability: Durability) -> Result<()> {
    let more = match durability {
        Durability::Fast => FAST_SETTINGS,
        Durability::Durable => DURABLE_SETTINGS,
    };
    let path = folder.data().join("postgresql.conf");
    let file = OpenOptions::new().append(true).open(&path);
    let written = file.and_then(|mut file| write!(file, "{SETTINGS}port = {port}{more}"));
    written.map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn free_port() -> u16 {
    let span = u64::from(PORTS.end - PORTS.start);
    let candidates = std::iter::repeat_with(|| u16::try_from(random() % span).map(|offset| PORTS.start + offset));
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    candidates.flatten().find(free).expect("an endless list of candidates")
}
