use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use es_core::{Append, EncodedEvent, EventStore, ExpectedVersion, Fold, NewEvent, Snapshot, Version};
use es_test_support::{Database, Proxy};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::batch::MOST_EVENTS;
use super::*;
use crate::queue::{Answer, Batch as _};

const MOST: u64 = MOST_EVENTS as u64;

/// What takes as long never comes.
const LONG: Duration = Duration::from_secs(30);

async fn store() -> (PgStore, Database) {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    (store, database)
}

fn stream(id: &str) -> StreamId {
    StreamId::new("order", id).unwrap()
}

async fn add(store: &PgStore, id: &str, count: u64, payload: &str) {
    let events = (0..count).map(|_| NewEvent::new("order.noted", 1, format!("\"{payload}\""))).collect();
    store.append(Append::new(stream(id), ExpectedVersion::Any, events)).await.unwrap();
}

/// A snapshot of no more than its version.
async fn snapshot(store: &PgStore, id: &str, state_version: u32, version: u64) {
    let snapshot = Snapshot::new(stream(id), Version(version), state_version, version.to_string());
    store.save_snapshot(snapshot).await.unwrap();
}

/// How far the events were folded, upon what snapshot, and the last payload.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    snapshot: u64,
    version: u64,
    payload: String,
}

#[derive(Debug, thiserror::Error)]
#[error("not foldable")]
struct NotFoldable;

impl Fold for Seen {
    fn snapshot(&mut self, version: Version, state: &str) {
        assert_eq!((version.0.to_string().as_str(), self.version), (state, 0));
        (self.snapshot, self.version) = (version.0, version.0);
    }

    fn event(&mut self, version: Version, event: EncodedEvent<'_>) -> Result<(), Error> {
        assert_eq!(version.0, self.version + 1, "in order, without a hole, each once");
        if event.payload == "\"broken\"" {
            return Err(Error::store(NotFoldable));
        }
        event.payload.trim_matches('"').clone_into(&mut self.payload);
        self.version = version.0;
        Ok(())
    }
}

fn wish(id: &str, state_version: Option<u32>) -> Wish {
    Wish { stream: stream(id), state_version }
}

/// The batch that these make, with what each is told.
fn batch(wishes: &[Wish]) -> (Batch, Vec<tokio::sync::oneshot::Receiver<Answer<Wish, Outcome>>>) {
    let (mut waiting, answered): (VecDeque<_>, Vec<_>) = wishes.iter().cloned().map(Waiting::new).unzip();
    let batch = Batch::collect(&mut waiting);
    assert!(waiting.is_empty());
    (batch, answered)
}

/// What one statement reads for these.
async fn parts(store: &PgStore, wishes: &[Wish]) -> Vec<Arc<Part>> {
    let (batch, answered) = batch(wishes);
    batch.run(store, store.connections().acquire().await.unwrap()).await;
    let mut parts = Vec::new();
    for answered in answered {
        let Ok(Answer::Outcome(Outcome::Read(part))) = answered.await else { panic!("no rows") };
        parts.push(part);
    }
    parts
}

/// The process of the server that answers on the only connection.
async fn server_process(store: &PgStore) -> i32 {
    let mut lent = store.connections().acquire().await.unwrap();
    let process = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(lent.connection()).await.unwrap();
    lent.release();
    process
}

/// Loads these by one statement, and goes on with each as it would by itself.
async fn together(store: &PgStore, wishes: &[Wish]) -> Vec<Result<Seen, Error>> {
    let (batch, answered) = batch(wishes);
    batch.run(store, store.connections().acquire().await.unwrap()).await;
    let mut all = Vec::new();
    for (wish, answered) in wishes.iter().zip(answered) {
        let Ok(Answer::Outcome(outcome)) = answered.await else { panic!("no outcome") };
        let mut seen = Seen::default();
        let load = Load::new(&wish.stream, wish.state_version, &mut seen);
        all.push(finish(store, load, Ok(outcome)).await.map(|()| seen));
    }
    all
}

async fn load(store: &PgStore, id: &str, state_version: Option<u32>) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    store.fold_stream(&stream(id), state_version, &mut seen).await.map(|()| seen)
}

