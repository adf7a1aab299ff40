//! What the cases about read models have in common: short ways to register, to claim, to move, to write and to ask.

use std::future::Future;
use std::time::Duration;

use uuid::Uuid;

use crate::conformance::ReadModelCandidate;
use crate::conformance::support::stream;
use crate::error::Error;
use crate::metadata::EventId;
use crate::read_model::{
    AdvanceError, Claim, Control, ControlAnswer, DeadLetter, DeadLetterStatus, DocumentQuery, Lease, ProjectionId,
    ProjectionStatus, Pulse, Reached, ReadModelKind, ReadModelTransaction, Refusal, Registration, Renewal,
};
use crate::recorded::Position;
use crate::stream::Version;
use crate::timestamp::Timestamp;

/// Longer than any case.
pub(super) const LONG: Duration = Duration::from_secs(600);
/// As short as a lease may be that is to run out in a case.
pub(super) const SHORT: Duration = Duration::from_millis(300);
/// How long a wake-up may take before a case draws its conclusion.
pub(super) const WAKE_UP: Duration = Duration::from_secs(10);
/// How long a case gives a task that must wait the chance not to. Too short a time hides a mistake, and never makes one up.
pub(super) const CHANCE: Duration = Duration::from_millis(100);
/// How often trouble that passes may come before a case draws its conclusion.
const MOST_TRIES: u32 = 2_000;

pub(super) fn projection(name: &str, version: u32) -> ProjectionId {
    ProjectionId::new(name, version).expect("the suite names projections that can exist")
}

/// Version 1 of documents of this name.
pub(super) fn of_documents(name: &str) -> Registration {
    Registration::new(projection(name, 1), ReadModelKind::Documents)
}

pub(super) async fn register<S: ReadModelCandidate>(store: &S, registration: &Registration) -> bool {
    store.register(registration).await.expect("a projection can be registered")
}

/// A projection of documents that is registered.
pub(super) async fn registered<S: ReadModelCandidate>(store: &S, name: &str) -> ProjectionId {
    registered_version(store, name, 1).await
}

pub(super) async fn registered_version<S: ReadModelCandidate>(store: &S, name: &str, version: u32) -> ProjectionId {
    let id = projection(name, version);
    register(store, &Registration::new(id.clone(), ReadModelKind::Documents)).await;
    id
}

/// A projection that projectors write, in so many parts.
pub(super) async fn divided<S: ReadModelCandidate>(store: &S, name: &str, parts: u16) -> ProjectionId {
    let id = projection(name, 1);
    register(store, &Registration { parts, ..Registration::new(id.clone(), ReadModelKind::Projector) }).await;
    id
}

/// Asks for the first part.
pub(super) async fn claim<S: ReadModelCandidate>(store: &S, id: &ProjectionId, owner: Uuid, lease: Duration) -> Claim {
    store.claim(id, 0, owner, lease).await.expect("a claim is answered")
}

/// Asks for the part that begins with a slice, for long.
pub(super) async fn claim_part<S: ReadModelCandidate>(store: &S, id: &ProjectionId, first: u16, owner: Uuid) -> Claim {
    store.claim(id, first, owner, LONG).await.expect("a claim is answered")
}

#[track_caller]
pub(super) fn granted(claim: Claim) -> Lease {
    match claim {
        Claim::Granted(lease) => lease,
        other => panic!("a lease that nobody holds is granted, not {other:?}"),
    }
}

/// The lease of a new owner's.
pub(super) async fn taken<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> Lease {
    granted(claim(store, id, Uuid::now_v7(), LONG).await)
}

/// A projection with its lease.
pub(super) async fn owned<S: ReadModelCandidate>(store: &S, name: &str) -> Lease {
    taken(store, &registered(store, name).await).await
}

/// The leases of all parts, which nobody holds, in the order of their slices.
pub(super) async fn taken_parts<S: ReadModelCandidate>(store: &S, id: &ProjectionId, owner: Uuid) -> Vec<Lease> {
    let mut leases = Vec::new();
    for part in store.parts(id).await.expect("parts can be listed") {
        leases.push(granted(claim_part(store, id, part.first(), owner).await));
    }
    leases
}

