//! Schedules instead of luck: small programs, run in *every* order that their steps can come in.
//!
//! A gate is an advisory lock that a function of the schema has to pass. The functions are the library's own: their text is
//! taken from the database, and between two of its statements one more is put in, which waits at a closed gate. So nothing
//! of them is copied here, and a change to them is tested the moment it is made. (A mark that is gone fails the test.)

use std::time::{Duration, Instant};

use es_core::{Append, EventStore, ExpectedVersion, NewEvent, Position, RawEvent, ReadLog, StreamId};
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::task::JoinHandle;

use crate::checker::{Seen, Stored, judge};
use crate::truth::as_stored;
use crate::world::committed;

/// A statement of a schema's function before which somebody can be made to wait.
struct Gate {
    number: i64,
    function: &'static str,
    /// How the statement begins; nothing else in the function's text does.
    before: &'static str,
}

/// In the order in which they are passed.
const BEFORE_LOCK: Gate = Gate { number: 1, function: "es.tick", before: "IF wait THEN" };
const BEFORE_LAST_TICK: Gate = Gate { number: 2, function: "es.tick", before: "SELECT t.* INTO STRICT l FROM" };
const BEFORE_SNAPSHOT: Gate = Gate { number: 3, function: "es.tick", before: "s := pg_current_snapshot();" };
const BEFORE_COUNT: Gate = Gate { number: 4, function: "es.tick", before: "SELECT count(*), min(e.pk), max(e.pk)" };
const BEFORE_INSERT: Gate = Gate { number: 5, function: "es.tick", before: "INSERT INTO" };
const BEFORE_COMMIT: Gate = Gate { number: 6, function: "es.tick", before: "RETURN true;" };
const BEFORE_WINDOW: Gate = Gate { number: 7, function: "es.log_window", before: "SELECT t.* INTO z FROM" };
const BEFORE_PAGE: Gate = Gate { number: 8, function: "es.log_window", before: "upto := z.upto;" };
const GATES: [Gate; 8] = [
    BEFORE_LOCK,
    BEFORE_LAST_TICK,
    BEFORE_SNAPSHOT,
    BEFORE_COUNT,
    BEFORE_INSERT,
    BEFORE_COMMIT,
    BEFORE_WINDOW,
    BEFORE_PAGE,
];

/// Only sessions with this setting wait at gates.
const GATED: (&str, &str) = ("es_test.gates", "on");

/// What an actor does next. Streams are numbered; each schedule has fresh ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Begins a transaction which writes something else, and so gets its number early.
    Begin,
    Append(u8),
    BeginAndAppend(u8),
    /// Appends, and rolls back to a savepoint before that.
    AppendAndTakeBack(u8),
    Commit,
    RollBack,
    /// Through the store, without a transaction around it.
    AppendAlone(u8),
    Tick,
    /// Closes the gates of this actor's later steps, begins, and comes to the first of them.
    StartTick,
    StartRead,
    /// Opens a gate; whoever waits there goes on to the next closed one, or to the end.
    Pass(i64),
}

use Step::*;

impl Step {
    fn may_give_places(self) -> bool {
        matches!(self, Tick | StartRead | Pass(_))
    }
}

/// Who does what, each in this order.
struct Program {
    name: &'static str,
    actors: &'static [&'static [Step]],
}

/// A late commit, with a gate at every statement of the tick.
const LATE_COMMIT: Program = Program {
    name: "late commit",
    actors: &[
        &[BeginAndAppend(0), Commit],
        &[AppendAlone(1)],
        &[StartTick, Pass(1), Pass(2), Pass(3), Pass(4), Pass(5), Pass(6)],
    ],
};

const ROLLED_BACK: Program = Program {
    name: "rolled back",
    actors: &[&[BeginAndAppend(0), RollBack], &[AppendAlone(0)], &[StartTick, Pass(3), Pass(4), Pass(5)]],
};

/// The older transaction writes the younger event of a stream.
const EARLY_NUMBER: Program = Program {
    name: "early number, same stream",
    actors: &[&[Begin, Append(0), Commit], &[AppendAlone(0)], &[StartTick, Pass(3), Pass(4), Pass(5)]],
};

const TWO_TRANSACTIONS: Program = Program {
    name: "two transactions",
    actors: &[&[Begin, Append(0), Commit], &[Begin, Append(1), Commit], &[StartTick, Pass(4)]],
};