fn versions(loads: &[Result<Seen, Error>]) -> Vec<(u64, u64)> {
    loads.iter().map(|load| load.as_ref().unwrap()).map(|seen| (seen.snapshot, seen.version)).collect()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

#[tokio::test]
async fn each_finds_its_own_stream() {
    let (store, _database) = store().await;
    for (id, count) in [("b", 3), ("a", 1), ("c", 2)] {
        add(&store, id, count, id).await;
    }
    let loads = together(&store, &["c", "none", "a", "b"].map(|id| wish(id, None))).await;
    assert_eq!(versions(&loads), [(0, 2), (0, 0), (0, 1), (0, 3)]);
    let payloads: Vec<_> = loads.iter().map(|load| load.as_ref().unwrap().payload.as_str()).collect();
    assert_eq!(payloads, ["c", "", "a", "b"]);
}

#[tokio::test]
async fn each_finds_the_snapshot_it_wants() {
    let (store, database) = store().await;
    for id in ["a", "b", "c"] {
        add(&store, id, 5, id).await;
    }
    snapshot(&store, "a", 1, 3).await;
    snapshot(&store, "a", 2, 5).await;
    snapshot(&store, "b", 1, 2).await;
    // Of another life of the database: the stream has not come so far.
    let ahead = "INSERT INTO es.snapshots (category, stream_id, state_version, version, state) VALUES ('order', 'c', 1, 9, '9')";
    run(&mut PgConnection::connect(database.url()).await.unwrap(), ahead).await;
    let wishes = [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1), ("none", 1)];
    let loads = together(&store, &wishes.map(|(id, state_version)| wish(id, Some(state_version)))).await;
    assert_eq!(versions(&loads), [(3, 5), (5, 5), (2, 5), (0, 5), (0, 5), (0, 0)]);
}

#[tokio::test]
async fn a_stream_that_several_want_is_read_once() {
    let (store, _database) = store().await;
    add(&store, "a", 3, "a").await;
    let wishes = ["a", "b", "a", "a"].map(|id| wish(id, None));
    assert_eq!(batch(&wishes).0.len(), 2);
    assert_eq!(versions(&together(&store, &wishes).await), [(0, 3), (0, 0), (0, 3), (0, 3)]);
    assert_eq!(batch(&[wish("a", Some(1)), wish("a", Some(2)), wish("a", Some(1))]).0.len(), 2);
}

#[tokio::test]
async fn a_long_stream_is_read_to_its_end() {
    let (store, _database) = store().await;
    let lengths = [MOST - 1, MOST, MOST + 1, 3 * MOST, 1];
    let ids = ["a", "b", "c", "d", "e"];
    for (id, length) in ids.into_iter().zip(lengths) {
        add(&store, id, length, "x").await;
        snapshot(&store, id, 1, 1).await;
    }
    let loads = together(&store, &ids.map(|id| wish(id, None))).await;
    assert_eq!(versions(&loads), lengths.map(|length| (0, length)));
    for state_version in [None, Some(2)] {
        let parts = parts(&store, &ids.map(|id| wish(id, state_version))).await;
        let kept: Vec<u64> = parts.iter().map(|part| part.rows.len() as u64).collect();
        assert_eq!(kept, lengths.map(|length| length.min(MOST)), "of each stream the beginning");
    }
    let loads = together(&store, &ids.map(|id| wish(id, Some(1)))).await;
    assert_eq!(versions(&loads), lengths.map(|length| (1, length)));
}

#[tokio::test]
async fn what_is_too_much_at_once_is_read_alone() {
    let (store, _database) = store().await;
    let megabyte = "x".repeat(1 << 20);
    let ids = ["a", "b", "c", "d"];
    for id in ids {
        add(&store, id, 2, &megabyte).await;
    }
    let wishes = ids.map(|id| wish(id, None));
    assert_eq!(versions(&together(&store, &wishes).await), [(0, 2); 4]);
    let parts = parts(&store, &wishes).await;
    assert!(parts.iter().all(|part| part.is_cut == (part.rows.len() < 2)));
    let kept: usize = parts.iter().map(|part| part.rows.len()).sum();
    assert_eq!(kept, 3, "as much as fits into four megabytes");
}

