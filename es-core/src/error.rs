//! What can go wrong, split by cause, and what a caller can do about each.

use std::error::Error as StdError;
use std::fmt;

use crate::document::DocumentError;
use crate::event::EncodedEvent;
use crate::id::InvalidId;
use crate::idempotency::{IdempotencyKey, InvalidIdempotencyKey};
use crate::read_model::ProjectionId;
use crate::stream::{ExpectedVersion, InvalidStreamId, StreamId, Version};
use crate::timestamp::Timestamp;

/// Any error as a source, where the kind depends on the store.
///
/// # Example: a text is an error, too
///
/// ```
/// let source: es_core::BoxError = "connection refused".into();
/// assert_eq!(source.to_string(), "connection refused");
/// ```
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Somebody else wrote to the stream first, or the expectation was wrong from the start.
///
/// # Example: what it says
///
/// ```
/// use es_core::{Conflict, ExpectedVersion, StreamId, Version};
///
/// let conflict = Conflict {
///     stream: StreamId::new("order", "7")?,
///     expected: ExpectedVersion::Exact(Version(3)),
///     actual: Version(4),
/// };
/// assert_eq!(conflict.to_string(), "stream `order-7` is at version 4, expected 3");
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Conflict {
    /// The stream.
    pub stream: StreamId,
    /// What the writer expected. Of a command it is what was stated by [`expect`](crate::Execute::expect), `Any` if nothing was.
    pub expected: ExpectedVersion,
    /// What was there when the conflict was noticed.
    pub actual: Version,
}

impl Conflict {
    /// Whether the stream is as the writer expected, and others were faster each time it tried. The same command may succeed in
    /// a moment. If not, the writer stated something that does not hold, and has to look again.
    ///
    /// # Example: the two kinds
    ///
    /// ```
    /// use es_core::{Conflict, ExpectedVersion, StreamId, Version};
    ///
    /// let conflict = |expected| Ok(Conflict { stream: StreamId::new("order", "7")?, expected, actual: Version(4) });
    /// assert!(conflict(ExpectedVersion::Any)?.is_contention());
    /// assert!(conflict(ExpectedVersion::Exists)?.is_contention());
    /// assert!(!conflict(ExpectedVersion::Exact(Version(3)))?.is_contention());
    /// # Ok::<(), es_core::InvalidStreamId>(())
    /// ```
    pub const fn is_contention(&self) -> bool {
        self.expected.allows(self.actual)
    }

    fn sentence(&self) -> String {
        let Self { stream, expected, actual } = self;
        if self.is_contention() {
            return format!("stream `{stream}` is at version {actual}, others were faster to write to it");
        }
        format!("stream `{stream}` is at version {actual}, expected {expected}")
    }
}

/// The idempotency key stands for something else that was done before.
///
/// # Example: what it says
///
/// ```
/// use es_core::{IdempotencyKey, KeyReused, StreamId};
///
/// let reused = KeyReused { key: IdempotencyKey::new("request-7")?, stream: StreamId::new("order", "7")? };
/// assert_eq!(reused.to_string(), "idempotency key `request-7` was used for another command, on stream `order-7`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("idempotency key `{key}` was used for another command, on stream `{stream}`")]
pub struct KeyReused {
    /// The key.
    pub key: IdempotencyKey,
    /// The stream of what was done under it.
    pub stream: StreamId,
}

