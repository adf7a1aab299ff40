//! Tasks: what moves the checkpoint of the whole projection, and is done by the owner of its first part.

use uuid::Uuid;

use super::support::{
    LONG, advance, begin, claim, claim_part, commit, control, divided, granted, is_fenced, letter, letters, moved,
    owned, places, post, reached, release, renew, reset, status, taken, taken_parts,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::{fill, stream};
use crate::read_model::{Claim, Control, Lease, ProjectionId, ReadModelTransaction, Renewal, Task};
use crate::recorded::Position;

/// A projection whose parts have come so far, with the first slices of its parts.
async fn come<S: ReadModelCandidate>(store: &S, name: &str, places: &[u64]) -> (ProjectionId, Vec<u16>) {
    let id = divided(store, name, u16::try_from(places.len()).unwrap_or(1)).await;
    let leases = taken_parts(store, &id, Uuid::now_v7()).await;
    for (held, to) in leases.iter().zip(places) {
        moved(store, held, *to).await;
    }
    (id, leases.iter().map(|held| held.slices.first()).collect())
}

async fn dismiss<S: ReadModelCandidate>(store: &S, held: &Lease) {
    let mut transaction = begin(store).await;
    transaction.dismiss(held).await.expect("the holder dismisses the task");
    commit(transaction).await;
}

async fn assert_waiting<S: ReadModelCandidate>(store: &S, id: &ProjectionId, others: &[u16], owner: Uuid) {
    for first in others {
        let answer = claim_part(store, id, *first, owner).await;
        assert_eq!(answer, Claim::Waiting, "while a task is to be done, only the first part can be claimed");
    }
}

/// However often it is claimed in between.
pub async fn a_rebuild_is_asked_for_until_the_reset<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "rebuilt").await;
    moved(&store, &lease, 5).await;
    assert!(control(&store, &lease.id, Control::Rebuild).await, "a rebuild can be asked for");
    let seen = status(&store, &lease.id).await;
    assert_eq!((seen.position, seen.task), (Position(5), Some(Task::Rebuild)), "asking moves nothing, and is told");
    let owner = Uuid::now_v7();
    for _ in 0..2 {
        let asked = granted(claim(&store, &lease.id, owner, LONG).await);
        assert_eq!(asked.task, Some(Task::Rebuild), "the lease says what was asked for, until it has begun");
    }
    let asked = granted(claim(&store, &lease.id, owner, LONG).await);
    reset(&store, &asked, 0, 5).await.expect("the holder goes back to the start");
    assert_eq!(renew(&store, &asked).await, Renewal::Kept, "a reset leaves the lease alone");
    let begun = granted(claim(&store, &lease.id, owner, LONG).await);
    assert_eq!(begun.task, None, "a reset takes the task as done");
    assert_eq!((begun.position, begun.live_from), (Position::START, Position(5)), "it says where, and what is history");
    let seen = status(&store, &lease.id).await;
    assert_eq!((seen.events, seen.live_from), (0, Position(5)), "back at the start it has taken in nothing");
    assert_eq!(seen.task, None, "nothing is to be done any more");
}

/// It is kept until it is done, whoever asks for what else, and whoever starts.
pub async fn a_task_outlasts_a_pause<S: ReadModelCandidate>(store: S) {
    let (id, others) = come(&store, "outlasting", &[5, 5]).await;
    assert!(control(&store, &id, Control::Rebuild).await, "a rebuild can be asked for");
    for word in [Control::Pause, Control::Resume] {
        assert!(control(&store, &id, word).await, "a known projection can be paused and resumed");
    }
    divided(&store, "outlasting", 2).await;
    assert_waiting(&store, &id, &others[1..], Uuid::now_v7()).await;
    assert_eq!(taken(&store, &id).await.task, Some(Task::Rebuild), "it is kept until it is done");
}

