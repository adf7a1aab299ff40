//! Read models on PostgreSQL: leases by the database's clock, fencing, documents, dead letters, and what failures leave behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test has nobody to hand an error to")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::{
    AdvanceError, Append, BoxError, Claim, Control, DeadLetter, DeadLetterStatus, Document, Error, Event, EventId,
    EventStore, ExpectedVersion, IntoKeys, Lease, Metadata, NewEvent, Position, ProjectionId, ProjectionState,
    ProjectionStatus, Projector, ReadModelKind, ReadModelStore, ReadModelTransaction, ReadModels, Recorded, Runner,
    Settings, StreamId, Timestamp, Version,
};
use es_postgres::PgStore;
use es_test_support::Database;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(60);

async fn store() -> (PgStore, Database) {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    (store, database)
}

/// A store with a registered projection of documents.
async fn registered(name: &str) -> (PgStore, ProjectionId, Database) {
    let (store, database) = store().await;
    let id = id(name);
    store.register(&id, ReadModelKind::Documents).await.unwrap();
    (store, id, database)
}

fn id(name: &str) -> ProjectionId {
    ProjectionId::new(name, 1).unwrap()
}

fn stream(id: &str) -> StreamId {
    StreamId::new("account", id.to_owned()).unwrap()
}

fn deposit(id: &str, amount: i64) -> Append {
    let event = NewEvent::encode(&AccountEvent::Deposited { amount }, &Metadata::default()).unwrap();
    Append::new(stream(id), ExpectedVersion::Any, vec![event])
}

async fn connection(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap().get(0)
}