/// What a store, or the layer above it, can fail with.
///
/// # Example: branch on what matters
///
/// ```
/// # use es_core::{Conflict, Error, ExpectedVersion, StreamId, Version};
/// fn advice(error: &Error) -> &'static str {
///     match error {
///         Error::Conflict(_) => "load again and decide again",
///         error if error.is_transient() => "try again in a moment",
///         _ => "a person has to look",
///     }
/// }
///
/// assert_eq!(advice(&Error::unavailable("connection refused")), "try again in a moment");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream is not as expected, and nothing was stored. Load again and decide again;
    /// [`execute`](crate::EventStoreExt::execute) does so by itself.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// Something else was done under the idempotency key, and nothing was stored. Whoever sent it has to choose another key;
    /// repeating changes nothing.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The text cannot be an idempotency key, or the command cannot have one, and nothing was stored.
    #[error(transparent)]
    InvalidKey(#[from] InvalidIdempotencyKey),
    /// The text cannot name a stream. Choose another id.
    #[error(transparent)]
    InvalidStream(#[from] InvalidStreamId),
    /// A stored id does not parse as the type it should be.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// The append itself is malformed, and nothing was stored. A mistake in the calling code.
    #[error(transparent)]
    InvalidAppend(#[from] InvalidAppend),
    /// An event cannot be written so that it can be read again, and nothing was stored. A mistake in the event's type.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A stored event cannot be read. Add the missing type, alias or upcaster; the event itself is untouched.
    #[error("event {version} of stream `{stream}` cannot be read")]
    Decode {
        /// The stream of the event.
        stream: StreamId,
        /// The version of the event in its stream.
        version: Version,
        /// Why.
        source: DecodeError,
    },
    /// A document does not fit its type any more, or could not be read again once it is stored. A mistake in the document's type.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// An [inline](crate::Inline) projection could not take in the events, and nothing was stored. A mistake in the projection, or
    /// events that it does not know; repeating changes nothing.
    #[error("projection `{projection}` could not take in the events, so they were not stored")]
    Refused {
        /// Which projection.
        projection: ProjectionId,
        /// What it said.
        source: BoxError,
    },
    /// The store could not be reached, or asked to come again, and nothing was stored. Try again after a while.
    #[error("the store is not available at the moment")]
    Unavailable {
        /// What the store's driver said.
        source: BoxError,
    },
    /// The connection broke while an append to `stream` was under way, and the store could not be asked what became of
    /// it. It may have been stored. Safe to repeat are an append that expects an exact version, and one with a
    /// [key](crate::Append::idempotent); before any other, look for its event ids in the stream.
    #[error("it is not known whether the append to stream `{stream}` was stored")]
    UnknownOutcome {
        /// The stream of the append.
        stream: StreamId,
        /// What the store's driver said.
        source: BoxError,
    },
    /// The store is not set up for this program: no such server, a refused password, a missing or newer schema. A person
    /// has to act; the message says how.
    #[error("{message}")]
    Setup {
        /// What is wrong, and what to do about it.
        message: String,
        /// What the store's driver said, if it was asked.
        source: Option<BoxError>,
    },
    /// Any other failure of the store, for example a full disk.
    #[error("the store failed")]
    Store {
        /// What the store's driver said.
        source: BoxError,
    },
}

impl Error {
    /// A failure that will pass.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable { source: source.into() }
    }

    /// A failure that a person has to look into.
    pub fn store(source: impl Into<BoxError>) -> Self {
        Self::Store { source: source.into() }
    }

    /// Something that must be set up before the store can be used.
    pub fn setup(message: impl Into<String>) -> Self {
        Self::Setup { message: message.into(), source: None }
    }

    /// Whether the stream was not as expected.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    /// Whether the idempotency key was used for something else.
    pub const fn is_key_reused(&self) -> bool {
        matches!(self, Self::KeyReused(_))
    }

    /// Whether an inline projection could not take in the events.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether the same call may succeed in a moment, and is safe to repeat.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// An append that no store accepts.
///
/// # Example: nothing to append
///
/// ```
/// use es_core::{Append, Error, ExpectedVersion, InvalidAppend, StreamId};
///
/// let stream = StreamId::new("order", "7")?;
/// let refused = Append::new(stream, ExpectedVersion::Any, vec![]).check().unwrap_err();
/// assert_eq!(refused, InvalidAppend::Empty);
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAppend {
    /// It holds no events, so there is nothing whose storing could prove the expectation.
    #[error("an append needs at least one event")]
    Empty,
    /// Two of its events have the same id.
    #[error("event id {0} occurs twice in one append")]
    RepeatedEventId(crate::EventId),
    /// An event's type has no name, a name of over 200 bytes, or one with a NUL character.
    #[error("{0:?} cannot be the name of an event type: 1 to 200 bytes without NUL are allowed")]
    EventTypeName(String),
    /// An event's schema version is 0, or more than a store can count.
    #[error("{0} cannot be a schema version: they count from 1")]
    SchemaVersion(u32),
    /// An event's payload is not JSON.
    #[error("the payload of event {index} of the append is not JSON: {message}")]
    Payload {
        /// Which event of the append, from 0.
        index: usize,
        /// What the parser said.
        message: String,
    },
    /// It names the event that it goes behind, and expects no version at which that could be.
    #[error("an append behind event {0} has to expect the version of that event")]
    BehindNoVersion(crate::EventId),
    /// The stream would grow past the highest version a store can count.
    #[error("stream `{0}` would grow past the highest version")]
    TooManyEvents(StreamId),
    /// An event that is imported has version 0.
    #[error("an event of stream `{0}` has version 0: they count from 1")]
    Version(StreamId),
    /// An event that is imported was recorded in the future, by more than clocks differ (a minute).
    #[error("an event was recorded at {0}, which is in the future")]
    RecordedAt(Timestamp),
}

/// An event that serde cannot write, or cannot read back once written.
///
/// # Example: a float that JSON cannot hold is refused before it is stored
///
/// ```
/// use es_core::{Error, Event, ExpectedVersion, Metadata, NewEvent};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(category = "sensor")]
/// enum SensorEvent { Measured { celsius: f64 } }
///
/// let refused = NewEvent::encode(&SensorEvent::Measured { celsius: f64::NAN }, &Metadata::default()).unwrap_err();
/// assert_eq!(refused.event_type(), "sensor.measured");
/// assert_eq!(refused.to_string(), "event `sensor.measured` cannot be written as JSON");
/// let why = std::error::Error::source(&refused).ok_or("no source")?;
/// assert_eq!(why.to_string(), "a number that is not finite (NaN, in field `celsius`) cannot be kept in JSON");
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[error("event `{event_type}` {problem}")]
pub struct EncodeError {
    event_type: &'static str,
    problem: &'static str,
    source: BoxError,
}

impl EncodeError {
    /// Keeps what serde said of an event of that type.
    pub fn new(event_type: &'static str, source: serde_json::Error) -> Self {
        Self { event_type, problem: "cannot be written as JSON", source: source.into() }
    }

    pub(crate) fn not_readable(event_type: &'static str, source: DecodeError) -> Self {
        Self { event_type, problem: "can be written as JSON, but cannot be read back", source: source.into() }
    }

    /// The type of the event.
    pub fn event_type(&self) -> &'static str {
        self.event_type
    }
}

/// A stored event that this code cannot read.
///
/// # Example: a type that nobody declared
///
/// ```
/// use es_core::{DecodeErrorKind, EncodedEvent, Event};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize, Debug)]
/// #[event(category = "order")]
/// enum OrderEvent { Placed }
///
/// let refused = OrderEvent::decode(EncodedEvent::new("order", "order.gifted", 1, "{}")).unwrap_err();
/// assert!(matches!(refused.kind(), DecodeErrorKind::UnknownType));
/// assert_eq!(refused.to_string(), "event type `order.gifted` of category `order` is not known here");
/// assert!(std::error::Error::source(&refused).is_none(), "it is told once");
/// ```
#[derive(Debug)]
pub struct DecodeError {
    // Boxed rather than `String`, which keeps every `Result` that can hold an `Error` small.
    category: Box<str>,
    event_type: Box<str>,
    schema_version: u32,
    kind: DecodeErrorKind,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

/// The sentence tells of the kind already, so the source is what is behind that.
impl StdError for DecodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.kind {
            DecodeErrorKind::UnknownType | DecodeErrorKind::UnknownSchemaVersion { .. } => None,
            DecodeErrorKind::Upcast { source, .. } => Some(&**source),
            DecodeErrorKind::Payload(source) => Some(source),
        }
    }
}