const TWO_TICKERS: Program = Program {
    name: "two tickers",
    actors: &[&[BeginAndAppend(0), Commit], &[AppendAlone(1)], &[StartTick, Pass(1), Pass(4)], &[Tick]],
};

/// A tick comes to pass between the two statements of a reader, and before the first looks.
const READER_BETWEEN: Program = Program {
    name: "reader between",
    actors: &[&[BeginAndAppend(0), Commit], &[AppendAlone(1)], &[Tick], &[StartRead, Pass(7), Pass(8)]],
};

const SAVEPOINT: Program = Program {
    name: "savepoint",
    actors: &[&[BeginAndAppend(0), AppendAndTakeBack(1), Append(2), Commit], &[AppendAlone(1)], &[StartTick, Pass(4)]],
};

/// A database whose functions have gates, and all who act on it.
struct Stage {
    database: Database,
    /// Holds the gates closed, and looks who waits.
    keeper: PgConnection,
    alone: PgStore,
    gated: PgStore,
    transactions: Vec<PgConnection>,
    /// Reads the places that were given. It cannot give any itself, because its transaction has a number, and is never
    /// ended: for all the others it is a stranger that they must not wait for.
    follower: PgConnection,
    followed: Vec<Seen>,
    /// What the reader that goes through the store was given, in all schedules so far.
    read: Vec<Seen>,
    read_up_to: Position,
    schedules: u64,
    /// How often somebody was found waiting at each gate.
    held: [u32; GATES.len() + 1],
}

/// One schedule while it goes on.
#[derive(Default)]
struct Play {
    /// Of each actor, what its transaction has appended so far.
    uncommitted: Vec<Vec<Stored>>,
    expected: Vec<Stored>,
    alone: Vec<JoinHandle<Result<Vec<Stored>, String>>>,
    gated: Option<JoinHandle<Result<Option<Page>, String>>>,
    closed: Vec<i64>,
}

/// What a read of the log gave, and where to go on.
type Page = (Vec<Seen>, Position);

impl Stage {
    /// `changes` are made to the library's functions before the gates are put in: that is how a test is seen to fail.
    async fn set(changes: &[Change]) -> Self {
        let database = Database::create().await;
        let url = database.url().to_owned();
        let alone = PgStore::options().application_name("alone").connect(&url).await.unwrap();
        alone.migrate().await.unwrap();
        let connect = async || PgConnection::connect(&url).await.unwrap();
        let mut keeper = connect().await;
        keeper.execute("CREATE TABLE notes (note text)").await.unwrap();
        for change in changes {
            rewrite(&mut keeper, change.function, change.change).await;
        }
        for gate in GATES {
            rewrite(&mut keeper, gate.function, |text| gate.put_into(text)).await;
        }
        let server: PgConnectOptions = url.parse().unwrap();
        let server = server.options([GATED]);
        let gated = PgStore::options().application_name("gated").connect_with(server).await.unwrap();
        let mut follower = connect().await;
        follower.execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
        Self {
            keeper,
            alone,
            gated,
            transactions: vec![connect().await, connect().await],
            follower,
            followed: Vec::new(),
            read: Vec::new(),
            read_up_to: Position::START,
            schedules: 0,
            held: Default::default(),
            database,
        }
    }

    /// Every schedule of a program, until one goes wrong.
    async fn run(&mut self, program: &Program) -> Result<(), String> {
        for order in interleavings(program) {
            self.schedules += 1;
            let played = self.play(program, &order).await;
            played.map_err(|what| format!("program `{}`, actors in the order {order:?}: {what}", program.name))?;
        }
        Ok(())
    }

    async fn play(&mut self, program: &Program, order: &[usize]) -> Result<(), String> {
        let begun = self.followed.len();
        let mut play = Play { uncommitted: vec![Vec::new(); program.actors.len()], ..Play::default() };
        let mut next = vec![0; program.actors.len()];
        for &actor in order {
            let steps = &program.actors[actor][next[actor]..];
            next[actor] += 1;
            self.step(&mut play, actor, steps).await?;
            if steps[0].may_give_places() {
                self.follow().await?;
            }
        }
        self.finish(&mut play).await?;
        let violations = judge(&play.expected, &self.followed[begun..]);
        if violations.is_empty() { Ok(()) } else { Err(format!("{violations:#?}")) }
    }

