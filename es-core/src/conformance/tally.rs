//! The suite's own little domain, written without the derives, which a store's crate need not have.

use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::cache::Caching;
use crate::codec::{decode_variant, encode_variant, unknown_type};
use crate::command::{Command, Context, Handle};
use crate::error::{DecodeError, EncodeError};
use crate::event::{AggregateEvent, EncodedEvent, Event, EventType, IntoEvents};
use crate::snapshot::Snapshots;

pub(super) const CATEGORY: &str = "tally";
pub(super) const ADDED: &str = "tally.added";
pub(super) const NOTED: &str = "tally.noted";

/// Of a state that takes snapshots.
pub(super) const STATE_VERSION: u32 = 3;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum TallyEvent {
    Added { amount: u64 },
    Noted { text: String },
}

impl Event for TallyEvent {
    const TYPES: &'static [EventType] = &[EventType::new(CATEGORY, ADDED), EventType::new(CATEGORY, NOTED)];

    fn event_type(&self) -> &'static EventType {
        match self {
            Self::Added { .. } => &Self::TYPES[0],
            Self::Noted { .. } => &Self::TYPES[1],
        }
    }

    fn encode(&self) -> Result<String, EncodeError> {
        encode_variant(self, self.event_type())
    }

    fn decode(stored: EncodedEvent<'_>) -> Result<Self, DecodeError> {
        match stored.event_type {
            ADDED => decode_variant(stored, &Self::TYPES[0], 0),
            NOTED => decode_variant(stored, &Self::TYPES[1], 1),
            _ => unknown_type(stored),
        }
    }
}

impl AggregateEvent for TallyEvent {
    const CATEGORY: &'static str = CATEGORY;
}

/// In place of how often a snapshot is taken: none ever is, and the state is kept at hand.
pub(super) const AT_HAND: u64 = u64::MAX;

/// A state in which every event leaves its mark, and every change of their order too. It takes a snapshot every `EVERY`
/// events, and none at all if that is 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally<const EVERY: u64> {
    pub(super) total: u64,
    pub(super) digest: u64,
    pub(super) notes: Vec<String>,
}

impl<const EVERY: u64> Aggregate for Tally<EVERY> {
    type Id = String;
    type Event = TallyEvent;

    fn apply(&mut self, event: TallyEvent) {
        self.digest = self.digest.wrapping_mul(31).wrapping_add(1);
        match event {
            TallyEvent::Added { amount } => {
                self.total = self.total.wrapping_add(amount);
                self.digest = self.digest.wrapping_add(amount);
            }
            TallyEvent::Noted { text } => self.notes.push(text),
        }
    }

    fn snapshots() -> Snapshots<Self> {
        match EVERY {
            0 => Snapshots::never(),
            every => Snapshots::every(every).state_version(STATE_VERSION),
        }
    }

    fn caching() -> Caching<Self> {
        if EVERY == AT_HAND { Caching::cloned() } else { Caching::never() }
    }
}

/// What a replay of these amounts must come to.
pub(super) fn replay<const EVERY: u64>(amounts: impl IntoIterator<Item = u64>) -> Tally<EVERY> {
    let mut tally = Tally::default();
    amounts.into_iter().for_each(|amount| tally.apply(TallyEvent::Added { amount }));
    tally
}

/// Adds each of the amounts, by an event of its own.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Add<const EVERY: u64> {
    pub(super) id: String,
    pub(super) amounts: Vec<u64>,
}

impl<const EVERY: u64> Add<EVERY> {
    pub(super) fn new(id: &str, amounts: impl Into<Vec<u64>>) -> Self {
        Self { id: id.to_owned(), amounts: amounts.into() }
    }
}

impl<const EVERY: u64> Command for Add<EVERY> {
    type Aggregate = Tally<EVERY>;

    fn aggregate_id(&self) -> &String {
        &self.id
    }
}

/// The domain's refusal.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("nothing can be added to a total of {total} by adding 0")]
pub(super) struct NothingToAdd {
    pub(super) total: u64,
}

impl<const EVERY: u64> Handle<Add<EVERY>> for Tally<EVERY> {
    type Error = NothingToAdd;

    fn handle(&self, command: Add<EVERY>, _: &Context) -> Result<impl IntoEvents<TallyEvent>, NothingToAdd> {
        if command.amounts.contains(&0) {
            return Err(NothingToAdd { total: self.total });
        }
        let added = command.amounts.into_iter().map(|amount| TallyEvent::Added { amount });
        Ok(added.collect::<Vec<_>>())
    }
}

/// Adds 1 to what has a total of at least so much. What comes short of it by no more than `slack` is left alone, and further below
/// that is a refusal. So each of the three answers may be the wrong one for who looks at an old state.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AddFrom {
    pub(super) id: String,
    pub(super) total: u64,
    pub(super) slack: u64,
}

impl Command for AddFrom {
    type Aggregate = Tally<AT_HAND>;

    fn aggregate_id(&self) -> &String {
        &self.id
    }
}

/// The total is too low.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("a total of {total} is too low")]
pub(super) struct TooLow {
    pub(super) total: u64,
}

impl Handle<AddFrom> for Tally<AT_HAND> {
    type Error = TooLow;

    fn handle(&self, command: AddFrom, _: &Context) -> Result<impl IntoEvents<TallyEvent>, TooLow> {
        match self.total {
            total if total >= command.total => Ok(Some(TallyEvent::Added { amount: 1 })),
            total if total.saturating_add(command.slack) >= command.total => Ok(None),
            total => Err(TooLow { total }),
        }
    }
}
