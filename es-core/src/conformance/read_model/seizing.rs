//! Seizing: whoever takes all leases away has the projection for itself until its transaction ends.

use std::time::Duration;

use uuid::Uuid;

use super::support::{
    CHANCE, LONG, advance, begin, claim, claim_part, commit, divided, document, get, granted, is_fenced, moved, owned,
    projection, reached, renew, some, status, taken, taken_parts,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::Lot;
use crate::error::Error;
use crate::read_model::{AdvanceError, Checkpoint, Claim, Lease, ReadModelTransaction, Renewal};
use crate::recorded::Position;

/// All that there were, and it is told where their checkpoints are.
pub async fn seizing_takes_all_leases_away<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "seized", 3).await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    for (held, to) in leases.iter().zip([7, 3, 9]) {
        moved(&store, held, to).await;
    }
    let mut seizes = begin(&store).await;
    let told = seizes.seize(&id).await.expect("a known projection can be seized");
    let place = |(held, to): (&Lease, u64)| Checkpoint { slices: held.slices, position: Position(to) };
    let expected: Vec<_> = leases.iter().zip([7, 3, 9]).map(place).collect();
    assert_eq!(told, expected, "it is told where the checkpoints of all parts are");
    commit(seizes).await;
    for held in &leases {
        assert_eq!(renew(&store, held).await, Renewal::Lost, "all leases are taken away");
        is_fenced(advance(&store, held, 20, 1).await, &id);
    }
    let next = taken_parts(&store, &id, Uuid::now_v7()).await;
    assert!(next.iter().zip(&leases).all(|(next, old)| next.token > old.token), "each claim has a higher token");
    assert_eq!(next.iter().map(|held| held.position.0).collect::<Vec<_>>(), [7, 3, 9], "seizing moves nothing");
}

/// It never happened, and whoever worked goes on.
pub async fn a_dropped_seizure_leaves_the_leases<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "unseized").await;
    let mut seizes = begin(&store).await;
    seizes.seize(&lease.id).await.expect("a known projection can be seized");
    seizes.save_documents(&lease.id, &[document("a", "1")]).await.expect("documents can be saved");
    drop(seizes);
    assert_eq!(get(&store, &lease.id, &["a"]).await, [None], "a dropped transaction never happened");
    assert_eq!(renew(&store, &lease).await, Renewal::Kept, "so its holder still has the lease");
    moved(&store, &lease, 4).await;
}

/// There is nothing to seize.
pub async fn an_unknown_projection_cannot_be_seized<S: ReadModelCandidate>(store: S) {
    let mut seizes = begin(&store).await;
    let refused = seizes.seize(&projection("unseen", 1)).await;
    assert!(matches!(refused, Err(Error::Store { .. })), "an unknown projection is an error: {refused:?}");
}

/// It waits, or is refused.
pub async fn nobody_is_granted_a_lease_until_a_seizure_ends<S: ReadModelCandidate>(store: S) {
    for (name, commits) in [("free", true), ("freed", false)] {
        let id = divided(&store, name, 2).await;
        let first = taken(&store, &id).await;
        let second = status(&store, &id).await.parts[1].slices.first();
        let mut seizes = begin(&store).await;
        seizes.seize(&id).await.expect("a known projection can be seized");
        // Nobody held the second part, so that there is nothing but the seizure to keep it.
        let claiming: Vec<_> = [0, second]
            .map(|part| {
                let (store, id) = (store.clone(), id.clone());
                tokio::spawn(async move { store.claim(&id, part, Uuid::now_v7(), LONG).await })
            })
            .into();
        tokio::time::sleep(CHANCE).await;
        let ahead: Vec<bool> = claiming.iter().map(tokio::task::JoinHandle::is_finished).collect();
        if commits {
            commit(seizes).await;
        } else {
            drop(seizes);
        }
        for (claiming, went_ahead) in claiming.into_iter().zip(ahead) {
            let answer = claiming.await.expect("the claim ends");
            let was_granted = matches!(answer, Ok(Claim::Granted(_)));
            assert!(!(went_ahead && was_granted), "nobody is granted a lease until the transaction ends");
        }
        if commits {
            assert_eq!(renew(&store, &first).await, Renewal::Lost, "the lease is taken away");
        } else {
            let answer = claim(&store, &id, Uuid::now_v7(), LONG).await;
            assert!(matches!(answer, Claim::Held { .. }), "a seizure that never happened takes none away: {answer:?}");
        }
        claim_part(&store, &id, second, Uuid::now_v7()).await;
        assert!(status(&store, &id).await.parts[1].owner.is_some(), "when it is over, a lease is granted again");
    }
}

/// It finds the checkpoint as it is, and so it stays.
pub async fn no_checkpoint_moves_until_a_seizure_ends<S: ReadModelCandidate>(store: S) {
    for round in 0..3 {
        let lease = owned(&store, &format!("still_{round}")).await;
        moved(&store, &lease, 3).await;
        let mut seizes = begin(&store).await;
        let told = seizes.seize(&lease.id).await.expect("a known projection can be seized");
        assert_eq!(told[0].position, Position(3), "it is told where the checkpoint is");
        let moving = {
            let (store, lease) = (store.clone(), lease.clone());
            tokio::spawn(async move { advance(&store, &lease, 9, 6).await })
        };
        tokio::time::sleep(CHANCE).await;
        let went_ahead = moving.is_finished();
        assert_eq!(reached(&store, &lease.id).await, Some(Position(3)), "no checkpoint moves until it ends");
        commit(seizes).await;
        match moving.await.expect("whoever moves comes to an end") {
            Err(AdvanceError::Fenced(_)) => {}
            Err(AdvanceError::Store(error)) if error.is_transient() => {}
            other => panic!("whoever held the lease is fenced, not {other:?}; it went ahead: {went_ahead}"),
        }
        assert_eq!(reached(&store, &lease.id).await, Some(Position(3)), "nor does it afterwards");
    }
}

/// Either it was committed before, and is told; or it never is.
pub async fn what_was_under_way_is_told_or_refused<S: ReadModelCandidate>(store: S) {
    let mut lot = Lot::new();
    for round in 0..6 {
        let lease = owned(&store, &format!("late_{round}")).await;
        let mut works = begin(&store).await;
        works.save_documents(&lease.id, &[document("a", "1")]).await.expect("documents can be saved");
        works.advance(&lease, Position(9), 9).await.expect("the holder moves the checkpoint");
        let seizing = {
            let (store, id) = (store.clone(), lease.id.clone());
            tokio::spawn(async move {
                let mut seizes = begin(&store).await;
                let told = seizes.seize(&id).await.expect("a known projection can be seized");
                let seen = get(&store, &id, &["a"]).await;
                commit(seizes).await;
                (told[0].position, seen)
            })
        };
        tokio::time::sleep(Duration::from_millis(round * lot.below(20))).await;
        let committed = works.commit().await.is_ok();
        let (told, seen) = seizing.await.expect("the seizure ends");
        let there = if committed { (Position(9), [some("1")]) } else { (Position::START, [None]) };
        assert_eq!(
            (told, &seen[..]),
            (there.0, &there.1[..]),
            "what was committed is told, what was refused never was"
        );
        assert_eq!(get(&store, &lease.id, &["a"]).await, there.1, "and so it stays");
        granted(claim(&store, &lease.id, Uuid::now_v7(), LONG).await);
    }
}
