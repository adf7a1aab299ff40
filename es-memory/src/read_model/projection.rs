//! One projection: its checkpoint, who may move it, the word left for it, and its dead letters.

use std::collections::BTreeMap;
use std::time::Duration;

use es_core::{
    Claim, Control, DeadLetter, DeadLetterStatus, Lease, Position, ProjectionId, ProjectionState, ProjectionStatus,
    StreamId, Timestamp, Version,
};
use tokio::time::Instant;
use uuid::Uuid;

#[derive(Debug)]
pub(crate) struct Projection {
    pub(crate) position: Position,
    live_from: Position,
    events: u64,
    updated_at: Timestamp,
    /// Counts the claims.
    token: u64,
    holder: Option<Holder>,
    paused: bool,
    rebuild: bool,
    stopped: Option<String>,
    letters: BTreeMap<(StreamId, Version), DeadLetter>,
}

#[derive(Debug)]
struct Holder {
    owner: Uuid,
    until: Instant,
}

impl Projection {
    /// At the start of the log, of which everything up to `live_from` is history.
    pub(crate) fn new(live_from: Position) -> Self {
        Self {
            position: Position::START,
            live_from,
            events: 0,
            updated_at: Timestamp::now(),
            token: 0,
            holder: None,
            paused: false,
            rebuild: false,
            stopped: None,
            letters: BTreeMap::new(),
        }
    }

    pub(crate) fn claim(&mut self, id: &ProjectionId, owner: Uuid, lease: Duration) -> Claim {
        if self.paused {
            return Claim::Paused;
        }
        match self.owner() {
            Some(other) if other != owner => Claim::Held { owner: other },
            _ => {
                self.token += 1;
                self.holder = Some(Holder { owner, until: Instant::now() + lease });
                self.stopped = None;
                Claim::Granted(Lease::new(id.clone(), self.token, self.position, self.live_from, self.rebuild))
            }
        }
    }

    /// Whether the lease is the newest, run out or not.
    pub(crate) fn is_held(&self, held: &Lease) -> bool {
        self.holder.is_some() && self.token == held.token
    }

    pub(crate) fn renew(&mut self, held: &Lease, lease: Duration) -> bool {
        let newest = self.is_held(held);
        if let Some(holder) = self.holder.as_mut().filter(|_| newest) {
            holder.until = Instant::now() + lease;
        }
        newest
    }

    pub(crate) fn release(&mut self, held: &Lease) {
        if self.is_held(held) {
            self.holder = None;
        }
    }

    pub(crate) fn report_stop(&mut self, held: &Lease, reason: &str) {
        if self.is_held(held) {
            self.stopped = Some(reason.to_owned());
        }
    }

    /// Whether there is what the word is about. Then whoever works has to claim again, and so learns of it.
    pub(crate) fn control(&mut self, control: Control) -> bool {
        let done = match control {
            Control::Pause => replace(&mut self.paused, true),
            Control::Resume => replace(&mut self.paused, false),
            Control::Rebuild => replace(&mut self.rebuild, true),
            Control::RetryDeadLetter { stream, first } => self.mark(stream, first, DeadLetterStatus::RetryRequested),
            Control::DiscardDeadLetter { stream, first, reason } => {
                self.mark(stream, first, DeadLetterStatus::DiscardRequested { reason })
            }
            // There are no other words yet.
            _ => false,
        };
        if done {
            self.holder = None;
        }
        done
    }

    fn mark(&mut self, stream: StreamId, first: Version, status: DeadLetterStatus) -> bool {
        let letter = self.letters.get_mut(&(stream, first)).filter(|letter| letter.status.is_parked());
        letter.map(|letter| letter.status = status).is_some()
    }

    pub(crate) fn advance(&mut self, to: Position, events: u64) {
        self.position = to;
        self.events = self.events.saturating_add(events);
        self.updated_at = Timestamp::now();
    }

    pub(crate) fn reset(&mut self, to: Position, live_from: Position) {
        (self.position, self.live_from, self.rebuild) = (to, live_from, false);
        self.updated_at = Timestamp::now();
        if to == Position::START {
            self.events = 0;
        }
        self.letters.retain(|_, letter| letter.position <= to);
    }

    pub(crate) fn keep_letter(&mut self, letter: &DeadLetter) {
        self.letters.insert((letter.stream.clone(), letter.first), letter.clone());
    }

    pub(crate) fn forget_letter(&mut self, stream: &StreamId, first: Version) {
        self.letters.remove(&(stream.clone(), first));
    }

    /// The dead letters, oldest position first.
    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        let mut letters: Vec<DeadLetter> = self.letters.values().cloned().collect();
        letters.sort_by_key(|letter| letter.position);
        letters
    }

    /// How it is doing, but for its lag, which only the log knows.
    pub(crate) fn status(&self, id: &ProjectionId) -> ProjectionStatus {
        let parked = self.letters.values().filter(|letter| letter.status.is_parked()).count();
        let mut status = ProjectionStatus::new(id.clone(), self.state(), self.position, self.updated_at);
        (status.owner, status.events, status.parked) = (self.owner(), self.events, parked as u64);
        status
    }

    fn state(&self) -> ProjectionState {
        match &self.stopped {
            _ if self.paused => ProjectionState::Paused,
            Some(reason) => ProjectionState::Stopped { reason: reason.clone() },
            None => ProjectionState::Running,
        }
    }

    /// Who holds a lease that has not run out.
    fn owner(&self) -> Option<Uuid> {
        self.holder.as_ref().filter(|holder| holder.until > Instant::now()).map(|holder| holder.owner)
    }
}

/// Sets a word, and answers that it was about something.
fn replace(word: &mut bool, to: bool) -> bool {
    *word = to;
    true
}