    async fn step(&mut self, play: &mut Play, actor: usize, steps: &[Step]) -> Result<(), String> {
        match steps[0] {
            Begin => self.begin(actor).await,
            Append(stream) => play.uncommitted[actor].extend(self.append(actor, stream).await?),
            BeginAndAppend(stream) => {
                self.begin(actor).await;
                play.uncommitted[actor].extend(self.append(actor, stream).await?);
            }
            AppendAndTakeBack(stream) => {
                self.run_in(actor, "SAVEPOINT before").await?;
                self.append(actor, stream).await?;
                self.run_in(actor, "ROLLBACK TO SAVEPOINT before").await?;
            }
            Commit => {
                self.run_in(actor, "COMMIT").await?;
                play.expected.append(&mut play.uncommitted[actor]);
            }
            RollBack => self.run_in(actor, "ROLLBACK").await?,
            AppendAlone(stream) => {
                let (store, append) = (self.alone.clone(), self.any_append(stream));
                play.alone.push(tokio::spawn(async move {
                    let appended = store.append(append.clone()).await.map_err(said)?;
                    Ok(as_stored(&append, appended.version))
                }));
                self.settle("alone", |play| play.alone.iter().all(JoinHandle::is_finished), play).await;
            }
            Tick => {
                self.keeper.execute("SELECT es.tick()").await.map_err(said)?;
            }
            StartTick => self.start(play, &steps[1..], tick(self.gated.clone())).await,
            StartRead => {
                let read = read(self.gated.clone(), self.read_up_to);
                self.start(play, &steps[1..], read).await;
            }
            Pass(gate) => {
                self.open(gate).await;
                play.closed.retain(|closed| *closed != gate);
                self.come_to_a_gate(play).await;
            }
        }
        Ok(())
    }

    async fn run_in(&mut self, actor: usize, sql: &'static str) -> Result<(), String> {
        self.transactions[actor].execute(sql).await.map(drop).map_err(said)
    }

    async fn begin(&mut self, actor: usize) {
        self.transactions[actor].execute("BEGIN; INSERT INTO notes VALUES ('first')").await.unwrap();
    }

    async fn append(&mut self, actor: usize, stream: u8) -> Result<Vec<Stored>, String> {
        let append = self.any_append(stream);
        let inside = self.alone.in_transaction(&mut self.transactions[actor]);
        let appended = inside.append(append.clone()).await.map_err(said)?;
        Ok(as_stored(&append, appended.version))
    }

    fn any_append(&self, stream: u8) -> Append {
        let stream = StreamId::new("order", format!("{}-{stream}", self.schedules)).unwrap();
        Append::new(stream, ExpectedVersion::Any, vec![NewEvent::new("order.changed", 1, "{}")])
    }

    async fn start(
        &mut self,
        play: &mut Play,
        later: &[Step],
        act: impl Future<Output = Result<Option<Page>, String>> + Send + 'static,
    ) {
        play.closed = later.iter().filter_map(|step| if let Pass(gate) = step { Some(*gate) } else { None }).collect();
        let close = sqlx::query("SELECT pg_advisory_lock(gate) FROM unnest($1::bigint[]) gate").bind(&play.closed);
        close.execute(&mut self.keeper).await.unwrap();
        play.gated = Some(tokio::spawn(act));
        self.come_to_a_gate(play).await;
    }

    async fn open(&mut self, gate: i64) {
        let open = sqlx::query("SELECT pg_advisory_unlock($1)").bind(gate);
        open.execute(&mut self.keeper).await.unwrap();
    }

    async fn come_to_a_gate(&mut self, play: &mut Play) {
        let finished = |play: &Play| play.gated.as_ref().is_none_or(JoinHandle::is_finished);
        if let Some(gate) = self.settle("gated", finished, play).await {
            self.held[usize::try_from(gate).unwrap()] += 1;
        }
    }

    /// Waits until those of that name have finished or wait for a lock; tells which gate, if it is one.
    async fn settle(&mut self, name: &str, finished: impl Fn(&Play) -> bool, play: &Play) -> Option<i64> {
        const WAITING: &str = "
            SELECT CASE l.locktype WHEN 'advisory' THEN l.objid::bigint END FROM pg_locks l JOIN pg_stat_activity a USING (pid)
             WHERE NOT l.granted AND a.application_name = $1 AND a.datname = current_database()";
        let deadline = Instant::now() + Duration::from_secs(30);
        while !finished(play) {
            assert!(Instant::now() < deadline, "`{name}` neither finishes nor waits");
            let waiting = sqlx::query_scalar(WAITING).bind(name).fetch_optional(&mut self.keeper).await.unwrap();
            if let Some(gate) = waiting {
                return gate;
            }
        }
        None
    }

