//! Processes are killed, and the server with them: what was acknowledged is there, once, and the log goes on as it was.
//!
//! `ES_ORACLE_SEED` makes the same choices again; the seed is printed.

#[path = "oracle/checker.rs"]
mod checker;
#[allow(dead_code, reason = "the oracle dawdles")]
#[path = "oracle/random.rs"]
mod random;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use es_core::{Append, Appended, Error, EventStore, ExpectedVersion, NewEvent, Position, RawEvent, ReadLog, StreamId};
use es_postgres::PgStore;
use es_test_support::{Database, Server};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use checker::{Seen, Stored, judge, judge_streams};
use random::Random;

/// Tells a process of this program that it is to write, and where.
const URL: &str = "ES_CRASH_WRITER_URL";
const SEED: &str = "ES_CRASH_WRITER_SEED";

/// What it prints before each acknowledgement, and behind it, since a killed process may have printed half a line.
const ACKNOWLEDGED: &str = "acknowledged:";
const COMPLETE: &str = ":complete";

const WRITERS_PER_PROCESS: u64 = 4;
const STREAMS: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(60);

type Acknowledged = Arc<Mutex<Vec<Stored>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_processes_that_are_killed_lose_nothing_they_had_acknowledged() {
    const LANES: u64 = 2;
    const KILLS_PER_LANE: u64 = 9;
    let seed = seed();
    let database = migrated(Database::create().await).await;
    let acknowledged = Acknowledged::default();
    let reader = Reader::start(database.url()).await;
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (url, acknowledged) = (database.url().to_owned(), Arc::clone(&acknowledged));
        lanes.spawn_blocking(move || {
            let mut random = Random::of(seed, lane);
            for _ in 0..KILLS_PER_LANE {
                write_and_be_killed(&url, &mut random, &acknowledged);
            }
        });
    }
    lanes.join_all().await;
    until_nobody_writes(&database).await;
    let lost = judge_all(&database, &acknowledged, reader, seed).await;
    assert!(lost.is_empty(), "seed {seed}: {} acknowledged and lost, such as {:?}", lost.len(), lost[0]);
}

/// Starts a process, lets it acknowledge something, and kills it at some moment after that.
fn write_and_be_killed(url: &str, random: &mut Random, acknowledged: &Acknowledged) {
    let mut process = spawn(url, random.next());
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let heard = Arc::clone(acknowledged);
    let before = heard.lock().unwrap().len();
    let listening = std::thread::spawn(move || {
        for stored in lines.map_while(Result::ok).filter_map(|line| parse(&line)) {
            heard.lock().unwrap().push(stored);
        }
    });
    let deadline = Instant::now() + PATIENCE;
    while acknowledged.lock().unwrap().len() < before + 20 {
        assert!(Instant::now() < deadline, "the writer acknowledges nothing");
        assert!(process.try_wait().unwrap().is_none(), "the writer ended by itself");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_micros(random.below(60_000)));
    process.kill().unwrap(); // SIGKILL
    process.wait().unwrap();
    listening.join().unwrap();
}

fn spawn(url: &str, seed: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_writer_process", "--nocapture", "--test-threads=1"]);
    command.env(URL, url).env(SEED, seed.to_string()).stdout(Stdio::piped()).spawn().unwrap()
}

fn parse(line: &str) -> Option<Stored> {
    let (_, rest) = line.split_once(ACKNOWLEDGED)?;
    let mut words = rest.strip_suffix(COMPLETE)?.split(' ');
    let id = words.next()?.parse().unwrap();
    Some(Stored { id, stream: words.next()?.to_owned(), version: words.next()?.parse().unwrap() })
}

/// Not a test, but what [`spawn`] runs: it writes until it is killed. Without its variables it has nothing to do.
#[tokio::test]
async fn the_writer_process() {
    let (Ok(url), Ok(seed)) = (std::env::var(URL), std::env::var(SEED)) else { return };
    let store = PgStore::connect(&url).await.unwrap();
    let mut writers = JoinSet::new();
    for number in 0..WRITERS_PER_PROCESS {
        let random = Random::of(seed.parse().unwrap(), number);
        writers.spawn(write_and_print(store.clone(), url.clone(), random));
    }
    writers.join_all().await;
}

