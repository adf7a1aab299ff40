//! Read models: leases and their fencing, checkpoints beside their effects, documents, words, dead letters, status.

use std::time::Duration;

use uuid::Uuid;

use super::ReadModelCandidate;
use super::support::{Lot, fill, side_by_side, stream};
use crate::error::{BoxError, Error};
use crate::metadata::EventId;
use crate::read_model::{
    AdvanceError, Claim, Control, DeadLetter, DeadLetterStatus, Lease, ProjectionId, ProjectionState, ProjectionStatus,
    ReadModelKind, ReadModelTransaction,
};
use crate::recorded::Position;
use crate::stream::Version;
use crate::timestamp::Timestamp;

/// Longer than any case.
const LONG: Duration = Duration::from_secs(600);
/// As short as a lease may be that is to run out in a case.
const SHORT: Duration = Duration::from_millis(300);
/// How long a wake-up may take, or must stay away, before a case draws its conclusion.
const WAKE_UP: Duration = Duration::from_secs(10);

fn projection(name: &str, version: u32) -> ProjectionId {
    ProjectionId::new(name, version).expect("the suite names projections that can exist")
}

/// A projection of documents that is registered.
async fn registered<S: ReadModelCandidate>(store: &S, name: &str) -> ProjectionId {
    let id = projection(name, 1);
    store.register(&id, ReadModelKind::Documents).await.expect("a projection can be registered");
    id
}

async fn claim<S: ReadModelCandidate>(store: &S, id: &ProjectionId, owner: Uuid, lease: Duration) -> Claim {
    store.claim(id, owner, lease).await.expect("a claim is answered")
}

#[track_caller]
fn granted(claim: Claim) -> Lease {
    match claim {
        Claim::Granted(lease) => lease,
        other => panic!("a lease that nobody holds is granted, not {other:?}"),
    }
}

/// A projection with its lease.
async fn owned<S: ReadModelCandidate>(store: &S, name: &str) -> Lease {
    let id = registered(store, name).await;
    granted(claim(store, &id, Uuid::now_v7(), LONG).await)
}

async fn begin<S: ReadModelCandidate>(store: &S) -> S::Transaction {
    store.begin().await.expect("a transaction can be begun")
}

async fn commit(transaction: impl ReadModelTransaction) {
    transaction.commit().await.expect("a transaction can be committed");
}

/// Moves the checkpoint in a transaction of its own, and tells whether that was refused.
async fn advance<S: ReadModelCandidate>(store: &S, held: &Lease, to: u64, events: u64) -> Result<(), AdvanceError> {
    let mut transaction = begin(store).await;
    transaction.advance(held, Position(to), events).await?;
    Ok(transaction.commit().await?)
}

async fn reset<S: ReadModelCandidate>(store: &S, held: &Lease, to: u64, live_from: u64) -> Result<(), AdvanceError> {
    let mut transaction = begin(store).await;
    transaction.reset(held, Position(to), Position(live_from)).await?;
    Ok(transaction.commit().await?)
}

#[track_caller]
fn is_fenced(refused: Result<(), AdvanceError>, id: &ProjectionId) {
    match refused {
        Err(AdvanceError::Fenced(fenced)) => assert_eq!(fenced.id, *id, "`Fenced` names the projection"),
        other => panic!("the checkpoint is not moved by this, but refused with `Fenced`, not {other:?}"),
    }
}

async fn status<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> ProjectionStatus {
    let all = store.projections().await.expect("projections can be listed");
    all.into_iter().find(|status| status.id == *id).expect("every registered projection is listed")
}

async fn control<S: ReadModelCandidate>(store: &S, id: &ProjectionId, word: Control) -> bool {
    store.control(id, word).await.expect("word can be left")
}

async fn save<S: ReadModelCandidate>(store: &S, id: &ProjectionId, documents: &[(String, Option<String>)]) {
    let mut transaction = begin(store).await;
    transaction.save_documents(id, documents).await.expect("documents can be saved");
    commit(transaction).await;
}

fn document(key: &str, json: &str) -> (String, Option<String>) {
    (key.to_owned(), Some(json.to_owned()))
}

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

async fn get<S: ReadModelCandidate>(store: &S, id: &ProjectionId, wanted: &[&str]) -> Vec<Option<String>> {
    let found = store.get_documents(id, &keys(wanted)).await.expect("documents can be asked for");
    found.into_iter().map(|json| json.map(|json| content(&json))).collect()
}

/// JSON may come back with other spaces and another order of keys.
fn content(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).expect("a document comes back as JSON");
    value.to_string()
}

fn some(json: &str) -> Option<String> {
    Some(content(json))
}

async fn listed<S: ReadModelCandidate>(store: &S, id: &ProjectionId, after: Option<&str>, limit: u32) -> Vec<String> {
    let found = store.list_documents(id, after, limit).await.expect("documents can be listed");
    found.into_iter().map(|(key, _)| key).collect()
}