/// The others wait, also those of the same owner.
pub async fn a_task_is_for_the_first_part<S: ReadModelCandidate>(store: S) {
    let (id, firsts) = come(&store, "first", &[5, 7, 6]).await;
    assert!(control(&store, &id, Control::Rebuild).await, "a rebuild can be asked for");
    let owner = Uuid::now_v7();
    assert_waiting(&store, &id, &firsts[1..], owner).await;
    let held = granted(claim(&store, &id, owner, LONG).await);
    assert_eq!(held.task, Some(Task::Rebuild), "the first part's lease carries the task");
    assert_waiting(&store, &id, &firsts[1..], owner).await;
    assert!(matches!(claim(&store, &id, Uuid::now_v7(), LONG).await, Claim::Held { .. }), "somebody has it");
    release(&store, &held).await;
    assert_waiting(&store, &id, &firsts[1..], owner).await;
    let held = granted(claim(&store, &id, owner, LONG).await);
    reset(&store, &held, 0, 7).await.expect("the holder goes back to the start");
    for first in &firsts[1..] {
        let other = granted(claim_part(&store, &id, *first, owner).await);
        assert_eq!((other.task, other.position), (None, Position::START), "the others go on from there");
        assert_eq!(other.live_from, Position(7), "and what is history is the same for all");
    }
}

/// Wherever they are: one that stayed behind the others, or before them, would miss events or take them in again.
pub async fn a_reset_moves_all_parts<S: ReadModelCandidate>(store: S) {
    let (id, firsts) = come(&store, "together", &[30, 10, 20]).await;
    post(&store, &id, &[letter(1, 4), letter(2, 5), letter(3, 25)]).await;
    assert!(control(&store, &id, Control::Rewind { to: Position(4) }).await, "a rewind can be asked for");
    let held = taken(&store, &id).await;
    assert_eq!(held.task, Some(Task::Rewind(Position(4))), "the lease says how far back");
    reset(&store, &held, 4, 30).await.expect("the holder resets the checkpoint");
    assert_eq!(places(&store, &id).await, [4, 4, 4], "a reset moves the checkpoints of all parts");
    let seen = status(&store, &id).await;
    assert_eq!((seen.events, seen.live_from), (60, Position(30)), "short of the start it has taken in what it has");
    let left: Vec<_> = letters(&store, &id).await.iter().map(|letter| letter.position.0).collect();
    assert_eq!(left, [4], "dead letters behind it are forgotten, of whichever part");
    assert_eq!(renew(&store, &held).await, Renewal::Kept, "the leases stay");
    advance(&store, &held, 6, 1).await.expect("the holder goes on from there");
    granted(claim_part(&store, &id, firsts[1], Uuid::now_v7()).await);
    reset(&store, &held, 0, 30).await.expect("the holder resets the checkpoint");
    assert_eq!((places(&store, &id).await, status(&store, &id).await.events), (vec![0; 3], 0), "all are at the start");
}

/// Whoever asked for it learns that it will not be, and nothing is lost.
pub async fn a_dismissed_task_moves_nothing<S: ReadModelCandidate>(store: S) {
    let (id, firsts) = come(&store, "dismissed", &[6, 8]).await;
    post(&store, &id, &[letter(1, 7)]).await;
    assert!(control(&store, &id, Control::Rewind { to: Position(2) }).await, "a rewind can be asked for");
    let held = taken(&store, &id).await;
    let mut undone = begin(&store).await;
    undone.dismiss(&held).await.expect("the holder dismisses the task");
    drop(undone);
    assert_waiting(&store, &id, &firsts[1..], Uuid::now_v7()).await;
    dismiss(&store, &held).await;
    assert_eq!(places(&store, &id).await, [6, 8], "what is dismissed moves no checkpoint");
    assert_eq!(letters(&store, &id).await.len(), 1, "nor does it forget a dead letter");
    assert_eq!(renew(&store, &held).await, Renewal::Kept, "the lease stays");
    assert_eq!(granted(claim_part(&store, &id, firsts[1], Uuid::now_v7()).await).task, None, "the others go on");
    release(&store, &held).await;
    let next = taken(&store, &id).await;
    assert_eq!((next.task, next.position), (None, Position(6)), "a dismissed task is done");
}