async fn write_and_print(store: PgStore, url: String, mut random: Random) {
    let mut users = PgConnection::connect(&url).await.unwrap();
    loop {
        let append = any_append(&mut random);
        let appended = match random.below(3) {
            0 => append_in_transaction(&store, &mut users, append.clone()).await,
            _ => store.append(append.clone()).await.unwrap(),
        };
        for Stored { id, stream, version } in stored(&append, appended) {
            println!("{ACKNOWLEDGED}{id} {stream} {version}{COMPLETE}");
        }
    }
}

async fn append_in_transaction(store: &PgStore, connection: &mut PgConnection, append: Append) -> Appended {
    let mut transaction = connection.begin().await.unwrap();
    transaction.execute("INSERT INTO notes VALUES ('before')").await.unwrap();
    let appended = store.in_transaction(&mut transaction).append(append).await.unwrap();
    transaction.commit().await.unwrap();
    appended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_nothing_it_had_acknowledged() {
    let seed = seed();
    let lost = lost_by_a_server_that_is_killed(seed, "ALTER DATABASE {} SET synchronous_commit = on").await;
    assert!(lost.is_empty(), "seed {seed}: {} acknowledged and lost, such as {:?}", lost.len(), lost[0]);
}

/// That is what this setting is for, so a test that does not notice is none. And even then nothing that a reader has seen may
/// be lost with it: a place in the log is durable before anybody learns of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_acknowledges_too_early_loses_something_but_nothing_that_was_read() {
    let lost = lost_by_a_server_that_is_killed(seed(), "ALTER DATABASE {} SET synchronous_commit = off").await;
    assert!(!lost.is_empty(), "too tame: nothing was lost with asynchronous commits");
}

async fn lost_by_a_server_that_is_killed(seed: u64, setting: &str) -> Vec<Stored> {
    const KILLS: u64 = 5;
    let server = Server::durable().await;
    let database = migrated(Database::create_on(&server).await).await;
    let setting = AssertSqlSafe(setting.replace("{}", database.name()));
    PgConnection::connect(database.url()).await.unwrap().execute(setting).await.unwrap();
    let acknowledged = Acknowledged::default();
    let reader = Reader::start(database.url()).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for number in 0..6 {
        let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        writers.spawn(write_through_crashes(store.clone(), Random::of(seed, number), acknowledged, stop));
    }
    let mut random = Random::of(seed, 99);
    for _ in 0..KILLS {
        until_acknowledged(&acknowledged, 40).await;
        sleep(Duration::from_micros(random.below(50_000))).await;
        server.kill_hard().await;
        sleep(Duration::from_millis(random.below(100))).await;
        server.restart().await;
    }
    until_acknowledged(&acknowledged, 40).await;
    stop.store(true, SeqCst);
    timeout(PATIENCE, writers.join_all()).await.expect("writers end");
    judge_all(&database, &acknowledged, reader, seed).await
}

