//! Parts: each has a checkpoint and a lease of its own, and all together are for all streams.

use uuid::Uuid;

use super::support::{
    advance, claim_part, control, divided, granted, is_fenced, moved, places, projection, reached, registered, release,
    renew, status, taken_parts,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::side_by_side;
use crate::read_model::{Claim, Control, Lease, ProjectionId, Renewal};
use crate::recorded::Position;
use crate::slices::Slices;
use crate::stream::SLICES;

/// How often a case asks each part.
const OWNERS: usize = 4;

pub(super) async fn parts<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> Vec<Slices> {
    store.parts(id).await.expect("parts can be listed")
}

/// Checks that there are so many, in order, and that they are for every slice once.
pub(super) async fn assert_parts<S: ReadModelCandidate>(store: &S, id: &ProjectionId, count: usize) {
    let all = parts(store, id).await;
    assert_eq!(all.len(), count, "there are as many parts as were asked for");
    let slices: Vec<u16> = all.iter().flat_map(|part| part.first()..=part.last()).collect();
    assert_eq!(
        slices,
        (0..SLICES).collect::<Vec<_>>(),
        "every slice is in exactly one part, and the parts are in order"
    );
    let told: Vec<_> = status(store, id).await.parts.iter().map(|part| part.slices).collect();
    assert_eq!(told, all, "the status has the same parts");
}

/// From one to as many as there are slices.
pub async fn parts_are_for_every_slice_once<S: ReadModelCandidate>(store: S) {
    for count in [1, 2, 3, 7, 1024] {
        let id = divided(&store, &format!("cut_{count}"), count).await;
        assert_parts(&store, &id, usize::from(count)).await;
    }
    let undivided = registered(&store, "uncut").await;
    assert_eq!(parts(&store, &undivided).await, [Slices::ALL], "an undivided projection is one part");
    assert_eq!(parts(&store, &projection("uncut", 2)).await, [], "an unknown projection has no parts");
}

/// Different owners may work at the same time, each on its own.
pub async fn parts_have_leases_of_their_own<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "shared", 3).await;
    let mut leases = Vec::new();
    for part in parts(&store, &id).await {
        let lease = granted(claim_part(&store, &id, part.first(), Uuid::now_v7()).await);
        assert_eq!((lease.slices, lease.parts), (part, 3), "the lease says which part it is of, and of how many");
        leases.push(lease);
    }
    let owners: Vec<_> = status(&store, &id).await.parts.iter().map(|part| part.owner).collect();
    assert!(owners.iter().all(Option::is_some), "the status names who works on each part");
    for (n, held) in leases.iter().enumerate() {
        let answer = claim_part(&store, &id, held.slices.first(), Uuid::now_v7()).await;
        assert_eq!(answer, Claim::Held { owner: owners[n].unwrap_or_default() }, "it is told who works on that part");
    }
    release(&store, &leases[1]).await;
    let next = granted(claim_part(&store, &id, leases[1].slices.first(), Uuid::now_v7()).await);
    assert!(next.token > leases[1].token, "each claim has a higher token");
    for held in [&leases[0], &leases[2], &next] {
        assert_eq!(renew(&store, held).await, Renewal::Kept, "what becomes of one lease is nothing to the others");
    }
    assert_eq!(renew(&store, &leases[1]).await, Renewal::Lost, "the old one is lost");
}

/// Of many who claim every part at once, one gets each.
pub async fn each_part_is_granted_to_one<S: ReadModelCandidate>(store: S) {
    for round in 0..5 {
        let id = divided(&store, &format!("scramble_{round}"), 4).await;
        let all = parts(&store, &id).await;
        let claims = (0..OWNERS).map(|turn| {
            let (store, id, mut all) = (store.clone(), id.clone(), all.clone());
            all.rotate_left(turn);
            async move { scramble(&store, &id, &all).await }
        });
        let mut won: Vec<Slices> = side_by_side(claims).await.into_iter().flatten().collect();
        won.sort_unstable();
        assert_eq!(won, all, "at most one lease of a part is newest at any time, and somebody gets it");
    }
}

/// Claims every part for one owner, and tells which were granted.
async fn scramble<S: ReadModelCandidate>(store: &S, id: &ProjectionId, all: &[Slices]) -> Vec<Slices> {
    let (owner, mut won) = (Uuid::now_v7(), Vec::new());
    for part in all {
        if let Claim::Granted(lease) = claim_part(store, id, part.first(), owner).await {
            won.push(lease.slices);
        }
    }
    won
}

