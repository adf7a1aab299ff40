//! Events that happened elsewhere, on their way into a store or out of one.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use uuid::{Builder, Uuid};

use crate::error::{BoxError, EncodeError};
use crate::event::Event;
use crate::metadata::{EventId, Metadata};
use crate::recorded::{JsonText, NewEvent, RawEvent};
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

/// An event with its place in its stream, and the time it was recorded at: what an
/// [export](crate::EventStoreExt::export) gives, and an [import](crate::EventStoreExt::import) takes.
///
/// With serde it is an object of JSON, in which the payload stands as it was stored. An event to a line makes a file that any
/// tool can read.
///
/// # Example: a line of somebody else's table, and its JSON
///
/// ```
/// use es_core::{PastEvent, StreamId, Version};
///
/// let row = ("7", 1, "2019-03-01T09:30:00Z", r#"{"owner":"Ada"}"#);
/// let event = PastEvent::new(StreamId::new("account", row.0)?, Version(row.1), "account.opened", 1, row.3)
///     .recorded_at(row.2.parse()?);
///
/// let line = serde_json::to_string(&event)?;
/// assert!(line.starts_with(r#"{"stream":"account-7","version":1,"#));
/// assert_eq!(serde_json::from_str::<PastEvent>(&line)?, event.identified());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PastEvent {
    /// Its stream.
    pub stream: StreamId,
    /// Its version in the stream, from 1 without gaps.
    pub version: Version,
    /// Names the event in the whole world. `None` has it made from what the event says, as [`identified`](Self::identified)
    /// tells.
    pub id: Option<EventId>,
    /// The name of its type.
    pub event_type: Cow<'static, str>,
    /// The version of its shape.
    pub schema_version: u32,
    /// Its content, as JSON text.
    pub payload: JsonText,
    /// What surrounds it.
    pub metadata: Metadata,
    /// When it was recorded. `None` means when the store takes it in, by the store's clock.
    pub recorded_at: Option<Timestamp>,
}

impl PastEvent {
    /// Puts together what every event has. The other parts have methods of their own.
    pub fn new(
        stream: StreamId,
        version: Version,
        event_type: impl Into<Cow<'static, str>>,
        schema_version: u32,
        payload: impl Into<JsonText>,
    ) -> Self {
        Self {
            stream,
            version,
            id: None,
            event_type: event_type.into(),
            schema_version,
            payload: payload.into(),
            metadata: Metadata::default(),
            recorded_at: None,
        }
    }

    /// Encodes a typed event, for history that is told in today's words.
    ///
    /// ```
    /// use es_core::{Event, PastEvent, StreamId, Version};
    ///
    /// #[derive(Event, serde::Serialize, serde::Deserialize)]
    /// #[event(category = "account")]
    /// enum AccountEvent { Deposited { amount: u64 } }
    ///
    /// let stream = StreamId::new("account", "7")?;
    /// let event = PastEvent::encode(stream, Version(1), &AccountEvent::Deposited { amount: 5 })?;
    /// assert_eq!((&*event.event_type, &*event.payload), ("account.deposited", r#"{"amount":5}"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`NewEvent::encode`].
    pub fn encode<E: Event>(stream: StreamId, version: Version, event: &E) -> Result<Self, EncodeError> {
        let new = NewEvent::encode(event, &Metadata::default())?;
        Ok(Self::new(stream, version, new.event_type, new.schema_version, new.payload))
    }

