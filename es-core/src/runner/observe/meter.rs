//! Metrics of one projection, by the facade of the crate `metrics`: what becomes of them is the application's choice.
//!
//! Handles are asked for at each use, so that a recorder which is installed late is told, too. That is for each batch, not for
//! each event.

use std::sync::Arc;
use std::time::Duration;

use metrics::{
    Label, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::read_model::{FailureClass, ProjectionId, ProjectionStatus};
use crate::runner::observe::STOPPED;
use crate::slices::Slices;

const EVENTS: &str = "es_projection_events_total";
const BATCHES: &str = "es_projection_batches_total";
const FAILURES: &str = "es_projection_failures_total";
const DEAD_LETTERS: &str = "es_projection_dead_letters_total";
const BATCH_SECONDS: &str = "es_projection_batch_seconds";
const POSITION: &str = "es_projection_position";
const LAG_EVENTS: &str = "es_projection_lag_events";
const LAG_SECONDS: &str = "es_projection_lag_seconds";
const RATE: &str = "es_projection_rate";
const PARKED_STREAMS: &str = "es_projection_parked_streams";
const SKIPPED_EVENTS: &str = "es_projection_skipped_events";
const STALLED: &str = "es_projection_stalled";
const OWNED: &str = "es_projection_owned";
const UNOBSERVED: &str = "es_projection_unobserved_total";

pub(in crate::runner) struct Meter {
    labels: [Label; 2],
}

impl Meter {
    /// Its counters are there from the start, so that the first failure is seen as an increase.
    pub(in crate::runner) fn new(id: &ProjectionId) -> Self {
        let (name, version): (Arc<str>, Arc<str>) = (id.name().into(), id.version().to_string().into());
        let meter = Self { labels: [Label::new("projection", name), Label::new("version", version)] };
        for name in [EVENTS, BATCHES, UNOBSERVED] {
            counter!(name, meter.plain()).increment(0);
        }
        for kind in FailureClass::ALL.map(FailureClass::as_str).into_iter().chain([STOPPED]) {
            counter!(FAILURES, meter.with("kind", kind)).increment(0);
        }
        for status in ["parked", "skipped", "discarded"] {
            counter!(DEAD_LETTERS, meter.with("status", status)).increment(0);
        }
        meter
    }

    pub(super) fn events(&self, events: u64) {
        counter!(EVENTS, self.plain()).increment(events);
    }

    pub(super) fn batch(&self, time: Duration) {
        counter!(BATCHES, self.plain()).increment(1);
        histogram!(BATCH_SECONDS, self.plain()).record(time);
    }

    pub(in crate::runner) fn failed(&self, kind: &'static str) {
        counter!(FAILURES, self.with("kind", kind)).increment(1);
    }

    pub(super) fn dead_letter(&self, status: &'static str) {
        counter!(DEAD_LETTERS, self.with("status", status)).increment(1);
    }

    pub(super) fn owned(&self, slices: Slices, is_owned: bool) {
        gauge!(OWNED, self.with("slices", slices.to_string())).set(u8::from(is_owned));
    }

    /// What all processes can tell of it, whoever works on it.
    pub(super) fn status(&self, status: &ProjectionStatus) {
        for (name, value) in gauges(status) {
            gauge!(name, self.plain()).set(value);
        }
    }

    /// How it is doing could not be asked.
    pub(super) fn unobserved(&self) {
        counter!(UNOBSERVED, self.plain()).increment(1);
    }

    fn plain(&self) -> Vec<Label> {
        self.labels.to_vec()
    }

    fn with(&self, name: &'static str, value: impl Into<SharedString>) -> Vec<Label> {
        let [projection, version] = self.labels.clone();
        vec![projection, version, Label::new(name, value)]
    }
}

fn gauges(status: &ProjectionStatus) -> [(&'static str, f64); 7] {
    [
        (POSITION, number(status.position.0)),
        (LAG_EVENTS, number(status.lag_events)),
        (LAG_SECONDS, status.lag.as_secs_f64()),
        (RATE, number(status.rate)),
        (PARKED_STREAMS, number(status.parked)),
        (SKIPPED_EVENTS, number(status.skipped)),
        (STALLED, f64::from(u8::from(status.is_stalled()))),
    ]
}

/// Exact up to 2^53; beyond, a gauge that is off by one in a quadrillion misleads nobody.
#[allow(clippy::cast_precision_loss, reason = "gauges are floating point numbers")]
fn number(value: u64) -> f64 {
    value as f64
}

pub(super) fn describe() {
    describe_counter!(EVENTS, Unit::Count, "Events that were taken in, and are committed.");
    describe_counter!(BATCHES, Unit::Count, "Batches of events that were committed.");
    describe_counter!(FAILURES, Unit::Count, "What went wrong, tries that were repeated included, by kind.");
    describe_counter!(DEAD_LETTERS, Unit::Count, "Events that were not taken in, by what became of them.");
    describe_counter!(
        UNOBSERVED,
        Unit::Count,
        "How often the store could not be asked, so that gauges kept their values."
    );
    describe_histogram!(BATCH_SECONDS, Unit::Seconds, "How long the transaction of a batch took that was committed.");
    describe_gauge!(POSITION, Unit::Count, "The checkpoint: that of the part which has come least far.");
    describe_gauge!(LAG_EVENTS, Unit::Count, "Events of the log behind the checkpoint, wanted or not.");
    describe_gauge!(LAG_SECONDS, Unit::Seconds, "How long ago the oldest of them got its place in the log.");
    describe_gauge!(RATE, Unit::CountPerSecond, "Places of the log that are passed in a second, as of not long ago.");
    describe_gauge!(PARKED_STREAMS, Unit::Count, "Streams that wait behind an event that was not taken in.");
    describe_gauge!(SKIPPED_EVENTS, Unit::Count, "Events that were left out because the policy says so.");
    describe_gauge!(
        STALLED,
        Unit::Count,
        "1 if there are events behind a checkpoint that does not move, though it should."
    );
    describe_gauge!(OWNED, Unit::Count, "1 while this process holds the lease of these slices.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_model::ProjectionState;
    use crate::recorded::Position;
    use crate::timestamp::Timestamp;

    /// A projection that has stood still for so long, with events behind it.
    fn still_for(time: Duration, state: ProjectionState) -> ProjectionStatus {
        let id = ProjectionId::new("balance", 1).unwrap();
        let status = ProjectionStatus::new(id, state, Position(7), Timestamp::now());
        ProjectionStatus { lag_events: 5, lag: time, unmoved: time, rate: 3, parked: 2, skipped: 4, ..status }
    }

    fn value(status: &ProjectionStatus, name: &str) -> f64 {
        gauges(status).into_iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn gauges_say_what_the_store_says() {
        let status = still_for(Duration::from_millis(1_500), ProjectionState::Running);
        let expected = [
            ("es_projection_position", 7.0),
            ("es_projection_lag_events", 5.0),
            ("es_projection_lag_seconds", 1.5),
            ("es_projection_rate", 3.0),
            ("es_projection_parked_streams", 2.0),
            ("es_projection_skipped_events", 4.0),
            ("es_projection_stalled", 0.0),
        ];
        assert_eq!(gauges(&status), expected);
    }

    #[test]
    fn one_that_stands_still_is_stalled_unless_it_is_paused() {
        let long = ProjectionStatus::STALLED_AFTER;
        let stopped = ProjectionState::Stopped { reason: "an event".to_owned(), class: None };
        assert_eq!(value(&still_for(long, ProjectionState::Running), STALLED), 1.0);
        assert_eq!(value(&still_for(long, stopped), STALLED), 1.0);
        assert_eq!(value(&still_for(long, ProjectionState::Paused), STALLED), 0.0);
        assert_eq!(value(&still_for(long / 2, ProjectionState::Running), STALLED), 0.0);
    }

    #[test]
    fn lag_alone_is_no_stall() {
        let moving = still_for(Duration::from_secs(3_600), ProjectionState::Running);
        let moving = ProjectionStatus { unmoved: Duration::from_secs(1), lag_events: 1_000_000, ..moving };
        assert_eq!(value(&moving, STALLED), 0.0);
    }
}
