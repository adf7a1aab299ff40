//! Events on their way into a store, and as they come out of it.

use std::borrow::Cow;
use std::fmt;

use crate::error::{EncodeError, Error, InvalidAppend};
use crate::event::{EncodedEvent, Event};
use crate::fresh_id::{Moment, fresh_id_at};
use crate::idempotency::{KeyUse, Keyed};
use crate::metadata::{EventId, Metadata};
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::timestamp::Timestamp;

/// A place in the log of all events. 0 stands before the first event; places are given in order, with gaps.
///
/// # Example: start at the beginning
///
/// ```
/// use es_core::Position;
/// assert!(Position::START < Position(1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);
}

/// For databases, whose integers are signed.
impl TryFrom<i64> for Position {
    type Error = std::num::TryFromIntError;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        u64::try_from(number).map(Self)
    }
}

/// For databases, whose integers are signed.
impl TryFrom<Position> for i64 {
    type Error = std::num::TryFromIntError;

    fn try_from(position: Position) -> Result<Self, Self::Error> {
        Self::try_from(position.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The longest name of an event type, in bytes.
///
/// # Example: a longer one is refused
///
/// ```
/// use es_core::{Append, ExpectedVersion, InvalidAppend, MAX_EVENT_TYPE_BYTES, NewEvent, StreamId};
///
/// let long = NewEvent::new("x".repeat(MAX_EVENT_TYPE_BYTES + 1), 1, "{}");
/// let append = Append::new(StreamId::new("order", "7")?, ExpectedVersion::Any, vec![long]);
/// assert!(matches!(append.check(), Err(InvalidAppend::EventTypeName(_))));
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
pub const MAX_EVENT_TYPE_BYTES: usize = 200;

/// An event that is to be stored.
///
/// # Example: encode a typed event
///
/// ```
/// use es_core::{Event, Metadata, NewEvent};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(category = "account")]
/// enum AccountEvent { Deposited { amount: u64 } }
///
/// let new = NewEvent::encode(&AccountEvent::Deposited { amount: 5 }, &Metadata::default())?;
/// assert_eq!(new.event_type, "account.deposited");
/// assert_eq!(&*new.payload, r#"{"amount":5}"#);
/// # Ok::<(), es_core::EncodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Names the event in the whole world.
    pub id: EventId,
    /// The name of its type.
    pub event_type: Cow<'static, str>,
    /// The version of its shape.
    pub schema_version: u32,
    /// Its content, as JSON text.
    pub payload: JsonText,
    /// What surrounds it.
    pub metadata: Metadata,
}

/// A text that is meant to be JSON, and remembers if it is known to be. A store looks at all others before it keeps them.
///
/// # Example: texts become it
///
/// ```
/// use es_core::JsonText;
///
/// let text = JsonText::from(r#"{"amount":5}"#);
/// assert!(text.contains("amount"));
/// ```
#[derive(Clone, Debug)]
pub struct JsonText {
    text: String,
    is_json: bool,
}

impl JsonText {
    /// What serde has just written.
    fn encoded(text: String) -> Self {
        Self { text, is_json: true }
    }

    fn check(&self) -> Result<(), String> {
        if self.is_json {
            return Ok(());
        }
        serde_json::from_str::<serde::de::IgnoredAny>(&self.text).map_err(|error| error.to_string())?;
        match deepest(&self.text) {
            depth if depth > MAX_JSON_DEPTH => {
                Err(format!("nested {depth} levels deep, at most {MAX_JSON_DEPTH} can be read"))
            }
            _ => Ok(()),
        }
    }
}

/// How deep JSON may be nested: serde_json reads no deeper into any type, so a deeper event would be unreadable for ever.
const MAX_JSON_DEPTH: usize = 127;

/// How deep the text is nested, which must be JSON.
fn deepest(json: &str) -> usize {
    let (mut depth, mut deepest, mut bytes) = (0_usize, 0, json.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

impl<T: Into<String>> From<T> for JsonText {
    fn from(text: T) -> Self {
        Self { text: text.into(), is_json: false }
    }
}

impl std::ops::Deref for JsonText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl NewEvent {
    /// Puts raw parts together under a fresh id, for tools that move events between stores.
    pub fn new(event_type: impl Into<Cow<'static, str>>, schema_version: u32, payload: impl Into<JsonText>) -> Self {
        Self {
            id: EventId::new(),
            event_type: event_type.into(),
            schema_version,
            payload: payload.into(),
            metadata: Metadata::default(),
        }
    }

    /// Encodes a typed event under a fresh id.
    ///
    /// # Errors
    /// [`EncodeError`] when the event cannot be written, or could not be read back: such an event would make its stream
    /// unreadable for ever, so it is refused here, before it is stored. So is one with a number that is not finite, which JSON
    /// does not have, and which an `Option` would read as `None`.
    pub fn encode<E: Event>(event: &E, metadata: &Metadata) -> Result<Self, EncodeError> {
        Self::encode_and_reread(event, metadata, Moment::now()).map(|(new, _)| new)
    }

    /// Encodes a typed event, under an id that is made now, and gives it back as a later reader will see it.
    pub(crate) fn encode_and_reread<E: Event>(
        event: &E,
        metadata: &Metadata,
        now: Moment,
    ) -> Result<(Self, E), EncodeError> {
        let event_type = event.event_type();
        let payload = event.encode()?;
        let stored = EncodedEvent::new(event_type.category(), event_type.name(), event_type.schema_version(), &payload);
        let reread = E::decode(stored).map_err(|source| EncodeError::not_readable(event_type.name(), source))?;
        let new = Self {
            id: EventId(fresh_id_at(now)),
            event_type: Cow::Borrowed(event_type.name()),
            schema_version: event_type.schema_version(),
            payload: JsonText::encoded(payload),
            metadata: metadata.clone(),
        };
        Ok((new, reread))
    }

    pub(crate) fn check(&self, index: usize) -> Result<(), InvalidAppend> {
        let name = &self.event_type;
        if name.is_empty() || name.len() > MAX_EVENT_TYPE_BYTES || name.bytes().any(|byte| byte == 0) {
            return Err(InvalidAppend::EventTypeName(name.chars().take(MAX_EVENT_TYPE_BYTES).collect()));
        }
        if self.schema_version == 0 || i32::try_from(self.schema_version).is_err() {
            return Err(InvalidAppend::SchemaVersion(self.schema_version));
        }
        self.payload.check().map_err(|message| InvalidAppend::Payload { index, message })
    }
}

/// A request to put events behind a stream: all of them or none.
///
/// # Example: raw events, as a migration tool has them
///
/// ```
/// use es_core::{Append, ExpectedVersion, NewEvent, StreamId};
///
/// let append = Append::new(
///     StreamId::new("account", "7")?,
///     ExpectedVersion::NoStream,
///     vec![NewEvent::new("account.opened", 1, r#"{"owner":"Ada"}"#)],
/// );
/// assert!(append.check().is_ok());
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// Where the events go.
    pub stream: StreamId,
    /// What must be true of the stream.
    pub expected: ExpectedVersion,
    /// The events, in order.
    pub events: Vec<NewEvent>,
    /// Under which key they are stored once, however often the append is repeated. `None` stores them each time.
    pub key: Option<Keyed>,
    /// The event that the stream must end with, beside what is [`expected`](Self::expected). See [`behind`](Self::behind).
    pub behind: Option<EventId>,
}

impl Append {
    /// Puts the parts together.
    pub fn new(stream: StreamId, expected: ExpectedVersion, events: Vec<NewEvent>) -> Self {
        Self { stream, expected, events, key: None, behind: None }
    }

    /// Lets the events in only behind that very event: the one at the version that the append expects. Where another one is there,
    /// the append is a conflict, as it is where the stream has another version. So it can rest on an event that is still on its
    /// way: if that one is not stored after all, this one is not stored either, whoever took its place.
    ///
    /// It goes with [`ExpectedVersion::Exact`] and a version of at least 1; [`check`](Self::check) refuses it otherwise.
    ///
    /// # Example: the same version, and another event
    ///
    /// ```
    /// use es_core::{Append, EventId, EventStore, ExpectedVersion, NewEvent, StreamId, Version};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = es_memory::MemoryStore::new();
    /// let account = StreamId::new("account", "ada")?;
    /// let booked = || NewEvent::new("account.booked", 1, r#"{"cents":5}"#);
    /// let first = booked();
    /// let second = Append::new(account.clone(), ExpectedVersion::Exact(Version(1)), vec![booked()]);
    /// let (behind_first, behind_another) = (second.clone().behind(first.id), second.behind(EventId::new()));
    ///
    /// store.append(Append::new(account, ExpectedVersion::NoStream, vec![first])).await?;
    /// assert!(store.append(behind_another).await.is_err_and(|error| error.is_conflict()));
    /// assert_eq!(store.append(behind_first).await?.version, Version(2));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn behind(self, event: EventId) -> Self {
        Self { behind: Some(event), ..self }
    }

    /// Stores the events once, however often they are appended under this key. See [`EventStore`](crate::EventStore) for
    /// what is answered to a repeat.
    #[must_use]
    pub fn keyed(self, keyed: Keyed) -> Self {
        Self { key: Some(keyed), ..self }
    }

    /// Stores the events once, however often this very append is repeated: their ids are the key. So an append of unknown
    /// outcome can be repeated, whatever version it expects, until the store [forgets](crate::KEYS_KEPT_FOR) the key.
    ///
    /// The id of the first event is the key, and all ids together are what a repeat is known by. Call it when the events are
    /// complete: it looks at those that are there.
    ///
    /// # Example: sent twice, stored once
    ///
    /// ```
    /// use es_core::{Append, EventStore, ExpectedVersion, NewEvent, StreamId, Version};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = es_memory::MemoryStore::new();
    /// let booked = NewEvent::new("account.booked", 1, r#"{"cents":5}"#);
    /// let append = Append::new(StreamId::new("account", "ada")?, ExpectedVersion::Any, vec![booked]).idempotent();
    ///
    /// let first = store.append(append.clone()).await?;
    /// let again = store.append(append).await?;
    /// assert!(again.repeated);
    /// assert_eq!((first.version, again.version), (Version(1), Version(1)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn idempotent(self) -> Self {
        Self { key: Keyed::events(&self.stream, self.events.iter().map(|event| event.id)), ..self }
    }

    /// Whether any store could accept the append. Every store calls it first.
    ///
    /// # Errors
    /// [`InvalidAppend`], saying what is malformed.
    pub fn check(&self) -> Result<(), InvalidAppend> {
        if self.events.is_empty() {
            return Err(InvalidAppend::Empty);
        }
        self.events.iter().enumerate().try_for_each(|(index, event)| event.check(index))?;
        self.check_behind()?;
        self.check_ids()
    }

    fn check_behind(&self) -> Result<(), InvalidAppend> {
        match (self.behind, self.expected) {
            (None, _) => Ok(()),
            (Some(_), ExpectedVersion::Exact(version)) if version > Version::NONE => Ok(()),
            (Some(event), _) => Err(InvalidAppend::BehindNoVersion(event)),
        }
    }

    fn check_ids(&self) -> Result<(), InvalidAppend> {
        if self.events.len() == 1 {
            return Ok(());
        }
        let mut ids: Vec<EventId> = self.events.iter().map(|event| event.id).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(InvalidAppend::RepeatedEventId(pair[0])),
            None => Ok(()),
        }
    }
}

