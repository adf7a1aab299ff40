//! Whether what clients were told is what the stream holds.

use std::collections::{HashMap, HashSet};

use es_core::{Aggregate, EventId, EventStore, EventStoreExt, ExpectedVersion, Recorded, Version};

use crate::clients::{ID, Told, What};
use crate::domain::{Account, AccountEvent};

/// How much of everything there was, so that a run which shows nothing is found out.
#[derive(Debug, Default)]
pub struct Seen {
    pub done: usize,
    pub idle: usize,
    pub refused: usize,
    pub overtaken: usize,
    pub failed: usize,
    pub unknown: usize,
    /// The last of the failures.
    pub failure: Option<String>,
}

/// # Panics
/// When anything is not as it was told.
pub async fn judge<const KEPT: bool, S: EventStore>(store: &S, told: Vec<Told<KEPT>>) -> Seen {
    let stored = store.events::<Account<KEPT>>(ID).unwrap().collect().await.unwrap();
    let states = states(&stored);
    let mut seen = Seen::default();
    let mut unanswered = Vec::new();
    let (mut known, mut may_be) = (HashMap::<EventId, String>::new(), HashSet::new());
    for Told { actor, since, what } in told {
        match what {
            What::Done(outcome) => {
                assert!(outcome.version >= since, "{actor}: an outcome behind what was known before");
                assert_eq!(outcome.state, states[at(outcome.version)], "{actor}: {:?}", outcome.version);
                if outcome.events.is_empty() {
                    seen.idle += 1;
                } else {
                    seen.done += 1;
                    assert_eq!(outcome.events.last().unwrap().version, outcome.version, "{actor}");
                }
                for event in outcome.events {
                    assert_eq!(event, stored[at(event.version) - 1], "{actor}: stored as it was told");
                    assert_eq!(event.metadata.actor.as_deref(), Some(&*actor), "an event of its own");
                    assert!(known.insert(event.id, actor.clone()).is_none(), "{actor}: told to two");
                }
            }
            What::Refused(refusal) => {
                seen.refused += 1;
                assert!(refusal.version >= since, "{actor}: refused for what was known to be past");
                let state = &states[at(refusal.version)];
                let upon = (refusal.balance, refusal.digest);
                assert_eq!(upon, (state.balance, state.digest), "{actor}: refused for what never was");
            }
            What::Overtaken(conflict) => {
                seen.overtaken += 1;
                assert_eq!(conflict.expected, ExpectedVersion::Exact(since), "{actor}");
                assert!(conflict.actual > since, "{actor}: {conflict:?} for what was known to be past");
                assert!(at(conflict.actual) < states.len(), "{actor}: {conflict:?} for what never was");
            }
            What::Failed(error) => {
                seen.failed += 1;
                assert!(error.is_transient() || error.is_conflict(), "{actor}: {error:?}");
                seen.failure = Some(format!("{actor}: {error:?}"));
            }
            What::Unanswered => {
                unanswered.push(actor.clone());
                may_be.insert(actor);
            }
            What::Unknown => {
                seen.unknown += 1;
                may_be.insert(actor);
            }
        }
    }
    for event in &stored {
        // Whoever has no name is a rival.
        let Some(actor) = &event.metadata.actor else { continue };
        assert!(known.contains_key(&event.id) || may_be.contains(actor), "nobody was told of {event:?}");
    }
    assert!(unanswered.is_empty(), "nothing is lost or double, but nobody answers {unanswered:?}: {seen:?}");
    seen
}

/// The state at each version, from 0 on.
fn states<const KEPT: bool>(stored: &[Recorded<AccountEvent>]) -> Vec<Account<KEPT>> {
    let mut states = vec![Account::default()];
    for (nth, event) in (1..).zip(stored) {
        assert_eq!(event.version, Version(nth), "without gaps");
        let mut state = states.last().unwrap().clone();
        state.apply(event.event.clone());
        states.push(state);
    }
    let first_of_all = |event: &Recorded<AccountEvent>| event.metadata.actor.clone();
    for (nth, event) in stored.iter().enumerate() {
        // Within a command of several events a balance may be anything that its decision has allowed, which is never below 0.
        assert!(states[nth + 1].balance >= 0, "{:?} has overdrawn: {event:?}", first_of_all(event));
    }
    states
}

fn at(version: Version) -> usize {
    usize::try_from(version.0).unwrap()
}
