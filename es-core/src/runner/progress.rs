//! How far projections have come in this process, and what they do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use crate::read_model::{FailureClass, Lease};
use crate::recorded::Position;
use crate::stream::{StreamId, Version};

/// How far a projection of this process has come, and what it does right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Everything up to here has been taken in, and is committed. Of a divided projection, the part of this process that has
    /// come least far.
    pub position: Position,
    /// How many events this process has taken in.
    pub events: u64,
    /// What it does right now.
    pub phase: Phase,
}

/// What a projection of this process does right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It has not looked yet.
    #[default]
    Starting,
    /// It takes in events.
    Working,
    /// It has taken in all there was, and waits for more.
    Idle,
    /// Another process works on it.
    Elsewhere {
        /// The owner of the lease.
        owner: Uuid,
    },
    /// Somebody asked for a pause.
    Paused,
    /// Something went wrong, and it tries again.
    Retrying {
        /// What went wrong.
        error: String,
        /// Of which kind that was.
        class: FailureClass,
        /// How often it has been tried.
        attempts: u32,
    },
    /// It does nothing any more.
    Stopped(StopReason),
}

/// Why a projection of this process does nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody stopped the runner.
    #[error("the runner was stopped")]
    Asked,
    /// An event could not be taken in, and the policy says to stop.
    #[error("event {version} of stream `{stream}` could not be taken in after {tries}: {error}", tries = tries(*attempts))]
    Failed {
        /// The event's stream.
        stream: StreamId,
        /// The event's version.
        version: Version,
        /// How often it was tried.
        attempts: u32,
        /// Of which kind the failure was.
        class: FailureClass,
        /// What went wrong the last time.
        error: String,
    },
    /// What it has written could not be removed, so the rebuild that was asked for did not begin. It goes on as it was when it
    /// is started again.
    #[error("the rebuild did not begin: {error}")]
    NotRebuilt {
        /// Of which kind the failure was.
        class: FailureClass,
        /// What went wrong.
        error: String,
    },
    /// It could not go back, so the rewind that was asked for did not begin. It goes on as it was when it is started again.
    #[error("the rewind did not begin: {error}")]
    NotRewound {
        /// Of which kind the failure was.
        class: FailureClass,
        /// What went wrong.
        error: String,
    },
    /// [`replay_begins`](crate::Projector::replay_begins) or [`replay_ends`](crate::Projector::replay_ends) failed. It begins
    /// with that again when it is started again.
    #[error("the beginning or the end of the replay could not be taken in: {error}")]
    Replay {
        /// Of which kind the failure was.
        class: FailureClass,
        /// What went wrong.
        error: String,
    },
    /// The store failed in a way that will not pass.
    #[error("{error}")]
    Store {
        /// What went wrong.
        error: String,
    },
    /// Somebody has [dropped](crate::ReadModelStore::drop_projection) it while it was paused, or worked on by nobody. It begins
    /// at the start of the log when it is started again.
    #[error("it was dropped")]
    Dropped,
    /// It has stopped in another process or in an earlier run, as the store tells it.
    #[error("{reason}")]
    Reported {
        /// Why.
        reason: String,
        /// Of which kind the failure was, where that is known.
        class: Option<FailureClass>,
    },
}

impl StopReason {
    /// Of which kind the failure was that it stopped by; `None` if by none, or if that is not known.
    ///
    /// # Example: start again what the database was too slow for
    ///
    /// ```
    /// use es_core::{FailureClass, StopReason};
    ///
    /// fn is_worth_a_new_start(reason: &StopReason) -> bool {
    ///     matches!(reason.class(), Some(FailureClass::TooSlow | FailureClass::Store))
    /// }
    /// assert!(!is_worth_a_new_start(&StopReason::Asked));
    /// ```
    pub fn class(&self) -> Option<FailureClass> {
        match self {
            Self::Failed { class, .. }
            | Self::NotRebuilt { class, .. }
            | Self::NotRewound { class, .. }
            | Self::Replay { class, .. } => Some(*class),
            Self::Store { .. } => Some(FailureClass::Store),
            Self::Reported { class, .. } => *class,
            Self::Asked | Self::Dropped => None,
        }
    }
}