/// What became of a successful append.
///
/// # Example: three events behind version 4
///
/// ```
/// use es_core::{Appended, Timestamp, Version};
///
/// let appended = Appended::new(Version(7), Timestamp::UNIX_EPOCH);
/// assert_eq!(appended.version, Version(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The stream's version now, which is that of the last event of the append.
    pub version: Version,
    /// When the store recorded the events, by the store's clock.
    pub recorded_at: Timestamp,
    /// Whether they were stored by an earlier append under the same key, and this one stored nothing. The rest is what became
    /// of that one: the stream may have grown since.
    pub repeated: bool,
}

impl Appended {
    /// Puts the parts together, for an append that was stored now. For stores.
    pub const fn new(version: Version, recorded_at: Timestamp) -> Self {
        Self { version, recorded_at, repeated: false }
    }

    /// What is answered to a repeat of what was stored first. For stores.
    pub const fn again(first: &KeyUse) -> Self {
        Self { version: first.last, recorded_at: first.recorded_at, repeated: true }
    }
}

/// A stored event as a store hands it to a reader, not yet decoded.
///
/// # Example: look at events whose types nobody declared
///
/// ```
/// use es_core::{Append, EventStore, ExpectedVersion, NewEvent, ReadStream, StreamId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = es_memory::MemoryStore::new();
/// # let stream = StreamId::new("order", "7")?;
/// # let placed = NewEvent::new("order.placed", 1, r#"{"lines":2}"#);
/// # store.append(Append::new(stream.clone(), ExpectedVersion::NoStream, vec![placed])).await?;
/// store.read_stream(ReadStream::forwards(stream), &mut |raw| {
///     println!("{} {} {}", raw.version, raw.event_type, raw.payload);
/// #   assert_eq!((raw.version.0, raw.event_type, raw.payload), (1, "order.placed", r#"{"lines":2}"#));
///     Ok(())
/// }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RawEvent<'a> {
    /// Names the event in the whole world.
    pub id: EventId,
    /// Its stream.
    pub stream: StreamId,
    /// Its version in the stream, from 1 without gaps.
    pub version: Version,
    /// Its place in the log. Always there when it was read from the log.
    pub position: Option<Position>,
    /// The name its type was stored under.
    pub event_type: &'a str,
    /// The version of the shape it was stored in.
    pub schema_version: u32,
    /// Its content, as JSON text.
    pub payload: &'a str,
    /// What surrounds it.
    pub metadata: Metadata,
    /// When the store recorded it, by the store's clock.
    pub recorded_at: Timestamp,
}

