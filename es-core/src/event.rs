//! Events: facts with stable names, versioned shapes, and a text form that stays readable.

use std::fmt;

use crate::error::{DecodeError, EncodeError};
use crate::upcast::Upcaster;

/// A closed set of events that somebody writes or reads: the events of an aggregate, or a union of several such sets.
///
/// Derive it. On an enum each variant is an event type; its name in the store is the category and the variant's name
/// in snake case (`account.opened`) and stays so whatever the enum is called.
///
/// # Example: an event set, and what it looks like in a store
///
/// ```
/// use es_core::{AggregateEvent, EncodedEvent, Event};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// #[event(category = "account")]
/// enum AccountEvent {
///     Opened { owner: String },
///     Deposited { amount: u64 },
/// }
///
/// let event = AccountEvent::Deposited { amount: 5 };
/// assert_eq!(AccountEvent::CATEGORY, "account");
/// assert_eq!(event.event_type().name(), "account.deposited");
/// assert_eq!(event.encode().unwrap(), r#"{"amount":5}"#);
///
/// let stored = EncodedEvent::new("account", "account.deposited", 1, r#"{"amount":5}"#);
/// assert_eq!(AccountEvent::decode(stored).unwrap(), event);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of events",
    label = "not an event set",
    note = "put `#[derive(Event, serde::Serialize, serde::Deserialize)]` and `#[event(category = \"…\")]` on the enum"
)]
pub trait Event: Sized + Send + Sync + 'static {
    /// Every type of the set.
    const TYPES: &'static [EventType];

    /// The type of this event.
    fn event_type(&self) -> &'static EventType;

    /// The event as JSON text, without its type.
    ///
    /// # Errors
    /// [`EncodeError`] when serde cannot write it, for example a map with keys that are not strings.
    fn encode(&self) -> Result<String, EncodeError>;

    /// Reads a stored event of the current or any earlier shape.
    ///
    /// # Errors
    /// [`DecodeError`] when the type is not of the set, the shape is newer than this code, an upcaster refuses, or the
    /// text does not fit the type.
    fn decode(stored: EncodedEvent<'_>) -> Result<Self, DecodeError>;
}

/// The events of one category: those an aggregate can have. A union of several sets is an [`Event`] but not this.
///
/// # Example: the category is the first part of a stream's name
///
/// ```
/// use es_core::{AggregateEvent, Event};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(category = "order")]
/// enum OrderEvent { Placed, Paid }
///
/// assert_eq!(OrderEvent::CATEGORY, "order");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the event set of one category",
    label = "an aggregate's events all have one category",
    note = "derive `Event` with `#[event(category = \"…\")]`; a union (`#[event(union)]`) is for readers only"
)]
pub trait AggregateEvent: Event {
    /// The category of all streams that hold these events.
    const CATEGORY: &'static str;
}

/// What a store has to know of one type of event, and a reader of its past.
///
/// # Example: look at the types of a set
///
/// ```
/// use es_core::Event;
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(category = "order")]
/// enum OrderEvent {
///     Placed,
///     #[event(rename = "order.sent", alias = "order.dispatched")]
///     Shipped,
/// }
///
/// let names: Vec<_> = OrderEvent::TYPES.iter().map(|t| t.name()).collect();
/// assert_eq!(names, ["order.placed", "order.sent"]);
/// assert!(OrderEvent::TYPES[1].is_called("order.dispatched"));
/// assert_eq!(OrderEvent::TYPES[1].schema_version(), 1);
/// ```
#[derive(Clone, Copy)]
pub struct EventType {
    category: &'static str,
    name: &'static str,
    aliases: &'static [&'static str],
    upcasters: &'static [Upcaster],
}

impl EventType {
    /// A type of schema version 1, without a past.
    pub const fn new(category: &'static str, name: &'static str) -> Self {
        Self { category, name, aliases: &[], upcasters: &[] }
    }

    /// Adds the names that older events of the type were stored under.
    #[must_use]
    pub const fn with_aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// Adds the way from each older shape to the next: the first upcaster takes version 1 to 2, and so on. The current
    /// schema version is one more than there are upcasters, so the chain has no hole.
    #[must_use]
    pub const fn with_upcasters(self, upcasters: &'static [Upcaster]) -> Self {
        Self { upcasters, ..self }
    }

