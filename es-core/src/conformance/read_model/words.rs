//! Word that is left for a projection: who hears it, and what cannot be asked for.

use uuid::Uuid;

use super::support::{
    CHANCE, LONG, advance, answer, begin, claim, control, divided, document, get, is_fenced, is_refused, is_setup,
    letter, letters, of_documents, owned, post, projection, register, registered, release, renew, some, status, taken,
    taken_parts,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::stream;
use crate::read_model::{
    Claim, Control, ControlAnswer, DeadLetter, DeadLetterStatus, FailureClass, ProjectionState, ReadModelKind,
    ReadModelTransaction, Refusal, Registration, Renewal,
};
use crate::recorded::Position;
use crate::stream::Version;

/// So that whoever works notices, on whichever part.
pub async fn every_word_takes_the_lease_away<S: ReadModelCandidate>(store: S) {
    let (stream, first) = (stream("poisoned 1"), Version(1));
    let words = [
        Control::Pause,
        Control::Resume,
        Control::Rebuild,
        Control::Rewind { to: Position(0) },
        Control::Divide { parts: 3 },
        Control::RetryDeadLetter { stream: stream.clone(), first },
        Control::RetryDeadLetters,
        Control::DiscardDeadLetter { stream, first, reason: "nobody needs it".to_owned() },
    ];
    for (n, word) in words.into_iter().enumerate() {
        let id = divided(&store, &format!("words_{n}"), 2).await;
        post(&store, &id, &[letter(1, 1)]).await;
        let held = taken_parts(&store, &id, Uuid::now_v7()).await;
        assert!(control(&store, &id, word.clone()).await, "{word:?} finds what it is about");
        for lease in &held {
            assert_eq!(renew(&store, lease).await, Renewal::Lost, "{word:?} takes all leases away");
            is_fenced(advance(&store, lease, 1, 1).await, &id);
            release(&store, lease).await;
        }
        assert_eq!(status(&store, &id).await.owner(), None, "nobody works after {word:?}");
        if let Claim::Granted(next) = claim(&store, &id, Uuid::now_v7(), LONG).await {
            assert!(next.token > held[0].token, "each claim has a higher token");
        }
    }
}

/// Whoever leaves word knows that what it was about is not changed by whoever was at work.
pub async fn what_is_under_way_is_done_before_a_word_or_not_at_all<S: ReadModelCandidate>(store: S) {
    for (n, word) in [Control::Pause, Control::Rebuild, Control::Divide { parts: 2 }].into_iter().enumerate() {
        let lease = owned(&store, &format!("halfway_{n}")).await;
        let mut works = begin(&store).await;
        works.save_documents(&lease.id, &[document("a", "1")]).await.expect("documents can be saved");
        works.advance(&lease, Position(7), 7).await.expect("the holder moves the checkpoint");
        let asking = {
            let (store, id, word) = (store.clone(), lease.id.clone(), word.clone());
            tokio::spawn(async move { control(&store, &id, word).await })
        };
        tokio::time::sleep(CHANCE).await;
        let went_ahead = asking.is_finished();
        let committed = works.commit().await.is_ok();
        assert!(!(went_ahead && committed), "nothing is committed under a lease that {word:?} has taken away");
        assert!(asking.await.expect("the word is left"), "{word:?} finds what it is about");
        let there = if committed { (Position(7), [some("1")]) } else { (Position::START, [None]) };
        assert_eq!(
            status(&store, &lease.id).await.position,
            there.0,
            "what was committed is there, what was refused is not"
        );
        assert_eq!(get(&store, &lease.id, &["a"]).await, there.1, "with its effect");
        is_fenced(advance(&store, &lease, 8, 1).await, &lease.id);
        if let Claim::Granted(next) = claim(&store, &lease.id, Uuid::now_v7(), LONG).await {
            assert!(next.barrier.is_none_or(|place| place == there.0), "the parts meet where they are");
        }
    }
}

/// Nobody hears it before it is resumed, and whoever leaves it should know.
pub async fn word_for_one_that_is_paused_says_so<S: ReadModelCandidate>(store: S) {
    let (id, other) = (divided(&store, "held_back", 2).await, owned(&store, "going_on").await);
    let parked = letter(1, 1);
    post(&store, &id, std::slice::from_ref(&parked)).await;
    assert_eq!(answer(&store, &id, Control::Pause).await, ControlAnswer::Accepted, "a pause is heard");
    assert_eq!(answer(&store, &id, Control::Pause).await, ControlAnswer::Accepted, "as often as it is asked for");
    let words = [
        Control::RetryDeadLetter { stream: parked.stream.clone(), first: parked.first },
        Control::RetryDeadLetters,
        Control::DiscardDeadLetter { stream: parked.stream.clone(), first: parked.first, reason: "no".to_owned() },
        Control::Rewind { to: Position(0) },
        Control::Rebuild,
    ];
    for word in words {
        let told = answer(&store, &id, word.clone()).await;
        assert_eq!(told, ControlAnswer::AcceptedWhilePaused, "{word:?} is not heard by one that is paused");
        assert!(told.is_accepted(), "{word:?} is kept");
    }
    let nothing = Control::RetryDeadLetter { stream: parked.stream, first: Version(9) };
    assert_eq!(answer(&store, &id, nothing).await, ControlAnswer::Nothing, "there is nothing that it is about");
    assert_eq!(answer(&store, &other.id, Control::Rebuild).await, ControlAnswer::Accepted, "others hear");
    assert_eq!(answer(&store, &id, Control::Resume).await, ControlAnswer::Accepted, "it is resumed by that");
    assert_eq!(answer(&store, &id, Control::Rebuild).await, ControlAnswer::Accepted, "and hears again");
}

/// Nobody hears it before it is started again, and whoever leaves it should know.
pub async fn word_for_one_that_has_stopped_says_so<S: ReadModelCandidate>(store: S) {
    let (id, other) = (divided(&store, "deaf", 2).await, owned(&store, "hearing").await);
    let parked = letter(1, 1);
    post(&store, &id, std::slice::from_ref(&parked)).await;
    let held = taken_parts(&store, &id, Uuid::now_v7()).await;
    assert_eq!(answer(&store, &id, Control::RetryDeadLetters).await, ControlAnswer::Accepted, "somebody works on it");
    let held = [held, taken_parts(&store, &id, Uuid::now_v7()).await].concat();
    let last = held.last().expect("there are parts");
    store.report_stop(last, "'no' \u{1f980}", FailureClass::Unreadable).await.expect("a stop can be reported");
    let words = [
        Control::Resume,
        Control::RetryDeadLetter { stream: parked.stream.clone(), first: parked.first },
        Control::RetryDeadLetters,
        Control::Pause,
        Control::Resume,
    ];
    let told = ControlAnswer::AcceptedWhileStopped {
        reason: "'no' \u{1f980}".to_owned(),
        class: Some(FailureClass::Unreadable),
    };
    for word in words {
        assert_eq!(answer(&store, &id, word.clone()).await, told, "{word:?} is not heard by one that has stopped");
    }
    let nothing = Control::RetryDeadLetter { stream: parked.stream, first: Version(9) };
    assert_eq!(answer(&store, &id, nothing).await, ControlAnswer::Nothing, "there is nothing that it is about");
    assert_eq!(answer(&store, &other.id, Control::Resume).await, ControlAnswer::Accepted, "others hear");
    assert_eq!(answer(&store, &other.id, Control::Serve).await, ControlAnswer::Accepted, "this is done by the store");
    taken_parts(&store, &id, Uuid::now_v7()).await;
    assert_eq!(answer(&store, &id, Control::Resume).await, ControlAnswer::Accepted, "somebody works again");
}

/// It changes nothing for whoever works.
pub async fn a_word_that_a_version_serves_leaves_the_leases_alone<S: ReadModelCandidate>(store: S) {
    let (one, two) = (divided(&store, "calm", 2).await, projection("calm", 2));
    register(&store, &Registration { id: two.clone(), ..Registration::new(one.clone(), ReadModelKind::Projector) })
        .await;
    let mut held = taken_parts(&store, &one, Uuid::now_v7()).await;
    held.push(taken(&store, &two).await);
    for id in [&two, &one] {
        assert!(control(&store, id, Control::Serve).await, "a version that has caught up can serve");
    }
    for lease in &held {
        assert_eq!(renew(&store, lease).await, Renewal::Kept, "who serves is nothing to whoever works");
    }
}

/// Nobody would ever hear it.
pub async fn word_for_an_unknown_projection_finds_nothing<S: ReadModelCandidate>(store: S) {
    registered(&store, "known").await;
    let (stream, first) = (stream("poisoned 1"), Version(1));
    let words = [
        Control::Pause,
        Control::Resume,
        Control::Rebuild,
        Control::Rewind { to: Position(3) },
        Control::Divide { parts: 2 },
        Control::Serve,
        Control::RetryDeadLetter { stream: stream.clone(), first },
        Control::RetryDeadLetters,
        Control::DiscardDeadLetter { stream, first, reason: String::new() },
    ];
    for word in words {
        for id in [projection("unknown", 1), projection("known", 2)] {
            assert!(!control(&store, &id, word.clone()).await, "{word:?} for an unknown projection finds nothing");
        }
    }
}

/// A projection that is written with the append has nobody who could work on it.
pub async fn nobody_runs_what_is_written_inline<S: ReadModelCandidate>(store: S) {
    let inline = Registration { inline: true, ..of_documents("inline") };
    assert!(register(&store, &inline).await, "it is new");
    let seen = status(&store, &inline.id).await;
    assert_eq!((&seen.state, seen.owner()), (&ProjectionState::Inline, None), "it needs nobody to run it");
    assert!(seen.serving, "the first version of a name serves, inline or not");
    assert!(!register(&store, &inline).await, "it is known by then");
    let words = [
        Control::Pause,
        Control::Resume,
        Control::Rebuild,
        Control::Rewind { to: Position(0) },
        Control::Divide { parts: 2 },
    ];
    for word in words {
        let refused = store.control(&inline.id, word.clone()).await;
        is_refused(refused, Refusal::Inline, &inline.id);
    }
    is_refused(store.claim(&inline.id, 0, Uuid::now_v7(), LONG).await, Refusal::Inline, &inline.id);
    assert_eq!(status(&store, &inline.id).await.state, ProjectionState::Inline, "what was refused changes nothing");
}

/// Documents would count twice, and reactors do again what they have done: whoever works on them is not disturbed by it.
pub async fn what_a_kind_cannot_do_is_refused<S: ReadModelCandidate>(store: S) {
    use ReadModelKind::{Documents, Projector, Reactor};
    let (rebuild, rewind) = (Control::Rebuild, Control::Rewind { to: Position::START });
    let kinds = [
        (Projector, "tables", vec![], vec![&rebuild, &rewind]),
        (Documents, "documents", vec![&rewind], vec![&rebuild]),
        (Reactor, "reactor", vec![&rebuild, &rewind], vec![]),
    ];
    for (kind, name, refused, accepted) in kinds {
        let id = projection(name, 1);
        register(&store, &Registration::new(id.clone(), kind)).await;
        let held = taken(&store, &id).await;
        for word in refused {
            is_setup(store.control(&id, word.clone()).await, &format!("{kind:?} cannot do {word:?}"));
        }
        assert_eq!(renew(&store, &held).await, Renewal::Kept, "what was refused is nothing to whoever works");
        for word in accepted {
            assert!(control(&store, &id, word.clone()).await, "{kind:?} can do {word:?}");
        }
    }
}

fn retry(of: &DeadLetter, first: Version) -> Control {
    Control::RetryDeadLetter { stream: of.stream.clone(), first }
}

/// A retry or a discard is for what waits.
pub async fn words_reach_parked_streams_only<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "addressed").await;
    let parked = letter(1, 10);
    let skipped = DeadLetter { status: DeadLetterStatus::Skipped, ..letter(2, 20) };
    post(&store, &id, &[parked.clone(), skipped.clone()]).await;
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

