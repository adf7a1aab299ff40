//! One projection: its parts, the words left for it, and its dead letters.

use std::sync::Arc;
use std::time::Duration;

use es_core::{
    Checkpoint, Claim, Control, ControlAnswer, DeadLetterStatus, Error, EventFilter, FailureClass, Lease, Position,
    ProjectionId, ProjectionState, ProjectionStatus, Pulse, Reached, ReadModelKind, Refusal, Registration, Renewal,
    Slices, TakenIn, Task, Timestamp, Written,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::read_model::letters::{Letters, storable};
use crate::read_model::part::{Part, Stop};
use crate::read_model::words::{Words, division};

#[derive(Debug)]
pub(crate) struct Projection {
    kind: ReadModelKind,
    /// Its documents are changed in the transactions that append. It has no owner, and is always at the end of the log.
    inline: bool,
    pub(crate) serving: bool,
    live_from: Position,
    /// What is wanted of it; not known before it is taken up.
    filter: Option<EventFilter>,
    /// In the order of their slices. There is always one.
    parts: Vec<Part>,
    words: Words,
    pub(crate) letters: Letters,
    /// Its one permit is with the transaction that seizes it, until that one ends.
    seizure: Arc<Semaphore>,
}

/// What it is, and how it is asked for.
impl Projection {
    /// At the start of the log, of which everything up to `live_from` is history.
    pub(crate) fn new(registration: &Registration, live_from: Position, serving: bool) -> Result<Self, Error> {
        let &Registration { ref id, kind, inline, parts, .. } = registration;
        let now = Timestamp::now();
        let parts = if inline { vec![Slices::ALL] } else { division(id, parts)? };
        let parts = parts.into_iter().map(|slices| Part::new(slices, Position::START, now)).collect();
        let (words, letters, seizure) = (Words::default(), Letters::default(), Arc::new(Semaphore::new(1)));
        Ok(Self { kind, inline, serving, live_from, filter: None, parts, words, letters, seizure })
    }

    /// Somebody is about to run it, so nobody is to be told any more why it stopped before.
    pub(crate) fn take_up(&mut self, wanted: &EventFilter) {
        self.filter = Some(wanted.clone());
        self.parts.iter_mut().for_each(Part::forget_stop);
    }

    pub(crate) fn taken_in(&self, end: Position) -> Option<TakenIn> {
        let furthest = || self.parts.iter().map(|part| part.position).max().unwrap_or_default();
        let to = match self.words.task() {
            _ if self.inline => end,
            Some(Task::Rebuild) => Position::START,
            Some(Task::Rewind(to)) => to.min(furthest()),
            _ => furthest(),
        };
        self.filter.clone().map(|filter| TakenIn::new(filter, to))
    }

    /// Refuses to take it for something else. Fields to be indexed need no keeping here: every field can be asked for.
    pub(crate) fn check_same(&self, wanted: &Registration) -> Result<(), Error> {
        wanted.check_same(self.kind, self.inline)
    }

    pub(crate) fn has_documents(&self) -> bool {
        self.kind == ReadModelKind::Documents
    }

    pub(crate) fn slices(&self) -> Vec<Slices> {
        self.parts.iter().map(|part| part.slices).collect()
    }

    /// Where it is in a log that ends at `end`.
    fn position(&self, end: Position) -> Position {
        if self.inline { end } else { self.least() }
    }

    /// The checkpoint of the part that has come least far.
    fn least(&self) -> Position {
        self.parts.iter().map(|part| part.position).min().unwrap_or_default()
    }

    /// How far its readers may trust it: what is to be rebuilt or rewound will not stay.
    pub(crate) fn reached(&self, written: Option<&Written>, end: Position) -> Reached {
        let position = if self.words.task().is_some() { Position::START } else { self.position(end) };
        let mut reached = Reached::new(position, self.state());
        reached.missing = written.and_then(|written| self.letters.missing(written));
        reached
    }

    pub(crate) fn check_caught_up(&self, id: &ProjectionId, end: Position) -> Result<(), Error> {
        self.words.check_caught_up(id, self.position(end), self.live_from)
    }

    /// How it is doing, but for its lag, which only the log knows.
    pub(crate) fn status(&self, id: &ProjectionId, end: Position) -> ProjectionStatus {
        let updated_at = self.parts.iter().map(|part| part.updated_at).min().unwrap_or(Timestamp::UNIX_EPOCH);
        let mut status = ProjectionStatus::new(id.clone(), self.state(), self.position(end), updated_at);
        (status.serving, status.live_from) = (self.serving, self.live_from);
        status.events = self.events();
        (status.task, status.fallback) = (self.words.task(), self.words.fallback());
        self.count_letters(&mut status);
        status.unmoved = Timestamp::now().since(updated_at);
        let pulses = || self.parts.iter().filter_map(Part::pulse);
        status.rate = pulses().fold(0, |sum, pulse| sum.saturating_add(pulse.rate));
        let trouble = pulses().find(|pulse| pulse.error.is_some());
        status.last_error = trouble.and_then(|pulse| pulse.error.clone());
        status.last_error_class = trouble.and_then(|pulse| pulse.class);
        status.parts = self.parts.iter().map(Part::status).collect();
        if self.inline {
            status.parts.iter_mut().for_each(|part| part.position = end);
        }
        status
    }

    fn count_letters(&self, status: &mut ProjectionStatus) {
        use DeadLetterStatus::{DiscardRequested, Discarded, RetryRequested, Skipped};
        status.parked = self.letters.count(DeadLetterStatus::is_parked);
        status.requested = self.letters.count(|status| matches!(status, RetryRequested | DiscardRequested { .. }));
        status.skipped = self.letters.count(|status| matches!(status, Skipped));
        status.discarded = self.letters.count(|status| matches!(status, Discarded { .. }));
    }

    fn state(&self) -> ProjectionState {
        match self.stopped() {
            _ if self.inline => ProjectionState::Inline,
            Some(Stop { reason, class }) => ProjectionState::Stopped { reason, class: Some(class) },
            None if self.words.paused => ProjectionState::Paused,
            None => ProjectionState::Running,
        }
    }

    fn stopped(&self) -> Option<Stop> {
        self.parts.iter().find_map(Part::stopped).cloned()
    }

    fn events(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.events))
    }
}

