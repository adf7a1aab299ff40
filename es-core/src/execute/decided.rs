//! The events that a command was decided to lead to, on their way into the store and to the caller.

use crate::error::EncodeError;
use crate::event::Event;
use crate::fresh_id::Moment;
use crate::metadata::{EventId, Metadata};
use crate::recorded::{Appended, NewEvent, Recorded};
use crate::stream::{StreamId, Version};

/// The events of a command.
pub(super) struct Decided<E> {
    /// The version that they go behind.
    before: Version,
    events: Vec<E>,
    ids: Few<EventId>,
    /// As a later load will find them.
    reread: Few<E>,
}

impl<E: Event> Decided<E> {
    /// Encodes the events, and reads them again.
    pub(super) fn encode(
        events: Vec<E>,
        before: Version,
        metadata: &Metadata,
        now: Moment,
    ) -> Result<(Self, Vec<NewEvent>), EncodeError> {
        let mut new_events = Vec::with_capacity(events.len());
        let (mut ids, mut reread) = (Few::default(), Few::default());
        for event in &events {
            let (new, event) = NewEvent::encode_and_reread(event, metadata, now)?;
            ids.push(new.id);
            new_events.push(new);
            reread.push(event);
        }
        Ok((Self { before, events, ids, reread }, new_events))
    }

    /// The events as a later load will find them, for the state.
    pub(super) fn take_reread(&mut self) -> impl Iterator<Item = E> + use<E> {
        std::mem::take(&mut self.reread).into_iter()
    }

    /// The id of the last one.
    pub(super) fn last(&self) -> Option<EventId> {
        self.ids.last().copied()
    }

    /// The events as they were stored. The last one gets the metadata itself, which nobody needs any more.
    pub(super) fn recorded(
        self,
        stream: &StreamId,
        metadata: &mut Metadata,
        Appended { recorded_at, .. }: Appended,
    ) -> Vec<Recorded<E>> {
        let count = self.events.len();
        let mut recorded = Vec::with_capacity(count);
        for (nth, (id, event)) in (1..).zip(self.ids.into_iter().zip(self.events)) {
            let metadata = if nth == count { std::mem::take(metadata) } else { metadata.clone() };
            let (stream, version) = (stream.clone(), self.before.after(nth as u64));
            recorded.push(Recorded { id, stream, version, position: None, recorded_at, metadata, event });
        }
        recorded
    }
}

/// Some things, of which there is one most of the time, which then needs no place of its own.
struct Few<T> {
    first: Option<T>,
    others: Vec<T>,
}

impl<T> Few<T> {
    fn push(&mut self, one: T) {
        match &self.first {
            None => self.first = Some(one),
            Some(_) => self.others.push(one),
        }
    }

    fn last(&self) -> Option<&T> {
        self.others.last().or(self.first.as_ref())
    }

    fn into_iter(self) -> impl Iterator<Item = T> {
        self.first.into_iter().chain(self.others)
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: None, others: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_things_come_in_the_order_in_which_they_were_put() {
        for count in 0..4 {
            let mut few = Few::default();
            (0..count).for_each(|number| few.push(number));
            assert_eq!(few.last().copied(), (0..count).last());
            assert!(few.into_iter().eq(0..count));
        }
    }
}