/// And none of another projection.
pub async fn all_parked_streams_can_be_tried_again_at_once<S: ReadModelCandidate>(store: S) {
    let (id, other) = (registered(&store, "retried").await, registered(&store, "unretried").await);
    assert!(!control(&store, &id, Control::RetryDeadLetters).await, "no stream is parked at all");
    let reason = "settled".to_owned();
    let settled = [
        DeadLetter { status: DeadLetterStatus::Skipped, ..letter(1, 10) },
        DeadLetter { status: DeadLetterStatus::Discarded { reason }, ..letter(2, 20) },
    ];
    post(&store, &id, &settled).await;
    assert!(!control(&store, &id, Control::RetryDeadLetters).await, "what was left out does not wait");
    assert_eq!(letters(&store, &id).await, settled, "what was left out stays so");
    let parked = [letter(3, 30), letter(4, 40), letter(5, 50)];
    for of in [&id, &other] {
        post(&store, of, &parked).await;
    }
    assert!(control(&store, &id, Control::RetryDeadLetters).await, "some streams are parked");
    let asked = parked.clone().map(|letter| DeadLetter { status: DeadLetterStatus::RetryRequested, ..letter });
    assert_eq!(
        letters(&store, &id).await,
        [&settled[..], &asked].concat(),
        "all that wait will be tried, and no others"
    );
    assert_eq!(letters(&store, &other).await, parked, "those of other projections wait on");
    assert!(matches!(claim(&store, &id, Uuid::now_v7(), LONG).await, Claim::Granted(_)), "somebody can do it");
}
