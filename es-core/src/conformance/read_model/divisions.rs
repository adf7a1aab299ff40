//! Dividing anew: the parts meet at one place, and go on as other parts.

use uuid::Uuid;

use super::parts::{assert_parts, parts};
use super::support::{
    CHANCE, LONG, advance, begin, claim, claim_part, commit, control, divided, document, get, granted, is_fenced,
    is_refused, letter, letters, moved, owned, places, post, projection, reached, release, renew, reset, save, some,
    status, taken, taken_parts,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::side_by_side;
use crate::read_model::{
    Claim, Control, FailureClass, Lease, ProjectionId, ProjectionState, ReadModelTransaction, Refusal, Renewal,
};
use crate::recorded::Position;
use crate::slices::Slices;

async fn divide<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> bool {
    store.divide(id).await.expect("it is told whether a projection was divided")
}

/// Asks for so many parts, and has all of today's meet where they are to be divided.
async fn meet<S: ReadModelCandidate>(store: &S, id: &ProjectionId, parts: u16) -> Vec<Lease> {
    assert!(control(store, id, Control::Divide { parts }).await, "a known projection can be divided");
    let leases = taken_parts(store, id, Uuid::now_v7()).await;
    for held in &leases {
        moved(store, held, held.barrier.unwrap_or_default().0).await;
    }
    leases
}

/// All of them are told that it is the place of the part that has come furthest, so that none has to go back.
pub async fn parts_meet_where_the_foremost_is<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "meeting", 3).await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    for (held, to) in leases.iter().zip([7, 3, 9]) {
        moved(&store, held, to).await;
    }
    assert!(control(&store, &id, Control::Divide { parts: 2 }).await, "a known projection can be divided");
    for held in &leases {
        assert_eq!(renew(&store, held).await, Renewal::Lost, "word takes all leases away");
    }
    for held in taken_parts(&store, &id, Uuid::now_v7()).await {
        assert_eq!(held.barrier, Some(Position(9)), "all parts meet where the foremost is");
        assert_eq!((held.parts, held.task), (3, None), "until then they are what they were");
    }
    assert_eq!(places(&store, &id).await, [7, 3, 9], "asking moves nothing");
}

/// Not before the last one is there.
pub async fn a_projection_is_divided_when_all_its_parts_have_met<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "patient", 3).await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    for (held, to) in leases.iter().zip([7, 3, 9]) {
        moved(&store, held, to).await;
    }
    assert!(!divide(&store, &id).await, "nobody has asked");
    assert_eq!(renew(&store, &leases[0]).await, Renewal::Kept, "so nothing happens");
    assert!(control(&store, &id, Control::Divide { parts: 2 }).await, "a known projection can be divided");
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    for held in &leases[..2] {
        assert!(!divide(&store, &id).await, "not all parts have met");
        assert_eq!(renew(&store, held).await, Renewal::Kept, "so nothing happens");
        advance(&store, held, 9, 1).await.expect("the holder moves the checkpoint up to where the parts meet");
    }
    assert!(divide(&store, &id).await, "all parts have met");
    assert_parts(&store, &id, 2).await;
    assert_eq!(places(&store, &id).await, [9, 9], "the new parts begin where the old ones met");
    assert!(!divide(&store, &id).await, "it is done");
    assert_eq!(divide_unknown(&store).await, Some(false), "an unknown projection is not divided");
}

async fn divide_unknown<S: ReadModelCandidate>(store: &S) -> Option<bool> {
    store.divide(&projection("nobodys", 1)).await.ok()
}

/// None of it may be lost, whichever part it was of, and whether there are more parts then or fewer.
pub async fn a_division_keeps_what_the_parts_have<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "keeping").await;
    let id = &lease.id;
    moved(&store, &lease, 40).await;
    save(&store, id, &[document("a", "1")]).await;
    let parked: Vec<_> = (1..=5).map(|n| letter(n, n)).collect();
    post(&store, id, &parked).await;
    let live_from = lease.live_from;
    for count in [4, 3, 1] {
        meet(&store, id, count).await;
        assert!(divide(&store, id).await, "all parts have met");
        assert_parts(&store, id, usize::from(count)).await;
        let seen = status(&store, id).await;
        assert_eq!((seen.position, seen.events, seen.parked), (Position(40), 40, 5), "it has taken in what it had");
        assert_eq!((seen.live_from, seen.serving), (live_from, true), "it is what it was");
        assert_eq!(letters(&store, id).await, parked, "dead letters stay");
        assert_eq!(get(&store, id, &["a"]).await, [some("1")], "documents stay");
        for held in taken_parts(&store, id, Uuid::now_v7()).await {
            assert_eq!((held.position, held.live_from), (Position(40), live_from), "each part goes on from there");
            assert_eq!((held.parts, held.barrier), (count, None), "it may go as far as it likes");
        }
    }
}