pub(super) async fn release<S: ReadModelCandidate>(store: &S, held: &Lease) {
    store.release(held).await.expect("a lease can be released");
}

pub(super) async fn renew<S: ReadModelCandidate>(store: &S, held: &Lease) -> Renewal {
    store.renew(held, LONG, &Pulse::default()).await.expect("a renewal is answered")
}

pub(super) async fn begin<S: ReadModelCandidate>(store: &S) -> S::Transaction {
    store.begin().await.expect("a transaction can be begun")
}

pub(super) async fn commit(transaction: impl ReadModelTransaction) {
    transaction.commit().await.expect("a transaction can be committed");
}

/// Moves the checkpoint in a transaction of its own, and tells whether that was refused.
pub(super) async fn advance<S: ReadModelCandidate>(
    store: &S,
    held: &Lease,
    to: u64,
    events: u64,
) -> Result<(), AdvanceError> {
    let mut transaction = begin(store).await;
    transaction.advance(held, Position(to), events).await?;
    Ok(transaction.commit().await?)
}

/// Moves the checkpoint to where it may be moved to, by as many events as places.
pub(super) async fn moved<S: ReadModelCandidate>(store: &S, held: &Lease, to: u64) {
    let events = to.saturating_sub(held.position.0);
    advance(store, held, to, events).await.expect("the holder moves the checkpoint");
}

pub(super) async fn reset<S: ReadModelCandidate>(
    store: &S,
    held: &Lease,
    to: u64,
    live_from: u64,
) -> Result<(), AdvanceError> {
    let mut transaction = begin(store).await;
    transaction.reset(held, Position(to), Position(live_from)).await?;
    Ok(transaction.commit().await?)
}

#[track_caller]
pub(super) fn is_fenced(refused: Result<(), AdvanceError>, id: &ProjectionId) {
    match refused {
        Err(AdvanceError::Fenced(fenced)) => assert_eq!(fenced.id, *id, "`Fenced` names the projection"),
        other => panic!("the checkpoint is not moved by this, but refused with `Fenced`, not {other:?}"),
    }
}

#[track_caller]
pub(super) fn is_setup<T: std::fmt::Debug>(refused: Result<T, Error>, why: &str) {
    assert!(matches!(refused, Err(Error::Setup { .. })), "{why}, so it is refused with `Error::Setup`: {refused:?}");
}

/// Every store refuses it in the same words.
#[track_caller]
pub(super) fn is_refused<T: std::fmt::Debug>(refused: Result<T, Error>, why: Refusal, id: &ProjectionId) {
    match refused {
        Err(error @ Error::Setup { .. }) => assert_eq!(error.to_string(), why.of(id).to_string(), "it says why"),
        other => panic!("it is refused with `Error::Setup`, because it {why}, not {other:?}"),
    }
}

pub(super) async fn status<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> ProjectionStatus {
    let all = store.projections().await.expect("projections can be listed");
    all.into_iter().find(|status| status.id == *id).expect("every registered projection is listed")
}

/// Where the checkpoints of the parts are, in the order of their slices.
pub(super) async fn places<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> Vec<u64> {
    status(store, id).await.parts.iter().map(|part| part.position.0).collect()
}

pub(super) async fn reached<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> Option<Position> {
    told(store, id).await.map(|reached| reached.position)
}

/// How far a projection has come, and whether it goes on.
pub(super) async fn told<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> Option<Reached> {
    let all = store.reached(std::slice::from_ref(id), None).await.expect("it is told how far a projection has come");
    assert_eq!(all.len(), 1, "there is an answer for each projection that was asked about");
    all[0].clone()
}

pub(super) async fn control<S: ReadModelCandidate>(store: &S, id: &ProjectionId, word: Control) -> bool {
    answer(store, id, word).await.is_accepted()
}