    async fn finish(&mut self, play: &mut Play) -> Result<(), String> {
        for alone in play.alone.drain(..) {
            play.expected.extend(alone.await.unwrap()?);
        }
        if let Some(gated) = play.gated.take()
            && let Some((page, next)) = gated.await.unwrap()?
        {
            self.read.extend(page);
            self.read_up_to = next;
        }
        self.keeper.execute("SELECT es.log_end()").await.map_err(said)?;
        self.follow().await
    }

    /// Reads on, without giving places.
    async fn follow(&mut self) -> Result<(), String> {
        const NEXT: &str = "SELECT event_id, stream, version, position FROM es.read_log($1, 500)";
        let after = self.followed.last().map_or(0, |seen| seen.position);
        let query = sqlx::query(NEXT).bind(i64::try_from(after).unwrap());
        let rows = query.fetch_all(&mut self.follower).await.map_err(said)?;
        self.followed.extend(rows.iter().map(seen));
        Ok(())
    }

    /// What was read on the way, by whomever, is what is there in the end.
    async fn judge(mut self) -> Result<Self, String> {
        while let Some((page, next)) = read(self.alone.clone(), self.read_up_to).await? {
            self.read.extend(page);
            if next == self.read_up_to {
                break;
            }
            self.read_up_to = next;
        }
        let there = committed(self.database.url(), "").await;
        for seen in [&self.followed, &self.read] {
            let violations = judge(&there, seen);
            if !violations.is_empty() {
                return Err(format!("{violations:#?}"));
            }
        }
        if self.read == self.followed { Ok(self) } else { Err("two readers saw two orders".to_owned()) }
    }
}

async fn tick(store: PgStore) -> Result<Option<Page>, String> {
    store.log_end().await.map(|_| None).map_err(said)
}

async fn read(store: PgStore, after: Position) -> Result<Option<Page>, String> {
    let mut page = Vec::new();
    let visit = &mut |event: RawEvent<'_>| {
        let stored = Stored { id: event.id.0, stream: event.stream.to_string(), version: event.version.0 };
        page.push(Seen { position: event.position.unwrap().0, event: stored });
        Ok(())
    };
    let next = store.read_log(ReadLog::after(after), visit).await.map_err(said)?.next;
    Ok(Some((page, next)))
}

fn seen(row: &PgRow) -> Seen {
    let count = |column| u64::try_from(row.get::<i64, _>(column)).unwrap();
    Seen { position: count(3), event: Stored { id: row.get(0), stream: row.get(1), version: count(2) } }
}

