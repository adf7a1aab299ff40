//! Processes that execute commands under idempotency keys are killed with SIGKILL at each step of a command: before, inside and
//! after the append, and before the answer. Whoever repeats the command at once, from another process and twice at a time,
//! gets one answer, and it has one effect.
//!
//! `ES_CRASH_SEED` makes the same choices again; the seed is printed.

#[allow(dead_code, reason = "the oracle dawdles")]
#[path = "oracle/random.rs"]
mod random;

#[path = "crash_keys/domain.rs"]
mod domain;
#[path = "crash_keys/stepping.rs"]
mod stepping;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use es_core::{EventStore, EventStoreExt, ExpectedVersion, Outcome, Retry};
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::{Connection, PgConnection, Row};
use tokio::task::JoinHandle;

use domain::{Book, Ledger, LedgerEvent};
use random::Random;
use stepping::{STEP, STEPS, Stepping};

/// Tell a process of this program that it is to execute commands: where, from which order on, and whether under keys.
const URL: &str = "ES_CRASH_KEYS_URL";
const FIRST: &str = "ES_CRASH_KEYS_FIRST";
const KEYED: &str = "ES_CRASH_KEYS_KEYED";
/// At which order and step it is to stay; nowhere if there are none.
const HOLD_ORDER: &str = "ES_CRASH_KEYS_HOLD_ORDER";
const HOLD_STEP: &str = "ES_CRASH_KEYS_HOLD_STEP";

/// Nobody contends for as long as that.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it prints around each answer, since a killed process may have printed half a line.
const ANSWER: &str = "<answer> ";
const COMPLETE: &str = " <complete>";

/// What was answered to a command: the same for the same order, whoever asked.
#[derive(Clone, Debug, PartialEq)]
struct Answer(String);