/// Leaves word, and tells what becomes of it.
pub(super) async fn answer<S: ReadModelCandidate>(store: &S, id: &ProjectionId, word: Control) -> ControlAnswer {
    store.control(id, word).await.expect("word can be left")
}

pub(super) async fn serving<S: ReadModelCandidate>(store: &S, name: &str) -> Option<ProjectionId> {
    store.serving(name).await.expect("it is told which version serves")
}

pub(super) async fn save<S: ReadModelCandidate>(store: &S, id: &ProjectionId, documents: &[(String, Option<String>)]) {
    let mut transaction = begin(store).await;
    transaction.save_documents(id, documents).await.expect("documents can be saved");
    commit(transaction).await;
}

pub(super) fn document(key: &str, json: &str) -> (String, Option<String>) {
    (key.to_owned(), Some(json.to_owned()))
}

pub(super) fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

pub(super) async fn get<S: ReadModelCandidate>(store: &S, id: &ProjectionId, wanted: &[&str]) -> Vec<Option<String>> {
    let found = store.get_documents(id, &keys(wanted)).await.expect("documents can be asked for");
    found.into_iter().map(|json| json.map(|json| content(&json))).collect()
}

/// Documents as a transaction sees them.
pub(super) async fn loaded(
    transaction: &mut impl ReadModelTransaction,
    id: &ProjectionId,
    wanted: &[&str],
) -> Vec<Option<String>> {
    let found = transaction.load_documents(id, &keys(wanted)).await.expect("documents can be loaded");
    found.into_iter().map(|json| json.map(|json| content(&json))).collect()
}

/// JSON may come back with other spaces and another order of keys.
pub(super) fn content(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).expect("a document comes back as JSON");
    value.to_string()
}

pub(super) fn some(json: &str) -> Option<String> {
    Some(content(json))
}

/// As long as a key may be, and hard to press together, as an index may try.
pub(super) fn longest_key() -> String {
    let numbers =
        std::iter::successors(Some(7_u64), |n| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)));
    let letters = numbers.map(|n| char::from(b'!' + u8::try_from((n >> 40) % 94).unwrap_or_default()));
    letters.skip(1).take(crate::MAX_KEY_BYTES).collect()
}

/// The keys that a query finds.
pub(super) async fn found<S: ReadModelCandidate>(store: &S, id: &ProjectionId, query: &DocumentQuery) -> Vec<String> {
    let found = store.list_documents(id, query).await.expect("documents can be listed");
    found.into_iter().map(|(key, _)| key).collect()
}

pub(super) async fn listed<S: ReadModelCandidate>(
    store: &S,
    id: &ProjectionId,
    after: Option<&str>,
    limit: u32,
) -> Vec<String> {
    found(store, id, &DocumentQuery { after: after.map(str::to_owned), ..DocumentQuery::new(limit) }).await
}

/// A letter of the stream `poisoned {n}`.
pub(super) fn letter(n: u64, position: u64) -> DeadLetter {
    let now = Timestamp::from_micros(1_795_000_000_123_456);
    let stream = stream(&format!("poisoned {n}"));
    DeadLetter::new(stream, Version(1), Position(position), EventId::new(), "no", DeadLetterStatus::Parked, now)
}

pub(super) async fn post<S: ReadModelCandidate>(store: &S, id: &ProjectionId, letters: &[DeadLetter]) {
    let mut transaction = begin(store).await;
    for letter in letters {
        transaction.save_dead_letter(id, letter).await.expect("a dead letter can be saved");
    }
    commit(transaction).await;
}

pub(super) async fn letters<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> Vec<DeadLetter> {
    store.dead_letters(id).await.expect("dead letters can be listed")
}

/// Does something again as long as the trouble is of the kind that passes.
pub(super) async fn persistently<T, F>(mut act: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, Error>>,
{
    for _ in 0..MOST_TRIES {
        match act().await {
            Ok(done) => return done,
            Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("trouble with others is of the kind that passes, not {error:?}"),
        }
    }
    panic!("trouble that passes has passed after {MOST_TRIES} tries")
}