impl RawEvent<'_> {
    /// Everything but the content, for whoever does not know its type.
    pub fn untyped(self) -> Recorded<Untyped> {
        Recorded {
            id: self.id,
            stream: self.stream,
            version: self.version,
            position: self.position,
            recorded_at: self.recorded_at,
            metadata: self.metadata,
            event: Untyped { event_type: self.event_type.into(), schema_version: self.schema_version },
        }
    }

    /// Decodes the content.
    ///
    /// # Errors
    /// [`Error::Decode`] with stream and version.
    pub fn decode<E: Event>(self) -> Result<Recorded<E>, Error> {
        let stored = EncodedEvent::new(self.stream.category(), self.event_type, self.schema_version, self.payload);
        match E::decode(stored) {
            Ok(event) => Ok(Recorded {
                id: self.id,
                version: self.version,
                position: self.position,
                recorded_at: self.recorded_at,
                metadata: self.metadata,
                stream: self.stream,
                event,
            }),
            Err(source) => Err(Error::Decode { stream: self.stream, version: self.version, source }),
        }
    }
}

/// A stored event with everything that is known about it.
///
/// # Example: what a read gives
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened }
/// # #[derive(Default)]
/// # struct Door;
/// # impl Aggregate for Door {
/// #     type Id = u32;
/// #     type Event = DoorEvent;
/// #     fn apply(&mut self, _: DoorEvent) {}
/// # }
/// use es_core::{EventStoreExt, ExpectedVersion};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = es_memory::MemoryStore::new();
/// store.append_events::<Door>(&7, ExpectedVersion::NoStream, DoorEvent::Opened).await?;
///
/// let recorded = store.events::<Door>(&7)?.next().await?.ok_or("no event")?;
/// assert_eq!(recorded.event, DoorEvent::Opened);
/// assert_eq!((recorded.stream.id(), recorded.version.0), ("7", 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recorded<E> {
    /// Names the event in the whole world.
    pub id: EventId,
    /// Its stream.
    pub stream: StreamId,
    /// Its version in the stream, from 1 without gaps.
    pub version: Version,
    /// Its place in the log. Always there when it was read from the log, never when it was read from its stream or its
    /// conversation: these show every committed event at once, also one that has no place yet.
    pub position: Option<Position>,
    /// When the store recorded it, by the store's clock.
    pub recorded_at: Timestamp,
    /// What surrounds it.
    pub metadata: Metadata,
    /// The event itself.
    pub event: E,
}