async fn until(connection: &mut PgConnection, sql: &str) {
    for _ in 0..2_000 {
        if number(connection, sql).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to be: {sql}");
}

/// As if the holder had slept for longer than its lease.
const LEASES_RUN_OUT: &str = "UPDATE es.projections SET leased_until = clock_timestamp() - interval '1 second'";

async fn granted(store: &PgStore, id: &ProjectionId, owner: Uuid) -> Lease {
    match store.claim(id, owner, LONG).await.unwrap() {
        Claim::Granted(lease) => lease,
        other => panic!("a lease was expected, not {other:?}"),
    }
}

async fn advance(store: &PgStore, lease: &Lease, to: u64, events: u64) -> Result<(), AdvanceError> {
    let mut transaction = store.begin().await.unwrap();
    transaction.advance(lease, Position(to), events).await?;
    Ok(transaction.commit().await?)
}

async fn save(store: &PgStore, id: &ProjectionId, documents: &[(&str, Option<&str>)]) {
    let owned = |(key, body): &(&str, Option<&str>)| ((*key).to_owned(), body.map(str::to_owned));
    let documents: Vec<_> = documents.iter().map(owned).collect();
    let mut transaction = store.begin().await.unwrap();
    transaction.save_documents(id, &documents).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn get(store: &PgStore, id: &ProjectionId, keys: &[&str]) -> Vec<Option<String>> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    store.get_documents(id, &keys).await.unwrap()
}

async fn status(store: &PgStore, id: &ProjectionId) -> ProjectionStatus {
    store.projections().await.unwrap().into_iter().find(|status| status.id == *id).unwrap()
}

fn is_fenced<T>(result: &Result<T, AdvanceError>) -> bool {
    matches!(result, Err(AdvanceError::Fenced(fenced)) if fenced.to_string().contains("taken over"))
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_register_at_once() {
    let (store, database) = store().await;
    let mut registrations = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = PgStore::connect(database.url()).await.unwrap();
        registrations.spawn(async move {
            for name in ["one", "two", "three"] {
                store.register(&id(name), ReadModelKind::Documents).await.unwrap();
            }
        });
    }
    registrations.join_all().await;
    let statuses = store.projections().await.unwrap();
    let names: Vec<String> = statuses.iter().map(|status| status.id.to_string()).collect();
    assert_eq!(names, ["one v1", "three v1", "two v1"]);
    save(&store, &id("two"), &[("7", Some("{}"))]).await;
}

#[tokio::test]
async fn what_is_in_the_log_at_the_first_registration_is_history() {
    let (store, _database) = store().await;
    store.append(deposit("ada", 1)).await.unwrap();
    store.register(&id("balances"), ReadModelKind::Projector).await.unwrap();
    store.append(deposit("ada", 2)).await.unwrap();
    store.register(&id("balances"), ReadModelKind::Projector).await.unwrap();
    let lease = granted(&store, &id("balances"), Uuid::now_v7()).await;
    assert_eq!((lease.position, lease.live_from, lease.rebuild), (Position::START, Position(1), false));
}

#[tokio::test]
async fn a_projection_of_another_kind_is_refused() {
    let (store, id, _database) = registered("balances").await;
    let refused = store.register(&id, ReadModelKind::Projector).await.unwrap_err();
    assert!(matches!(refused, Error::Setup { .. }));
    assert!(refused.to_string().contains("`balances v1` is kept as documents, and cannot be projector"), "{refused}");
}

#[tokio::test]
async fn an_applications_role_needs_no_right_to_make_tables() {
    let (owner, before, database) = registered("before").await;
    let mut admin = connection(&database).await;
    let role = database.name();
    run(&mut admin, &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    run(&mut admin, &format!("SELECT es.grant_to('{role}')")).await;
    let url: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let store = PgStore::options().connect_with(url.username(role).password("secret")).await.unwrap();

    let after = id("after");
    store.register(&after, ReadModelKind::Documents).await.unwrap();
    for id in [&before, &after] {
        let lease = granted(&store, id, Uuid::now_v7()).await;
        save(&store, id, &[("7", Some("{}")), ("8", None)]).await;
        advance(&store, &lease, 1, 1).await.unwrap();
        assert_eq!(get(&owner, id, &["7"]).await, [Some("{}".to_owned())]);
    }
    let forbidden = sqlx::query("CREATE TABLE es.mine ()").execute(store.begin().await.unwrap().target()).await;
    assert!(forbidden.unwrap_err().to_string().contains("permission denied"));
    drop(store);
    run(&mut admin, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_lease_is_given_to_one_at_a_time() {
    let (store, id, _database) = registered("balances").await;
    let (ada, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let first = granted(&store, &id, ada).await;
    assert_eq!(store.claim(&id, bob, LONG).await.unwrap(), Claim::Held { owner: ada });

    let second = granted(&store, &id, ada).await;
    assert!(second.token > first.token);
    assert!(!store.renew(&first, LONG).await.unwrap());
    assert!(store.renew(&second, LONG).await.unwrap());
    assert!(is_fenced(&advance(&store, &first, 1, 1).await));

    store.release(&first).await.unwrap();
    assert_eq!(store.claim(&id, bob, LONG).await.unwrap(), Claim::Held { owner: ada }, "an old lease releases nothing");
    store.release(&second).await.unwrap();
    assert!(!store.renew(&second, LONG).await.unwrap());
    assert!(is_fenced(&advance(&store, &second, 1, 1).await));
    assert!(granted(&store, &id, bob).await.token > second.token);

    let unknown = store.claim(&self::id("unheard_of"), ada, LONG).await.unwrap_err();
    assert!(
        matches!(unknown, Error::Store { source } if source.to_string().ends_with("`unheard_of v1` was never registered"))
    );
}

#[tokio::test]
async fn a_lease_runs_out_by_the_databases_clock() {
    let (store, id, database) = registered("balances").await;
    let (ada, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let Claim::Granted(lease) = store.claim(&id, ada, Duration::from_millis(200)).await.unwrap() else { panic!() };
    let mut admin = connection(&database).await;
    until(&mut admin, "SELECT count(*) FROM es.projections WHERE leased_until <= clock_timestamp()").await;

    assert_eq!(status(&store, &id).await.owner, None);
    assert!(store.renew(&lease, Duration::from_millis(1)).await.unwrap(), "nobody else has claimed it");
    until(&mut admin, "SELECT count(*) FROM es.projections WHERE leased_until <= clock_timestamp()").await;
    granted(&store, &id, bob).await;
    assert!(!store.renew(&lease, LONG).await.unwrap());
    assert_eq!(status(&store, &id).await.owner, Some(bob));
}

#[tokio::test]
async fn an_owner_that_slept_past_its_lease_commits_nothing() {
    let (store, id, database) = registered("balances").await;
    let mut admin = connection(&database).await;
    run(&mut admin, "CREATE TABLE effects (of text)").await;
    let sleeper = granted(&store, &id, Uuid::now_v7()).await;
    let mut asleep = store.begin().await.unwrap();
    sqlx::query("INSERT INTO effects VALUES ('the sleeper')").execute(&mut *asleep.target()).await.unwrap();
    asleep.save_documents(&id, &[("7".to_owned(), Some("1".to_owned()))]).await.unwrap();

    run(&mut admin, LEASES_RUN_OUT).await;
    let successor = granted(&store, &id, Uuid::now_v7()).await;
    advance(&store, &successor, 5, 5).await.unwrap();

    assert!(is_fenced(&asleep.advance(&sleeper, Position(9), 9).await));
    assert!(is_fenced(&asleep.reset(&sleeper, Position(9), Position(9)).await));
    drop(asleep);
    assert_eq!(number(&mut admin, "SELECT count(*) FROM effects").await, 0);
    assert_eq!(get(&store, &id, &["7"]).await, [None]);
    let status = status(&store, &id).await;
    assert_eq!((status.position, status.events), (Position(5), 5));
    advance(&store, &successor, 6, 1).await.unwrap();
}

#[tokio::test]
async fn nobody_claims_between_a_moved_checkpoint_and_its_commit() {
    let (store, id, database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let lease = granted(&store, &id, owner).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.advance(&lease, Position(3), 3).await.unwrap();
    let claim = tokio::spawn({
        let (store, id) = (store.clone(), id.clone());
        async move { granted(&store, &id, owner).await }
    });
    until(&mut connection(&database).await, "SELECT count(*) FROM pg_locks WHERE NOT granted").await;
    transaction.commit().await.unwrap();
    assert_eq!(claim.await.unwrap().position, Position(3), "the claim waited, and tells where the checkpoint is now");
}

#[tokio::test]
async fn an_owner_that_froze_before_its_commit_keeps_nobody_out_for_long() {
    let (store, id, _database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let frozen = granted(&store, &id, owner).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.advance(&frozen, Position(3), 3).await.unwrap();
    let successor = tokio::time::timeout(LONG / 2, granted(&store, &id, owner)).await.unwrap();
    assert_eq!(successor.position, Position::START);
    let refused = transaction.commit().await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    assert_eq!(status(&store, &id).await.position, Position::START);
}

#[tokio::test]
async fn a_checkpoint_never_goes_backwards() {
    let (store, id, _database) = registered("balances").await;
    let lease = granted(&store, &id, Uuid::now_v7()).await;
    advance(&store, &lease, 7, 3).await.unwrap();
    advance(&store, &lease, 7, 0).await.unwrap();
    assert!(is_fenced(&advance(&store, &lease, 6, 1).await));
    let status = status(&store, &id).await;
    assert_eq!((status.position, status.events), (Position(7), 3));

    let strange = Lease::new(self::id("unheard_of"), 1, Position::START, Position::START, false);
    assert!(is_fenced(&advance(&store, &strange, 1, 1).await));
}

#[tokio::test]
async fn a_pause_outlives_the_process_that_asked_for_it() {
    let (store, id, database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let lease = granted(&store, &id, owner).await;
    assert!(store.control(&id, Control::Pause).await.unwrap());
    assert!(!store.renew(&lease, LONG).await.unwrap());
    assert!(is_fenced(&advance(&store, &lease, 1, 1).await));
    drop(store);

    let store = PgStore::connect(database.url()).await.unwrap();
    store.register(&id, ReadModelKind::Documents).await.unwrap();
    assert_eq!(store.claim(&id, owner, LONG).await.unwrap(), Claim::Paused);
    assert_eq!(status(&store, &id).await.state, ProjectionState::Paused);
    assert!(store.control(&id, Control::Resume).await.unwrap());
    granted(&store, &id, owner).await;
    assert!(!store.control(&self::id("unheard_of"), Control::Pause).await.unwrap());
}

#[tokio::test]
async fn a_stop_is_told_with_its_reason_until_somebody_works_again() {
    let (store, id, _database) = registered("balances").await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let old = granted(&store, &id, first).await;
    let lease = granted(&store, &id, first).await;
    store.report_stop(&old, "an old story").await.unwrap();
    assert_eq!(status(&store, &id).await.state, ProjectionState::Running);
    store.report_stop(&lease, "event 3\0 failed").await.unwrap();
    let stopped = ProjectionState::Stopped { reason: "event 3\u{fffd} failed".to_owned() };
    assert_eq!(status(&store, &id).await.state, stopped);
    granted(&store, &id, second).await;
    assert_eq!(status(&store, &id).await.state, ProjectionState::Running);
}

fn letter(stream: &StreamId, first: u64, position: u64, status: DeadLetterStatus) -> DeadLetter {
    let failed_at = Timestamp::from_micros(1_700_000_000_123_456);
    let error = "it would not go in";
    let mut letter =
        DeadLetter::new(stream.clone(), Version(first), Position(position), EventId::new(), error, status, failed_at);
    letter.last = Version(first + 4);
    letter.attempts = u32::MAX;
    letter.last_failed_at = Timestamp::from_micros(1_700_000_001_000_001);
    letter
}

async fn post(store: &PgStore, id: &ProjectionId, letter: &DeadLetter) {
    let mut transaction = store.begin().await.unwrap();
    transaction.save_dead_letter(id, letter).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_rebuild_is_asked_for_seen_and_done() {
    let (store, id, _database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let lease = granted(&store, &id, owner).await;
    advance(&store, &lease, 7, 3).await.unwrap();
    post(&store, &id, &letter(&stream("ada"), 1, 2, DeadLetterStatus::Parked)).await;
    post(&store, &id, &letter(&stream("bob"), 1, 5, DeadLetterStatus::Skipped)).await;
    assert!(store.control(&id, Control::Rebuild).await.unwrap());
    assert!(!store.renew(&lease, LONG).await.unwrap(), "whoever works has to look");

    let lease = granted(&store, &id, owner).await;
    assert!(lease.rebuild);
    let mut transaction = store.begin().await.unwrap();
    transaction.reset(&lease, Position(2), Position(9)).await.unwrap();
    transaction.commit().await.unwrap();
    let letters = store.dead_letters(&id).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.position.0).collect::<Vec<_>>(), [2]);
    assert_eq!(status(&store, &id).await.events, 3);
    advance(&store, &lease, 3, 1).await.unwrap();

    let mut transaction = store.begin().await.unwrap();
    transaction.reset(&lease, Position::START, Position(9)).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(store.dead_letters(&id).await.unwrap().is_empty());
    let lease = granted(&store, &id, owner).await;
    assert_eq!((lease.position, lease.live_from, lease.rebuild), (Position::START, Position(9), false));
    assert_eq!(status(&store, &id).await.events, 0);
}

#[tokio::test]
async fn dead_letters_come_back_as_they_were() {
    let (store, id, _database) = registered("balances").await;
    let because = "nobody \0misses it".to_owned();
    let hostile = stream("'); DROP TABLE x; -- \u{1F4A3}");
    let mut posted = vec![
        letter(&stream("d"), 2, 40, DeadLetterStatus::Discarded { reason: "gone".to_owned() }),
        letter(&stream("c"), 2, 30, DeadLetterStatus::Skipped),
        letter(&hostile, 2, 20, DeadLetterStatus::RetryRequested),
        letter(&stream("a"), 7, 10, DeadLetterStatus::Parked),
    ];
    for letter in &posted {
        post(&store, &id, letter).await;
    }
    posted.reverse();
    assert_eq!(store.dead_letters(&id).await.unwrap(), posted);
    assert_eq!(status(&store, &id).await.parked, 2);
    assert!(store.dead_letters(&self::id("other")).await.unwrap().is_empty());

    let lease = granted(&store, &id, Uuid::now_v7()).await;
    let (of_a, of_c) = ((stream("a"), Version(7)), (stream("c"), Version(2)));
    let retry =
        |(stream, first): &(StreamId, Version)| Control::RetryDeadLetter { stream: stream.clone(), first: *first };
    assert!(!store.control(&id, retry(&of_c)).await.unwrap(), "a skipped event is not waited for");
    assert!(!store.control(&id, retry(&(stream("a"), Version(8)))).await.unwrap());
    assert!(store.renew(&lease, LONG).await.unwrap(), "nothing has happened yet");
    assert!(store.control(&id, retry(&of_a)).await.unwrap());
    assert!(!store.renew(&lease, LONG).await.unwrap());
    assert_eq!(store.dead_letters(&id).await.unwrap()[0].status, DeadLetterStatus::RetryRequested);
    let discard = Control::DiscardDeadLetter { stream: of_a.0.clone(), first: of_a.1, reason: because };
    assert!(store.control(&id, discard).await.unwrap());
    let reason = "nobody \u{fffd}misses it".to_owned();
    assert_eq!(store.dead_letters(&id).await.unwrap()[0].status, DeadLetterStatus::DiscardRequested { reason });

    let mut again = posted[0].clone();
    (again.attempts, again.error) = (9, "NUL \0 inside".to_owned());
    let mut transaction = store.begin().await.unwrap();
    transaction.save_dead_letter(&id, &again).await.unwrap();
    for letter in &posted[1..] {
        transaction.delete_dead_letter(&id, &letter.stream, letter.first).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let kept = store.dead_letters(&id).await.unwrap();
    again.error = "NUL \u{fffd} inside".to_owned();
    assert_eq!(kept, [again]);
}

#[tokio::test]
async fn documents_come_back_as_they_were() {
    let (store, id, _database) = registered("statements").await;
    let long = "k".repeat(1024);
    let documents = [
        ("'); DROP TABLE x; --", r#"{"a":"\u0000 and \ud83d\udca3"}"#),
        ("ключ \u{1F4A3} \u{1} \\ \" % _ {} ,", r#"{"b":1,"a":1.0,"b":18446744073709551615}"#),
        (long.as_str(), "1e400"),
        ("null", "null"),
        ("NULL", r#"  [ "spaces" , "stay" ]  "#),
    ];
    save(&store, &id, &documents.map(|(key, body)| (key, Some(body)))).await;
    let keys = documents.map(|(key, _)| key);
    assert_eq!(get(&store, &id, &keys).await, documents.map(|(_, body)| Some(body.to_owned())));
    let some = get(&store, &id, &["nobody", "NULL", "null", "NULL", "with \0", ""]).await;
    assert_eq!(some.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, true, false, false]);
    assert!(get(&store, &id, &[]).await.is_empty());

    save(&store, &id, &[("null", None), ("nobody", None), ("NULL", Some("2"))]).await;
    assert_eq!(get(&store, &id, &["null", "NULL"]).await, [None, Some("2".to_owned())]);
    save(&store, &id, &[]).await;
}

#[tokio::test]
async fn documents_are_seen_outside_when_they_are_committed() {
    let (store, id, _database) = registered("statements").await;
    save(&store, &id, &[("a", Some("1")), ("b", Some("1"))]).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.save_documents(&id, &[("a".to_owned(), Some("2".to_owned())), ("b".to_owned(), None)]).await.unwrap();
    let inside = transaction.load_documents(&id, &["b".to_owned(), "a".to_owned()]).await.unwrap();
    assert_eq!(inside, [None, Some("2".to_owned())]);
    assert_eq!(get(&store, &id, &["a", "b"]).await, [Some("1".to_owned()), Some("1".to_owned())]);
    transaction.clear_documents(&id).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(get(&store, &id, &["a", "b"]).await, [None, None]);
}

#[tokio::test]
async fn documents_are_listed_by_the_bytes_of_their_keys() {
    let (store, id, _database) = registered("statements").await;
    let mut keys = ["b", "B", "ä", "a", "Z", "a-1", "a1", "\u{1}"];
    save(&store, &id, &keys.map(|key| (key, Some("1")))).await;
    keys.sort_unstable();
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.list_documents(&id, after.as_deref(), 3).await.unwrap();
        after = page.last().map(|(key, _)| key.clone());
        seen.extend(page.into_iter().map(|(key, _)| key));
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, keys);
    let behind = store.list_documents(&id, Some("a\0b"), 1).await.unwrap();
    assert_eq!(behind[0].0, "a-1");
    assert!(store.list_documents(&id, None, 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_status_tells_how_far_behind_a_projection_is() {
    let (store, id, _database) = registered("balances").await;
    let owner = Uuid::now_v7();
    let lease = granted(&store, &id, owner).await;
    let start = status(&store, &id).await;
    assert_eq!((start.lag_events, start.lag, start.owner), (0, Duration::ZERO, Some(owner)));

    for amount in 0..3 {
        store.append(deposit("ada", amount)).await.unwrap();
        store.log_end().await.unwrap();
    }
    store.append(deposit("ada", 4)).await.unwrap();
    let behind = status(&store, &id).await;
    assert_eq!(behind.lag_events, 4, "an event without a place gets one by looking");
    assert!(behind.lag > Duration::ZERO && behind.lag < LONG, "{behind:?}");
    advance(&store, &lease, 1, 1).await.unwrap();
    let closer = status(&store, &id).await;
    assert_eq!(closer.lag_events, 3);
    assert!(closer.updated_at > behind.updated_at);
    advance(&store, &lease, store.log_end().await.unwrap().0, 3).await.unwrap();
    let there = status(&store, &id).await;
    assert_eq!((there.lag_events, there.lag, there.events), (0, Duration::ZERO, 4));
}

#[tokio::test]
async fn an_append_wakes_whoever_waits_on_another_handle() {
    let (store, _id, database) = registered("balances").await;
    let waiting = store.clone();
    let woken = waiting.appended();
    store.append(deposit("ada", 1)).await.unwrap();
    tokio::time::timeout(LONG, woken).await.expect("counted from the call");

    let stranger = PgStore::connect(database.url()).await.unwrap();
    let woken = waiting.appended();
    stranger.append(deposit("ada", 1)).await.unwrap();
    let refused = store.append(Append { expected: ExpectedVersion::NoStream, ..deposit("ada", 1) }).await;
    assert!(refused.unwrap_err().is_conflict());
    tokio::time::timeout(Duration::from_millis(50), woken).await.expect_err("nothing was stored here");
}

/// A projector's own errors, as people write them.
#[derive(Debug, thiserror::Error)]
enum ProjectorError {
    #[error(transparent)]
    Shown(sqlx::Error),
    #[error("the table could not be written")]
    Wrapped(#[source] sqlx::Error),
}

#[tokio::test]
async fn errors_of_a_projector_are_told_apart() {
    let (store, database) = store().await;
    let mut admin = connection(&database).await;
    for (code, transient) in [("40P01", true), ("40001", true), ("57P01", true), ("23505", false), ("22012", false)] {
        let kinds: [fn(sqlx::Error) -> BoxError; 3] =
            [BoxError::from, |e| ProjectorError::Shown(e).into(), |e| ProjectorError::Wrapped(e).into()];
        for kind in kinds {
            let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{code}'; END $$");
            let error = sqlx::raw_sql(AssertSqlSafe(raise)).execute(&mut admin).await.unwrap_err();
            assert_eq!(store.is_transient(&kind(error)), transient, "{code}");
        }
    }
    let killed = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").execute(&mut admin).await.unwrap_err();
    assert!(store.is_transient(&ProjectorError::Wrapped(killed).into()));
    let gone = sqlx::query("SELECT 1").execute(&mut admin).await.unwrap_err();
    assert!(store.is_transient(&gone.into()));
    assert!(!store.is_transient(&"the amount is negative".into()));
    assert!(store.is_transient(&Error::unavailable("try later").into()));
}

#[tokio::test]
async fn a_transaction_is_undone_by_dropping_it_and_leaves_a_clean_connection() {
    let database = Database::create().await;
    let store = PgStore::options().max_connections(1).connect(database.url()).await.unwrap();
    store.migrate().await.unwrap();
    run(&mut connection(&database).await, "CREATE TABLE effects (nth int PRIMARY KEY)").await;
    let insert = "INSERT INTO effects VALUES (1)";
    for broken in [false, true] {
        let mut transaction = store.begin().await.unwrap();
        sqlx::query(insert).execute(&mut *transaction.target()).await.unwrap();
        if broken {
            sqlx::query(insert).execute(&mut *transaction.target()).await.unwrap_err();
        }
        drop(transaction);
        assert_eq!(store.log_end().await.unwrap(), Position::START, "the only connection is free again");
    }

    let mut transaction = store.begin().await.unwrap();
    let mut inner = transaction.target().begin().await.unwrap();
    sqlx::query(insert).execute(&mut *inner).await.unwrap();
    inner.commit().await.unwrap();
    drop(transaction);

    let backend = async |store: &PgStore| {
        let mut transaction = store.begin().await.unwrap();
        let pid = number(transaction.target(), "SELECT pg_backend_pid()::bigint").await;
        assert_eq!(number(transaction.target(), "SELECT count(*) FROM effects").await, 0);
        transaction.commit().await.unwrap();
        pid
    };
    assert_eq!(backend(&store).await, backend(&store).await, "a committed one gives its connection back");

    run(&mut connection(&database).await, KILL_OWNERS).await;
    backend(&store).await;
}

/// Ends every connection of the stores that run projections.
const KILL_OWNERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE datname = current_database() AND application_name = 'es-postgres'";

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { amount: i64 },
}

/// Keeps a table of its own by SQL.
struct Balances;

impl Projector for Balances {
    const NAME: &'static str = "balances";
    type Event = AccountEvent;
    type Target = PgConnection;
    type Error = sqlx::Error;

    async fn project(&self, event: &Recorded<AccountEvent>, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let AccountEvent::Deposited { amount } = event.event;
        let upsert = "INSERT INTO balances VALUES ($1, $2, 1) ON CONFLICT (account) DO UPDATE
                         SET cents = balances.cents + $2, movements = balances.movements + 1";
        sqlx::query(upsert).bind(event.stream.id()).bind(amount).execute(db).await.map(drop)
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Statement {
    cents: i64,
    versions: Vec<u64>,
}

impl Document for Statement {
    const NAME: &'static str = "statement";
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        event.stream.id()
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        let AccountEvent::Deposited { amount } = event.event;
        self.cents += amount;
        self.versions.push(event.version.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_takes_effect_once_while_connections_are_killed() {
    let (store, database) = store().await;
    let mut admin = connection(&database).await;
    run(&mut admin, "CREATE TABLE balances (account text PRIMARY KEY, cents bigint, movements bigint)").await;
    let settings = Settings::default().batch(7).lease(Duration::from_secs(1));
    let runner = |store: PgStore| Runner::new(store).settings(settings).add(Balances).document::<Statement>().start();
    let rival = PgStore::connect(database.url()).await.unwrap();
    let (first, second) = (runner(store.clone()).await.unwrap(), runner(rival).await.unwrap());

    let writer = PgStore::options().application_name("writer").connect(database.url()).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds < 10 {
                run(&mut admin, KILL_OWNERS).await;
                rounds += 1;
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            rounds
        }
    });
    for nth in 0..300 {
        writer.append(deposit(&format!("{}", nth % 5), nth)).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    assert!(killer.await.unwrap() >= 10);
    first.catch_up_within(LONG).await.unwrap();

    let mut onlooker = connection(&database).await;
    let rows = sqlx::query("SELECT cents, movements FROM balances ORDER BY account").fetch_all(&mut onlooker).await;
    let balances: Vec<(i64, i64)> = rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected = |account: i64| (0..60).map(|nth| nth * 5 + account).sum::<i64>();
    assert_eq!(balances, (0..5).map(|account| (expected(account), 60)).collect::<Vec<_>>());
    for account in 0..5 {
        let statement = writer.documents::<Statement>().unwrap().get(&account.to_string()).await.unwrap().unwrap();
        assert_eq!(statement, Statement { cents: expected(account), versions: (1..=60).collect() });
    }
    for running in [first, second] {
        running.stop().await;
    }
    let statuses = writer.projections().await.unwrap();
    assert!(statuses.iter().all(|status| status.owner.is_none() && status.events == 300), "{statuses:#?}");
}