/// Why a stored event cannot be read.
///
/// # Example: tell a newer release's events from broken ones
///
/// ```
/// use es_core::{DecodeErrorKind, EncodedEvent, Event};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize, Debug)]
/// #[event(category = "order")]
/// enum OrderEvent { Placed { lines: u32 } }
///
/// let read = |version, payload| OrderEvent::decode(EncodedEvent::new("order", "order.placed", version, payload));
/// let newer = read(2, "{}").unwrap_err();
/// assert!(matches!(newer.kind(), DecodeErrorKind::UnknownSchemaVersion { current: 1 }));
/// let broken = read(1, r#"{"lines":"many"}"#).unwrap_err();
/// assert!(matches!(broken.kind(), DecodeErrorKind::Payload(_)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// No type of the set has that name. Add it, or an alias, or read with a set that has it.
    #[error("unknown event type")]
    UnknownType,
    /// The shape is newer than this code, which happens while an older release runs beside a newer one.
    #[error("unknown schema version, the newest known is {current}")]
    UnknownSchemaVersion {
        /// The newest version this code knows.
        current: u32,
    },
    /// An upcaster refused the event.
    #[error("the upcaster from schema version {from} refused: {source}")]
    Upcast {
        /// The version that was to be raised.
        from: u32,
        /// What the upcaster said.
        source: BoxError,
    },
    /// The JSON does not fit the type.
    #[error(transparent)]
    Payload(serde_json::Error),
}

