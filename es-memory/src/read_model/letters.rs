//! The dead letters of a projection.

use std::collections::BTreeMap;

use es_core::{DeadLetter, DeadLetterStatus, Missing, Position, StreamId, Version, Written};

#[derive(Debug, Default)]
pub(crate) struct Letters(BTreeMap<(StreamId, Version), DeadLetter>);

impl Letters {
    pub(crate) fn keep(&mut self, letter: &DeadLetter) {
        let mut letter = letter.clone();
        (letter.error, letter.status) = (storable(&letter.error), kept(letter.status));
        self.0.insert((letter.stream.clone(), letter.first), letter);
    }

    pub(crate) fn forget(&mut self, stream: &StreamId, first: Version) {
        self.0.remove(&(stream.clone(), first));
    }

    /// The events behind the place come again.
    pub(crate) fn forget_behind(&mut self, position: Position) {
        self.0.retain(|_, letter| letter.position <= position);
    }

    /// Says what is to become of a parked stream. `false` when it is not parked at that event.
    pub(crate) fn mark(&mut self, stream: StreamId, first: Version, status: DeadLetterStatus) -> bool {
        let letter = self.0.get_mut(&(stream, first)).filter(|letter| letter.status.is_parked());
        letter.map(|letter| letter.status = kept(status)).is_some()
    }

    /// Has all parked streams tried again whose failed event nobody has decided to discard. `false` when there are none.
    pub(crate) fn retry_all(&mut self) -> bool {
        let parked =
            |status: &DeadLetterStatus| matches!(status, DeadLetterStatus::Parked | DeadLetterStatus::RetryRequested);
        let letters = self.0.values_mut().filter(|letter| parked(&letter.status));
        letters.map(|letter| letter.status = DeadLetterStatus::RetryRequested).count() > 0
    }

    /// The first letter that one of these events is in, or waits behind.
    pub(crate) fn missing(&self, written: &Written) -> Option<Missing> {
        let first = |version| (written.stream.clone(), version);
        let mut letters = self.0.range(first(Version::NONE)..=first(written.last)).map(|(_, letter)| letter);
        let letter = letters.find(|letter| letter.last >= written.first)?;
        Some(Missing::new(letter.first, letter.status.clone()))
    }

    /// How many there are of these.
    pub(crate) fn count(&self, is_one: impl Fn(&DeadLetterStatus) -> bool) -> u64 {
        self.0.values().filter(|letter| is_one(&letter.status)).count() as u64
    }

    /// At most `limit` of those behind a place, oldest position first.
    pub(crate) fn behind(&self, after: Position, limit: usize) -> Vec<DeadLetter> {
        let mut letters: Vec<&DeadLetter> = self.0.values().filter(|letter| letter.position > after).collect();
        letters.sort_by_key(|letter| letter.position);
        letters.into_iter().take(limit).cloned().collect()
    }
}

fn kept(status: DeadLetterStatus) -> DeadLetterStatus {
    match status {
        DeadLetterStatus::DiscardRequested { reason } => {
            DeadLetterStatus::DiscardRequested { reason: storable(&reason) }
        }
        DeadLetterStatus::Discarded { reason } => DeadLetterStatus::Discarded { reason: storable(&reason) },
        other => other,
    }
}

/// As every store keeps what people and their code say about failures, and not every one can keep a NUL.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