#[tokio::test]
async fn what_cannot_be_folded_fails_alone() {
    let (store, _database) = store().await;
    for id in ["a", "broken", "z"] {
        add(&store, id, 2, id).await;
    }
    let loads = together(&store, &["a", "broken", "z"].map(|id| wish(id, None))).await;
    assert!(matches!(&loads[1], Err(Error::Store { .. })), "{:?}", loads[1]);
    assert_eq!((loads[0].as_ref().unwrap().version, loads[2].as_ref().unwrap().version), (2, 2));
}

#[tokio::test]
async fn a_lost_connection_costs_nobody_an_answer() {
    let (direct, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    for id in ["a", "b"] {
        add(&direct, id, 2, id).await;
    }
    for cut in [Proxy::cut_before_next_request, Proxy::cut_after_next_request, Proxy::cut_now] {
        // The statement is prepared.
        together(&store, &["a", "b"].map(|id| wish(id, None))).await;
        cut(&proxy);
        assert_eq!(
            versions(&together(&store, &["a", "b", "c"].map(|id| wish(id, None))).await),
            [(0, 2), (0, 2), (0, 0)]
        );
    }
}

/// Those who do not go with the first stay where they are, those who have gone are passed over, and a statement has its limit.
#[tokio::test]
async fn what_does_not_go_together_waits_in_its_order() {
    let wishes =
        [("gone", Some(1)), ("a", None), ("b", Some(1)), ("gone", None), ("c", None), ("d", Some(2)), ("a", None)];
    let waiting = wishes.map(|(id, state_version)| Waiting::new(wish(id, state_version)));
    let (mut queue, mut answered): (VecDeque<_>, Vec<_>) = waiting.into_iter().unzip();
    drop((answered.remove(3), answered.remove(0)));
    assert_eq!(Batch::collect(&mut queue).len(), 2, "a, which two want, and c");
    let left = |queue: &VecDeque<Waiting>| queue.iter().map(|one| one.wish.stream.id().to_owned()).collect::<Vec<_>>();
    assert_eq!(left(&queue), ["b", "d"]);
    assert_eq!(Batch::collect(&mut queue).len(), 2);
    assert!(queue.is_empty() && Batch::collect(&mut queue).is_empty());

    let many = (0..600).map(|n| Waiting::new(wish(&n.to_string(), (n == 1).then_some(1))));
    let (mut queue, _answered): (VecDeque<_>, Vec<_>) = many.unzip();
    assert_eq!(Batch::collect(&mut queue).len(), 256);
    assert_eq!(left(&queue)[..3], ["1", "257", "258"]);
    assert_eq!((Batch::collect(&mut queue).len(), queue.len()), (1, 343), "who came first is not passed over again");
    assert_eq!((Batch::collect(&mut queue).len(), queue.len()), (256, 87));
}

/// Whether the connection can be lent to others depends on whether the server has said all it had to say.
#[tokio::test]
async fn a_statement_that_fails_leaves_a_connection_that_works() {
    let (_direct, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    let failed = async || {
        let (batch, mut answered) = batch(&[wish("a", None)]);
        batch.run(&store, store.connections().acquire().await.unwrap()).await;
        matches!(answered.remove(0).await, Ok(Answer::Outcome(Outcome::Failed)))
    };
    let process = server_process(&store).await;
    let mut owner = PgConnection::connect(database.url()).await.unwrap();
    run(&mut owner, "ALTER TABLE es.events RENAME TO elsewhere").await;
    assert!(failed().await);
    assert_eq!(server_process(&store).await, process, "what the server refuses costs no connection");
    run(&mut owner, "ALTER TABLE es.elsewhere RENAME TO events").await;
    proxy.cut_before_next_request();
    assert!(failed().await);
    assert_ne!(server_process(&store).await, process, "one that is lost is lent to nobody");
}

/// Who waited for a connection in vain has waited long enough, and what is wrong for good is not told as if it would pass.
#[tokio::test]
async fn without_a_connection_each_is_told_whether_to_come_again() {
    let (store, _database) = store().await;
    let told = async |error: Error| {
        let (batch, mut answered) = batch(&[wish("a", None), wish("b", None)]);
        batch.give_up(&store, error);
        match (answered.remove(0).await, answered.remove(0).await) {
            (Ok(Answer::Outcome(one)), Ok(Answer::Outcome(other))) => [one, other],
            _ => panic!("no outcome"),
        }
    };
    for outcome in told(Error::unavailable("no connection is free")).await {
        let wanted = stream("a");
        let mut seen = Seen::default();
        let error = finish(&store, Load::new(&wanted, None, &mut seen), Ok(outcome)).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    }
    for outcome in told(Error::store("no such database")).await {
        assert!(matches!(outcome, Outcome::Failed));
    }
}

#[tokio::test]
async fn a_statement_that_a_stranger_holds_keeps_nobody_else_waiting() {
    let (store, database) = store().await;
    add(&store, "a", 2, "a").await;
    let mut stranger = PgConnection::connect(database.url()).await.unwrap();
    run(&mut stranger, "BEGIN; LOCK TABLE es.snapshots IN ACCESS EXCLUSIVE MODE").await;
    // Three of them: both that go out at once, and one in the queue behind them.
    let mut held = JoinSet::new();
    for _ in 0..3 {
        let store = store.clone();
        held.spawn(async move { load(&store, "a", Some(1)).await.unwrap().version });
    }
    let mut others = JoinSet::new();
    for _ in 0..40 {
        let store = store.clone();
        others.spawn(async move { load(&store, "a", None).await.unwrap().version });
    }
    let others = timeout(LONG, others.join_all()).await.unwrap();
    assert_eq!(others, [2; 40], "while the stranger holds the others");
    assert!(held.try_join_next().is_none());
    run(&mut stranger, "ROLLBACK").await;
    assert_eq!(held.join_all().await, [2; 3]);
}

#[tokio::test]
async fn callers_who_come_together_share_a_statement() {
    let (direct, database) = store().await;
    add(&direct, "7", 2, "x").await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    let ten = async || {
        let mut callers = JoinSet::new();
        for n in 0..10 {
            let store = store.clone();
            callers.spawn(async move { load(&store, &n.to_string(), None).await.unwrap().version });
        }
        callers.join_all().await
    };
    // The statement is prepared.
    ten().await;
    for _ in 0..3 {
        proxy.reset();
        assert_eq!(ten().await.iter().sum::<u64>(), 2);
        assert_eq!(proxy.turns(), 1);
    }
    for _ in 0..3 {
        proxy.reset();
        assert_eq!(load(&store, "7", None).await.unwrap().version, 2);
        assert_eq!(proxy.turns(), 1);
    }
    let alone = PgStore::options().group_load(false).connect(&proxy.url(database.url())).await.unwrap();
    assert!(alone.loads().is_none());
}

/// Whatever was committed when a load was asked for is found, whole and in order, with snapshots and without, while others give up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_finds_what_was_committed_when_it_was_asked_for() {
    const STREAMS: usize = 8;
    let (store, _database) = store().await;
    let committed: Arc<[AtomicU64; STREAMS]> = Arc::default();
    let mut callers = JoinSet::new();
    for caller in 0..32 {
        let (store, committed) = (store.clone(), Arc::clone(&committed));
        callers.spawn(async move {
            for round in 0..40 {
                let nth = (caller + round) % STREAMS;
                let id = nth.to_string();
                let state_version = [None, Some(1), Some(2)][(caller + round) % 3];
                let least = committed[nth].load(SeqCst);
                if (caller + round) % 5 == 4 {
                    let within = Duration::from_micros(100 * round as u64);
                    let _ = timeout(within, load(&store, &id, state_version)).await;
                    continue;
                }
                let seen = load(&store, &id, state_version).await.unwrap();
                assert!(seen.version >= least, "{} of {least} events of stream {id}", seen.version);
                let events = vec![NewEvent::new("order.noted", 1, "\"x\"")];
                let append = Append::new(stream(&id), ExpectedVersion::Exact(Version(seen.version)), events);
                if let Ok(appended) = store.append(append).await {
                    committed[nth].fetch_max(appended.version.0, SeqCst);
                    if let (Some(state_version), true) = (state_version, round % 4 == 0) {
                        snapshot(&store, &id, state_version, appended.version.0).await;
                    }
                }
            }
        });
    }
    callers.join_all().await;
    for (nth, committed) in committed.iter().enumerate() {
        assert_eq!(load(&store, &nth.to_string(), None).await.unwrap().version, committed.load(SeqCst));
    }
}