/// What is known of an event's content without reading it: the name of its type. `Recorded<Untyped>` is an event for those who
/// have no enum with all the types that there are.
///
/// # Example: what happened, in the words of the store
///
/// ```
/// use es_core::{Append, EventStore, ExpectedVersion, NewEvent, ReadStream, Recorded, StreamId, Untyped};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = es_memory::MemoryStore::new();
/// # let stream = StreamId::new("order", "7")?;
/// # let placed = NewEvent::new("order.placed", 1, "{}");
/// # store.append(Append::new(stream.clone(), ExpectedVersion::NoStream, vec![placed])).await?;
/// let mut seen: Vec<Recorded<Untyped>> = Vec::new();
/// store.read_stream(ReadStream::forwards(stream), &mut |raw| {
///     seen.push(raw.untyped());
///     Ok(())
/// }).await?;
/// assert_eq!(&*seen[0].event.event_type, "order.placed");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Untyped {
    /// The name its type was stored under.
    pub event_type: Box<str>,
    /// The version of the shape it was stored in.
    pub schema_version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<(), String> {
        JsonText::from(json).check()
    }

    #[test]
    fn what_is_nested_deeper_than_any_type_can_be_read_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(&nested(127)), Ok(()));
        assert!(serde_json::from_str::<serde_json::Value>(&nested(127)).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&nested(128)).is_err());
        assert_eq!(check(&nested(128)).unwrap_err(), "nested 128 levels deep, at most 127 can be read");
        assert!(check(&nested(100_000)).is_err());
    }

    #[test]
    fn brackets_inside_texts_do_not_count() {
        let text = format!(r#"{{"a":"\\\"{}"}}"#, "[".repeat(500));
        assert_eq!((deepest(&text), check(&text)), (1, Ok(())));
    }
}