/// Their slices belong to others now, also when a later division makes parts like them.
pub async fn leases_of_old_parts_are_worthless<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "worthless", 3).await;
    let mut old = taken_parts(&store, &id, Uuid::now_v7()).await;
    for count in [2, 3, 3, 1, 3] {
        old.extend(meet(&store, &id, count).await);
        assert!(divide(&store, &id).await, "all parts have met");
        let new = taken_parts(&store, &id, Uuid::now_v7()).await;
        for held in &old {
            assert_eq!(renew(&store, held).await, Renewal::Lost, "a lease from before the division is lost");
            is_fenced(advance(&store, held, 5, 5).await, &id);
            is_fenced(reset(&store, held, 5, 5).await, &id);
            release(&store, held).await;
            store
                .report_stop(held, "too late", FailureClass::Store)
                .await
                .expect("reporting under an old lease is no error");
        }
        for held in &new {
            assert_eq!(renew(&store, held).await, Renewal::Kept, "an old lease does no harm to the new ones");
        }
        assert_eq!(places(&store, &id).await, vec![0; new.len()], "an old lease moves nothing");
        assert_eq!(status(&store, &id).await.state, ProjectionState::Running, "an old lease reports nothing");
        old.extend(new);
    }
}

/// They have to ask for the parts that there are now.
pub async fn old_parts_are_gone<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "merged", 4).await;
    let old = meet(&store, &id, 1).await;
    assert!(divide(&store, &id).await, "all parts have met");
    for held in &old[1..] {
        let answer = claim_part(&store, &id, held.slices.first(), Uuid::now_v7()).await;
        assert_eq!(answer, Claim::Gone, "the part of {} is there no more", held.slices);
    }
    assert_eq!(parts(&store, &id).await, [Slices::ALL], "one is left, for all slices");
    taken(&store, &id).await;
}

/// Each of its owners may come to the meeting, and say so.
pub async fn parallel_divisions_are_one<S: ReadModelCandidate>(store: S) {
    for round in 0..5 {
        let id = divided(&store, &format!("crowd_{round}"), 4).await;
        let leases = meet(&store, &id, 3).await;
        let tasks = leases.into_iter().map(|_| {
            let (store, id) = (store.clone(), id.clone());
            async move { divide(&store, &id).await }
        });
        let did = side_by_side(tasks).await.into_iter().filter(|did| *did).count();
        assert_eq!(did, 1, "a projection is divided once, by whoever comes first");
        assert_parts(&store, &id, 3).await;
    }
}

/// Nobody can go on in parts that are not there any more.
pub async fn what_is_under_way_is_divided_before_or_not_at_all<S: ReadModelCandidate>(store: S) {
    for round in 0..5 {
        let id = divided(&store, &format!("busy_{round}"), 2).await;
        let leases = meet(&store, &id, 3).await;
        let mut under_way = begin(&store).await;
        under_way.advance(&leases[1], Position(0), 3).await.expect("the holder may stay where it is");
        let dividing = {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move { divide(&store, &id).await })
        };
        if round > 0 {
            tokio::time::sleep(CHANCE).await;
        }
        let committed = under_way.commit().await.is_ok();
        assert!(dividing.await.expect("it ends"), "all parts have met");
        assert_parts(&store, &id, 3).await;
        let counted = if committed { 3 } else { 0 };
        assert_eq!(
            status(&store, &id).await.events,
            counted,
            "what was committed counts, and what was refused does not"
        );
    }
}

/// There can be no part without a slice, and none of a projection that is about to begin anew.
pub async fn what_cannot_be_divided_is_refused<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "indivisible", 2).await;
    for parts in [0, 1025, u16::MAX] {
        let refused = store.control(&id, Control::Divide { parts }).await;
        is_refused(refused, Refusal::Parts { parts }, &id);
    }
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    assert!(leases.iter().all(|held| held.barrier.is_none()), "what was refused is not done");
    moved(&store, &leases[0], 5).await;
    moved(&store, &leases[1], 5).await;
    for task in [Control::Rebuild, Control::Rewind { to: Position(3) }] {
        assert!(control(&store, &id, task.clone()).await, "a known projection can go back");
        let refused = store.control(&id, Control::Divide { parts: 3 }).await;
        is_refused(refused, Refusal::GoingBack, &id);
        assert!(!divide(&store, &id).await, "what was refused is not done");
        let held = granted(claim(&store, &id, Uuid::now_v7(), LONG).await);
        let mut transaction = begin(&store).await;
        transaction.dismiss(&held).await.expect("the holder dismisses the task");
        commit(transaction).await;
    }
    assert!(control(&store, &id, Control::Divide { parts: 2 }).await, "a known projection can be divided");
    for task in [Control::Rebuild, Control::Rewind { to: Position(3) }] {
        is_refused(store.control(&id, task).await, Refusal::Dividing, &id);
    }
    assert!(control(&store, &id, Control::Divide { parts: 1024 }).await, "somebody may think again");
    assert!(divide(&store, &id).await, "the parts are at one place");
    assert_parts(&store, &id, 1024).await;
    assert_eq!(reached(&store, &id).await, Some(Position(5)), "it has come no less far");
}
