//! The events of one conversation, of all streams.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::pages::{ConversationRange, Pages, fetch_conversation};
use crate::error::{DecodeErrorKind, Error};
use crate::event::Event;
use crate::metadata::CorrelationId;
use crate::recorded::{RawEvent, Recorded, Untyped};
use crate::store::{EventStore, ReadConversation};

/// The events of one conversation, of all streams, causes before effects. Take them with [`next`](Self::next), all at once with
/// [`collect`](Self::collect), or as a `futures` stream. They come a page at a time, so memory stays flat.
///
/// Everything that was committed before the read began is there, also what has no place in the log yet.
///
/// # Example: all that followed from one request
///
/// ```
/// # use es_core::{Aggregate, Event, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened }
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # #[event(category = "lamp")]
/// # enum LampEvent { Lit }
/// # #[derive(Default)]
/// # struct Door;
/// # impl Aggregate for Door {
/// #     type Id = u32;
/// #     type Event = DoorEvent;
/// #     fn apply(&mut self, _: DoorEvent) {}
/// # }
/// # #[derive(Default)]
/// # struct Lamp;
/// # impl Aggregate for Lamp {
/// #     type Id = u32;
/// #     type Event = LampEvent;
/// #     fn apply(&mut self, _: LampEvent) {}
/// # }
/// use es_core::{CorrelationId, EventStoreExt, ExpectedVersion, Metadata};
///
/// #[derive(Event, Debug, PartialEq)]
/// #[event(union)]
/// enum HouseEvent {
///     Door(DoorEvent),
///     Lamp(LampEvent),
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_core::Error> {
/// let store = es_memory::MemoryStore::new();
/// let request = CorrelationId::new();
/// let metadata = Metadata::default().with_correlation(request);
/// store.append_events_with::<Door>(&7, ExpectedVersion::Any, DoorEvent::Opened, &metadata).await?;
/// store.append_events_with::<Lamp>(&1, ExpectedVersion::Any, LampEvent::Lit, &metadata).await?;
///
/// let mut events = store.conversation::<HouseEvent>(request);
/// let mut seen = Vec::new();
/// while let Some(recorded) = events.next().await? {
///     seen.push(recorded.event);
/// }
/// assert_eq!(seen, [HouseEvent::Door(DoorEvent::Opened), HouseEvent::Lamp(LampEvent::Lit)]);
///
/// // Who knows of doors only says so, or meets the lamp as an error.
/// assert!(store.conversation::<DoorEvent>(request).collect().await.is_err());
/// assert_eq!(store.conversation::<DoorEvent>(request).known_only().collect().await?.len(), 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read until events are taken"]
pub struct ConversationEvents<'a, S, E> {
    pages: Pages<'a, S, E, ConversationRange<E>>,
}

impl<'a, S: EventStore, E: Event> ConversationEvents<'a, S, E> {
    pub(crate) fn typed(store: &'a S, correlation: CorrelationId) -> Self {
        Self::new(store, correlation, |raw| Some(raw.decode()))
    }

    /// Passes over events whose type `E` does not know. Without it they are an error, so that nothing is skipped by oversight.
    pub fn known_only(self) -> Self {
        Self { pages: self.pages.map(|range| ConversationRange { take: known, ..range }) }
    }
}

fn known<E: Event>(raw: RawEvent<'_>) -> Option<Result<Recorded<E>, Error>> {
    match raw.decode() {
        Err(Error::Decode { source, .. }) if matches!(source.kind(), DecodeErrorKind::UnknownType) => None,
        decoded => Some(decoded),
    }
}

impl<'a, S: EventStore> ConversationEvents<'a, S, Untyped> {
    pub(crate) fn untyped(store: &'a S, correlation: CorrelationId) -> Self {
        Self::new(store, correlation, |raw| Some(Ok(raw.untyped())))
    }
}

impl<'a, S: EventStore, E: Send + 'static> ConversationEvents<'a, S, E> {
    fn new(
        store: &'a S,
        correlation: CorrelationId,
        take: fn(RawEvent<'_>) -> Option<Result<Recorded<E>, Error>>,
    ) -> Self {
        let range = ConversationRange { read: ReadConversation::of(correlation), take };
        Self { pages: Pages::new(store, range, fetch_conversation) }
    }

    /// The next event, `None` after the last.
    ///
    /// # Errors
    /// [`Error::Decode`] for an event that cannot be read, after all events before it, and the store's own failures. Nothing
    /// comes after an error.
    pub async fn next(&mut self) -> Result<Option<Recorded<E>>, Error> {
        std::future::poll_fn(|cx| self.pages.poll(cx)).await.transpose()
    }

    /// All events that are left.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Vec<Recorded<E>>, Error> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await? {
            all.push(event);
        }
        Ok(all)
    }
}

impl<S: EventStore, E: Send + Unpin + 'static> Stream for ConversationEvents<'_, S, E> {
    type Item = Result<Recorded<E>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().pages.poll(cx)
    }
}

impl<S, E> fmt::Debug for ConversationEvents<'_, S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = self.pages.next.as_ref().map(|range| range.read);
        f.debug_struct("ConversationEvents").field("next", &next).finish_non_exhaustive()
    }
}