/// Who may work on it.
impl Projection {
    /// `claims` counts the claims of the whole store, so that a token is never given twice, however often the projection is
    /// divided, or forgotten and registered again.
    pub(crate) fn claim(
        &mut self,
        id: &ProjectionId,
        first: u16,
        owner: Uuid,
        lease: Duration,
        claims: &mut u64,
    ) -> Result<Claim, Error> {
        self.check_run(id)?;
        let is_first = self.parts.first().is_some_and(|part| part.slices.first() == first);
        let (parts, barrier, is_seized) = (self.parts.len(), self.barrier(), self.is_seized());
        if self.words.paused {
            return Ok(Claim::Paused);
        }
        if is_seized || (self.words.task().is_some() && !is_first) {
            return Ok(Claim::Waiting);
        }
        let Some(part) = self.parts.iter_mut().find(|part| part.slices.first() == first) else {
            return Ok(Claim::Gone);
        };
        if let Some(other) = part.owner().filter(|other| *other != owner) {
            part.challenge(owner);
            return Ok(Claim::Held { owner: other });
        }
        *claims += 1;
        part.grant(*claims, owner, lease);
        let mut granted = Lease::new(id.clone(), *claims, part.position, self.live_from);
        (granted.slices, granted.parts) = (part.slices, u16::try_from(parts).unwrap_or(u16::MAX));
        (granted.task, granted.barrier) = (self.words.task(), barrier);
        Ok(Claim::Granted(granted))
    }

    /// What nobody runs, nobody can be told anything about.
    fn check_run(&self, id: &ProjectionId) -> Result<(), Error> {
        if self.inline { Err(Refusal::Inline.of(id)) } else { Ok(()) }
    }

    /// Where the parts meet before they are divided anew.
    fn barrier(&self) -> Option<Position> {
        self.words.division.as_ref().and_then(|_| self.parts.iter().map(|part| part.position).max())
    }

    pub(crate) fn renew(&mut self, held: &Lease, lease: Duration, pulse: &Pulse) -> Renewal {
        let Some(part) = self.held_part(held) else { return Renewal::Lost };
        part.renew(lease, pulse);
        let (Some(owner), Some(challenger)) = (part.owner(), part.challenger()) else { return Renewal::Kept };
        if self.held_by(owner) >= self.held_by(challenger) + 2 { Renewal::Wanted } else { Renewal::Kept }
    }

    fn held_by(&self, owner: Uuid) -> usize {
        self.parts.iter().filter(|part| part.owner() == Some(owner)).count()
    }

    /// Where the checkpoint is that the lease is for, if it is the newest.
    pub(crate) fn position_under(&self, held: &Lease) -> Option<Position> {
        let part = self.parts.iter().find(|part| part.is_held(held)).filter(|_| !self.is_seized());
        part.map(|part| part.position)
    }