    /// Keeps the id that the event had.
    #[must_use]
    pub fn id(self, id: EventId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Keeps the time at which the event was recorded. By default it is that of the import, by the store's clock.
    #[must_use]
    pub fn recorded_at(self, time: Timestamp) -> Self {
        Self { recorded_at: Some(time), ..self }
    }

    /// Adds what surrounds the event. By default nothing does.
    #[must_use]
    pub fn metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// The event under its id. One that had none gets one made from its stream, version, type, schema version, content and
    /// time: the same each time, so that an import that is repeated knows the event again. It sorts by that time, if there is
    /// one.
    ///
    /// ```
    /// use es_core::{PastEvent, StreamId, Version};
    ///
    /// let event = |payload| Ok(PastEvent::new(StreamId::new("account", "7")?, Version(1), "account.noted", 1, payload));
    /// let id = |payload| Ok(event(payload)?.identified().id);
    /// assert_eq!(id("1")?, id("1")?);
    /// assert_ne!(id("1")?, id("2")?);
    /// # Ok::<(), es_core::InvalidStreamId>(())
    /// ```
    #[must_use]
    pub fn identified(self) -> Self {
        Self { id: Some(self.known_id()), ..self }
    }

    pub(crate) fn known_id(&self) -> EventId {
        self.id.unwrap_or_else(|| self.made_id())
    }

    fn made_id(&self) -> EventId {
        let mut text = Vec::with_capacity(self.payload.len() + 128);
        for part in [self.stream.category(), self.stream.id(), &*self.event_type, &*self.payload] {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        text.extend_from_slice(&self.version.0.to_be_bytes());
        text.extend_from_slice(&self.schema_version.to_be_bytes());
        text.extend(self.recorded_at.iter().flat_map(|time| time.as_micros().to_be_bytes()));
        let hash = Uuid::new_v5(&MADE_FROM_CONTENT, &text);
        let millis = self.recorded_at.and_then(|time| u64::try_from(time.as_micros() / 1_000).ok());
        EventId(millis.map_or(hash, |millis| at_time(millis, hash)))
    }
}

/// Sets the ids apart that are made here.
const MADE_FROM_CONTENT: Uuid = Uuid::from_u128(0x2f1d_7c1e_5a0b_4c53_9e6d_8b1f_03a7_64d2);

/// A hash as the random part of an id that sorts by time. Of the hash's own bytes, 6 and 8 tell its version.
fn at_time(millis: u64, hash: Uuid) -> Uuid {
    let [a, b, c, d, e, f, _, g, _, h, i, j, ..] = hash.into_bytes();
    Builder::from_unix_timestamp_millis(millis, &[a, b, c, d, e, f, g, h, i, j]).into_uuid()
}

/// As it was stored, so that it can be stored elsewhere.
impl From<RawEvent<'_>> for PastEvent {
    fn from(raw: RawEvent<'_>) -> Self {
        Self {
            stream: raw.stream,
            version: raw.version,
            id: Some(raw.id),
            event_type: raw.event_type.to_owned().into(),
            schema_version: raw.schema_version,
            payload: raw.payload.into(),
            metadata: raw.metadata,
            recorded_at: Some(raw.recorded_at),
        }
    }
}

/// What a source of events may yield: events, or results where reading one can fail.
///
/// # Example: both
///
/// ```
/// use es_core::{BoxError, IntoPastEvent, PastEvent, StreamId, Version};
///
/// let event = PastEvent::new(StreamId::new("account", "7")?, Version(1), "account.opened", 1, "{}");
/// assert_eq!(event.clone().into_past_event()?, event);
/// assert!(Err::<PastEvent, _>("line 7 is torn").into_past_event().is_err());
/// # Ok::<(), BoxError>(())
/// ```
pub trait IntoPastEvent {
    /// The event, or why there is none.
    ///
    /// # Errors
    /// What the source said.
    fn into_past_event(self) -> Result<PastEvent, BoxError>;
}

impl IntoPastEvent for PastEvent {
    fn into_past_event(self) -> Result<PastEvent, BoxError> {
        Ok(self)
    }
}

impl<E: Into<BoxError>> IntoPastEvent for Result<PastEvent, E> {
    fn into_past_event(self) -> Result<PastEvent, BoxError> {
        self.map_err(Into::into)
    }
}

/// The form of a [`PastEvent`] in JSON. `P` is the payload's text, borrowed or owned.
#[derive(Serialize, Deserialize)]
struct Line<P, M> {
    stream: String,
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<EventId>,
    #[serde(rename = "type")]
    event_type: String,
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded_at: Option<Timestamp>,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    metadata: Option<M>,
    payload: P,
}

impl Serialize for PastEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let payload: &RawValue = serde_json::from_str(&self.payload).map_err(serde::ser::Error::custom)?;
        let line = Line {
            stream: self.stream.to_string(),
            version: self.version.0,
            id: Some(self.known_id()),
            event_type: self.event_type.clone().into_owned(),
            schema_version: self.schema_version,
            recorded_at: self.recorded_at,
            metadata: Some(&self.metadata).filter(|metadata| **metadata != Metadata::default()),
            payload,
        };
        line.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PastEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let line = Line::<Box<RawValue>, Metadata>::deserialize(deserializer)?;
        Ok(Self {
            stream: line.stream.parse().map_err(de::Error::custom)?,
            version: Version(line.version),
            id: line.id,
            event_type: line.event_type.into(),
            schema_version: line.schema_version,
            payload: String::from(Box::<str>::from(line.payload)).into(),
            metadata: line.metadata.unwrap_or_default(),
            recorded_at: line.recorded_at,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test has nobody to hand an error to")]
mod tests;
