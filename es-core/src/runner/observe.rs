//! What whoever watches is told: spans and events of `tracing`, and metrics.
//!
//! Everything that is said has its place here, so that the same thing has the same name everywhere. Nothing is said for each
//! event, and nothing is put into words when nobody listens: fields are only written out behind the check that a
//! subscriber wants them.

#[cfg(feature = "metrics")]
mod gauges;
#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "observe/unmetered.rs"]
mod meter;

use std::time::Duration;

use tokio::sync::watch;
use tracing::Span;
use tracing::field::{Empty, display};
use uuid::Uuid;

use crate::error::Error;
use crate::projection::Batch;
use crate::read_model::{DeadLetter, DeadLetterStatus, FailureClass, Lease, ProjectionId, ReadModelStore, Task};
use crate::recorded::Position;
use crate::runner::StopReason;
use crate::runner::guard::chain;
use crate::slices::Slices;

pub(super) use meter::Meter;

/// Why it does not work on a part: another process does.
pub(super) const ELSEWHERE: &str = "another process works on it";
/// Why it does not work on a part: nobody shall.
pub(super) const PAUSED: &str = "it is paused";
/// Why it does not work on a part: what is to be done first is another part's to do.
pub(super) const TASK: &str = "it is about to go back";
/// Why it does not work on a part: there is no such part any more.
pub(super) const GONE: &str = "the projection was divided anew";
/// Why it does not work on a part: it holds more of them than another process, which would be fair to have it.
pub(super) const YIELDED: &str = "another process is to have it";

/// What the metric tells, beside the class of each failure, of a projection that stopped by itself.
pub(super) const STOPPED: &str = "stopped";

/// Tells of one part of a projection.
pub(super) struct Part {
    span: Span,
    meter: Meter,
    slices: Slices,
    standing: Standing,
    /// Whether it was said that it is at the end of the log, since it last began.
    is_at_end: bool,
}

/// What was said last of the lease.
#[derive(PartialEq)]
enum Standing {
    Nothing,
    Holds(Slices),
    Waits(&'static str),
}

impl Part {
    pub(super) fn new(id: &ProjectionId, slices: Slices) -> Self {
        // Whichever level of events a filter lets through, they say whose they are.
        let span = tracing::error_span!(
            parent: None, "projection", projection = id.name(), version = id.version(), %slices
        );
        Self { span, meter: Meter::new(id), slices, standing: Standing::Nothing, is_at_end: false }
    }

    /// What everything of the part runs in.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(super) fn claimed(&mut self, lease: &Lease) {
        if self.slices != lease.slices {
            self.slices = lease.slices;
            self.span.record("slices", display(lease.slices));
        }
        let (position, token) = (lease.position.0, lease.token);
        if self.standing == Standing::Holds(lease.slices) {
            return tracing::debug!(position, token, "lease claimed again");
        }
        self.disown();
        self.standing = Standing::Holds(lease.slices);
        self.meter.owned(lease.slices, true);
        self.is_at_end = false;
        tracing::info!(position, token, "lease claimed");
    }

    /// It does not work, because it has no lease.
    pub(super) fn waits(&mut self, why: &'static str, owner: Option<Uuid>) {
        if self.standing == Standing::Waits(why) {
            return;
        }
        let owner = owner.map(display);
        if self.disown() {
            tracing::info!(why, owner, "lease lost");
        } else {
            tracing::info!(why, owner, "waiting for the lease");
        }
        self.standing = Standing::Waits(why);
    }

    /// Answers whether it held the lease.
    fn disown(&mut self) -> bool {
        let Standing::Holds(slices) = self.standing else { return false };
        self.meter.owned(slices, false);
        self.standing = Standing::Nothing;
        true
    }

    /// It has taken in all there is.
    pub(super) fn at_end(&mut self, position: Position) {
        if !std::mem::replace(&mut self.is_at_end, true) {
            tracing::info!(position = position.0, "caught up");
        }
    }

    /// The store is in trouble that may pass.
    pub(super) fn store_trouble(&mut self, error: &str, attempts: u32, wait: Duration) {
        self.is_at_end = false;
        self.failed(FailureClass::Store);
        store_trouble(error, attempts, wait);
    }

    pub(super) fn failed(&self, class: FailureClass) {
        self.meter.failed(class.as_str());
    }

    pub(super) fn tries_again(&mut self, error: &str, attempts: u32, wait: Duration) {
        self.is_at_end = false;
        tracing::warn!(error, attempts, wait_seconds = wait.as_secs_f64(), "trying again");
    }

    /// What a batch is taken in in, with all its tries. The time is recorded when it is done.
    pub(super) fn batch<E>(&self, batch: &Batch<'_, E>, from: Position, to: Position) -> Span {
        tracing::debug_span!(
            "batch",
            events = batch.len(),
            replay = batch.is_replay(),
            from = from.0,
            to = to.0,
            elapsed_seconds = Empty
        )
    }

    /// A batch was committed.
    pub(super) fn committed(&self, time: Duration) {
        self.meter.batch(time);
    }