/// A new projection has its checkpoint at the start of the log, and runs.
pub async fn a_projection_begins_at_the_start_of_the_log<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("before"), 1..=3).await;
    let id = registered(&store, "fresh").await;
    let seen = status(&store, &id).await;
    assert_eq!(seen.position, Position::START, "a projection begins at the start of the log");
    assert_eq!((seen.events, seen.parked), (0, 0), "it has taken in nothing");
    assert_eq!((seen.state, seen.owner), (ProjectionState::Running, None), "it is meant to run, and nobody works");
    let lease = granted(claim(&store, &id, Uuid::now_v7(), LONG).await);
    assert_eq!((lease.id, lease.position, lease.rebuild), (id, Position::START, false), "the lease says where it is");
}

/// Who registers a known projection changes neither its checkpoint, nor its history, nor its lease.
pub async fn registering_again_changes_nothing<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("again"), 1..=3).await;
    let lease = owned(&store, "again").await;
    advance(&store, &lease, 2, 2).await.expect("the holder moves the checkpoint");
    fill(&store, &stream("again"), 4..=6).await;
    registered(&store, "again").await;
    assert_eq!(status(&store, &lease.id).await.position, Position(2), "a known projection stays where it is");
    assert!(store.renew(&lease, LONG).await.expect("a lease can be renewed"), "its lease stays the newest");
    store.release(&lease).await.expect("a lease can be released");
    let anew = granted(claim(&store, &lease.id, Uuid::now_v7(), LONG).await);
    assert_eq!(anew.live_from, lease.live_from, "what is history to it was settled when it was registered first");
}

/// Another version is another projection; and so are its documents.
pub async fn versions_of_a_projection_are_kept_apart<S: ReadModelCandidate>(store: S) {
    let (one, two) = (projection("twin", 1), projection("twin", 2));
    for id in [&one, &two] {
        store.register(id, ReadModelKind::Documents).await.expect("a projection can be registered");
    }
    let lease = granted(claim(&store, &one, Uuid::now_v7(), LONG).await);
    granted(claim(&store, &two, Uuid::now_v7(), LONG).await);
    advance(&store, &lease, 5, 5).await.expect("the holder moves the checkpoint");
    save(&store, &one, &[document("a", "1")]).await;
    assert_eq!(status(&store, &two).await.position, Position::START, "each version has a checkpoint of its own");
    assert_eq!(get(&store, &two, &["a"]).await, [None], "each version has documents of its own");
}

/// The log as it is when a projection is registered is history to it, and what comes later is not.
pub async fn what_is_there_at_registration_is_history<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("history"), 1..=3).await;
    let end = store.log_end().await.expect("the log has an end");
    let lease = owned(&store, "history").await;
    assert_eq!(lease.live_from, end, "what is in the log at registration is history");
    fill(&store, &stream("history"), 4..=6).await;
    store.release(&lease).await.expect("a lease can be released");
    let again = granted(claim(&store, &lease.id, Uuid::now_v7(), LONG).await);
    assert_eq!(again.live_from, end, "what comes after registration is not history");
}

/// Of many who claim at once, one gets the lease.
pub async fn one_of_parallel_claims_wins<S: ReadModelCandidate>(store: S) {
    for round in 0..10 {
        let id = registered(&store, &format!("race_{round}")).await;
        let claims = (0..16).map(|_| {
            let (store, id) = (store.clone(), id.clone());
            async move { matches!(claim(&store, &id, Uuid::now_v7(), LONG).await, Claim::Granted(_)) }
        });
        let won = side_by_side(claims).await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "at most one lease of a projection is newest at any time, and somebody gets it");
    }
}

/// While it lasts, nobody else gets it, and the claimant is told who has it.
pub async fn a_held_lease_cannot_be_claimed<S: ReadModelCandidate>(store: S) {
    let (id, owner) = (registered(&store, "held").await, Uuid::now_v7());
    granted(claim(&store, &id, owner, LONG).await);
    let answer = claim(&store, &id, Uuid::now_v7(), LONG).await;
    assert_eq!(answer, Claim::Held { owner }, "a lease that lasts is granted to nobody else");
    assert_eq!(status(&store, &id).await.owner, Some(owner), "the status names who works");
}

/// The holder may claim again, which makes its earlier lease worthless.
pub async fn the_holder_may_claim_again<S: ReadModelCandidate>(store: S) {
    let (id, owner) = (registered(&store, "holder").await, Uuid::now_v7());
    let first = granted(claim(&store, &id, owner, LONG).await);
    let second = granted(claim(&store, &id, owner, LONG).await);
    assert!(second.token > first.token, "each claim has a higher token");
    is_fenced(advance(&store, &first, 1, 1).await, &id);
    advance(&store, &second, 1, 1).await.expect("the holder of the newest lease moves the checkpoint");
}

/// A lease that was not renewed passes on.
pub async fn a_lease_that_ran_out_can_be_claimed<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "ran_out").await;
    let first = granted(claim(&store, &id, Uuid::now_v7(), SHORT).await);
    advance(&store, &first, 3, 3).await.expect("the holder moves the checkpoint");
    let second = claimed_in_time(&store, &id).await;
    assert!(second.token > first.token, "each claim has a higher token");
    assert_eq!(second.position, Position(3), "the next owner begins where the last one stopped");
    assert!(!store.renew(&first, LONG).await.expect("it is answered"), "a lease that was taken over is not renewed");
    is_fenced(advance(&store, &first, 4, 1).await, &id);
}