    fn held_part(&mut self, held: &Lease) -> Option<&mut Part> {
        let is_seized = self.is_seized();
        self.parts.iter_mut().find(|part| part.is_held(held)).filter(|_| !is_seized)
    }

    pub(crate) fn release(&mut self, held: &Lease) {
        if let Some(part) = self.parts.iter_mut().find(|part| part.is_held(held)) {
            part.take_lease();
        }
    }

    pub(crate) fn take_leases(&mut self) {
        self.parts.iter_mut().for_each(Part::take_lease);
    }

    pub(crate) fn report_stop(&mut self, held: &Lease, reason: &str, class: FailureClass) {
        if let Some(part) = self.held_part(held) {
            part.stop(Stop { reason: storable(reason), class });
        }
    }

    /// Whether a lease lasts, or a transaction has taken all of them.
    pub(crate) fn is_worked_on(&self) -> bool {
        self.is_seized() || self.parts.iter().any(|part| part.owner().is_some())
    }

    pub(crate) fn seizure(&self) -> &Arc<Semaphore> {
        &self.seizure
    }

    fn is_seized(&self) -> bool {
        self.seizure.available_permits() == 0
    }

    /// Where its checkpoints are.
    pub(crate) fn checkpoints(&self, end: Position) -> Vec<Checkpoint> {
        let position = |part: &Part| if self.inline { end } else { part.position };
        self.parts.iter().map(|part| Checkpoint { slices: part.slices, position: position(part) }).collect()
    }
}

/// What is done to it.
impl Projection {
    /// Leaves word, if there is what it is about: whoever works has to claim again, and so learns of it.
    pub(crate) fn control(&mut self, id: &ProjectionId, control: Control) -> Result<ControlAnswer, Error> {
        self.check_run(id)?;
        control.check(id, self.kind)?;
        let is_pause = control == Control::Pause;
        let found = match control {
            Control::Pause => self.pause(true),
            Control::Resume => self.pause(false),
            Control::Rebuild => self.words.ask_rebuild(id).map(|()| true)?,
            Control::Rewind { to } => self.words.ask_rewind(id, to.min(self.least())).map(|()| true)?,
            Control::Divide { parts } => self.words.ask_division(id, parts).map(|()| true)?,
            Control::RetryDeadLetter { stream, first } => {
                self.letters.mark(stream, first, DeadLetterStatus::RetryRequested)
            }
            Control::RetryDeadLetters => self.letters.retry_all(),
            Control::DiscardDeadLetter { stream, first, reason } => {
                self.letters.mark(stream, first, DeadLetterStatus::DiscardRequested { reason })
            }
            // There are no other words for those who run it.
            _ => false,
        };
        if !found {
            return Ok(ControlAnswer::Nothing);
        }
        self.take_leases();
        Ok(match self.stopped() {
            Some(Stop { reason, class }) => ControlAnswer::AcceptedWhileStopped { reason, class: Some(class) },
            None if self.words.paused && !is_pause => ControlAnswer::AcceptedWhilePaused,
            None => ControlAnswer::Accepted,
        })
    }

    fn pause(&mut self, paused: bool) -> bool {
        self.words.paused = paused;
        true
    }

    /// Divides it anew, if that was asked for and all parts have come to one place.
    pub(crate) fn divide(&mut self) -> bool {
        let mut positions = self.parts.iter().map(|part| part.position);
        let Some(place) = positions.next().filter(|place| positions.all(|other| other == *place)) else { return false };
        let Some(division) = self.words.division.take() else { return false };
        let (events, updated_at) = (self.events(), self.parts.iter().map(|part| part.updated_at).min());
        let updated_at = updated_at.unwrap_or_else(Timestamp::now);
        self.parts = division.into_iter().map(|slices| Part::new(slices, place, updated_at)).collect();
        if let Some(first) = self.parts.first_mut() {
            first.events = events;
        }
        true
    }

    pub(crate) fn advance(&mut self, held: &Lease, to: Position, events: u64) {
        if let Some(part) = self.held_part(held) {
            part.advance(to, events);
        }
    }

    pub(crate) fn reset(&mut self, to: Position, live_from: Position) {
        self.parts.iter_mut().for_each(|part| part.reset(to));
        self.live_from = live_from;
        self.letters.forget_behind(to);
        self.words.task_is_done();
    }

    pub(crate) fn dismiss(&mut self) {
        self.words.task_is_refused();
    }
}