/// The projection has come as far as the part that is last.
pub async fn parts_have_checkpoints_of_their_own<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "apart", 3).await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    let begun = status(&store, &id).await.updated_at;
    for (held, to) in leases.iter().zip([7, 3, 9]) {
        let before = status(&store, &id).await;
        assert_eq!(before.position, Position::START, "it has come as far as the part that is last");
        assert_eq!(before.updated_at, begun, "it says when the part moved that has not moved for longest");
        assert_eq!(reached(&store, &id).await, Some(Position::START), "it has come so far in all its parts");
        moved(&store, held, to).await;
    }
    assert_eq!(places(&store, &id).await, [7, 3, 9], "each part has a checkpoint of its own");
    let seen = status(&store, &id).await;
    assert_eq!(
        (seen.position, seen.events),
        (Position(3), 19),
        "it is at the last part, and its events are all parts'"
    );
    assert!(seen.updated_at > begun, "all parts have moved");
    assert_eq!(reached(&store, &id).await, Some(Position(3)), "it has come so far in all its parts");
    is_fenced(advance(&store, &leases[0], 6, 0).await, &id);
    release(&store, &leases[0]).await;
    let again = granted(claim_part(&store, &id, 0, Uuid::now_v7()).await);
    assert_eq!(again.position, Position(7), "the next owner of a part begins where that part is");
}

/// For whoever still goes by an old division.
pub async fn a_part_that_is_not_there_is_gone<S: ReadModelCandidate>(store: S) {
    let (whole, halves) = (registered(&store, "whole").await, divided(&store, "halves", 2).await);
    let second = parts(&store, &halves).await[1].first();
    for (id, first) in [(&whole, 1), (&whole, second), (&whole, 1023), (&halves, 1), (&halves, second + 1)] {
        let answer = claim_part(&store, id, first, Uuid::now_v7()).await;
        assert_eq!(answer, Claim::Gone, "no part of {id} begins with the slice {first}");
    }
    assert!(
        matches!(claim_part(&store, &halves, second, Uuid::now_v7()).await, Claim::Granted(_)),
        "but one does here"
    );
}

/// Asks for every part of somebody else's.
async fn ask_for_all<S: ReadModelCandidate>(store: &S, id: &ProjectionId, held: &[Lease], asking: Uuid) {
    for lease in held {
        let answer = claim_part(store, id, lease.slices.first(), asking).await;
        assert!(matches!(answer, Claim::Held { .. }), "a lease that lasts is granted to nobody else: {answer:?}");
    }
}

/// Lets go of one, which the other one gets.
async fn hand_over<S: ReadModelCandidate>(store: &S, held: &mut Vec<Lease>, to: Uuid) {
    let Some(given) = held.pop() else { return };
    release(store, &given).await;
    granted(claim_part(store, &given.id, given.slices.first(), to).await);
}

async fn assert_all_kept<S: ReadModelCandidate>(store: &S, held: &[Lease], why: &str) {
    for lease in held {
        assert_eq!(renew(store, lease).await, Renewal::Kept, "{why}");
    }
}

/// Whoever holds at least two parts more than another that asks is told so, until it is fair.
pub async fn a_holder_of_many_parts_learns_who_has_fewer<S: ReadModelCandidate>(store: S) {
    let (rich, poor) = (Uuid::now_v7(), Uuid::now_v7());
    let (id, elsewhere) = (divided(&store, "fair", 5).await, divided(&store, "elsewhere", 5).await);
    taken_parts(&store, &elsewhere, poor).await;
    let mut held = taken_parts(&store, &id, rich).await;
    assert_all_kept(&store, &held, "nobody asked").await;
    // Five to none, then four to one.
    for _ in 0..2 {
        ask_for_all(&store, &id, &held, poor).await;
        assert_eq!(renew(&store, &held[0]).await, Renewal::Wanted, "another asked, and holds at least two parts less");
        assert!(matches!(claim_part(&store, &id, 0, poor).await, Claim::Held { .. }), "what is wanted lasts on");
        hand_over(&store, &mut held, poor).await;
    }
    ask_for_all(&store, &id, &held, poor).await;
    assert_all_kept(&store, &held, "three parts to two are fair").await;
    ask_for_all(&store, &id, &held, Uuid::now_v7()).await;
    assert_eq!(renew(&store, &held[0]).await, Renewal::Wanted, "a third process holds none, and asked");
}

/// There would be nothing gained.
pub async fn the_holder_of_the_only_part_keeps_it<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "single").await;
    let held = taken_parts(&store, &id, Uuid::now_v7()).await;
    ask_for_all(&store, &id, &held, Uuid::now_v7()).await;
    assert_all_kept(&store, &held, "one part to none is fair, since it cannot be shared").await;
    let pair = divided(&store, "pair", 2).await;
    let held = taken_parts(&store, &pair, Uuid::now_v7()).await;
    ask_for_all(&store, &pair, &held, Uuid::now_v7()).await;
    assert_eq!(renew(&store, &held[0]).await, Renewal::Wanted, "two parts to none are not");
    assert!(control(&store, &pair, Control::Resume).await, "word can be left");
    assert_eq!(renew(&store, &held[0]).await, Renewal::Lost, "a lease that was taken away is lost, wanted or not");
}