fn tries(attempts: u32) -> String {
    if attempts == 1 { "1 try".to_owned() } else { format!("{attempts} tries") }
}

/// Where the parts of a projection in this process tell how they are doing. What is told of the projection is their sum.
pub(super) struct Board {
    seats: Mutex<Seats>,
    whole: watch::Sender<Progress>,
    /// Why nothing is done any more, once everything is let go of.
    ended: watch::Sender<Option<StopReason>>,
}

#[derive(Default)]
struct Seats {
    parts: BTreeMap<u16, (Progress, Option<Lease>)>,
    /// How many events were taken in by parts that are gone.
    events_before: u64,
    ended: Option<StopReason>,
}

/// The place of one part on the board.
#[derive(Clone)]
pub(super) struct Seat {
    board: Arc<Board>,
    first: u16,
}

impl Board {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            seats: Mutex::default(),
            whole: watch::Sender::new(Progress::default()),
            ended: watch::Sender::new(None),
        })
    }

    pub(super) fn seat(self: &Arc<Self>, first: u16) -> Seat {
        Seat { board: Arc::clone(self), first }
    }

    pub(super) fn progress(&self) -> Progress {
        self.whole.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.whole.subscribe()
    }

    /// The leases that are held right now.
    pub(super) fn leases(&self) -> Vec<Lease> {
        self.seats().parts.values().filter_map(|(_, lease)| lease.clone()).collect()
    }

    /// Nothing is done any more. The first reason stays.
    pub(super) fn end(&self, reason: StopReason) {
        self.change(|seats| {
            seats.ended.get_or_insert(reason);
        });
        // Only now, so that whoever has waited for it is told nothing else.
        self.ended.send_replace(self.seats().ended.clone());
    }

    /// Waits until nothing is done any more.
    pub(super) async fn ended(&self) -> StopReason {
        let mut ended = self.ended.subscribe();
        let reason = ended.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or(StopReason::Asked)
    }

    fn change(&self, change: impl FnOnce(&mut Seats)) {
        let mut seats = self.seats();
        change(&mut seats);
        self.whole.send_replace(seats.whole());
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    pub(super) fn first(&self) -> u16 {
        self.first
    }

    pub(super) fn publish(&self, change: impl FnOnce(&mut Progress)) {
        self.board.change(|seats| change(&mut seats.parts.entry(self.first).or_default().0));
    }

    pub(super) fn progress(&self) -> Progress {
        self.board.seats().parts.get(&self.first).map(|(progress, _)| progress.clone()).unwrap_or_default()
    }

    /// Remembers the lease that is held, and answers with the one that was.
    pub(super) fn hold(&self, lease: Option<Lease>) -> Option<Lease> {
        std::mem::replace(&mut self.board.seats().parts.entry(self.first).or_default().1, lease)
    }

    /// The part is not there any more.
    pub(super) fn leave(&self) {
        self.board.change(|seats| {
            let left = seats.parts.remove(&self.first);
            seats.events_before += left.map_or(0, |(progress, _)| progress.events);
        });
    }
}

impl Seats {
    fn whole(&self) -> Progress {
        let parts = || self.parts.values().map(|(progress, _)| progress);
        let ours = self.parts.values().filter(|(_, lease)| lease.is_some()).map(|(progress, _)| progress.position);
        let telling = parts().max_by_key(|progress| progress.phase.urgency());
        let phase = telling.map(|progress| progress.phase.clone()).unwrap_or_default();
        Progress {
            // What others work on says nothing here. Where nothing is worked on, it is as far as it was.
            position: ours.min().or_else(|| parts().map(|progress| progress.position).min()).unwrap_or_default(),
            events: self.events_before + parts().map(|progress| progress.events).sum::<u64>(),
            phase: self.ended.clone().map_or(phase, Phase::Stopped),
        }
    }
}

impl Phase {
    /// Of several parts, the one whose phase is the most urgent to know speaks for all.
    fn urgency(&self) -> u8 {
        match self {
            Self::Elsewhere { .. } => 0,
            Self::Idle => 1,
            Self::Paused => 2,
            Self::Starting => 3,
            Self::Working => 4,
            Self::Retrying { .. } => 5,
            Self::Stopped(_) => 6,
        }
    }
}
