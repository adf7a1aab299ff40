//! What is special about this store's transactions: it checks at the commit what other stores lock, and takes turns where they
//! lock one document.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use es_core::{
    AdvanceError, Append, Appended, Claim, Conflict, Control, Error, EventStore, ExpectedVersion, Lease, NewEvent,
    Position, ProjectionId, ProjectionState, Pulse, Reached, ReadLog, ReadModelKind, ReadModelStore,
    ReadModelTransaction, Registration, Renewal, StreamId, Version,
};
use es_memory::{MemoryStore, Transaction};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(600);

fn append(id: &str, expected: impl Into<ExpectedVersion>, events: usize) -> Append {
    let events = (0..events).map(|_| NewEvent::new("account.opened", 1, "{}")).collect();
    Append::new(StreamId::new("account", id).unwrap(), expected.into(), events)
}

async fn plain(store: &MemoryStore, id: &str) -> Appended {
    store.append(append(id, ExpectedVersion::Any, 1)).await.unwrap()
}

async fn log(store: &MemoryStore) -> Vec<String> {
    let mut seen = Vec::new();
    let mut visit = |raw: es_core::RawEvent<'_>| {
        seen.push(format!("{} {}", raw.stream.id(), raw.version));
        Ok(())
    };
    store.read_log(ReadLog::after(Position::START), &mut visit).await.unwrap();
    seen
}

async fn registered(store: &MemoryStore, name: &str) -> ProjectionId {
    let id = ProjectionId::new(name, 1).unwrap();
    store.register(&Registration::new(id.clone(), ReadModelKind::Documents)).await.unwrap();
    id
}

async fn claimed(store: &MemoryStore, id: &ProjectionId) -> Lease {
    match store.claim(id, 0, Uuid::now_v7(), LONG).await.unwrap() {
        Claim::Granted(lease) => lease,
        other => panic!("{other:?}"),
    }
}

/// Whether a future is done when it is asked once.
fn is_ready<T>(future: impl Future<Output = T>) -> bool {
    matches!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

async fn begun(store: &MemoryStore) -> Transaction {
    store.begin().await.unwrap()
}

#[tokio::test]
async fn what_is_appended_inside_is_stored_with_the_rest_as_it_was_promised() {
    let store = MemoryStore::new();
    plain(&store, "ada").await;
    let mut transaction = begun(&store).await;
    let first = transaction.append(append("ada", Version(1), 2)).await.unwrap();
    assert_eq!(first.version, Version(3));
    let second = transaction.append(append("ada", Version(3), 1)).await.unwrap();
    assert_eq!(second.version, Version(4));
    transaction.target().put("balances", "ada", &5).unwrap();
    let between = plain(&store, "bob").await;
    assert_eq!(log(&store).await, ["ada 1", "bob 1"]);
    transaction.commit().await.unwrap();
    assert_eq!(log(&store).await, ["ada 1", "bob 1", "ada 2", "ada 3", "ada 4"]);
    assert_eq!(store.table::<u64>("balances").get("ada").unwrap(), Some(5));
    let mut times = Vec::new();
    let mut visit = |raw: es_core::RawEvent<'_>| {
        times.push(raw.recorded_at);
        Ok(())
    };
    store.read_log(ReadLog::after(Position(1)), &mut visit).await.unwrap();
    assert_eq!(times, [between.recorded_at, first.recorded_at, first.recorded_at, second.recorded_at]);
    assert!(plain(&store, "eve").await.recorded_at >= between.recorded_at);
}

#[tokio::test]
async fn nothing_is_stored_at_the_commit_when_a_stream_has_moved_on() {
    for expected in [ExpectedVersion::Any, ExpectedVersion::Exists, ExpectedVersion::Exact(Version(1))] {
        let store = MemoryStore::new();
        plain(&store, "ada").await;
        let mut transaction = begun(&store).await;
        transaction.append(append("bob", ExpectedVersion::Any, 1)).await.unwrap();
        transaction.append(append("ada", expected, 2)).await.unwrap();
        transaction.target().put("balances", "ada", &5).unwrap();
        plain(&store, "ada").await;
        let refused = transaction.commit().await.unwrap_err();
        match refused {
            Error::Conflict(conflict) => {
                let stream = StreamId::new("account", "ada").unwrap();
                assert_eq!(conflict, Conflict { stream, expected, actual: Version(2) });
            }
            other => assert!(other.is_transient() && expected.allows(Version(2)), "{expected:?}: {other:?}"),
        }
        assert_eq!(log(&store).await, ["ada 1", "ada 2"]);
        assert_eq!(store.table::<u64>("balances").get("ada").unwrap(), None);
    }
}

#[tokio::test]
async fn after_a_conflict_nothing_is_committed() {
    let store = MemoryStore::new();
    let mut transaction = begun(&store).await;
    transaction.append(append("ada", ExpectedVersion::NoStream, 1)).await.unwrap();
    let refused = transaction.append(append("ada", ExpectedVersion::NoStream, 1)).await.unwrap_err();
    assert!(refused.is_conflict());
    assert!(transaction.commit().await.unwrap_err().is_conflict());
    assert!(log(&store).await.is_empty());
}

#[tokio::test]
async fn a_fenced_transaction_appends_nothing() {
    let store = MemoryStore::new();
    let id = registered(&store, "fenced").await;
    let lease = claimed(&store, &id).await;
    let mut transaction = begun(&store).await;
    transaction.append(append("ada", ExpectedVersion::Any, 1)).await.unwrap();
    transaction.advance(&lease, Position(1), 1).await.unwrap();
    store.release(&lease).await.unwrap();
    assert!(transaction.commit().await.unwrap_err().is_transient());
    assert!(log(&store).await.is_empty());
}

