//! Leases: who may work, by the store's clock, and that nobody else does.

use uuid::Uuid;

use super::support::{
    LONG, SHORT, advance, begin, claim, claim_part, control, divided, document, get, granted, is_fenced, moved, owned,
    projection, registered, release, renew, reset, some, status, taken, taken_parts,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::side_by_side;
use crate::error::Error;
use crate::read_model::{
    AdvanceError, Claim, Control, Lease, ProjectionId, ProjectionState, ReadModelTransaction, Renewal,
};
use crate::recorded::Position;

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
    assert_eq!(status(&store, &id).await.owner(), Some(owner), "the status names who works");
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
    assert_eq!(renew(&store, &first).await, Renewal::Lost, "a lease that was taken over is not renewed");
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
    assert_eq!(status(&store, &id).await.owner(), None, "nobody works under a lease that ran out");
    advance(&store, &lease, 1, 1).await.expect("a lease that nobody took over still moves the checkpoint");
    assert_eq!(renew(&store, &lease).await, Renewal::Kept, "and it can be renewed");
    assert!(matches!(claim(&store, &id, Uuid::now_v7(), LONG).await, Claim::Held { .. }), "then it lasts again");
}

/// Renewal counts from now.
pub async fn a_renewed_lease_lasts<S: ReadModelCandidate>(store: S) {
    let (id, owner) = (registered(&store, "renewed").await, Uuid::now_v7());
    let lease = granted(claim(&store, &id, owner, SHORT).await);
    assert_eq!(renew(&store, &lease).await, Renewal::Kept, "the newest lease is renewed");
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(claim(&store, &id, Uuid::now_v7(), LONG).await, Claim::Held { owner }, "a renewed lease lasts");
}

/// Nobody waits for a lease that was let go of.
pub async fn a_released_lease_can_be_claimed_at_once<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "released").await;
    release(&store, &lease).await;
    assert_eq!(status(&store, &lease.id).await.owner(), None, "nobody works any more");
    is_fenced(advance(&store, &lease, 1, 1).await, &lease.id);
    assert_eq!(renew(&store, &lease).await, Renewal::Lost, "what was let go of is not renewed");
    let next = taken(&store, &lease.id).await;
    assert!(next.token > lease.token, "each claim has a higher token");
}

/// Who lets go of an old lease does no harm to the newest.
pub async fn an_old_lease_releases_nothing<S: ReadModelCandidate>(store: S) {
    let old = owned(&store, "harmless").await;
    release(&store, &old).await;
    let newest = taken(&store, &old.id).await;
    release(&store, &old).await;
    assert_eq!(renew(&store, &newest).await, Renewal::Kept, "an old lease releases nothing");
}

/// There is no lease of a projection that nobody has registered.
pub async fn an_unknown_projection_cannot_be_claimed<S: ReadModelCandidate>(store: S) {
    let id = projection("unknown", 1);
    let refused = store.claim(&id, 0, Uuid::now_v7(), LONG).await;
    assert!(matches!(refused, Err(Error::Store { .. })), "an unknown projection is an error: {refused:?}");
    assert_eq!(store.dead_letters(&id).await.expect("it is answered"), [], "it has no dead letters");
}

/// Neither forwards nor back.
pub async fn an_old_lease_moves_nothing<S: ReadModelCandidate>(store: S) {
    let old = owned(&store, "fenced").await;
    moved(&store, &old, 5).await;
    release(&store, &old).await;
    taken(&store, &old.id).await;
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

/// Not by its last owner either, until somebody says so.
pub async fn a_paused_projection_cannot_be_claimed<S: ReadModelCandidate>(store: S) {
    let (id, owner) = (divided(&store, "paused", 2).await, Uuid::now_v7());
    let leases = taken_parts(&store, &id, owner).await;
    assert!(control(&store, &id, Control::Pause).await, "a known projection can be paused");
    for held in &leases {
        is_fenced(advance(&store, held, 1, 1).await, &id);
        for claimant in [owner, Uuid::now_v7()] {
            let answer = claim_part(&store, &id, held.slices.first(), claimant).await;
            assert_eq!(answer, Claim::Paused, "no part of a paused projection can be claimed");
        }
    }
    divided(&store, "paused", 2).await;
    assert_eq!(status(&store, &id).await.state, ProjectionState::Paused, "a start does not end a pause");
    assert!(control(&store, &id, Control::Resume).await, "a known projection can be resumed");
    assert_eq!(status(&store, &id).await.state, ProjectionState::Running, "it is meant to run again");
    taken_parts(&store, &id, owner).await;
}