impl Answer {
    fn of(outcome: &Outcome<Ledger>) -> Self {
        let ids: Vec<String> = outcome.events.iter().map(|event| event.id.to_string()).collect();
        Self(format!("version {}, state {}, events {}", outcome.version, outcome.state.events, ids.join(" ")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_takes_effect_once_at_whichever_step_its_process_is_killed() {
    const ROUNDS: u64 = 200;
    const LONGEST: Duration = Duration::from_secs(10);
    let mut world = World::new(true).await;
    let mut random = Random::of(world.seed, 1);
    let (start, mut tally, mut order) = (Instant::now(), Tally::default(), 0);
    for round in 0..ROUNDS {
        // In turn, so that each step has its share, however short the run is.
        let step = usize::try_from(round).unwrap() % STEPS.len();
        order = world.round(step, order, &mut random, &mut tally).await;
        if start.elapsed() > LONGEST && round > 40 {
            break;
        }
    }
    println!("{tally:?}, {:?}", start.elapsed());
    let doubled = world.end(order).await;
    assert_eq!(doubled, 0, "seed {}: an order was booked more than once", world.seed);
    assert!(tally.done_before > 5 && tally.done_now > 5, "seed {}: too tame: {tally:?}", world.seed);
}

/// The oracle must be able to tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_an_effect_is_doubled_and_that_is_found_out() {
    let mut world = World::new(false).await;
    let (mut random, mut tally, mut order) = (Random::of(world.seed, 1), Tally::default(), 0);
    for _ in 0..5 {
        order = world.round(3, order, &mut random, &mut tally).await;
    }
    assert!(world.end(order).await > 0, "seed {}: nothing was doubled: {tally:?}", world.seed);
}

/// How the commands were found whose process was killed.
#[derive(Debug, Default)]
struct Tally {
    done_before: u32,
    done_now: u32,
    answered: u32,
}

struct World {
    seed: u64,
    keyed: bool,
    database: Database,
    store: PgStore,
    stop: Arc<AtomicBool>,
    rivals: Vec<JoinHandle<()>>,
}

impl World {
    async fn new(keyed: bool) -> Self {
        let chosen = std::env::var("ES_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = chosen.unwrap_or_else(Random::fresh_seed);
        println!("ES_CRASH_SEED={seed}");
        let database = Database::create().await;
        let store = PgStore::connect(database.url()).await.unwrap();
        store.migrate().await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let rivals = (0..3).map(|n| tokio::spawn(contend(store.clone(), n, Arc::clone(&stop)))).collect();
        Self { seed, keyed, database, store, stop, rivals }
    }

    /// Has a process execute commands, kills it at that step of one of them, and repeats that one. Gives the next order.
    async fn round(&self, step: usize, first: u64, random: &mut Random, tally: &mut Tally) -> u64 {
        let (url, keyed) = (self.database.url().to_owned(), self.keyed);
        let (commands, delay) = (1 + random.below(4), Duration::from_micros(random.below(4_000)));
        // Either right there, or at some moment after it.
        let delay = (self.keyed && random.percent(50)).then_some(delay);
        let kill = move || execute_and_be_killed(&url, first, keyed, commands, step, delay);
        let answers = tokio::task::spawn_blocking(kill).await.unwrap();
        // It goes on until it is really dead, so the one in doubt is the one behind the last that was answered.
        let in_doubt = first + answers.len() as u64;
        if !self.keyed {
            self.repeat(in_doubt).await;
            return in_doubt + 1;
        }
        for order in first..=in_doubt {
            let (one, two) = tokio::join!(self.repeat(order), self.repeat(order));
            assert_eq!(Answer::of(&one), Answer::of(&two), "seed {}: two repeats at once", self.seed);
            assert!(one.repeated || two.repeated, "seed {}: one of them is the second", self.seed);
            let done_before = one.repeated && two.repeated;
            if let Some(answer) = answers.get(&order) {
                assert_eq!(*answer, Answer::of(&one), "seed {}: order {order} was answered", self.seed);
                assert!(done_before, "seed {}: order {order} was done", self.seed);
            }
            match (answers.contains_key(&order), done_before) {
                (true, _) => tally.answered += 1,
                (false, true) => tally.done_before += 1,
                (false, false) => tally.done_now += 1,
            }
        }
        in_doubt + 1
    }

    async fn repeat(&self, order: u64) -> Outcome<Ledger> {
        execute(&self.store, order, self.keyed).await
    }

    /// Ends the rivals, and counts the orders that were booked more than once. No order is missing, none is booked in part, and
    /// each answer is true.
    async fn end(&mut self, orders: u64) -> usize {
        self.stop.store(true, SeqCst);
        for rival in self.rivals.drain(..) {
            rival.await.unwrap();
        }
        let booked = booked(&self.database).await;
        assert_eq!(booked.len() as u64, orders, "seed {}: every order is booked", self.seed);
        for (order, booked) in &booked {
            assert_eq!(booked.events % booked.parts, 0, "seed {}: order {order} is booked whole", self.seed);
            if self.keyed {
                let outcome = self.repeat(*order).await;
                let ids: Vec<_> = outcome.events.iter().map(|event| event.id.to_string()).collect();
                assert_eq!(ids.join(" "), booked.ids, "seed {}: the answer is what is stored", self.seed);
                assert_eq!(outcome.state.events, outcome.version.0, "seed {}: and the state of then", self.seed);
            }
        }
        booked.values().filter(|booked| booked.events > booked.parts).count()
    }
}

/// What is there of an order.
struct Booked {
    events: i64,
    parts: i64,
    ids: String,
}

async fn booked(database: &Database) -> HashMap<u64, Booked> {
    const ALL: &str = "
        SELECT (payload->>'order')::bigint, count(*), max((payload->>'parts')::bigint),
               string_agg(event_id::text, ' ' ORDER BY version)
          FROM es.events WHERE type = 'ledger.booked' GROUP BY 1";
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let rows = sqlx::query(ALL).fetch_all(&mut connection).await.unwrap();
    let booked = |row: &sqlx::postgres::PgRow| Booked { events: row.get(1), parts: row.get(2), ids: row.get(3) };
    rows.iter().map(|row| (u64::try_from(row.get::<i64, _>(0)).unwrap(), booked(row))).collect()
}

async fn execute(store: &impl EventStore, order: u64, keyed: bool) -> Outcome<Ledger> {
    let book = Book::of(order);
    let (key, execute) = (book.key(), store.execute(book).retry(Retry::attempts(10_000).within(PATIENCE)));
    let done = if keyed { execute.idempotency_key(key).await } else { execute.await };
    done.unwrap_or_else(|error| panic!("order {order}: {error:?}"))
}

/// Others write to the same ledgers, so that versions are fought over.
async fn contend(store: PgStore, ledger: u64, stop: Arc<AtomicBool>) {
    while !stop.load(SeqCst) {
        let noted = LedgerEvent::Noted;
        store.append_events::<Ledger>(ledger.to_string(), ExpectedVersion::Any, noted).await.unwrap();
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Starts a process, waits until it is at that step of its last command, and kills it a little later. Gives what it answered.
fn execute_and_be_killed(
    url: &str,
    first: u64,
    keyed: bool,
    commands: u64,
    step: usize,
    delay: Option<Duration>,
) -> HashMap<u64, Answer> {
    let hold = delay.is_none().then_some((first + commands - 1, step));
    let mut process = spawn(url, first, keyed, hold);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut answers = HashMap::new();
    loop {
        let line = lines.next().expect("the process goes on until it is killed");
        answers.extend(parse(&line));
        let begun_last = answers.len() as u64 + 1 >= commands;
        if begun_last && line.ends_with(&format!("{STEP}{}", STEPS[step])) {
            break;
        }
    }
    std::thread::sleep(delay.unwrap_or_default());
    process.kill().unwrap(); // SIGKILL
    answers.extend(lines.filter_map(|line| parse(&line)));
    process.wait().unwrap();
    answers
}

fn spawn(url: &str, first: u64, keyed: bool, hold: Option<(u64, usize)>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_process", "--nocapture", "--test-threads=1"]).stdout(Stdio::piped());
    if let Some((order, step)) = hold {
        command.env(HOLD_ORDER, order.to_string()).env(HOLD_STEP, step.to_string());
    }
    command.env(URL, url).env(FIRST, first.to_string()).env(KEYED, keyed.to_string()).spawn().unwrap()
}

fn parse(line: &str) -> Option<(u64, Answer)> {
    let (order, answer) = line.split_once(ANSWER)?.1.strip_suffix(COMPLETE)?.split_once(": ")?;
    Some((order.parse().unwrap(), Answer(answer.to_owned())))
}

/// Not a test, but what [`spawn`] runs: it executes one command after the other, until it is killed. Without its variables it has
/// nothing to do.
#[tokio::test]
async fn the_process() {
    let variable = |name| std::env::var(name).ok();
    let (Some(url), Some(first), Some(keyed)) = (variable(URL), variable(FIRST), variable(KEYED)) else { return };
    let hold = variable(HOLD_ORDER).zip(variable(HOLD_STEP));
    let hold = hold.map(|(order, step)| (order.parse().unwrap(), step.parse().unwrap()));
    let store = Stepping { store: PgStore::connect(&url).await.unwrap(), order: AtomicU64::new(0), hold };
    for order in first.parse().unwrap().. {
        store.order.store(order, SeqCst);
        let outcome = execute(&store, order, keyed.parse().unwrap()).await;
        store.say(4).await;
        println!("{ANSWER}{order}: {}{COMPLETE}", Answer::of(&outcome).0);
    }
}
