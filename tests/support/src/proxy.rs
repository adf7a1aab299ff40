//! A network that does as the test says: it counts round trips, and breaks at the moment that hurts.

mod frames;

use crate::address;
use frames::Frames;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A TCP proxy between a test and its server.
///
/// A *request* is what makes the server run a statement: a simple query, or the execution of a prepared one. Preparing is
/// a round trip, but not a request.
///
/// # Example: counting round trips
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sqlx::Error> {
/// use es_test_support::{Database, Proxy};
/// use sqlx::{Connection, PgConnection};
///
/// let db = Database::create().await;
/// let proxy = Proxy::start(db.url()).await;
/// let mut connection = PgConnection::connect(&proxy.url(db.url())).await?;
///
/// proxy.reset();
/// sqlx::query("SELECT 1").execute(&mut connection).await?;
/// assert_eq!(proxy.turns(), 2); // prepare, run
/// sqlx::query("SELECT 1").execute(&mut connection).await?;
/// assert_eq!(proxy.turns(), 3); // prepared already
/// # Ok(()) }
/// ```
///
/// # Example: a commit of unknown outcome
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sqlx::Error> {
/// # use es_test_support::{Database, Proxy};
/// # use sqlx::{Connection, PgConnection};
/// # let db = Database::create().await;
/// # let proxy = Proxy::start(db.url()).await;
/// let mut connection = PgConnection::connect(&proxy.url(db.url())).await?;
/// proxy.cut_after_next_request();
/// let outcome = sqlx::raw_sql("CREATE TABLE proof ()").execute(&mut connection).await;
/// assert!(outcome.is_err());
///
/// let mut direct = PgConnection::connect(db.url()).await?;
/// sqlx::raw_sql("SELECT FROM proof").execute(&mut direct).await?; // it did happen
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Proxy {
    host: String,
    switch: Arc<Switch>,
    listening: JoinHandle<()>,
}

/// What the test tells all connections.
#[derive(Debug, Default)]
struct Switch {
    turns: AtomicU64,
    next_request: Mutex<Fate>,
    cuts: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
}

/// What becomes of the next request.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Fate {
    #[default]
    Passed,
    /// The server runs it, and the connection breaks before the client learns of it.
    CutAfter,
    /// The connection breaks before the server gets it.
    CutBefore,
}

impl Proxy {
    /// Listens on a free port of loopback and passes on to the server that `url` (or `host:port`) names.
    ///
    /// It runs on the runtime of the caller, until it is dropped.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn start(url: &str) -> Self {
        let upstream = address::host(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let host = listener.local_addr().expect("a listener has an address").to_string();
        let switch = Arc::new(Switch::default());
        let listening = tokio::spawn(listen(listener, upstream, Arc::clone(&switch)));
        Self { host, switch, listening }
    }

    /// The same database, reached through the proxy (and without TLS, which the proxy could not read).
    pub fn url(&self, url: &str) -> String {
        address::with_host(url, &self.host)
    }

    /// How often the client had to wait for the server: bytes of the server that followed bytes of the client.
    pub fn turns(&self) -> u64 {
        self.switch.turns.load(SeqCst)
    }

    /// Counts from zero again; what it had counted is returned.
    pub fn reset(&self) -> u64 {
        self.switch.turns.swap(0, SeqCst)
    }

    /// Breaks every connection at once; later ones are served.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), sqlx::Error> {
    /// # use es_test_support::{Proxy, Server};
    /// # use sqlx::{Connection, PgConnection};
    /// let url = Server::shared().await.url("postgres");
    /// let proxy = Proxy::start(&url).await;
    /// let mut connection = PgConnection::connect(&proxy.url(&url)).await?;
    /// proxy.cut_now();
    /// assert!(sqlx::raw_sql("SELECT 1").execute(&mut connection).await.is_err());
    /// # Ok(()) }
    /// ```
    pub fn cut_now(&self) {
        self.switch.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets the server run the next request to its end, then breaks that connection with nothing of the answer passed on.
    pub fn cut_after_next_request(&self) {
        self.switch.decide(Fate::CutAfter);
    }

    /// Breaks the connection of the next request before the server gets to see it.
    ///
    /// Its client cannot tell this from [`Proxy::cut_after_next_request`]; that is the point of having both.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), sqlx::Error> {
    /// # use es_test_support::{Database, Proxy};
    /// # use sqlx::{Connection, PgConnection};
    /// # let db = Database::create().await;
    /// # let proxy = Proxy::start(db.url()).await;
    /// let mut connection = PgConnection::connect(&proxy.url(db.url())).await?;
    /// proxy.cut_before_next_request();
    /// let outcome = sqlx::raw_sql("CREATE TABLE proof ()").execute(&mut connection).await;
    /// assert!(outcome.is_err());
    ///
    /// let mut direct = PgConnection::connect(db.url()).await?;
    /// assert!(sqlx::raw_sql("SELECT FROM proof").execute(&mut direct).await.is_err()); // it never happened
    /// # Ok(()) }
    /// ```
    pub fn cut_before_next_request(&self) {
        self.switch.decide(Fate::CutBefore);
    }

    /// Holds back all bytes of both directions, as a network does that drops packets, until [`Proxy::resume`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), sqlx::Error> {
    /// # use es_test_support::{Proxy, Server};
    /// # use sqlx::{Connection, PgConnection};
    /// # use std::time::Duration;
    /// # let url = Server::shared().await.url("postgres");
    /// # let proxy = Proxy::start(&url).await;
    /// let mut connection = PgConnection::connect(&proxy.url(&url)).await?;
    /// proxy.stall();
    /// let query = sqlx::raw_sql("SELECT 1").execute(&mut connection);
    /// assert!(tokio::time::timeout(Duration::from_millis(50), query).await.is_err());
    /// # Ok(()) }
    /// ```
    pub fn stall(&self) {
        self.switch.stalled.send_replace(true);
    }

    /// Passes on what was held back since [`Proxy::stall`], and everything after it.
    pub fn resume(&self) {
        self.switch.stalled.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Switch {
    fn decide(&self, fate: Fate) {
        *self.next_request.lock().unwrap_or_else(PoisonError::into_inner) = fate;
    }

    /// The decision holds for one request, of whichever connection is first.
    fn take_fate(&self) -> Fate {
        std::mem::take(&mut self.next_request.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn flowing(&self) {
        // The sender lives as long as `self`, so the wait can only end well.
        let _ = self.stalled.subscribe().wait_for(|stalled| !stalled).await;
    }
}

async fn listen(listener: TcpListener, upstream: String, switch: Arc<Switch>) {
    // The connections belong to this task, so that they end with the proxy.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                connections.spawn(connect(client, upstream.clone(), Arc::clone(&switch)));
            },
            Some(_) = connections.join_next() => (),
        }
    }
}

/// A connection ends, for both sides, when either side ends it or the test does.
async fn connect(mut client: TcpStream, upstream: String, switch: Arc<Switch>) {
    let mut cuts = switch.cuts.subscribe();
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let line = Line { switch: &switch, waiting: AtomicBool::new(false), doomed: AtomicBool::new(false) };
    tokio::select! {
        _ = line.requests(from_client, to_server) => (),
        _ = line.answers(from_server, to_client) => (),
        _ = cuts.changed() => (),
    }
}

/// One connection, as its two directions see it.
struct Line<'a> {
    switch: &'a Switch,
    /// The client has sent something that the server has not answered.
    waiting: AtomicBool,
    /// The connection breaks as soon as the server has finished what it is doing.
    doomed: AtomicBool,
}

impl Line<'_> {
    async fn requests(&self, mut client: ReadHalf<'_>, mut server: WriteHalf<'_>) -> std::io::Result<()> {
        let mut frames = Frames::of_client();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let bytes = read(&mut client, &mut buffer).await?;
            self.switch.flowing().await;
            if frames.count(bytes, frames::is_request) > 0 {
                match self.switch.take_fate() {
                    Fate::Passed => (),
                    Fate::CutAfter => self.doomed.store(true, SeqCst),
                    Fate::CutBefore => return Ok(()),
                }
            }
            self.waiting.store(true, SeqCst);
            server.write_all(bytes).await?;
        }
    }

    async fn answers(&self, mut server: ReadHalf<'_>, mut client: WriteHalf<'_>) -> std::io::Result<()> {
        let mut frames = Frames::of_server();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let bytes = read(&mut server, &mut buffer).await?;
            self.switch.flowing().await;
            if self.waiting.swap(false, SeqCst) {
                self.switch.turns.fetch_add(1, SeqCst);
            }
            let ready = frames.count(bytes, frames::is_ready) > 0;
            match (self.doomed.load(SeqCst), ready) {
                (true, true) => return Ok(()),
                (true, false) => (),
                (false, _) => client.write_all(bytes).await?,
            }
        }
    }
}

async fn read<'b>(from: &mut ReadHalf<'_>, buffer: &'b mut [u8]) -> std::io::Result<&'b [u8]> {
    match from.read(buffer).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        length => Ok(&buffer[..length]),
    }
}