/// Claims until it succeeds.
async fn claimed_in_time<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> Lease {
    for _ in 0..200 {
        if let Claim::Granted(lease) = claim(store, id, Uuid::now_v7(), LONG).await {
            return lease;
        }
        tokio::time::sleep(SHORT / 10).await;
    }
    panic!("a lease that ran out by the store's clock can be claimed")
}

/// As long as nobody else has claimed it, its holder goes on.
pub async fn a_lease_that_ran_out_stays_the_newest<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "slow").await;
    let lease = granted(claim(&store, &id, Uuid::now_v7(), SHORT).await);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(status(&store, &id).await.owner, None, "nobody works under a lease that ran out");
    advance(&store, &lease, 1, 1).await.expect("a lease that nobody took over still moves the checkpoint");
    assert!(store.renew(&lease, LONG).await.expect("it is answered"), "and it can be renewed");
    assert!(matches!(claim(&store, &id, Uuid::now_v7(), LONG).await, Claim::Held { .. }), "then it lasts again");
}

/// Renewal counts from now.
pub async fn a_renewed_lease_lasts<S: ReadModelCandidate>(store: S) {
    let (id, owner) = (registered(&store, "renewed").await, Uuid::now_v7());
    let lease = granted(claim(&store, &id, owner, SHORT).await);
    assert!(store.renew(&lease, LONG).await.expect("it is answered"), "the newest lease is renewed");
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(claim(&store, &id, Uuid::now_v7(), LONG).await, Claim::Held { owner }, "a renewed lease lasts");
}

/// Nobody waits for a lease that was let go of.
pub async fn a_released_lease_can_be_claimed_at_once<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "released").await;
    store.release(&lease).await.expect("a lease can be released");
    assert_eq!(status(&store, &lease.id).await.owner, None, "nobody works any more");
    is_fenced(advance(&store, &lease, 1, 1).await, &lease.id);
    let next = granted(claim(&store, &lease.id, Uuid::now_v7(), LONG).await);
    assert!(next.token > lease.token, "each claim has a higher token");
}

/// Who lets go of an old lease does no harm to the newest.
pub async fn an_old_lease_releases_nothing<S: ReadModelCandidate>(store: S) {
    let old = owned(&store, "harmless").await;
    store.release(&old).await.expect("a lease can be released");
    let newest = granted(claim(&store, &old.id, Uuid::now_v7(), LONG).await);
    store.release(&old).await.expect("letting go of an old lease is no error");
    assert!(store.renew(&newest, LONG).await.expect("it is answered"), "an old lease releases nothing");
}

/// There is no lease of a projection that nobody has registered.
pub async fn an_unknown_projection_cannot_be_claimed<S: ReadModelCandidate>(store: S) {
    let id = projection("unknown", 1);
    let refused = store.claim(&id, Uuid::now_v7(), LONG).await;
    assert!(matches!(refused, Err(Error::Store { .. })), "an unknown projection is an error: {refused:?}");
    for word in [Control::Pause, Control::Resume, Control::Rebuild] {
        assert!(!control(&store, &id, word).await, "word for an unknown projection finds nothing");
    }
    assert_eq!(store.dead_letters(&id).await.expect("it is answered"), [], "it has no dead letters");
}

/// It may stay, but it never goes back.
pub async fn the_checkpoint_moves_forwards_only<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "forwards").await;
    for to in [3, 3, 9] {
        advance(&store, &lease, to, 1).await.expect("the checkpoint moves forwards, or stays");
    }
    is_fenced(advance(&store, &lease, 8, 1).await, &lease.id);
    let seen = status(&store, &lease.id).await;
    assert_eq!((seen.position, seen.events), (Position(9), 3), "a checkpoint never goes back");
}

/// Neither forwards nor back.
pub async fn an_old_lease_moves_nothing<S: ReadModelCandidate>(store: S) {
    let old = owned(&store, "fenced").await;
    advance(&store, &old, 5, 5).await.expect("the holder moves the checkpoint");
    store.release(&old).await.expect("a lease can be released");
    granted(claim(&store, &old.id, Uuid::now_v7(), LONG).await);
    is_fenced(advance(&store, &old, 6, 1).await, &old.id);
    is_fenced(reset(&store, &old, 0, 0).await, &old.id);
    assert_eq!(status(&store, &old.id).await.position, Position(5), "an old lease moves nothing");
}

/// Also when it had begun its transaction, and moved the checkpoint in it, while the lease was still its own.
pub async fn an_owner_that_slept_past_its_lease_commits_nothing<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "sleeper").await;
    let lease = granted(claim(&store, &id, Uuid::now_v7(), SHORT).await);
    let mut slept = begin(&store).await;
    slept.save_documents(&id, &[document("ghost", "1")]).await.expect("documents can be saved");
    tokio::time::sleep(SHORT + SHORT / 2).await;
    let next = claimed_in_time(&store, &id).await;
    match slept.advance(&lease, Position(7), 7).await {
        Err(AdvanceError::Fenced(_)) => drop(slept),
        other => panic!("an owner that slept past its lease is fenced, not {other:?}"),
    }
    assert_eq!(get(&store, &id, &["ghost"]).await, [None], "nothing of a fenced transaction is there");
    advance(&store, &next, 1, 1).await.expect("the new owner moves the checkpoint");
    fenced_between_advance_and_commit(&store).await;
}

