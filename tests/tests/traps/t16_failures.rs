//! Every failure says what the caller may do: repeat, look, or give up; and nothing is stored twice on the way.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use es_core::ExpectedVersion::{Any, Exact, Exists, NoStream};
use es_core::{
    Appended, Context, Error, EventStore, EventStoreExt, ExecuteError, ExpectedVersion, HandleWith, IntoEvents, Version,
};
use es_postgres::PgStore;
use es_test_support::{Database, Proxy, Server};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::timeout;

use crate::support::{Add, PATIENCE, Tally, TallyEvent, append, begun, connect, ids, ids_of, migrated, until_waiting};

/// What the server called it.
fn code(error: &Error) -> Option<String> {
    let Error::Unavailable { source } = error else { panic!("not transient: {error:?}") };
    Some(source.downcast_ref::<sqlx::Error>()?.as_database_error()?.code()?.into_owned())
}

#[tokio::test]
async fn a_serialization_failure_is_transient() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        for expected in [Any, NoStream] {
            let (database, store) = migrated().await;
            let mut old = connect(&database).await;
            let begin = format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM es.events");
            old.execute(sqlx::AssertSqlSafe(begin)).await.unwrap();
            let first = append("contended", Any, 1);
            store.append(first.clone()).await.unwrap();

            let error = store.in_transaction(&mut old).append(append("contended", expected, 1)).await.unwrap_err();

            assert_eq!(code(&error).as_deref(), Some("40001"), "{level}, {expected}");
            old.execute("ROLLBACK").await.unwrap();
            assert_eq!(ids(&store, "contended").await, ids_of(&first));
        }
    }
}

#[tokio::test]
async fn a_deadlock_is_transient_for_one_and_nothing_to_the_other() {
    let (database, store) = migrated().await;
    let (mut one, mut other) = (begun(&database).await, begun(&database).await);
    for transaction in [&mut one, &mut other] {
        transaction.execute("SET LOCAL deadlock_timeout = '50ms'").await.unwrap();
    }
    let appends = [append("a", Any, 1), append("b", Any, 1)];
    store.in_transaction(&mut one).append(appends[0].clone()).await.unwrap();
    store.in_transaction(&mut other).append(appends[1].clone()).await.unwrap();

    let crossed = async { tokio::join!(append_and_end(&store, one, "b"), append_and_end(&store, other, "a")) };
    let (first, second) = timeout(PATIENCE, crossed).await.expect("a deadlock ends");
    let error = match (first, second) {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
        both => panic!("one of the two must win: {both:?}"),
    };
    assert_eq!(code(&error).as_deref(), Some("40P01"));
}

/// The loser's locks stay until it rolls back, and the winner waits for that.
async fn append_and_end(store: &PgStore, mut transaction: PgConnection, id: &str) -> Result<Appended, Error> {
    let result = store.in_transaction(&mut transaction).append(append(id, Any, 1)).await;
    transaction.execute(if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
    result
}

/// Counts what it does, and breaks the connection when the first decision has been made.
struct Saboteur<'p> {
    proxy: &'p Proxy,
    before: bool,
    decisions: AtomicU32,
}

impl HandleWith<Add, Saboteur<'_>> for Tally {
    type Error = Infallible;

    async fn handle_with(
        &self,
        add: Add,
        _: &Context,
        saboteur: &Saboteur<'_>,
    ) -> Result<impl IntoEvents<TallyEvent>, Infallible> {
        if saboteur.decisions.fetch_add(1, SeqCst) == 0 {
            cut(saboteur.proxy, saboteur.before);
        }
        Ok(TallyEvent::Added { amount: add.amount })
    }
}

fn cut(proxy: &Proxy, before: bool) {
    if before { proxy.cut_before_next_request() } else { proxy.cut_after_next_request() }
}

/// A store behind a proxy, warm, and one that sees the database as it is.
async fn behind_a_proxy() -> (Database, PgStore, Proxy, PgStore) {
    let (database, direct) = migrated().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::connect(&proxy.url(database.url())).await.unwrap();
    for (expected, events) in [(NoStream, 1), (Any, 2), (Exact(Version(3)), 1)] {
        store.append(append("warm", expected, events)).await.unwrap();
    }
    (database, store, proxy, direct)
}

