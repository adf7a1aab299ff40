//! One part of a projection: its checkpoint, and who may move it.

use std::time::Duration;

use es_core::{FailureClass, Lease, PartStatus, Position, Pulse, Slices, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use crate::read_model::letters::storable;

/// How long it counts that somebody asked for a lease: whoever still wants it asks again.
const ASKED_LATELY: Duration = Duration::from_secs(2);

/// Nobody means a longer lease than this, and clocks have their limits.
const LONGEST_LEASE: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) slices: Slices,
    pub(crate) position: Position,
    pub(crate) events: u64,
    /// When the checkpoint last moved.
    pub(crate) updated_at: Timestamp,
    /// That of the last claim.
    token: u64,
    holder: Option<Holder>,
    challenger: Option<Challenger>,
    /// Why whoever held it last stopped.
    stopped: Option<Stop>,
}

/// Why a part stands still.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) reason: String,
    pub(crate) class: FailureClass,
}

#[derive(Debug)]
struct Holder {
    owner: Uuid,
    until: Instant,
    pulse: Pulse,
}

/// Who asked for the lease last while somebody else held it.
#[derive(Debug)]
struct Challenger {
    owner: Uuid,
    asked: Instant,
}

impl Part {
    /// A part that nobody works on.
    pub(crate) fn new(slices: Slices, position: Position, updated_at: Timestamp) -> Self {
        let (holder, challenger, stopped) = (None, None, None);
        Self { slices, position, events: 0, updated_at, token: 0, holder, challenger, stopped }
    }

    /// Whether the lease is the newest, run out or not.
    pub(crate) fn is_held(&self, held: &Lease) -> bool {
        self.holder.is_some() && self.slices == held.slices && self.token == held.token
    }

    /// Who holds a lease that has not run out.
    pub(crate) fn owner(&self) -> Option<Uuid> {
        self.live_holder().map(|holder| holder.owner)
    }

    /// What the one who holds a lease told last.
    pub(crate) fn pulse(&self) -> Option<&Pulse> {
        self.live_holder().map(|holder| &holder.pulse)
    }

    fn live_holder(&self) -> Option<&Holder> {
        self.holder.as_ref().filter(|holder| holder.until > Instant::now())
    }

    pub(crate) fn grant(&mut self, token: u64, owner: Uuid, lease: Duration) {
        self.token = token;
        self.holder = Some(Holder { owner, until: end_of(lease), pulse: Pulse::default() });
        (self.challenger, self.stopped) = (None, None);
    }

    pub(crate) fn renew(&mut self, lease: Duration, pulse: &Pulse) {
        if let Some(holder) = &mut self.holder {
            holder.until = end_of(lease);
            holder.pulse = pulse.clone();
            holder.pulse.error = pulse.error.as_deref().map(storable);
        }
    }

    pub(crate) fn challenge(&mut self, owner: Uuid) {
        self.challenger = Some(Challenger { owner, asked: Instant::now() });
    }

    /// Who else asked for the lease not long ago.
    pub(crate) fn challenger(&self) -> Option<Uuid> {
        let lately = self.challenger.as_ref().filter(|challenger| challenger.asked.elapsed() <= ASKED_LATELY);
        lately.map(|challenger| challenger.owner)
    }

    /// Why it stands still, until somebody is granted the lease, or is about to ask for it.
    pub(crate) fn stopped(&self) -> Option<&Stop> {
        self.stopped.as_ref()
    }

    pub(crate) fn stop(&mut self, stop: Stop) {
        self.stopped = Some(stop);
    }

    pub(crate) fn forget_stop(&mut self) {
        self.stopped = None;
    }

    pub(crate) fn take_lease(&mut self) {
        (self.holder, self.challenger) = (None, None);
    }

    pub(crate) fn advance(&mut self, to: Position, events: u64) {
        self.move_to(to);
        self.events = self.events.saturating_add(events);
    }

    pub(crate) fn reset(&mut self, to: Position) {
        self.move_to(to);
        if to == Position::START {
            self.events = 0;
        }
    }

    fn move_to(&mut self, to: Position) {
        if self.position != to {
            self.updated_at = Timestamp::now();
        }
        self.position = to;
    }

    pub(crate) fn status(&self) -> PartStatus {
        PartStatus::new(self.slices, self.position, self.owner())
    }
}

/// When a lease that begins now runs out.
fn end_of(lease: Duration) -> Instant {
    Instant::now() + lease.min(LONGEST_LEASE)
}