/// Nobody has refused it.
pub async fn a_rewind_outlasts_a_refused_rebuild<S: ReadModelCandidate>(store: S) {
    let (id, _) = come(&store, "both", &[6, 8]).await;
    let (rebuild, rewind) = (Control::Rebuild, Control::Rewind { to: Position(2) });
    let back = Some(Task::Rewind(Position(2)));
    for words in [[rewind.clone(), rebuild.clone()], [rebuild, rewind]] {
        for word in words {
            assert!(control(&store, &id, word).await, "a known projection can go back");
        }
        let seen = status(&store, &id).await;
        assert_eq!(
            (seen.task, seen.fallback),
            (Some(Task::Rebuild), back),
            "both are told, the one further back first"
        );
        dismiss(&store, &taken(&store, &id).await).await;
        let seen = status(&store, &id).await;
        assert_eq!((seen.task, seen.fallback), (back, None), "what was accepted is kept when another was refused");
        assert!(control(&store, &id, Control::Resume).await, "a lease may be taken away meanwhile");
        let held = taken(&store, &id).await;
        assert_eq!(held.task, back, "and is done next");
        dismiss(&store, &held).await;
        assert_eq!(status(&store, &id).await.task, None, "what was refused itself is not to be done");
        release(&store, &held).await;
    }
}

/// It takes in everything again, whatever comes behind which place.
pub async fn a_rebuild_goes_for_a_rewind<S: ReadModelCandidate>(store: S) {
    let (id, _) = come(&store, "at_once", &[6, 8]).await;
    for word in [Control::Rewind { to: Position(2) }, Control::Rebuild] {
        assert!(control(&store, &id, word).await, "a known projection can go back");
    }
    reset(&store, &taken(&store, &id).await, 0, 8).await.expect("the holder goes back to the start");
    let seen = status(&store, &id).await;
    assert_eq!((seen.task, seen.fallback), (None, None), "nothing is to be done any more");
}

/// Who was taken over does not decide what becomes of a task.
pub async fn an_old_lease_dismisses_nothing<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "powerless").await;
    moved(&store, &lease, 5).await;
    assert!(control(&store, &lease.id, Control::Rebuild).await, "a rebuild can be asked for");
    let old = taken(&store, &lease.id).await;
    release(&store, &old).await;
    let newest = taken(&store, &lease.id).await;
    for late in [&lease, &old] {
        let mut transaction = begin(&store).await;
        is_fenced(transaction.dismiss(late).await, &lease.id);
    }
    release(&store, &newest).await;
    assert_eq!(taken(&store, &lease.id).await.task, Some(Task::Rebuild), "an old lease dismisses nothing");
}

/// It is no way to pass over events: not even for the part that has come least far.
pub async fn a_rewind_ahead_is_taken_for_the_checkpoint<S: ReadModelCandidate>(store: S) {
    let (id, _) = come(&store, "ahead", &[7, 5, 9]).await;
    for (to, place) in [(100, 5), (6, 5), (5, 5), (3, 3), (u64::MAX / 2, 5)] {
        assert!(control(&store, &id, Control::Rewind { to: Position(to) }).await, "a rewind can be asked for");
        let held = taken(&store, &id).await;
        let expected = Some(Task::Rewind(Position(place)));
        assert_eq!(held.task, expected, "a place ahead of the checkpoint is taken for the checkpoint");
        dismiss(&store, &held).await;
    }
}

/// What is there will not stay.
pub async fn nothing_is_reached_while_a_task_is_to_be_done<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("reached"), 1..=9).await;
    let (id, _) = come(&store, "unreached", &[7, 5]).await;
    assert_eq!(reached(&store, &id).await, Some(Position(5)), "it has come so far in all its parts");
    for (word, task) in
        [(Control::Rebuild, Task::Rebuild), (Control::Rewind { to: Position(3) }, Task::Rewind(Position(3)))]
    {
        assert!(control(&store, &id, word).await, "a known projection can go back");
        assert_eq!(reached(&store, &id).await, Some(Position::START), "what is there will not stay");
        let seen = status(&store, &id).await;
        assert_eq!((seen.task, seen.has_caught_up()), (Some(task), false), "everybody is told what is to be done");
        let held = taken(&store, &id).await;
        assert_eq!(reached(&store, &id).await, Some(Position::START), "nor when somebody is about to do it");
        dismiss(&store, &held).await;
        assert_eq!(reached(&store, &id).await, Some(Position(5)), "what was dismissed stays");
        assert_eq!(status(&store, &id).await.task, None, "what was dismissed is not to be done");
    }
    assert!(control(&store, &id, Control::Rewind { to: Position(3) }).await, "a rewind can be asked for");
    let held = taken(&store, &id).await;
    reset(&store, &held, 3, 9).await.expect("the holder resets the checkpoint");
    assert_eq!(reached(&store, &id).await, Some(Position(3)), "what is done is told as it is");
}