#[tokio::test]
async fn only_transactions_that_append_or_lock_take_turns() {
    let store = MemoryStore::new();
    let id = registered(&store, "turns").await;
    let mut first = begun(&store).await;
    first.lock_documents(&id, &["a".to_owned()]).await.unwrap();
    let (mut second, mut third) = (begun(&store).await, begun(&store).await);
    assert!(!is_ready(second.append(append("ada", ExpectedVersion::Any, 1))));
    assert!(!is_ready(second.lock_documents(&id, &["b".to_owned()])));
    plain(&store, "bob").await;
    third.save_documents(&id, &[("c".to_owned(), Some("1".to_owned()))]).await.unwrap();
    third.commit().await.unwrap();
    first.append(append("ada", ExpectedVersion::NoStream, 1)).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.append(append("ada", ExpectedVersion::Any, 1)).await.unwrap().version, Version(2));
    drop(second);
    let mut last = begun(&store).await;
    assert!(is_ready(last.lock_documents(&id, &[])));
}

#[tokio::test]
async fn a_log_that_was_held_and_has_grown_is_trouble_that_passes() {
    for inside in [0, 1] {
        let store = MemoryStore::new();
        let begin = || async {
            let mut transaction = begun(&store).await;
            transaction.hold_appends().await.unwrap();
            for _ in 0..inside {
                transaction.append(append("ada", ExpectedVersion::Any, 1)).await.unwrap();
            }
            transaction
        };
        let grown = begin().await;
        plain(&store, "bob").await;
        assert!(grown.commit().await.unwrap_err().is_transient());
        assert_eq!(log(&store).await, ["bob 1"]);
        begin().await.commit().await.unwrap();
        assert_eq!(log(&store).await.len(), 1 + inside);
    }
}

#[tokio::test]
async fn a_seized_projection_is_everybodys_again_when_the_transaction_ends() {
    let store = MemoryStore::new();
    let id = registered(&store, "seized").await;
    let lease = claimed(&store, &id).await;
    let mut undone = begun(&store).await;
    assert_eq!(undone.seize(&id).await.unwrap().len(), 1);
    assert_eq!(store.claim(&id, 0, Uuid::now_v7(), LONG).await.unwrap(), Claim::Waiting);
    let refused = begun(&store).await.advance(&lease, Position(1), 1).await;
    assert!(matches!(refused, Err(AdvanceError::Fenced(_))));
    assert!(matches!(store.drop_projection(&id).await, Err(Error::Setup { .. })));
    let mut second = begun(&store).await;
    assert!(!is_ready(second.seize(&id)));
    drop(undone);
    assert_eq!(store.renew(&lease, LONG, &Pulse::default()).await.unwrap(), Renewal::Kept);
    second.seize(&id).await.unwrap();
    second.seize(&id).await.unwrap();
    second.commit().await.unwrap();
    assert_eq!(store.renew(&lease, LONG, &Pulse::default()).await.unwrap(), Renewal::Lost);
    claimed(&store, &id).await;
}

#[tokio::test]
async fn a_lease_of_a_projection_that_was_dropped_is_none_of_its_next_life() {
    let store = MemoryStore::new();
    let id = registered(&store, "reborn").await;
    let old = claimed(&store, &id).await;
    assert!(store.control(&id, Control::Pause).await.unwrap().is_accepted());
    assert!(store.drop_projection(&id).await.unwrap());
    registered(&store, "reborn").await;
    claimed(&store, &id).await;
    let refused = begun(&store).await.advance(&old, Position(1), 1).await;
    assert!(matches!(refused, Err(AdvanceError::Fenced(_))));
}

#[tokio::test]
async fn a_time_has_its_place_behind_what_was_recorded_late() {
    let store = MemoryStore::new();
    let mut late = begun(&store).await;
    let early = late.append(append("late", ExpectedVersion::Any, 1)).await.unwrap().recorded_at;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let between = plain(&store, "prompt").await.recorded_at;
    late.commit().await.unwrap();
    assert!(early < between);
    assert_eq!(store.position_at(early).await.unwrap(), Position::START);
    assert_eq!(store.position_at(between).await.unwrap(), Position::START);
    assert_eq!(store.position_at(between + Duration::from_micros(1)).await.unwrap(), Position(2));
}

#[tokio::test]
async fn what_is_written_inline_is_where_the_log_is() {
    let store = MemoryStore::new();
    plain(&store, "ada").await;
    let mut registration = Registration::new(ProjectionId::new("inline", 1).unwrap(), ReadModelKind::Documents);
    registration.inline = true;
    store.register(&registration).await.unwrap();
    let id = registration.id;
    plain(&store, "ada").await;
    let reached = Reached::new(Position(2), ProjectionState::Inline);
    assert_eq!(store.reached(std::slice::from_ref(&id), None).await.unwrap(), [Some(reached)]);
    let status = store.projections().await.unwrap().remove(0);
    assert_eq!((status.position, status.lag_events, status.has_caught_up()), (Position(2), 0, true));
    assert!(matches!(store.claim(&id, 0, Uuid::now_v7(), LONG).await, Err(Error::Setup { .. })));
}

/// As `null` it would be read as `None`.
#[tokio::test]
async fn a_number_that_is_not_finite_is_not_put_into_a_table() {
    let store = MemoryStore::new();
    let mut transaction = store.begin().await.unwrap();
    for number in [f64::NAN, f64::INFINITY] {
        transaction.target().put("means", "ada", &Some(number)).unwrap_err();
    }
    transaction.target().put("means", "bob", &Some(0.5)).unwrap();
    transaction.commit().await.unwrap();
    let means = store.table::<Option<f64>>("means").list().unwrap();
    assert_eq!(means, [("bob".to_owned(), Some(0.5))]);
}
