//! What has happened: events of several streams, in the order that was given, or in another one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write;

use uuid::Uuid;

use crate::aggregate::{Aggregate, stream_of};
use crate::error::Error;
use crate::event::{EncodedEvent, Event, IntoEvents};
use crate::id::AsId;
use crate::metadata::{EventId, Metadata};
use crate::read_model::ReadModelStore;
use crate::recorded::{Append, NewEvent, Position, Recorded};
use crate::runner::guard::chain;
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::timestamp::Timestamp;

/// How many events a message shows at the most.
const SHOWN_EVENTS: usize = 40;
/// How many orders are drawn by lot.
const DRAWN_ORDERS: u64 = 8;

/// Events in the order of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Story(Vec<Told>);

#[derive(Clone, Debug)]
struct Told {
    stream: StreamId,
    version: Version,
    event: NewEvent,
    at: Timestamp,
}

impl Story {
    #[track_caller]
    pub(super) fn tell<A: Aggregate>(
        &mut self,
        id: impl AsId<A::Id>,
        events: impl IntoEvents<A::Event>,
        metadata: &Metadata,
        at: Timestamp,
    ) {
        let stream = match stream_of::<A>(id) {
            Ok(stream) => stream,
            Err(error) => panic!("there is no such stream: {}", chain(&error)),
        };
        let mut typed = Vec::new();
        events.append_to(&mut typed);
        for event in &typed {
            let id = EventId(Uuid::from_u128(self.0.len() as u128 + 1));
            let version = Version::NONE.after(self.0.iter().filter(|told| told.stream == stream).count() as u64 + 1);
            match NewEvent::encode(event, metadata) {
                Ok(event) => self.0.push(Told { stream: stream.clone(), version, event: NewEvent { id, ..event }, at }),
                Err(error) => panic!("an event cannot be written: {}", chain(&error)),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Both parts of it, the first with so many events.
    pub(super) fn split_at(&self, events: usize) -> (Self, Self) {
        let (before, behind) = self.0.split_at(events.min(self.0.len()));
        (Self(before.to_vec()), Self(behind.to_vec()))
    }

    pub(super) fn single_events(&self) -> impl Iterator<Item = Self> {
        self.0.iter().map(|told| Self(vec![told.clone()]))
    }

    /// When each event was recorded, as far as the read model is told.
    pub(super) fn times(&self) -> HashMap<EventId, Timestamp> {
        self.0.iter().map(|told| (told.event.id, told.at)).collect()
    }

    /// Has it happen in the store.
    pub(super) async fn happen(&self, store: &impl ReadModelStore) -> Result<(), Error> {
        for Told { stream, event, .. } in &self.0 {
            store.append(Append::new(stream.clone(), ExpectedVersion::Any, vec![event.clone()])).await?;
        }
        Ok(())
    }

    /// The events as a reader of the log meets them, if it wants them.
    pub(super) fn recorded<E: Event>(
        &self,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<Recorded<E>>, crate::DecodeError> {
        let places = (1..).map(Position);
        let told = self.0.iter().zip(places);
        let wanted = told.filter(|(told, _)| wanted(told.stream.category(), &told.event.event_type));
        wanted.map(|(told, place)| told.recorded(place)).collect()
    }

    /// Other orders that the same streams might have in a log, each with a description.
    pub(super) fn interleavings(&self, seed: u64) -> Vec<(String, Self)> {
        let mut seen = HashSet::from([self.ids()]);
        let reversed =
            ("with the streams one behind the other, the last one first".to_owned(), self.streams_reversed());
        let drawn = (0..DRAWN_ORDERS).map(|n| seed.wrapping_add(n));
        let drawn = drawn.map(|seed| (format!("with its events in the order of seed {seed}"), self.drawn(seed)));
        std::iter::once(reversed).chain(drawn).filter(|(_, story)| seen.insert(story.ids())).collect()
    }

    fn ids(&self) -> Vec<EventId> {
        self.0.iter().map(|told| told.event.id).collect()
    }

    fn streams_reversed(&self) -> Self {
        Self(self.by_stream().into_iter().rev().flatten().collect())
    }

    /// The events of each stream, in order, whatever came between them; by lot.
    fn drawn(&self, seed: u64) -> Self {
        let (mut streams, mut lots) = (self.by_stream(), Lots(seed));
        let mut story = Vec::with_capacity(self.0.len());
        while !streams.is_empty() {
            let drawn = lots.below(streams.len());
            story.extend(streams.get_mut(drawn).and_then(VecDeque::pop_front));
            streams.retain(|stream| !stream.is_empty());
        }
        Self(story)
    }

    fn by_stream(&self) -> Vec<VecDeque<Told>> {
        let mut streams: Vec<VecDeque<Told>> = Vec::new();
        for told in &self.0 {
            let known =
                streams.iter_mut().find(|stream| stream.front().is_some_and(|first| first.stream == told.stream));
            match known {
                Some(stream) => stream.push_back(told.clone()),
                None => streams.push(VecDeque::from([told.clone()])),
            }
        }
        streams
    }

    /// The events one below the other.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Told { stream, version, event, .. } in self.0.iter().take(SHOWN_EVENTS) {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "  {stream} {version}: {} {}", event.event_type, &*event.payload);
        }
        match self.0.len().saturating_sub(SHOWN_EVENTS) {
            0 if self.0.is_empty() => "  (nothing)\n".into(),
            0 => text,
            more => text + &format!("  and {more} more\n"),
        }
    }
}

impl Told {
    fn recorded<E: Event>(&self, place: Position) -> Result<Recorded<E>, crate::DecodeError> {
        let NewEvent { id, event_type, schema_version, payload, metadata } = &self.event;
        let stored = EncodedEvent::new(self.stream.category(), event_type, *schema_version, payload);
        Ok(Recorded {
            id: *id,
            stream: self.stream.clone(),
            version: self.version,
            position: Some(place),
            recorded_at: self.at,
            metadata: metadata.clone(),
            event: E::decode(stored)?,
        })
    }
}

/// Numbers by lot, the same for the same seed: SplitMix64.
struct Lots(u64);

impl Lots {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % (end.max(1) as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stream: &str, version: u64) -> Told {
        let stream = StreamId::new("account", stream).unwrap();
        let event = NewEvent::new("account.opened", 1, "{}");
        Told { stream, version: Version(version), event, at: Timestamp::UNIX_EPOCH }
    }

    fn order(story: &Story) -> String {
        story.0.iter().map(|told| format!("{}{} ", told.stream.id(), told.version)).collect()
    }

    #[test]
    fn other_orders_are_different_ones_of_the_same_events_in_stream_order() {
        let story = Story(vec![told("a", 1), told("b", 1), told("a", 2), told("b", 2), told("c", 1)]);
        let others = story.interleavings(7);
        assert!(others.len() >= 5, "{others:?}");
        let mut seen = HashSet::from([order(&story)]);
        for (_, other) in &others {
            assert!(seen.insert(order(other)), "each is another one: {}", order(other));
            assert_eq!(other.len(), story.len());
            for stream in ["a", "b", "c"] {
                let of_stream = other.0.iter().filter(|told| told.stream.id() == stream);
                assert!(of_stream.is_sorted_by(|one, next| one.version < next.version), "{}", order(other));
            }
        }
        assert_eq!(order(&others[0].1), "c1 b1 b2 a1 a2 ");
    }

    #[test]
    fn one_stream_has_one_order() {
        assert!(Story(vec![told("a", 1), told("a", 2)]).interleavings(0).is_empty());
    }
}
