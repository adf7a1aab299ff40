//! Status: everybody sees how a projection is doing, and what is wrong with it.

use std::time::Duration;

use uuid::Uuid;

use super::support::{
    LONG, advance, answer, claim_part, control, divided, granted, moved, of_documents, owned, register, registered,
    release, renew, status, taken, taken_parts, told,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::{fill, stream};
use crate::read_model::{
    Control, ControlAnswer, FailureClass, Lease, ProjectionState, Pulse, Reached, ReadModelKind, Registration, Renewal,
};
use crate::recorded::Position;
use crate::store::EventFilter;

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
    let least = Duration::from_millis(40);
    assert!(behind.lag >= least, "the oldest of them has waited since: {:?}", behind.lag);
    assert!(behind.unmoved >= least, "and the checkpoint has not moved since: {:?}", behind.unmoved);
    advance(&store, &lease, end.0, 8).await.expect("the holder moves the checkpoint");
    let done = status(&store, &lease.id).await;
    assert_eq!((done.events, done.lag_events, done.lag), (8, 0, Duration::ZERO), "nothing is left behind");
    assert!(done.updated_at > at_first.updated_at, "it says when the checkpoint last moved");
}

/// The part that is last is what everybody waits for.
pub async fn a_divided_projection_lags_as_its_last_part_does<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "limping", 2).await;
    fill(&store, &stream("limp"), 1..=8).await;
    let end = store.log_end().await.expect("the log has an end");
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    moved(&store, &leases[0], end.0).await;
    let half = status(&store, &id).await;
    assert_eq!(half.lag_events, 8, "what one part has not passed is left behind");
    assert!(half.unmoved >= Duration::from_millis(40), "one part has not moved: {:?}", half.unmoved);
    moved(&store, &leases[1], end.0).await;
    assert_eq!(status(&store, &id).await.lag_events, 0, "all parts have passed it");
}

/// Everybody sees why a projection stopped, until somebody works again.
pub async fn a_stop_is_told_until_the_next_claim<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "stopped").await;
    let reason = "event 3 of stream `order-7` \u{1f980} could not be taken in: 'quoted'";
    for class in FailureClass::ALL {
        let lease = taken(&store, &id).await;
        store.report_stop(&lease, reason, class).await.expect("a stop can be reported");
        release(&store, &lease).await;
        let told = stopped(reason, class);
        assert_eq!(status(&store, &id).await.state, told, "everybody sees why it stopped, and of which class that is");
        taken(&store, &id).await;
        assert_eq!(status(&store, &id).await.state, ProjectionState::Running, "a claim forgets the reason");
        store.control(&id, Control::Resume).await.map(drop).expect("word can be left, which takes the lease away");
    }
}

fn stopped(reason: &str, class: FailureClass) -> ProjectionState {
    ProjectionState::Stopped { reason: reason.to_owned(), class: Some(class) }
}

/// Whoever takes it up is about to run it, and who waits then must not be told of what was before. Who registers it may yet find
/// that it cannot run.
pub async fn a_stop_is_forgotten_when_it_is_taken_up_again<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "restarted", 3).await;
    let other = owned(&store, "not_restarted").await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    for held in leases.iter().chain([&other]) {
        store.report_stop(held, "no", FailureClass::Refused).await.expect("a stop can be reported");
    }
    let again = Registration::new(id.clone(), ReadModelKind::Projector);
    assert!(!register(&store, &again).await, "it is known");
    assert_eq!(status(&store, &id).await.state, stopped("no", FailureClass::Refused), "nobody runs it yet");
    store.take_up(&id, &EventFilter::all()).await.expect("it can be taken up");
    assert_eq!(status(&store, &id).await.state, ProjectionState::Running, "it is about to run");
    let told = told(&store, &id).await.map(|reached| reached.state);
    assert_eq!(told, Some(ProjectionState::Running), "so it is worth waiting for");
    assert_eq!(answer(&store, &id, Control::Pause).await, ControlAnswer::Accepted, "and word for it is heard");
    let others = status(&store, &other.id).await.state;
    assert_eq!(others, stopped("no", FailureClass::Refused), "of others nothing is forgotten");
}

/// Who waits asks for this, and learns in the same breath that there is nothing to wait for.
pub async fn it_is_told_how_far_it_has_come_and_whether_it_goes_on<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "going").await;
    let other = registered(&store, "going_on").await;
    let of = async || told(&store, &lease.id).await.expect("it is known");
    moved(&store, &lease, 4).await;
    assert_eq!(of().await, Reached::new(Position(4), ProjectionState::Running), "it goes on");
    store.report_stop(&lease, "'no' \u{1f980}", FailureClass::Panicked).await.expect("a stop can be reported");
    let halted = Reached::new(Position(4), stopped("'no' \u{1f980}", FailureClass::Panicked));
    assert_eq!(of().await, halted, "it has stopped, where it was");
    assert_eq!(status(&store, &lease.id).await.state, halted.state, "as the status says");
    assert!(control(&store, &lease.id, Control::Pause).await, "a known projection can be paused");
    assert_eq!(of().await, halted, "a pause does not hide that it has stopped, and why");
    assert_eq!(status(&store, &lease.id).await.state, halted.state, "as the status says");
    assert!(control(&store, &lease.id, Control::Resume).await, "a known projection can be resumed");
    assert_eq!(of().await, halted, "it has not begun again by that");
    assert!(control(&store, &lease.id, Control::Rebuild).await, "a rebuild can be asked for");
    assert_eq!(of().await, Reached::new(Position::START, halted.state), "what is there will not stay");
    taken(&store, &lease.id).await;
    assert_eq!(of().await, Reached::new(Position::START, ProjectionState::Running), "it is worked on");
    let others = told(&store, &other).await;
    assert_eq!(others, Some(Reached::new(Position::START, ProjectionState::Running)), "each has a state of its own");
    assert!(control(&store, &other, Control::Pause).await, "a known projection can be paused");
    let others = told(&store, &other).await;
    assert_eq!(others, Some(Reached::new(Position::START, ProjectionState::Paused)), "it waits to be resumed");
    let inline = Registration { inline: true, ..of_documents("going_along") };
    register(&store, &inline).await;
    let state = told(&store, &inline.id).await.map(|reached| reached.state);
    assert_eq!(state, Some(ProjectionState::Inline), "it needs nobody to go on");
}