/// A store either keeps others from taking over until the commit, or refuses the commit. Never are both done.
async fn fenced_between_advance_and_commit<S: ReadModelCandidate>(store: &S) {
    let id = registered(store, "late_sleeper").await;
    let lease = granted(claim(store, &id, Uuid::now_v7(), SHORT).await);
    let mut slept = begin(store).await;
    slept.save_documents(&id, &[document("ghost", "1")]).await.expect("documents can be saved");
    slept.advance(&lease, Position(7), 7).await.expect("the holder moves the checkpoint");
    tokio::time::sleep(SHORT + SHORT / 2).await;
    let (other, of) = (store.clone(), id.clone());
    let taking_over = tokio::spawn(async move { claim(&other, &of, Uuid::now_v7(), LONG).await });
    tokio::time::sleep(SHORT).await;
    let was_granted_before = taking_over.is_finished();
    let committed = slept.commit().await.is_ok();
    assert!(!(was_granted_before && committed), "nothing is committed under a lease that was taken away");
    let claimed = taking_over.await.expect("the claim ends");
    if let Claim::Granted(next) = claimed {
        let there = get(store, &id, &["ghost"]).await == [some("1")];
        assert_eq!(next.position == Position(7), there, "the next owner finds effect and checkpoint, or neither");
        assert_eq!(there, committed, "what was committed is there, and what was refused is not");
    }
}

/// What was written and the checkpoint appear together.
pub async fn effect_and_checkpoint_are_one<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "atomic").await;
    let mut transaction = begin(&store).await;
    transaction.save_documents(&lease.id, &[document("a", "1")]).await.expect("documents can be saved");
    transaction.advance(&lease, Position(4), 4).await.expect("the holder moves the checkpoint");
    commit(transaction).await;
    let seen = status(&store, &lease.id).await;
    assert_eq!((seen.position, seen.events), (Position(4), 4), "a committed checkpoint is there");
    assert_eq!(get(&store, &lease.id, &["a"]).await, [some("1")], "a committed effect is there");
}

/// Documents, checkpoint and dead letters: of all of it nothing is left.
pub async fn a_dropped_transaction_leaves_nothing<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "dropped").await;
    save(&store, &lease.id, &[document("kept", "1")]).await;
    let mut transaction = begin(&store).await;
    transaction.clear_documents(&lease.id).await.expect("documents can be cleared");
    transaction.save_documents(&lease.id, &[document("a", "1")]).await.expect("documents can be saved");
    transaction.save_dead_letter(&lease.id, &letter(1, 1)).await.expect("a dead letter can be saved");
    transaction.advance(&lease, Position(4), 4).await.expect("the holder moves the checkpoint");
    drop(transaction);
    assert_eq!(get(&store, &lease.id, &["kept", "a"]).await, [some("1"), None], "a dropped transaction never happened");
    assert_eq!(store.dead_letters(&lease.id).await.expect("they can be listed"), [], "nor did its dead letters");
    assert_eq!(status(&store, &lease.id).await.position, Position::START, "nor did its checkpoint");
}

/// The transaction itself sees what it wrote; others see it after the commit.
pub async fn what_is_not_committed_is_seen_by_nobody<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "unseen").await;
    save(&store, &id, &[document("old", "1"), document("gone", "1")]).await;
    let mut writes = begin(&store).await;
    let changes = [document("old", "2"), document("new", "3"), ("gone".to_owned(), None)];
    writes.save_documents(&id, &changes).await.expect("documents can be saved");
    let all = keys(&["old", "new", "gone"]);
    let own = writes.load_documents(&id, &all).await.expect("documents can be loaded");
    let own: Vec<_> = own.into_iter().map(|json| json.map(|json| content(&json))).collect();
    assert_eq!(own, [some("2"), some("3"), None], "a transaction sees what it has written");
    let before = [some("1"), None, some("1")];
    assert_eq!(get(&store, &id, &["old", "new", "gone"]).await, before, "nobody sees what is not committed");
    assert_eq!(listed(&store, &id, None, 9).await, ["gone", "old"], "nobody lists what is not committed");
    commit(writes).await;
    let after = [some("2"), some("3"), None];
    assert_eq!(get(&store, &id, &["old", "new", "gone"]).await, after, "everybody sees what is committed");
    assert_eq!(listed(&store, &id, None, 9).await, ["new", "old"], "everybody lists what is committed");
}

