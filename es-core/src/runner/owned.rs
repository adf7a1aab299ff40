//! A lease, and what goes with it while it is held.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::read_model::{DeadLetter, Lease};
use crate::recorded::{Position, Recorded};
use crate::stream::StreamId;

/// The lease, and what goes with it.
pub(super) struct Owned {
    pub(super) lease: Lease,
    /// Everything up to here was taken in, or is of no interest.
    pub(super) position: Position,
    /// The checkpoint as it is written down.
    pub(super) written: Position,
    pub(super) written_at: Instant,
    /// The streams that wait behind a failed event.
    pub(super) parked: HashMap<StreamId, DeadLetter>,
    pub(super) poll: Duration,
    /// Whether it looks again because time has passed, and not because it was woken.
    pub(super) is_round: bool,
    /// Whether it was refused to have this version serve, under this lease.
    pub(super) must_not_serve: bool,
    /// Set while another process should have a part, too.
    wanted: Arc<AtomicBool>,
}

impl Owned {
    pub(super) fn new(lease: Lease, letters: Vec<DeadLetter>, poll: Duration, wanted: Arc<AtomicBool>) -> Self {
        let ours = |letter: &DeadLetter| letter.status.is_parked() && lease.slices.contains(&letter.stream);
        let parked = letters.into_iter().filter(ours).map(|letter| (letter.stream.clone(), letter)).collect();
        let position = lease.position;
        let (written, written_at) = (position, Instant::now());
        Self { lease, position, written, written_at, parked, poll, is_round: false, must_not_serve: false, wanted }
    }

    /// Where nothing has called, an answer that somebody else got a while ago will do.
    pub(super) fn since(&self) -> Instant {
        let now = Instant::now();
        if self.is_round { now.checked_sub(self.poll / 2).unwrap_or(now) } else { now }
    }

    /// The next checkpoint is the first one in history.
    pub(super) fn begins_history(&self) -> bool {
        self.written == Position::START && self.lease.live_from > Position::START
    }

    /// All history was taken in, or is of no interest, and that was not written down yet.
    pub(super) fn has_passed_history(&self) -> bool {
        self.written < self.lease.live_from && self.position >= self.lease.live_from
    }

    /// Whether another process should have the part.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(super) fn is_parked<E>(&self, event: &Recorded<E>) -> bool {
        self.parked.contains_key(&event.stream)
    }

    /// The letters of the parked streams that the batch has further events of, each with the last of them.
    pub(super) fn waiting<E>(&self, batch: &[Recorded<E>]) -> HashMap<StreamId, DeadLetter> {
        let mut waiting = HashMap::new();
        let events = if self.parked.is_empty() { &[] } else { batch };
        for event in events {
            if let Some(letter) = self.parked.get(&event.stream) {
                waiting.insert(event.stream.clone(), DeadLetter { last: event.version, ..letter.clone() });
            }
        }
        waiting
    }

    /// Has the stream wait as the letter says, or not at all any more.
    pub(super) fn park(&mut self, stream: &StreamId, letter: Option<&DeadLetter>) {
        match letter {
            Some(letter) => self.parked.insert(stream.clone(), letter.clone()),
            None => self.parked.remove(stream),
        };
    }

    pub(super) fn is_written(&mut self) {
        self.written = self.position;
        self.written_at = Instant::now();
    }
}