/// One part that stands still makes the read model wrong, whatever the others do.
pub async fn a_stop_of_one_part_is_told<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "half_stopped", 3).await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    store.report_stop(&leases[1], "no", FailureClass::TooSlow).await.expect("a stop can be reported");
    release(&store, &leases[1]).await;
    for held in [&leases[0], &leases[2]] {
        moved(&store, held, 4).await;
        assert_eq!(renew(&store, held).await, Renewal::Kept, "the others go on");
    }
    let halted = stopped("no", FailureClass::TooSlow);
    assert_eq!(status(&store, &id).await.state, halted, "everybody sees that one of its parts stopped");
    let reached = told(&store, &id).await;
    assert_eq!(reached, Some(Reached::new(Position::START, halted)), "also who asks how far all of it has come");
    granted(claim_part(&store, &id, leases[1].slices.first(), Uuid::now_v7()).await);
    assert_eq!(status(&store, &id).await.state, ProjectionState::Running, "a claim forgets the reason");
}

/// Who was taken over has no say.
pub async fn an_old_lease_reports_nothing<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "mute").await;
    release(&store, &lease).await;
    taken(&store, &lease.id).await;
    let reported = store.report_stop(&lease, "too late", FailureClass::Store).await;
    reported.expect("reporting under an old lease is no error");
    let late = Pulse::new(77).trouble(FailureClass::Store, "too late");
    assert_eq!(pulse(&store, &lease, &late).await, Renewal::Lost, "an old lease is lost");
    let seen = status(&store, &lease.id).await;
    assert_eq!(seen.state, ProjectionState::Running, "an old lease reports nothing");
    assert_eq!(
        (seen.rate, seen.last_error, seen.last_error_class),
        (0, None, None),
        "nor does it tell how it is doing"
    );
}

async fn pulse<S: ReadModelCandidate>(store: &S, held: &Lease, pulse: &Pulse) -> Renewal {
    store.renew(held, LONG, pulse).await.expect("a renewal is answered")
}

/// As of the last renewal.
pub async fn what_a_holder_tells_is_seen_by_everybody<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "telling").await;
    let other = registered(&store, "silent").await;
    let trouble = "'quoted' \u{1f980}\n".repeat(500);
    let pulses = [
        Pulse::new(1_200),
        Pulse::new(30).trouble(FailureClass::Refused, trouble),
        Pulse::new(7).trouble(FailureClass::Store, "no"),
        Pulse::new(u64::from(u32::MAX)),
    ];
    for told in pulses {
        assert_eq!(pulse(&store, &lease, &told).await, Renewal::Kept, "the newest lease is renewed");
        let seen = status(&store, &lease.id).await;
        assert_eq!(seen.rate, told.rate, "everybody sees how fast it goes");
        assert_eq!(seen.last_error, told.error, "everybody sees what goes wrong, while it goes wrong");
        assert_eq!(seen.last_error_class, told.class, "and of which class that is");
        assert_eq!(seen.state, ProjectionState::Running, "whoever tries again has not stopped");
    }
    let silent = status(&store, &other).await;
    assert_eq!((silent.rate, silent.last_error), (0, None), "each projection has its own");
}

/// The rate is that of all parts, and the trouble that of any.
pub async fn what_the_holders_of_parts_tell_is_put_together<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "chorus", 3).await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    let troubled = Pulse::new(12).trouble(FailureClass::Panicked, "no");
    for (held, told) in leases.iter().zip([Pulse::new(30), troubled, Pulse::new(500)]) {
        assert_eq!(pulse(&store, held, &told).await, Renewal::Kept, "the newest lease is renewed");
    }
    let seen = status(&store, &id).await;
    assert_eq!(seen.rate, 542, "the rate is that of all parts together");
    assert_eq!(seen.last_error.as_deref(), Some("no"), "trouble of one part is trouble");
    assert_eq!(seen.last_error_class, Some(FailureClass::Panicked), "of that class");
    assert_eq!(pulse(&store, &leases[1], &Pulse::new(12)).await, Renewal::Kept, "the newest lease is renewed");
    let seen = status(&store, &id).await;
    assert_eq!((seen.last_error, seen.last_error_class), (None, None), "what passed is not told any more");
}