/// Not by its last owner either, until somebody says so.
pub async fn a_paused_projection_cannot_be_claimed<S: ReadModelCandidate>(store: S) {
    let (id, owner) = (registered(&store, "paused").await, Uuid::now_v7());
    let lease = granted(claim(&store, &id, owner, LONG).await);
    assert!(control(&store, &id, Control::Pause).await, "a known projection can be paused");
    is_fenced(advance(&store, &lease, 1, 1).await, &id);
    for claimant in [owner, Uuid::now_v7()] {
        assert_eq!(claim(&store, &id, claimant, LONG).await, Claim::Paused, "a paused projection cannot be claimed");
    }
    registered(&store, "paused").await;
    assert_eq!(status(&store, &id).await.state, ProjectionState::Paused, "a start does not end a pause");
    assert!(control(&store, &id, Control::Resume).await, "a known projection can be resumed");
    assert_eq!(status(&store, &id).await.state, ProjectionState::Running, "it is meant to run again");
    granted(claim(&store, &id, owner, LONG).await);
}

/// So that whoever works notices.
pub async fn every_word_takes_the_lease_away<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "words").await;
    let id = lease.id.clone();
    let mut transaction = begin(&store).await;
    transaction.save_dead_letter(&id, &letter(1, 1)).await.expect("a dead letter can be saved");
    commit(transaction).await;
    let (stream, first) = (stream("poisoned 1"), Version(1));
    let reason = "nobody needs it".to_owned();
    let words = [
        Control::Resume,
        Control::RetryDeadLetter { stream: stream.clone(), first },
        Control::DiscardDeadLetter { stream, first, reason },
        Control::Rebuild,
        Control::Pause,
    ];
    let mut held = lease;
    for word in words {
        assert!(control(&store, &id, word.clone()).await, "{word:?} finds what it is about");
        assert!(!store.renew(&held, LONG).await.expect("it is answered"), "{word:?} takes the lease away");
        is_fenced(advance(&store, &held, 1, 1).await, &id);
        if let Claim::Granted(next) = claim(&store, &id, Uuid::now_v7(), LONG).await {
            assert!(next.token > held.token, "each claim has a higher token");
            held = next;
        }
    }
}

/// However often it is claimed in between.
pub async fn a_rebuild_is_asked_for_until_the_reset<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "rebuilt").await;
    advance(&store, &lease, 5, 5).await.expect("the holder moves the checkpoint");
    assert!(control(&store, &lease.id, Control::Rebuild).await, "a rebuild can be asked for");
    assert_eq!(status(&store, &lease.id).await.position, Position(5), "asking moves nothing");
    let owner = Uuid::now_v7();
    for _ in 0..2 {
        let asked = granted(claim(&store, &lease.id, owner, LONG).await);
        assert!(asked.rebuild, "the lease says that a rebuild was asked for, until it has begun");
    }
    let asked = granted(claim(&store, &lease.id, owner, LONG).await);
    reset(&store, &asked, 0, 5).await.expect("the holder goes back to the start");
    assert!(store.renew(&asked, LONG).await.expect("it is answered"), "a reset leaves the lease alone");
    let begun = granted(claim(&store, &lease.id, owner, LONG).await);
    assert!(!begun.rebuild, "a reset takes the word as done");
    assert_eq!((begun.position, begun.live_from), (Position::START, Position(5)), "it says where, and what is history");
    assert_eq!(status(&store, &lease.id).await.events, 0, "back at the start it has taken in nothing");
}

/// Back, and forth.
pub async fn a_reset_moves_the_checkpoint_anywhere<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "rewound").await;
    advance(&store, &lease, 5, 5).await.expect("the holder moves the checkpoint");
    for to in [2, 9, 0] {
        reset(&store, &lease, to, 9).await.expect("the holder resets the checkpoint");
        assert_eq!(status(&store, &lease.id).await.position, Position(to), "a reset moves the checkpoint anywhere");
    }
    advance(&store, &lease, 1, 1).await.expect("from there it moves forwards again");
    let mut both = begin(&store).await;
    both.reset(&lease, Position(0), Position(0)).await.expect("the holder resets the checkpoint");
    both.save_documents(&lease.id, &[document("a", "1")]).await.expect("documents can be saved");
    drop(both);
    assert_eq!(status(&store, &lease.id).await.position, Position(1), "a dropped reset never happened");
}

/// Everybody sees why a projection stopped, until somebody works again.
pub async fn a_stop_is_told_until_the_next_claim<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "stopped").await;
    let reason = "event 3 of stream `order-7` \u{1f980} could not be taken in: 'quoted'";
    store.report_stop(&lease, reason).await.expect("a stop can be reported");
    store.release(&lease).await.expect("a lease can be released");
    let told = ProjectionState::Stopped { reason: reason.to_owned() };
    assert_eq!(status(&store, &lease.id).await.state, told, "everybody sees why it stopped");
    granted(claim(&store, &lease.id, Uuid::now_v7(), LONG).await);
    assert_eq!(status(&store, &lease.id).await.state, ProjectionState::Running, "a claim forgets the reason");
}

/// Who was taken over has no say.
pub async fn an_old_lease_reports_nothing<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "mute").await;
    store.release(&lease).await.expect("a lease can be released");
    granted(claim(&store, &lease.id, Uuid::now_v7(), LONG).await);
    store.report_stop(&lease, "too late").await.expect("reporting under an old lease is no error");
    assert_eq!(status(&store, &lease.id).await.state, ProjectionState::Running, "an old lease reports nothing");
}

