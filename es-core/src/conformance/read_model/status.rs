//! Status: everybody sees how a projection is doing, and what is wrong with it.

use std::time::Duration;

use uuid::Uuid;

use super::support::{
    LONG, advance, claim_part, divided, granted, moved, owned, registered, release, renew, status, taken, taken_parts,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::{fill, stream};
use crate::read_model::{Lease, ProjectionState, Pulse, Renewal};

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
    let lease = owned(&store, "stopped").await;
    let reason = "event 3 of stream `order-7` \u{1f980} could not be taken in: 'quoted'";
    store.report_stop(&lease, reason).await.expect("a stop can be reported");
    release(&store, &lease).await;
    let told = ProjectionState::Stopped { reason: reason.to_owned() };
    assert_eq!(status(&store, &lease.id).await.state, told, "everybody sees why it stopped");
    taken(&store, &lease.id).await;
    assert_eq!(status(&store, &lease.id).await.state, ProjectionState::Running, "a claim forgets the reason");
}

/// One part that stands still makes the read model wrong, whatever the others do.
pub async fn a_stop_of_one_part_is_told<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "half_stopped", 3).await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    store.report_stop(&leases[1], "no").await.expect("a stop can be reported");
    release(&store, &leases[1]).await;
    for held in [&leases[0], &leases[2]] {
        moved(&store, held, 4).await;
        assert_eq!(renew(&store, held).await, Renewal::Kept, "the others go on");
    }
    let told = ProjectionState::Stopped { reason: "no".to_owned() };
    assert_eq!(status(&store, &id).await.state, told, "everybody sees that one of its parts stopped");
    granted(claim_part(&store, &id, leases[1].slices.first(), Uuid::now_v7()).await);
    assert_eq!(status(&store, &id).await.state, ProjectionState::Running, "a claim forgets the reason");
}

/// Who was taken over has no say.
pub async fn an_old_lease_reports_nothing<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "mute").await;
    release(&store, &lease).await;
    taken(&store, &lease.id).await;
    store.report_stop(&lease, "too late").await.expect("reporting under an old lease is no error");
    assert_eq!(pulse(&store, &lease, 77, Some("too late")).await, Renewal::Lost, "an old lease is lost");
    let seen = status(&store, &lease.id).await;
    assert_eq!(seen.state, ProjectionState::Running, "an old lease reports nothing");
    assert_eq!((seen.rate, seen.last_error), (0, None), "nor does it tell how it is doing");
}

async fn pulse<S: ReadModelCandidate>(store: &S, held: &Lease, rate: u64, error: Option<&str>) -> Renewal {
    let pulse = Pulse::new(rate, error.map(str::to_owned));
    store.renew(held, LONG, &pulse).await.expect("a renewal is answered")
}

/// As of the last renewal.
pub async fn what_a_holder_tells_is_seen_by_everybody<S: ReadModelCandidate>(store: S) {
    let lease = owned(&store, "telling").await;
    let other = registered(&store, "silent").await;
    let trouble = "'quoted' \u{1f980}\n".repeat(500);
    for (rate, error) in [(1_200, None), (30, Some(trouble.as_str())), (7, Some("no")), (u64::from(u32::MAX), None)] {
        assert_eq!(pulse(&store, &lease, rate, error).await, Renewal::Kept, "the newest lease is renewed");
        let seen = status(&store, &lease.id).await;
        assert_eq!(seen.rate, rate, "everybody sees how fast it goes");
        assert_eq!(seen.last_error.as_deref(), error, "everybody sees what goes wrong, while it goes wrong");
        assert_eq!(seen.state, ProjectionState::Running, "whoever tries again has not stopped");
    }
    let silent = status(&store, &other).await;
    assert_eq!((silent.rate, silent.last_error), (0, None), "each projection has its own");
}

/// The rate is that of all parts, and the trouble that of any.
pub async fn what_the_holders_of_parts_tell_is_put_together<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "chorus", 3).await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    for (held, (rate, error)) in leases.iter().zip([(30, None), (12, Some("no")), (500, None)]) {
        assert_eq!(pulse(&store, held, rate, error).await, Renewal::Kept, "the newest lease is renewed");
    }
    let seen = status(&store, &id).await;
    assert_eq!(seen.rate, 542, "the rate is that of all parts together");
    assert_eq!(seen.last_error.as_deref(), Some("no"), "trouble of one part is trouble");
    assert_eq!(pulse(&store, &leases[1], 12, None).await, Renewal::Kept, "the newest lease is renewed");
    assert_eq!(status(&store, &id).await.last_error, None, "what passed is not told any more");
}