impl DecodeError {
    /// Keeps what cannot be read, and why. The payload is not kept: it may hold what should not be logged.
    pub fn new(stored: EncodedEvent<'_>, kind: DecodeErrorKind) -> Self {
        Self {
            category: stored.category.into(),
            event_type: stored.event_type.into(),
            schema_version: stored.schema_version,
            kind,
        }
    }

    /// Why.
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.kind
    }

    /// The name the event was stored under.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The version of the shape it was stored in.
    pub fn schema_version(&self) -> u32 {
        self.schema_version
    }

    fn sentence(&self) -> String {
        let Self { category, event_type, schema_version, kind } = self;
        match kind {
            DecodeErrorKind::UnknownType => {
                format!("event type `{event_type}` of category `{category}` is not known here")
            }
            DecodeErrorKind::UnknownSchemaVersion { current } => format!(
                "event type `{event_type}` is stored in schema version {schema_version}, the newest known is {current}"
            ),
            DecodeErrorKind::Upcast { from, .. } => {
                format!("event type `{event_type}` could not be raised from schema version {from}")
            }
            DecodeErrorKind::Payload(_) => {
                format!("the payload of event type `{event_type}`, schema version {schema_version}, does not fit it")
            }
        }
    }
}

/// What a command can fail with. `R` is the rejection: the domain's own error type, as the handler returned it.
///
/// # Example: three causes, three answers
///
/// ```
/// use es_core::ExecuteError;
///
/// fn status<R>(error: &ExecuteError<R>) -> u16 {
///     match error {
///         ExecuteError::Rejected(_) => 422,
///         ExecuteError::Conflict(_) => 409,
///         _ => 503,
///     }
/// }
/// assert_eq!(status(&ExecuteError::Rejected("the account is closed")), 422);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ExecuteError<R> {
    /// The domain said no. Nothing was stored. Tell whoever sent the command.
    Rejected(R),
    /// The stream was not at the version the caller stated, or was contended for longer than the retry policy allows.
    /// Nothing was stored.
    Conflict(Conflict),
    /// Another command was done under the idempotency key. Nothing was stored. Choose another key.
    KeyReused(KeyReused),
    /// The store failed, or an event could not be read or written. See [`Error`] for what to do.
    Store(Error),
}

impl<R> ExecuteError<R> {
    /// Whether the domain said no.
    pub const fn is_rejected(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }

    /// The domain's own error, if it said no.
    pub const fn rejection(&self) -> Option<&R> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// Whether the stream was not as expected.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    /// Whether the idempotency key was used for something else.
    pub const fn is_key_reused(&self) -> bool {
        matches!(self, Self::KeyReused(_))
    }

    /// Whether the same command may succeed in a moment, and is safe to repeat.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Conflict(_) | Self::KeyReused(_) | Self::Rejected(_) => false,
        }
    }
}

impl<R: std::fmt::Display> std::fmt::Display for ExecuteError<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::KeyReused(reused) => reused.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl<R: StdError + 'static> StdError for ExecuteError<R> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Rejected(rejection) => rejection.source(),
            Self::Conflict(_) | Self::KeyReused(_) => None,
            Self::Store(error) => error.source(),
        }
    }
}

impl<R> From<Error> for ExecuteError<R> {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict(conflict) => Self::Conflict(conflict),
            Error::KeyReused(reused) => Self::KeyReused(reused),
            error => Self::Store(error),
        }
    }
}