/// The same as they were asked for, with `None` for those that are not there.
pub async fn documents_come_back_in_the_order_of_their_keys<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "ordered").await;
    assert_eq!(get(&store, &id, &["a"]).await, [None], "there are no documents yet");
    save(&store, &id, &[document("b", "2"), document("a", "1")]).await;
    let found = get(&store, &id, &["a", "missing", "b", "a"]).await;
    assert_eq!(found, [some("1"), None, some("2"), some("1")], "documents come in the order of the keys asked for");
    assert!(get(&store, &id, &[]).await.is_empty(), "who asks for nothing gets nothing");
    let mut transaction = begin(&store).await;
    let loaded = transaction.load_documents(&id, &keys(&["b", "missing", "a"])).await.expect("they can be loaded");
    let loaded: Vec<_> = loaded.into_iter().map(|json| json.map(|json| content(&json))).collect();
    assert_eq!(loaded, [some("2"), None, some("1")], "documents are loaded in the order of the keys asked for");
    assert!(transaction.load_documents(&id, &[]).await.expect("it is answered").is_empty(), "nothing for nothing");
}

/// A document takes the place of the one that is there; none removes it.
pub async fn documents_are_replaced_and_removed<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "replaced").await;
    save(&store, &id, &[document("a", r#"{"n":1}"#), document("b", r#"{"n":1}"#)]).await;
    save(&store, &id, &[document("a", r#"{"n":2}"#), ("b".into(), None), ("missing".into(), None)]).await;
    assert_eq!(get(&store, &id, &["a", "b"]).await, [some(r#"{"n":2}"#), None], "replaced, and removed");
    save(&store, &id, &[document("b", "3")]).await;
    assert_eq!(get(&store, &id, &["b"]).await, [some("3")], "what was removed can come again");
    save(&store, &id, &[]).await;
    assert_eq!(listed(&store, &id, None, 9).await, ["a", "b"], "saving nothing changes nothing");
}

/// Not in that of anybody's language, so that pages follow each other without a seam on every store.
pub async fn documents_are_listed_in_the_order_of_their_bytes<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "listed").await;
    let mut wanted = keys(&["a", "B", "b", "aa", "a b", "a-b", "ä", "Z", "z", "10", "9", "🦀", "~"]);
    let documents: Vec<_> = wanted.iter().map(|key| document(key, "{}")).collect();
    save(&store, &id, &documents).await;
    wanted.sort_unstable();
    assert_eq!(listed(&store, &id, None, 99).await, wanted, "documents are listed in the order of their keys' bytes");
    for limit in [1, 2, 5] {
        let (mut all, mut after) = (Vec::<String>::new(), None);
        loop {
            let page = listed(&store, &id, after.as_deref(), limit).await;
            assert!(page.len() <= usize::try_from(limit).unwrap_or(0), "no more than `limit` documents are listed");
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            all.extend(page);
        }
        assert_eq!(all, wanted, "pages of {limit} follow each other without a seam");
    }
    assert_eq!(listed(&store, &id, Some("aaa"), 1).await, ["b"], "the key to begin behind need not be there");
    assert!(listed(&store, &id, None, 0).await.is_empty(), "a limit of 0 lists nothing");
}

/// And of no other.
pub async fn clearing_removes_all_documents_of_one_projection<S: ReadModelCandidate>(store: S) {
    let (cleared, other) = (registered(&store, "cleared").await, registered(&store, "uncleared").await);
    for id in [&cleared, &other] {
        save(&store, id, &[document("a", "1"), document("b", "1")]).await;
    }
    let mut transaction = begin(&store).await;
    transaction.clear_documents(&cleared).await.expect("documents can be cleared");
    let loaded = transaction.load_documents(&cleared, &keys(&["a"])).await.expect("documents can be loaded");
    assert_eq!(loaded, [None], "what was cleared is gone for the transaction");
    transaction.save_documents(&cleared, &[document("b", "2")]).await.expect("documents can be saved");
    commit(transaction).await;
    assert_eq!(get(&store, &cleared, &["a", "b"]).await, [None, some("2")], "what is written afterwards stays");
    assert_eq!(get(&store, &other, &["a", "b"]).await, [some("1"), some("1")], "other projections are left alone");
}

/// Keys are compared byte by byte, and kept whatever is in them.
pub async fn keys_of_every_kind<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "keys").await;
    let long = "k".repeat(crate::MAX_KEY_BYTES);
    let crab = "🦀".repeat(crate::MAX_KEY_BYTES / 4);
    let hostile = [
        " ",
        "a",
        "A",
        "a ",
        " a",
        "ä",
        "a\u{308}",
        "'; drop table documents; --",
        "%",
        "_",
        "\\",
        "\"",
        "{}",
        "{a,b}",
        "NULL",
        "null",
        "\n",
        "\u{1}",
        "\u{7f}",
        "$1",
        "\u{10ffff}",
        &long,
        &crab,
    ];
    let documents: Vec<_> = hostile.iter().enumerate().map(|(n, key)| document(key, &n.to_string())).collect();
    save(&store, &id, &documents).await;
    let expected: Vec<_> = (0..hostile.len()).map(|n| Some(n.to_string())).collect();
    assert_eq!(get(&store, &id, &hostile).await, expected, "each key has its own document");
    assert_eq!(listed(&store, &id, None, 99).await.len(), hostile.len(), "and each is listed");
}

/// Any JSON comes back with the same content.
pub async fn contents_of_every_kind<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "contents").await;
    let large = format!("\"{}\"", "🦀".repeat(250_000));
    let contents = [
        "null",
        "[]",
        "{}",
        "\"\"",
        r#"{"quote":"'; drop table documents; --","backslash":"\\","newline":"\n","emoji":"🦀"}"#,
        r#"{"largest":18446744073709551615,"smallest":-9223372036854775808,"float":0.1}"#,
        &large,
    ];
    for (n, json) in contents.iter().enumerate() {
        let key = n.to_string();
        save(&store, &id, &[document(&key, json)]).await;
        assert_eq!(get(&store, &id, &[&key]).await, [some(json)], "a document comes back with the same content");
    }
    let nul = r#"{"nul":"\u0000"}"#;
    let mut transaction = begin(&store).await;
    let saved = transaction.save_documents(&id, &[document("nul", nul)]).await;
    let kept = match saved {
        Ok(()) => transaction.commit().await.is_ok(),
        Err(_) => {
            drop(transaction);
            false
        }
    };
    let expected = if kept { some(nul) } else { None };
    assert_eq!(get(&store, &id, &["nul"]).await, [expected], "a NUL is kept, or refused; it is never cut");
}

/// A batch may change many.
pub async fn thousands_of_documents_at_once<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "many").await;
    let all: Vec<String> = (0..5_000).map(|n| format!("key {n:05}")).collect();
    let documents: Vec<_> = all.iter().enumerate().map(|(n, key)| document(key, &n.to_string())).collect();
    save(&store, &id, &documents).await;
    let found = store.get_documents(&id, &all).await.expect("documents can be asked for");
    let expected: Vec<_> = (0..all.len()).map(|n| Some(n.to_string())).collect();
    assert_eq!(found, expected, "thousands of documents come back, in order");
    let removed: Vec<_> = all.iter().map(|key| (key.clone(), None)).collect();
    save(&store, &id, &removed).await;
    assert!(listed(&store, &id, None, 1).await.is_empty(), "thousands of documents are removed");
}