#[tokio::test]
async fn an_append_whose_answer_is_cut_off_is_stored_once() {
    let (_database, store, proxy, direct) = behind_a_proxy().await;
    let mut number = 0;
    for before in [true, false] {
        for (there, expected) in [(0, NoStream), (0, Any), (2, Any), (2, Exists), (2, Exact(Version(2)))] {
            for events in [1, 3] {
                number += 1;
                let id = format!("stream {number}");
                if there > 0 {
                    direct.append(append(&id, NoStream, there)).await.unwrap();
                }
                let cut_off = append(&id, expected, events);
                cut(&proxy, before);
                let appended = store.append(cut_off.clone()).await;
                let what = format!("before: {before}, {expected} of {there}, {events} events");
                assert_eq!(appended.expect(&what).version, Version(there + events), "{what}");
                let stored = ids(&direct, &id).await;
                assert_eq!(stored[usize::try_from(there).unwrap()..], ids_of(&cut_off), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_conflict_whose_answer_is_cut_off_is_a_conflict() {
    let (_database, store, proxy, direct) = behind_a_proxy().await;
    for (expected, version) in [(NoStream, 4), (Exact(Version(9)), 4)] {
        cut(&proxy, false);
        let refused = store.append(append("warm", expected, 1)).await.unwrap_err();
        let Error::Conflict(conflict) = refused else { panic!("{refused:?}") };
        assert_eq!(conflict.actual, Version(version));
        assert_eq!(ids(&direct, "warm").await.len(), 4);
    }
}

#[tokio::test]
async fn a_command_whose_answer_is_cut_off_takes_effect_once() {
    let (_database, store, proxy, direct) = behind_a_proxy().await;
    for before in [true, false] {
        let id = format!("cut before: {before}");
        let saboteur = Saboteur { proxy: &proxy, before, decisions: AtomicU32::new(0) };
        let outcome = store.execute_with(Add { tally: id.clone(), amount: 5 }, &saboteur).await.unwrap();
        assert_eq!((outcome.version, outcome.attempts), (Version(1), 1), "{id}");
        assert_eq!(saboteur.decisions.load(SeqCst), 1, "{id}");
        assert_eq!(ids(&direct, &id).await, [outcome.events[0].id.0], "{id}");
    }
}

#[tokio::test]
async fn connections_that_died_idle_are_not_noticed() {
    let (_database, store, proxy, direct) = behind_a_proxy().await;
    proxy.cut_now();
    let after = append("warm", Exact(Version(4)), 1);
    store.append(after.clone()).await.unwrap();
    assert_eq!(ids(&direct, "warm").await[4..], ids_of(&after));
    proxy.cut_now();
    assert_eq!(store.load::<Tally>(&"warm".to_owned()).await.unwrap().version, Version(5));
}

/// The server is at it when the network goes away for good; it goes on, and nobody is told.
#[tokio::test]
async fn an_append_that_nobody_can_ask_about_is_of_unknown_outcome() {
    let (database, store, proxy, direct) = behind_a_proxy().await;
    let mut holder = begun(&database).await;
    direct.in_transaction(&mut holder).append(append("held", Any, 1)).await.unwrap();
    let lost = append("held", Any, 2);
    let task = tokio::spawn({
        let (store, lost) = (store.clone(), lost.clone());
        async move { store.append(lost).await }
    });
    until_waiting(&database, 1).await;

    drop(proxy);
    let error = timeout(PATIENCE, task).await.expect("it ends").unwrap().unwrap_err();

    assert!(matches!(&error, Error::UnknownOutcome { stream, .. } if stream.id() == "held"), "{error:?}");
    assert!(!error.is_transient(), "who repeats it blindly may store it twice");
    holder.execute("ROLLBACK").await.unwrap();
    until_stored(&direct, "held", 2).await;
    assert_eq!(ids(&direct, "held").await, ids_of(&lost), "it was stored after all, once");
}

#[tokio::test]
async fn a_command_of_unknown_outcome_is_not_repeated() {
    let (database, store, proxy, direct) = behind_a_proxy().await;
    let mut holder = begun(&database).await;
    direct.in_transaction(&mut holder).append(append("held", Any, 1)).await.unwrap();
    let task = tokio::spawn(async move { store.execute(Add { tally: "held".to_owned(), amount: 1 }).await });
    until_waiting(&database, 1).await;

    drop(proxy);
    let error = timeout(PATIENCE, task).await.expect("it ends").unwrap().unwrap_err();

    assert!(matches!(error, ExecuteError::Store(Error::UnknownOutcome { .. })), "{error:?}");
    assert!(!error.is_transient());
    holder.execute("ROLLBACK").await.unwrap();
    until_stored(&direct, "held", 1).await;
}

/// Waits for the process of the server that nobody listens to any more.
async fn until_stored(store: &PgStore, id: &str, events: usize) {
    let arrive = async {
        while ids(store, id).await.len() < events {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, arrive).await.expect("the server finishes what it had begun");
}

/// Other tests share the server, so only those of this database.
async fn strike_the_waiting(database: &Database, act: &str) {
    let waiting = "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted";
    let strike = format!("SELECT {act}(pid) FROM ({waiting} AND datname = current_database()) w");
    connect(database).await.execute(sqlx::AssertSqlSafe(strike)).await.unwrap();
}

/// The network breaks and comes back while the server still works on the statement. A repeat beside it would store both.
#[tokio::test]
async fn a_statement_that_outlives_its_connection_is_stored_once() {
    for (expected, events) in [(Any, 1), (Any, 3), (NoStream, 1), (NoStream, 3)] {
        let (database, store, proxy, direct) = behind_a_proxy().await;
        let mut holder = begun(&database).await;
        direct.in_transaction(&mut holder).append(append("held", Any, 1)).await.unwrap();
        let orphaned = append("held", expected, events);
        let task = tokio::spawn({
            let (store, orphaned) = (store.clone(), orphaned.clone());
            async move { store.append(orphaned).await }
        });
        until_waiting(&database, 1).await;
        let first: i32 = the_waiting(&database).await[0];

        proxy.cut_now();
        let repeat = async {
            // Long enough for a repeat to stand beside the first one, or to have taken its place.
            while !the_waiting(&database).await.iter().any(|pid| *pid != first) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, repeat).await.expect("the store tries again");
        holder.execute("ROLLBACK").await.unwrap();

        let appended = timeout(PATIENCE, task).await.expect("it ends").unwrap().unwrap();
        assert_eq!(appended.version, Version(events), "{expected}");
        until_nobody_works(&database).await;
        assert_eq!(ids(&direct, "held").await, ids_of(&orphaned), "{expected}, {events} events");
    }
}

/// A process of the server that the system has put to sleep wakes up after everybody has given it up. What was answered with
/// a conflict must not be stored then, when the stream has come to fit.
#[cfg(unix)]
#[tokio::test]
async fn a_conflict_is_final_though_the_first_try_sleeps_on() {
    let server = Server::private().await;
    let database = Database::create_on(&server).await;
    let direct = PgStore::connect(database.url()).await.unwrap();
    direct.migrate().await.unwrap();
    let proxy = Proxy::start(database.url()).await;
    let named = PgStore::options().application_name("sleeper");
    let store = named.connect(&proxy.url(database.url())).await.unwrap();
    direct.append(append("stream", NoStream, 2)).await.unwrap();
    let early = append("stream", Exact(Version(3)), 1);
    store.append(early.clone()).await.unwrap_err();

    let sleeper = the_process_of(&database, "sleeper").await;
    let asleep = Asleep::put(sleeper);
    let task = tokio::spawn({
        let (store, early) = (store.clone(), early.clone());
        async move { store.append(early).await }
    });
    // Nobody can be asked whether the statement has come to the sleeper. Should it not have, nothing is proven, and nothing fails.
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.cut_now();
    let result = timeout(PATIENCE, task).await.expect("it ends").unwrap();
    direct.append(append("stream", Exact(Version(2)), 1)).await.unwrap();
    drop(asleep);
    until_gone(&database, sleeper).await;

    let stored = ids(&direct, "stream").await.len();
    match result {
        Err(Error::UnknownOutcome { .. }) => assert!((3..=4).contains(&stored)),
        Err(Error::Conflict(_)) => assert_eq!(stored, 3, "it was answered with a conflict, and stored later"),
        other => panic!("{other:?}"),
    }
}

/// A stopped process, until it is dropped.
#[cfg(unix)]
struct Asleep(i32);

#[cfg(unix)]
impl Asleep {
    fn put(pid: i32) -> Self {
        signal("-STOP", pid);
        Self(pid)
    }
}

#[cfg(unix)]
impl Drop for Asleep {
    fn drop(&mut self) {
        signal("-CONT", self.0);
    }
}

#[cfg(unix)]
fn signal(signal: &str, pid: i32) {
    let sent = std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "kill {signal} {pid}");
}

#[cfg(unix)]
async fn until_gone(database: &Database, pid: i32) {
    const NAMED: &str = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    let mut connection = connect(database).await;
    let gone = async {
        while sqlx::query_scalar::<_, i64>(NAMED).bind(pid).fetch_one(&mut connection).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("a process whose client is gone ends");
}

#[cfg(unix)]
async fn the_process_of(database: &Database, name: &str) -> i32 {
    const NAMED: &str = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()";
    sqlx::query_scalar(NAMED).bind(name).fetch_one(&mut connect(database).await).await.unwrap()
}

async fn the_waiting(database: &Database) -> Vec<i32> {
    const WAITING: &str = "
        SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()";
    sqlx::query_scalar(WAITING).fetch_all(&mut connect(database).await).await.unwrap()
}

/// Waits until every statement has come to its end, also those whose clients are gone.
async fn until_nobody_works(database: &Database) {
    const WORKING: &str = "
        SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND query NOT LIKE '%pg_%'";
    let mut connection = connect(database).await;
    let rest = async {
        while sqlx::query_scalar::<_, i64>(WORKING).fetch_one(&mut connection).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, rest).await.expect("statements end");
}

#[tokio::test]
async fn a_statement_whose_process_is_ended_is_stored_once() {
    for expected in [Any, NoStream] {
        let (database, store) = migrated().await;
        let mut holder = begun(&database).await;
        store.in_transaction(&mut holder).append(append("held", Any, 1)).await.unwrap();
        let ended = append("held", expected, 2);
        let task = tokio::spawn({
            let (store, ended) = (store.clone(), ended.clone());
            async move { store.append(ended).await }
        });
        until_waiting(&database, 1).await;
        strike_the_waiting(&database, "pg_terminate_backend").await;

        // Whatever the store does to find out, it waits again for the one who holds the stream.
        until_waiting(&database, 1).await;
        holder.execute("ROLLBACK").await.unwrap();
        timeout(PATIENCE, task).await.expect("it ends").unwrap().unwrap();
        assert_eq!(ids(&store, "held").await, ids_of(&ended), "{expected}");
    }
}

#[tokio::test]
async fn a_cancelled_statement_is_transient_and_stored_nothing() {
    let (database, store) = migrated().await;
    let mut holder = begun(&database).await;
    store.in_transaction(&mut holder).append(append("held", Any, 1)).await.unwrap();
    let task = tokio::spawn({
        let store = store.clone();
        async move { store.append(append("held", Any, 1)).await }
    });
    until_waiting(&database, 1).await;
    strike_the_waiting(&database, "pg_cancel_backend").await;

    let error = timeout(PATIENCE, task).await.expect("it ends").unwrap().unwrap_err();

    assert_eq!(code(&error).as_deref(), Some("57014"));
    holder.execute("ROLLBACK").await.unwrap();
    assert!(ids(&store, "held").await.is_empty());
}

#[tokio::test]
async fn a_full_pool_is_transient_and_says_so() {
    let (database, direct) = migrated().await;
    let small = PgStore::options().max_connections(1).acquire_timeout(Duration::from_millis(100));
    let small = small.connect(database.url()).await.unwrap();
    let mut holder = begun(&database).await;
    direct.in_transaction(&mut holder).append(append("held", Any, 1)).await.unwrap();
    let first = tokio::spawn({
        let small = small.clone();
        async move { small.append(append("held", Any, 1)).await }
    });
    until_waiting(&database, 1).await;

    let error = small.append(append("free", Any, 1)).await.unwrap_err();

    assert!(error.is_transient(), "{error:?}");
    let Error::Unavailable { source } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("max_connections"), "it says what to do: {source}");
    assert!(ids(&direct, "free").await.is_empty());
    holder.execute("ROLLBACK").await.unwrap();
    timeout(PATIENCE, first).await.expect("it ends").unwrap().unwrap();
    small.append(append("free", Any, 1)).await.unwrap();
}

#[tokio::test]
async fn a_server_without_room_for_a_connection_is_transient() {
    let server = Server::private().await;
    let database = Database::create_on(&server).await;
    let mut owner = connect(&database).await;
    owner.execute("CREATE ROLE crowded LOGIN PASSWORD 'crowded' CONNECTION LIMIT 1").await.unwrap();
    let options: PgConnectOptions = database.url().parse().unwrap();
    let options = options.username("crowded").password("crowded");
    let mut only = PgConnection::connect_with(&options).await.unwrap();
    let error = PgStore::options().connect_with(options).await.unwrap_err();
    assert_eq!(code(&error).as_deref(), Some("53300"));
    only.ping().await.unwrap();
}

#[tokio::test]
async fn a_server_that_crashes_and_comes_back_costs_nothing_that_was_acknowledged() {
    let server = Server::durable().await;
    let database = Database::create_on(&server).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    let first = append("stream", Any, 1);
    store.append(first.clone()).await.unwrap();

    server.kill_hard().await;
    let error = store.load::<Tally>(&"stream".to_owned()).await.unwrap_err();
    assert!(error.is_transient(), "a server that is down may come back: {error:?}");
    // Three connections may lie idle, dead: whichever is taken, the answer must be one of the two that are true.
    let second = append("stream", Any, 1);
    let error = store.append(second.clone()).await.unwrap_err();
    let may_be_there = match &error {
        Error::UnknownOutcome { .. } => true,
        error => {
            assert!(error.is_transient(), "{error:?}");
            false
        }
    };
    server.restart().await;

    let there = ids(&store, "stream").await;
    assert_eq!(there[0], ids_of(&first)[0], "what was acknowledged is there");
    assert!(there.len() == 1 || (may_be_there && there[1..] == ids_of(&second)), "{there:?} after {error:?}");
    let outcome = store.execute(Add { tally: "stream".to_owned(), amount: 1 }).await.unwrap();
    assert_eq!(outcome.version, Version(there.len() as u64 + 1));
}

/// In order, as for an upgrade: the server says 57P01 to all of its clients, the busy and the idle.
#[cfg(unix)]
#[tokio::test]
async fn a_server_that_is_shut_down_and_started_again_doubles_nothing() {
    let server = Server::private().await;
    let database = Database::create_on(&server).await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    store.append(append("idle", Any, 1)).await.unwrap();
    for expected in [Any, NoStream] {
        let mut holder = begun(&database).await;
        let id = format!("held {expected}");
        store.in_transaction(&mut holder).append(append(&id, Any, 1)).await.unwrap();
        let busy = append(&id, expected, 2);
        let task = tokio::spawn({
            let (store, busy) = (store.clone(), busy.clone());
            async move { store.append(busy).await }
        });
        until_waiting(&database, 1).await;
        shut_down(&database).await;
        server.restart().await;

        let result = timeout(PATIENCE, task).await.expect("it ends").unwrap();
        let stored = ids(&store, &id).await;
        match result {
            Ok(appended) => assert_eq!((appended.version, stored), (Version(2), ids_of(&busy))),
            Err(Error::UnknownOutcome { .. }) => assert!(stored.is_empty() || stored == ids_of(&busy)),
            Err(error) => panic!("{error:?}"),
        }
        assert_eq!(store.load::<Tally>(&"idle".to_owned()).await.unwrap().version, Version(1));
    }
}

/// As `pg_ctl stop -m fast` does it. Returns when the server is gone.
#[cfg(unix)]
async fn shut_down(database: &Database) {
    let mut connection = connect(database).await;
    let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
    let data = std::path::Path::new(&data);
    let pid_file = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    signal("-INT", pid_file.lines().next().unwrap().parse().unwrap());
    // Whoever runs the server notes its end beside the data. Before that it cannot be started again.
    let noted = data.parent().unwrap().join("exited");
    let gone = async {
        while !noted.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the server shuts down");
}

/// What is not passing must not be called so, or a retry goes on for ever.
#[tokio::test]
async fn lasting_failures_are_not_transient() {
    let (database, store) = migrated().await;
    let conflict = store.append(append("none", Exact(Version(3)), 1)).await.unwrap_err();
    assert!(conflict.is_conflict() && !conflict.is_transient());
    let refused = store.append(append("none", ExpectedVersion::Any, 0)).await.unwrap_err();
    assert!(matches!(refused, Error::InvalidAppend(_)) && !refused.is_transient());
    let mut owner = connect(&database).await;
    owner
        .execute("ALTER TABLE es.events ADD CONSTRAINT full_disk CHECK (type <> 'tally.added') NOT VALID")
        .await
        .unwrap();
    let failed = store.append(append("none", Any, 1)).await.unwrap_err();
    assert!(!failed.is_transient() && !failed.is_conflict(), "{failed:?}");
    owner
        .execute("ALTER TABLE es.events DROP CONSTRAINT full_disk; CREATE UNIQUE INDEX one_a_day ON es.events (type)")
        .await
        .unwrap();
    store.append(append("one", Any, 1)).await.unwrap();
    let another = store.append(append("another", NoStream, 1)).await.unwrap_err();
    assert!(!another.is_conflict(), "another unique index is no version conflict: {another:?}");
    assert!(ids(&store, "another").await.is_empty());
}