/// Waits for so many acknowledgements more.
async fn until_acknowledged(acknowledged: &Acknowledged, more: usize) {
    let before = acknowledged.lock().unwrap().len();
    let arrive = async {
        while acknowledged.lock().unwrap().len() < before + more {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, arrive).await.expect("writers go on after a crash");
}

async fn write_through_crashes(store: PgStore, mut random: Random, acknowledged: Acknowledged, stop: Arc<AtomicBool>) {
    while !stop.load(SeqCst) {
        let append = any_append(&mut random);
        match store.append(append.clone()).await {
            Ok(appended) => acknowledged.lock().unwrap().extend(stored(&append, appended)),
            Err(error) if error.is_transient() => sleep(Duration::from_millis(5)).await,
            Err(Error::UnknownOutcome { .. }) => (),
            Err(error) => panic!("a crash of the server is neither transient nor of unknown outcome: {error:?}"),
        }
    }
}

fn seed() -> u64 {
    let seed =
        std::env::var("ES_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(Random::fresh_seed);
    println!("ES_ORACLE_SEED={seed}");
    seed
}

async fn migrated(database: Database) -> Database {
    PgStore::connect(database.url()).await.unwrap().migrate().await.unwrap();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    connection.execute("CREATE TABLE notes (note text)").await.unwrap();
    database
}

/// One to four events, each of which tells how many belong together.
fn any_append(random: &mut Random) -> Append {
    let (count, whole) = (1 + random.below(4), random.event_id());
    let payload = format!(r#"{{"append":"{}","events":{count}}}"#, whole.0);
    let event = |id| NewEvent { id, ..NewEvent::new("ledger.written", 1, payload.clone()) };
    let stream = StreamId::new("ledger", random.below(STREAMS).to_string()).unwrap();
    Append::new(stream, ExpectedVersion::Any, (0..count).map(|_| event(random.event_id())).collect())
}

fn stored(append: &Append, appended: Appended) -> Vec<Stored> {
    let first = appended.version.0 + 1 - append.events.len() as u64;
    let numbered = (first..).zip(&append.events);
    numbered.map(|(version, event)| Stored { id: event.id.0, stream: append.stream.to_string(), version }).collect()
}

/// Follows the log all the while, and waits out what is transient.
struct Reader {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<Seen>>,
}

impl Reader {
    async fn start(url: &str) -> Self {
        let store = PgStore::connect(url).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(read(store, Arc::clone(&stop)));
        Self { stop, task }
    }

    /// All it has seen, up to the end.
    async fn finish(self) -> Vec<Seen> {
        self.stop.store(true, SeqCst);
        timeout(PATIENCE, self.task).await.expect("the reader comes to the end").unwrap()
    }
}

async fn read(store: PgStore, stop: Arc<AtomicBool>) -> Vec<Seen> {
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let last_round = stop.load(SeqCst);
        let mut page = Vec::new();
        let visit = &mut |event: RawEvent<'_>| {
            let stored = Stored { id: event.id.0, stream: event.stream.to_string(), version: event.version.0 };
            page.push(Seen { position: event.position.unwrap().0, event: stored });
            Ok(())
        };
        match store.read_log(ReadLog::after(after).limit(50), visit).await {
            Ok(end) => {
                all.append(&mut page);
                after = end.next;
                if end.at_end && last_round {
                    return all;
                }
            }
            Err(error) if error.is_transient() => sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("a reader is refused with {error:?}"),
        }
    }
}

/// Killed clients leave their last statements running.
async fn until_nobody_writes(database: &Database) {
    const WRITING: &str = "
        SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
         WHERE a.datname = current_database() AND l.relation = 'es.events'::regclass AND l.mode = 'RowExclusiveLock'";
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let rest = async {
        while sqlx::query_scalar::<_, i64>(WRITING).fetch_one(&mut connection).await.unwrap() > 0 {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, rest).await.expect("the server notices that its clients are gone");
}

/// Judges everything but this: what was acknowledged and is not there, which is handed out.
async fn judge_all(database: &Database, acknowledged: &Acknowledged, reader: Reader, seed: u64) -> Vec<Stored> {
    let committed = committed(database).await;
    let acknowledged = acknowledged.lock().unwrap().clone();
    let there: HashSet<&Stored> = committed.iter().collect();
    let lost = acknowledged.iter().filter(|stored| !there.contains(stored)).cloned().collect();
    println!("{} acknowledged, {} stored", acknowledged.len(), committed.len());

    let ids: HashSet<Uuid> = committed.iter().map(|stored| stored.id).collect();
    assert_eq!(ids.len(), committed.len(), "seed {seed}: nothing is stored twice");
    assert_eq!(judge_streams(&committed), [], "seed {seed}");
    assert_eq!(torn_appends(database).await, 0, "seed {seed}: appends are stored as a whole");

    let seen = reader.finish().await;
    let violations = judge(&committed, &seen);
    assert!(violations.is_empty(), "seed {seed}: {} violations, such as {:?}", violations.len(), violations[0]);
    let again = Reader::start(database.url()).await.finish().await;
    assert!(seen == again, "seed {seed}: the log is the same when it is read again");
    lost
}

async fn committed(database: &Database) -> Vec<Stored> {
    const ALL: &str = "SELECT event_id, category || '-' || stream_id, version FROM es.events";
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let rows = sqlx::query(ALL).fetch_all(&mut connection).await.unwrap();
    let version = |row: &sqlx::postgres::PgRow| u64::try_from(row.get::<i64, _>(2)).unwrap();
    rows.iter().map(|row| Stored { id: row.get(0), stream: row.get(1), version: version(row) }).collect()
}

async fn torn_appends(database: &Database) -> i64 {
    const TORN: &str = "
        SELECT count(*) FROM (SELECT FROM es.events GROUP BY payload->>'append'
                              HAVING count(*) <> max((payload->>'events')::bigint)) torn";
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    sqlx::query_scalar(TORN).fetch_one(&mut connection).await.unwrap()
}