/// A letter of the stream `poisoned {n}`.
fn letter(n: u64, position: u64) -> DeadLetter {
    let now = Timestamp::from_micros(1_795_000_000_123_456);
    let stream = stream(&format!("poisoned {n}"));
    DeadLetter::new(stream, Version(1), Position(position), EventId::new(), "no", DeadLetterStatus::Parked, now)
}

async fn post<S: ReadModelCandidate>(store: &S, id: &ProjectionId, letters: &[DeadLetter]) {
    let mut transaction = begin(store).await;
    for letter in letters {
        transaction.save_dead_letter(id, letter).await.expect("a dead letter can be saved");
    }
    commit(transaction).await;
}

async fn letters<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> Vec<DeadLetter> {
    store.dead_letters(id).await.expect("dead letters can be listed")
}

/// Every part of them, oldest position first.
pub async fn dead_letters_come_back<S: ReadModelCandidate>(store: S) {
    let (id, other) = (registered(&store, "letters").await, registered(&store, "no_letters").await);
    let reason = "'; drop table dead_letters; -- 🦀".to_owned();
    let statuses = [
        DeadLetterStatus::Parked,
        DeadLetterStatus::RetryRequested,
        DeadLetterStatus::DiscardRequested { reason: reason.clone() },
        DeadLetterStatus::Skipped,
        DeadLetterStatus::Discarded { reason },
    ];
    let all: Vec<DeadLetter> = (1..)
        .zip(statuses)
        .map(|(n, status)| {
            let failed = letter(n, n * 10);
            DeadLetter {
                first: Version(n),
                last: Version(n + 7),
                error: "long ".repeat(2_000) + "'quoted' 🦀\n",
                attempts: u32::try_from(n).unwrap_or(1) * 3,
                last_failed_at: failed.first_failed_at + Duration::from_secs(n),
                status,
                ..failed
            }
        })
        .collect();
    let shuffled: Vec<_> = all.iter().rev().cloned().collect();
    post(&store, &id, &shuffled).await;
    assert_eq!(letters(&store, &id).await, all, "dead letters come back whole, oldest position first");
    assert_eq!(letters(&store, &other).await, [], "each projection has dead letters of its own");
    assert_eq!(status(&store, &id).await.parked, 3, "the status counts the streams that wait");
    let mut transaction = begin(&store).await;
    for letter in &all {
        transaction.delete_dead_letter(&id, &letter.stream, letter.first).await.expect("it can be forgotten");
    }
    transaction.delete_dead_letter(&id, &all[0].stream, Version(99)).await.expect("forgetting nothing is no error");
    commit(transaction).await;
    assert_eq!(letters(&store, &id).await, [], "dead letters can be forgotten");
}