    /// The category of the streams that hold such events.
    pub const fn category(&self) -> &'static str {
        self.category
    }

    /// The name under which new events are stored.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Names under which older events were stored.
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// The version of the shape that new events are stored in, 1 for the first.
    #[allow(clippy::cast_possible_truncation, reason = "nobody writes four thousand million upcasters")]
    pub const fn schema_version(&self) -> u32 {
        self.upcasters.len() as u32 + 1
    }

    /// Whether events of this type are, or were, stored under `name`.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    pub(crate) const fn upcasters(&self) -> &'static [Upcaster] {
        self.upcasters
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventType")
            .field("category", &self.category)
            .field("name", &self.name)
            .field("aliases", &self.aliases)
            .field("schema_version", &self.schema_version())
            .finish()
    }
}

/// An event as a store hands it out: its type, the version of its shape, and its JSON text.
///
/// # Example: decode what was stored under an older name
///
/// ```
/// use es_core::{EncodedEvent, Event};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// #[event(category = "order")]
/// enum OrderEvent {
///     #[event(alias = "order.dispatched")]
///     Shipped { parcel: u32 },
/// }
///
/// let stored = EncodedEvent::new("order", "order.dispatched", 1, r#"{"parcel":7}"#);
/// assert_eq!(OrderEvent::decode(stored).unwrap(), OrderEvent::Shipped { parcel: 7 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodedEvent<'a> {
    /// The category of the stream.
    pub category: &'a str,
    /// The name the event was stored under.
    pub event_type: &'a str,
    /// The version of the shape it was stored in.
    pub schema_version: u32,
    /// The JSON text.
    pub payload: &'a str,
}

impl<'a> EncodedEvent<'a> {
    /// Puts the parts together.
    pub const fn new(category: &'a str, event_type: &'a str, schema_version: u32, payload: &'a str) -> Self {
        Self { category, event_type, schema_version, payload }
    }
}

/// What a decision may return: one event, several, or none.
///
/// Implemented for the event set itself, the structs that a composed one is made of, `Vec`, arrays and `Option` of these,
/// tuples of any of these, and `()` for nothing.
///
/// # Example: what handlers return
///
/// ```
/// use es_core::{Event, IntoEvents};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// #[event(category = "door")]
/// enum DoorEvent { Opened, Closed }
///
/// fn events(decided: impl IntoEvents<DoorEvent>) -> Vec<DoorEvent> {
///     let mut events = Vec::new();
///     decided.append_to(&mut events);
///     events
/// }
///
/// assert_eq!(events(DoorEvent::Opened), [DoorEvent::Opened]);
/// assert_eq!(events([DoorEvent::Opened, DoorEvent::Closed]).len(), 2);
/// assert_eq!(events(Some(DoorEvent::Closed)).len(), 1);
/// assert_eq!(events(()).len(), 0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not one or several `{E}`",
    label = "cannot become events of type `{E}`",
    note = "return the event, a `Vec`, an array or an `Option` of it, a tuple of these, or `()`"
)]
pub trait IntoEvents<E> {
    /// Puts the events behind those that are already there.
    fn append_to(self, events: &mut Vec<E>);
}

impl<E: Event> IntoEvents<E> for E {
    fn append_to(self, events: &mut Vec<E>) {
        events.push(self);
    }
}

impl<E: Event> IntoEvents<E> for () {
    fn append_to(self, _: &mut Vec<E>) {}
}

impl<E: Event, T: IntoEvents<E>> IntoEvents<E> for Vec<T> {
    fn append_to(self, events: &mut Vec<E>) {
        self.into_iter().for_each(|part| part.append_to(events));
    }
}

impl<E: Event, T: IntoEvents<E>> IntoEvents<E> for Option<T> {
    fn append_to(self, events: &mut Vec<E>) {
        self.into_iter().for_each(|part| part.append_to(events));
    }
}

impl<E: Event, T: IntoEvents<E>, const N: usize> IntoEvents<E> for [T; N] {
    fn append_to(self, events: &mut Vec<E>) {
        self.into_iter().for_each(|part| part.append_to(events));
    }
}

macro_rules! tuples {
    ($(($($part:ident),+))*) => {$(
        impl<E: Event, $($part: IntoEvents<E>),+> IntoEvents<E> for ($($part,)+) {
            #[allow(non_snake_case, reason = "each part is bound under the name of its type")]
            fn append_to(self, events: &mut Vec<E>) {
                let ($($part,)+) = self;
                $($part.append_to(events);)+
            }
        }
    )*};
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, F) (A, B, C, D, F, G) }