fn said(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

impl Gate {
    fn put_into(&self, text: &str) -> String {
        assert_eq!(text.matches(self.before).count(), 1, "the mark {:?} in {text}", self.before);
        let (name, value) = GATED;
        let pause = format!(
            "PERFORM pg_advisory_xact_lock_shared({}) WHERE current_setting('{name}', true) = '{value}';\n",
            self.number
        );
        text.replace(self.before, &(pause + self.before))
    }
}

/// Gives a function of the schema another text, made from the one that it has.
async fn rewrite(connection: &mut PgConnection, function: &str, change: impl FnOnce(&str) -> String) {
    let query = sqlx::query_scalar("SELECT pg_get_functiondef($1::text::regproc)").bind(function);
    let text: String = query.fetch_one(&mut *connection).await.unwrap();
    let changed = change(&text);
    assert_ne!(changed, text, "the change finds what it changes");
    connection.execute(AssertSqlSafe(changed)).await.unwrap();
}

/// Every order in which the actors' steps can come, each actor's own in its order.
fn interleavings(program: &Program) -> Vec<Vec<usize>> {
    fn grow(left: &mut [usize], order: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        if left.iter().all(|left| *left == 0) {
            all.push(order.clone());
        }
        for actor in 0..left.len() {
            if left[actor] > 0 {
                left[actor] -= 1;
                order.push(actor);
                grow(left, order, all);
                order.pop();
                left[actor] += 1;
            }
        }
    }
    let mut left: Vec<usize> = program.actors.iter().map(|steps| steps.len()).collect();
    let mut all = Vec::new();
    grow(&mut left, &mut Vec::new(), &mut all);
    all
}

/// All schedules of some programs, and at each gate somebody must have waited: else it gates nothing.
async fn all_is_well(programs: &[&Program], gates: &[Gate]) {
    let mut stage = Stage::set(&[]).await;
    for program in programs {
        stage.run(program).await.unwrap_or_else(|what| panic!("{what}"));
    }
    let stage = stage.judge().await.unwrap_or_else(|what| panic!("{what}"));
    println!("{} schedules; waited at the gates {:?}", stage.schedules, stage.held);
    for gate in gates {
        assert!(stage.held[usize::try_from(gate.number).unwrap()] > 0, "nobody waits before `{}`", gate.before);
    }
}

#[tokio::test]
async fn a_late_commit_in_every_order_with_every_statement_of_a_tick() {
    let gates = [BEFORE_LOCK, BEFORE_LAST_TICK, BEFORE_SNAPSHOT, BEFORE_COUNT, BEFORE_INSERT, BEFORE_COMMIT];
    all_is_well(&[&LATE_COMMIT], &gates).await;
}

#[tokio::test]
async fn two_transactions_in_every_order() {
    all_is_well(&[&TWO_TRANSACTIONS, &SAVEPOINT], &[BEFORE_COUNT]).await;
}

#[tokio::test]
async fn two_appends_to_one_stream_in_every_order() {
    all_is_well(&[&EARLY_NUMBER, &ROLLED_BACK], &[BEFORE_SNAPSHOT, BEFORE_COUNT, BEFORE_INSERT]).await;
}

#[tokio::test]
async fn two_tickers_in_every_order() {
    all_is_well(&[&TWO_TICKERS], &[BEFORE_LOCK, BEFORE_COUNT]).await;
}

#[tokio::test]
async fn a_reader_in_every_order_with_ticks_and_commits() {
    all_is_well(&[&READER_BETWEEN], &[BEFORE_WINDOW, BEFORE_PAGE]).await;
}

/// A mistake that somebody could make in one of the schema's functions.
struct Change {
    function: &'static str,
    change: fn(&str) -> String,
}

const TICK: &str = "es.tick";

/// The schedules must find a mistake, whether as an error of the server or as a wrong log.
async fn is_found(change: Change, program: &Program) {
    let mut stage = Stage::set(&[change]).await;
    let found = match stage.run(program).await {
        Ok(()) => stage.judge().await.err(),
        Err(found) => Some(found),
    };
    println!("{}", found.as_deref().unwrap_or_default());
    assert!(found.is_some(), "all schedules of `{}` ran well in spite of the mistake", program.name);
}

#[tokio::test]
async fn a_last_tick_read_before_the_lock_is_found() {
    let change = |text: &str| {
        let begin = text.find(BEFORE_LAST_TICK.before).unwrap();
        let end = begin + text[begin..].find(';').unwrap() + 1;
        let statement = &text[begin..end];
        text.replace(statement, "").replace("IF wait THEN", &format!("{statement} IF wait THEN"))
    };
    is_found(Change { function: TICK, change }, &TWO_TICKERS).await;
}

#[tokio::test]
async fn a_tick_that_excludes_nobody_is_found() {
    let change = |text: &str| text.replace("advisory_xact_lock(", "advisory_xact_lock_shared(");
    is_found(Change { function: TICK, change }, &TWO_TICKERS).await;
}

#[tokio::test]
async fn a_place_that_is_the_events_own_number_is_found() {
    let change = |text: &str| text.replace("l.upto + 1 + hi - lo, l.upto + 1 - lo", "greatest(hi, l.upto + 1), 0");
    is_found(Change { function: TICK, change }, &LATE_COMMIT).await;
}

#[tokio::test]
async fn a_slice_without_the_transactions_under_way_is_found() {
    let change = |text: &str| text.replace("pg_snapshot_xip($2)", "pg_snapshot_xip('1:1:')");
    is_found(Change { function: "es.slice", change }, &LATE_COMMIT).await;
}

#[tokio::test]
async fn a_slice_of_whatever_is_visible_now_is_found() {
    let change = |text: &str| text.replace("AND pg_visible_in_snapshot(e.xid, $3) AND e.epoch", "AND e.epoch");
    is_found(Change { function: "es.slice", change }, &LATE_COMMIT).await;
}

#[tokio::test]
async fn a_reader_that_drops_ticks_of_equal_shift_is_found() {
    let change = |text: &str| {
        let all = r#"FROM "es".ticks t CROSS JOIN LATERAL"#;
        let some = r#"FROM (SELECT DISTINCT ON (shift) * FROM "es".ticks ORDER BY shift, upto) t CROSS JOIN LATERAL"#;
        text.replace(all, some)
    };
    is_found(Change { function: "es.read_log", change }, &LATE_COMMIT).await;
}