    pub(super) fn taken_in(&self, events: u64) {
        if events > 0 {
            self.meter.events(events);
        }
    }

    /// An event was not taken in, and a letter keeps a record of it.
    pub(super) fn dead_letter(&self, letter: &DeadLetter) {
        let DeadLetter { stream, first, error, attempts, .. } = letter;
        let class = letter.class.map(display);
        let (stream_version, position, status) = (first.0, letter.position.0, status(&letter.status));
        self.meter.dead_letter(status);
        match &letter.status {
            DeadLetterStatus::Discarded { reason } => tracing::info!(
                %stream, stream_version, position, status, error, class, attempts, reason, "an event was discarded"
            ),
            _ => tracing::error!(
                %stream, stream_version, position, status, error, class, attempts, "an event was not taken in"
            ),
        }
    }
}

/// Also of one that is cut off, nobody believes any longer that it works.
impl Drop for Part {
    fn drop(&mut self) {
        self.disown();
    }
}

pub(super) fn started(id: &ProjectionId, owner: Uuid) {
    tracing::info!(projection = id.name(), version = id.version(), %owner, "started");
}

/// It is known, and stays as it is.
pub(super) fn divided_otherwise(id: &ProjectionId, asked: u16, has: usize) {
    tracing::warn!(
        projection = id.name(),
        version = id.version(),
        asked,
        has,
        "known already, and divided into another number of parts than was asked for: `Control::Divide` divides it anew"
    );
}

pub(super) fn stopped(id: &ProjectionId, reason: &StopReason, meter: &Meter) {
    let (projection, version) = (id.name(), id.version());
    let class = match (reason, reason.class()) {
        (StopReason::Asked, _) => return tracing::info!(projection, version, %reason, "stopped"),
        // Somebody has asked for it, but not those who run it.
        (_, None) => return tracing::warn!(projection, version, %reason, "stopped"),
        (_, Some(class)) => class,
    };
    meter.failed(STOPPED);
    tracing::error!(projection, version, %reason, %class, "stopped by a failure");
}

/// It was not done by the deadline of its stop.
pub(super) fn cut_off(id: &ProjectionId) {
    tracing::warn!(projection = id.name(), version = id.version(), "cut off");
}

pub(super) fn store_trouble(error: &str, attempts: u32, wait: Duration) {
    tracing::warn!(error, attempts, wait_seconds = wait.as_secs_f64(), "the store is in trouble");
}

/// Like [`store_trouble`], where there is no part yet to speak for the projection.
pub(super) fn store_trouble_of(id: &ProjectionId, error: &str, attempts: u32, wait: Duration) {
    let (projection, version, wait_seconds) = (id.name(), id.version(), wait.as_secs_f64());
    tracing::warn!(projection, version, error, attempts, wait_seconds, "the store is in trouble");
}

/// The lease was not made to last longer. It lasts as it was, and there will be another try.
pub(super) fn not_renewed(error: &Error) {
    tracing::warn!(error = chain(error), "the lease was not renewed");
}

/// It has caught up, but readers would miss what it lacks.
pub(super) fn does_not_serve(lacking: &[DeadLetter]) {
    let parked = lacking.iter().filter(|letter| letter.status.is_parked()).count();
    let skipped = lacking.len() - parked;
    tracing::warn!(
        parked,
        skipped,
        "caught up, but does not serve by itself: events of its history were not taken in; settle its dead letters, or ask \
         for it by `Control::Serve`"
    );
}

pub(super) fn goes_back(task: Task) {
    match task {
        Task::Rebuild => tracing::info!("rebuild begins"),
        Task::Rewind(to) => tracing::info!(to = to.0, "rewind begins"),
    }
}

/// Said when it is committed, so that it is said once.
pub(super) fn replays(begins: bool, ends: bool, live_from: Position) {
    let live_from = live_from.0;
    if begins {
        tracing::info!(live_from, "replay begins");
    }
    if ends {
        tracing::info!(live_from, "replay ends");
    }
}

/// Tells recorders what each metric is about.
pub(super) fn describe() {
    meter::describe();
}

/// Keeps the gauges current until the runner stops. Without metrics nobody would see them, so nobody is asked.
#[cfg_attr(not(feature = "metrics"), allow(unused_variables, reason = "only metrics need it"))]
pub(super) fn observe<S: ReadModelStore>(
    store: &S,
    ids: Vec<ProjectionId>,
    every: Option<Duration>,
    stop: watch::Receiver<bool>,
) {
    #[cfg(feature = "metrics")]
    if let Some(every) = every {
        let store = store.clone();
        let ask = move || {
            let store = store.clone();
            async move { store.projections().await }
        };
        tokio::spawn(gauges::observe(ask, ids, every, stop));
    }
}

fn status(status: &DeadLetterStatus) -> &'static str {
    match status {
        DeadLetterStatus::Parked => "parked",
        DeadLetterStatus::RetryRequested => "retry_requested",
        DeadLetterStatus::DiscardRequested { .. } => "discard_requested",
        DeadLetterStatus::Skipped => "skipped",
        DeadLetterStatus::Discarded { .. } => "discarded",
    }
}