/// Of the same stream and first version there is one.
pub async fn a_dead_letter_takes_the_place_of_its_like<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "like").await;
    let first = letter(1, 10);
    let (last, attempts, error) = (Version(5), 4, "still no".to_owned());
    let second = DeadLetter { last, attempts, error, status: DeadLetterStatus::RetryRequested, ..first.clone() };
    let other = DeadLetter { first: Version(9), last: Version(9), position: Position(20), ..first.clone() };
    post(&store, &id, &[first, other.clone()]).await;
    post(&store, &id, std::slice::from_ref(&second)).await;
    assert_eq!(
        letters(&store, &id).await,
        [second, other],
        "a dead letter takes the place of its like, and no other's"
    );
}

/// A retry or a discard is for what waits.
pub async fn words_reach_parked_streams_only<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "addressed").await;
    let parked = letter(1, 10);
    let skipped = DeadLetter { status: DeadLetterStatus::Skipped, ..letter(2, 20) };
    post(&store, &id, &[parked.clone(), skipped.clone()]).await;
    let retry = |of: &DeadLetter, first| Control::RetryDeadLetter { stream: of.stream.clone(), first };
    assert!(!control(&store, &id, retry(&parked, Version(2))).await, "no stream is parked at that event");
    assert!(!control(&store, &id, retry(&skipped, Version(1))).await, "what was skipped does not wait");
    assert!(control(&store, &id, retry(&parked, Version(1))).await, "a parked stream can be tried again");
    let asked = |status| [DeadLetter { status, ..parked.clone() }, skipped.clone()];
    assert_eq!(letters(&store, &id).await, asked(DeadLetterStatus::RetryRequested), "only the status changes");
    let (stream, first, reason) = (parked.stream.clone(), parked.first, "nobody needs it".to_owned());
    let discard = Control::DiscardDeadLetter { stream, first, reason: reason.clone() };
    assert!(control(&store, &id, discard).await, "somebody may think again");
    assert_eq!(letters(&store, &id).await, asked(DeadLetterStatus::DiscardRequested { reason }), "with a reason");
}

/// Their events come again.
pub async fn a_reset_forgets_the_dead_letters_behind_it<S: ReadModelCandidate>(store: S) {
    let (lease, other) = (owned(&store, "forgetful").await, registered(&store, "unforgetful").await);
    for id in [&lease.id, &other] {
        post(&store, id, &[letter(1, 10), letter(2, 20), letter(3, 30)]).await;
    }
    reset(&store, &lease, 20, 20).await.expect("the holder resets the checkpoint");
    let left: Vec<_> = letters(&store, &lease.id).await.iter().map(|letter| letter.position.0).collect();
    assert_eq!(left, [10, 20], "dead letters behind the checkpoint are forgotten, and no others");
    assert_eq!(letters(&store, &other).await.len(), 3, "those of other projections stay");
}

/// How much was taken in, how much is left, and for how long it has waited.
pub async fn the_status_tells_events_and_lag<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "lagging").await;
    let at_first = status(&store, &lease.id).await;
    assert_eq!((at_first.lag_events, at_first.lag), (0, Duration::ZERO), "in an empty log nothing is left behind");
    fill(&store, &stream("lag"), 1..=8).await;
    let end = store.log_end().await.expect("the log has an end");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let behind = status(&store, &lease.id).await;
    assert_eq!(behind.lag_events, 8, "all events behind the checkpoint count");
    assert!(behind.lag >= Duration::from_millis(40), "the oldest of them has waited since: {:?}", behind.lag);
    advance(&store, &lease, end.0, 8).await.expect("the holder moves the checkpoint");
    let done = status(&store, &lease.id).await;
    assert_eq!((done.events, done.lag_events, done.lag), (8, 0, Duration::ZERO), "nothing is left behind");
    assert!(done.updated_at > at_first.updated_at, "it says when the checkpoint last moved");
}

/// A reader that asks, then reads, then waits, misses nothing.
pub async fn an_append_wakes_who_has_asked_before<S: ReadModelCandidate>(store: S) {
    let mut lot = Lot::new();
    for round in 0..20 {
        let appended = store.appended();
        fill(&store.clone(), &stream("wake"), [round]).await;
        tokio::time::sleep(Duration::from_millis(lot.below(3))).await;
        let woken = tokio::time::timeout(WAKE_UP, appended).await;
        assert!(woken.is_ok(), "an append behind the call wakes, also when it came before the first poll");
    }
}

/// At the least for the store's own errors.
pub async fn trouble_that_passes_is_told_from_trouble_that_lasts<S: ReadModelCandidate>(store: S) {
    let passing: BoxError = Box::new(Error::unavailable("the connection was lost"));
    assert!(store.is_transient(&passing), "a store that is not available will be");
    let lasting: BoxError = Box::new(Error::store("the disk is gone"));
    assert!(!store.is_transient(&lasting), "a store that failed has failed");
    assert!(!store.is_transient(&BoxError::from("the projector's own")), "another's error is not taken for trouble");
}
