//! States at hand: they are faster, and nothing else.

use super::Candidate;
use super::support::{Lot, amounts, fill, stream, whole};
use super::tally::{AT_HAND, Add, AddFrom, Tally, TooLow, replay};
use crate::error::ExecuteError;
use crate::store::EventStoreExt;
use crate::stream::ExpectedVersion::Exact;
use crate::stream::Version;

fn add_from(id: &str, total: u64, slack: u64) -> AddFrom {
    AddFrom { id: id.to_owned(), total, slack }
}

/// An aggregate of whose 5 the store may keep a copy, while somebody else has added 7 to it.
async fn five_at_hand_and_twelve_in_truth<S: Candidate>(store: &S, id: &str) {
    store.execute(Add::<AT_HAND>::new(id, [5])).await.expect("the command succeeds");
    fill(store, &stream(id), [7]).await;
}

/// What has come since it was put at hand is decided upon.
pub async fn a_state_at_hand_that_is_behind_is_brought_up_to_date<S: Candidate>(store: S) {
    five_at_hand_and_twelve_in_truth(&store, "behind").await;
    let outcome = store.execute(Add::<AT_HAND>::new("behind", [11])).await.expect("the command succeeds");
    assert_eq!(
        (outcome.version, &outcome.state),
        (Version(3), &replay([5, 7, 11])),
        "nothing that was added is missing"
    );
    assert_eq!(outcome.attempts, 1, "a copy that is behind is no conflict with anybody");
    assert_eq!(amounts(&whole(&store, &stream("behind")).await), [5, 7, 11], "each event is stored once");
}

/// A refusal is the answer to what is there, never to what was.
pub async fn no_state_at_hand_refuses_wrongly<S: Candidate>(store: S) {
    five_at_hand_and_twelve_in_truth(&store, "refusing").await;
    let outcome = store.execute(add_from("refusing", 12, 0)).await.expect("12 is not too low");
    assert_eq!((outcome.version, outcome.state), (Version(3), replay([5, 7, 1])), "the command is done");
    fill(&store, &stream("refusing"), [2]).await;
    let refused = store.execute(add_from("refusing", 100, 0)).await;
    let rejection = refused.as_ref().err().and_then(ExecuteError::rejection);
    assert_eq!(rejection, Some(&TooLow { total: 15 }), "what is refused is refused for what is there");
}

/// That there is nothing to do is the answer to what is there, never to what was.
pub async fn no_state_at_hand_says_wrongly_that_nothing_is_to_be_done<S: Candidate>(store: S) {
    five_at_hand_and_twelve_in_truth(&store, "idle").await;
    let outcome = store.execute(add_from("idle", 12, 100)).await.expect("the command succeeds");
    assert_eq!((outcome.version, outcome.events.len()), (Version(3), 1), "there is something to do");
    fill(&store, &stream("idle"), [2]).await;
    let outcome = store.execute(add_from("idle", 100, 100)).await.expect("the command succeeds");
    assert!(outcome.events.is_empty(), "there is nothing to do");
    assert_eq!((outcome.version, outcome.state), (Version(4), replay([5, 7, 1, 2])), "the outcome says what is there");
}

/// A version that the caller states is compared with what is there.
pub async fn a_stated_version_is_not_compared_with_a_state_at_hand<S: Candidate>(store: S) {
    five_at_hand_and_twelve_in_truth(&store, "stated").await;
    let refused = store.execute(Add::<AT_HAND>::new("stated", [1])).expect(Version(1)).await;
    match refused {
        Err(ExecuteError::Conflict(conflict)) => assert_eq!(
            (conflict.expected, conflict.actual),
            (Exact(Version(1)), Version(2)),
            "the conflict says what was stated, and what is there"
        ),
        other => panic!("the stream is at version 2, not 1: {other:?}"),
    }
    let outcome = store.execute(Add::<AT_HAND>::new("stated", [1])).expect(Version(2)).await;
    assert_eq!(
        outcome.expect("the stream is as stated").version,
        Version(3),
        "what is there counts, not what is at hand"
    );
}

/// A key is found again, whatever is at hand.
pub async fn keys_are_found_beside_a_state_at_hand<S: Candidate>(store: S) {
    five_at_hand_and_twelve_in_truth(&store, "keyed").await;
    let first = store.execute(Add::<AT_HAND>::new("keyed", [3])).idempotency_key("once").await;
    let first = first.expect("the command succeeds");
    for _ in 0..2 {
        let again = store.execute(Add::<AT_HAND>::new("keyed", [3])).idempotency_key("once").await;
        let again = again.expect("the command was done");
        assert!(again.repeated, "it is found under its key");
        assert_eq!((again.version, &again.state), (first.version, &first.state), "the first outcome is told again");
        fill(&store, &stream("keyed"), [1]).await;
        store.execute(Add::<AT_HAND>::new("keyed", [4])).await.expect("the command succeeds");
    }
}

/// Whoever else writes, and whenever, each outcome is the one that a replay comes to.
pub async fn outcomes_upon_states_at_hand_equal_replays<S: Candidate>(store: S) {
    let mut lot = Lot::new();
    let mut told = [("one", Vec::new()), ("two", Vec::new()), ("three", Vec::new())];
    for round in 1..=120_u64 {
        let nth = usize::try_from(lot.below(3)).unwrap_or_default();
        let (id, amounts) = &mut told[nth];
        if lot.below(3) == 0 {
            fill(&store, &stream(id), [round]).await;
            amounts.push(round);
        }
        let total = amounts.iter().sum::<u64>();
        match lot.below(3) {
            0 => {
                let refused = store.execute(add_from(id, total + 1, 0)).await;
                assert_eq!(refused.as_ref().err().and_then(ExecuteError::rejection), Some(&TooLow { total }));
            }
            1 => {
                let outcome = store.execute(add_from(id, total + 1, 1)).await.expect("the command succeeds");
                assert_eq!((outcome.events.len(), outcome.state), (0, replay(amounts.iter().copied())));
            }
            _ => {
                let outcome = store.execute(Add::<AT_HAND>::new(id, [round])).await.expect("the command succeeds");
                amounts.push(round);
                assert_eq!(outcome.state, replay(amounts.iter().copied()), "round {round}");
            }
        }
        let loaded = store.load::<Tally<AT_HAND>>(*id).await.expect("the aggregate can be loaded");
        assert_eq!(loaded.state, replay(amounts.iter().copied()), "a load asks the store");
    }
}
