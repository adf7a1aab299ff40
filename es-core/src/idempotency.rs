//! Idempotency keys: a command or an append that carries one takes effect once, however often it is repeated.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::Error as _;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::codec::to_json;
use crate::error::KeyReused;
use crate::metadata::EventId;
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

/// The longest idempotency key, in bytes.
///
/// # Example: one more is too many
///
/// ```
/// use es_core::{IdempotencyKey, MAX_IDEMPOTENCY_KEY_BYTES};
///
/// assert!(IdempotencyKey::new("k".repeat(MAX_IDEMPOTENCY_KEY_BYTES)).is_ok());
/// assert!(IdempotencyKey::new("k".repeat(MAX_IDEMPOTENCY_KEY_BYTES + 1)).is_err());
/// ```
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// How long stores keep idempotency keys unless they are told otherwise: 7 days.
///
/// # Example: longer than anybody repeats a request
///
/// ```
/// assert_eq!(es_core::KEYS_KEPT_FOR.as_secs(), 7 * 24 * 60 * 60);
/// ```
pub const KEYS_KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The name of one intention, chosen by whoever has it and sent along with each repeat: 1 to 255 bytes of text, without NUL,
/// compared byte by byte.
///
/// Keys are one space for the whole store. Where several clients choose keys of their own, put the client's name in front
/// (`shop-7/…`), so that none meets a key of another. A UUID, or an event's id, is a key as it is. Keys that begin with `~es/` are
/// the framework's own, those of [reactions](crate::Reactor) and of [`Append::idempotent`](crate::Append::idempotent): nobody
/// else can make one, so nobody can take one away.
///
/// # Example: from a request's header, or from an event
///
/// ```
/// use es_core::{EventId, IdempotencyKey};
///
/// let key: IdempotencyKey = "8e03978e-40d5-43e8-bc93-6894a57f9324".parse()?;
/// assert_eq!(key.as_str(), "8e03978e-40d5-43e8-bc93-6894a57f9324");
/// assert!(IdempotencyKey::new("").is_err());
///
/// let caused_by = EventId::new();
/// assert_eq!(IdempotencyKey::from(caused_by).to_string(), caused_by.to_string());
/// # Ok::<(), es_core::InvalidIdempotencyKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// Takes the text for a key.
    ///
    /// # Errors
    /// [`InvalidIdempotencyKey`] when it is empty, longer than [`MAX_IDEMPOTENCY_KEY_BYTES`], holds a NUL character, or begins with
    /// `~es/`.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidIdempotencyKey> {
        let text = text.into();
        match &*text {
            "" => Err(InvalidIdempotencyKey::Empty),
            long if long.len() > MAX_IDEMPOTENCY_KEY_BYTES => Err(InvalidIdempotencyKey::TooLong { bytes: long.len() }),
            nul if nul.contains('\0') => Err(InvalidIdempotencyKey::Nul),
            own if own.starts_with(OWN) => Err(InvalidIdempotencyKey::Reserved),
            _ => Ok(Self(text)),
        }
    }

    /// A key of the framework's own, which no caller's can be. The text is short and holds no NUL character: names and ids.
    pub(crate) fn own(text: fmt::Arguments<'_>) -> Self {
        Self(format!("{OWN}{text}").into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({:?})", &*self.0)
    }
}

impl From<Uuid> for IdempotencyKey {
    fn from(id: Uuid) -> Self {
        Self(id.hyphenated().to_string().into())
    }
}

impl From<EventId> for IdempotencyKey {
    fn from(id: EventId) -> Self {
        id.0.into()
    }
}

impl TryFrom<&str> for IdempotencyKey {
    type Error = InvalidIdempotencyKey;

    fn try_from(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        Self::new(text)
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = InvalidIdempotencyKey;

    fn try_from(text: String) -> Result<Self, InvalidIdempotencyKey> {
        Self::new(text)
    }
}

impl std::str::FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        Self::new(text)
    }
}

/// Why something cannot be done under an idempotency key.
///
/// # Example: a header that was sent empty
///
/// ```
/// use es_core::{IdempotencyKey, InvalidIdempotencyKey};
///
/// let refused = IdempotencyKey::new("").unwrap_err();
/// assert_eq!(refused, InvalidIdempotencyKey::Empty);
/// assert_eq!(refused.to_string(), "an idempotency key needs at least one character");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIdempotencyKey {
    /// There is no text.
    #[error("an idempotency key needs at least one character")]
    Empty,
    /// There is too much of it.
    #[error("an idempotency key has at most {MAX_IDEMPOTENCY_KEY_BYTES} bytes, not {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// There is a NUL character in it, which a database cannot store.
    #[error("an idempotency key holds no NUL character")]
    Nul,
    /// It begins like the keys that the framework makes itself. Choose another, or put the client's name in front.
    #[error("an idempotency key does not begin with `{OWN}`: such keys are the framework's own")]
    Reserved,
    /// The key itself is fine, but the command cannot be written as JSON, by which its repeats are known.
    #[error("command `{command}` cannot have an idempotency key, because it cannot be written as JSON: {message}")]
    Command {
        /// The type of the command.
        command: &'static str,
        /// What serde said.
        message: String,
    },
}

/// What can always be a key is never refused.
impl From<Infallible> for InvalidIdempotencyKey {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// An idempotency key, and what is done under it: whoever comes with the same key must come with the same fingerprint.
///
/// [`Execute::idempotency_key`](crate::Execute::idempotency_key) and [`Append::idempotent`](crate::Append::idempotent) make the
/// fingerprint. Make one yourself where you know better what "the same" means.
///
/// # Example: an import whose lines have numbers, whatever they say
///
/// ```
/// use es_core::{Append, EventStore, ExpectedVersion, IdempotencyKey, Keyed, NewEvent, StreamId};
/// use uuid::Uuid;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = es_memory::MemoryStore::new();
/// let line = || -> Result<Append, Box<dyn std::error::Error>> {
///     let booked = NewEvent::new("account.booked", 1, r#"{"cents":5}"#);
///     let append = Append::new(StreamId::new("account", "ada")?, ExpectedVersion::Any, vec![booked]);
///     Ok(append.keyed(Keyed::new(IdempotencyKey::new("import-2026-11/line-17")?, Uuid::nil())))
/// };
/// assert!(!store.append(line()?).await?.repeated);
/// assert!(store.append(line()?).await?.repeated);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keyed {
    /// The key.
    pub key: IdempotencyKey,
    /// The same for the same request, and another for any other.
    pub fingerprint: Uuid,
}

impl Keyed {
    /// Puts the parts together.
    pub const fn new(key: IdempotencyKey, fingerprint: Uuid) -> Self {
        Self { key, fingerprint }
    }

    /// Under a key of the caller's, a command for a stream.
    pub(crate) fn command<C: Serialize>(
        key: IdempotencyKey,
        stream: &StreamId,
        command: &C,
    ) -> Result<Self, InvalidIdempotencyKey> {
        let name = std::any::type_name::<C>();
        let json = to_json(command).and_then(|json| canonical(&json, DEEPEST));
        let json = json.map_err(|e| InvalidIdempotencyKey::Command { command: name, message: e.to_string() })?;
        // None of the three holds a NUL character, so no two requests are written alike.
        let request = format!("{stream}\0{}\0{json}", without_paths(name));
        Ok(Self::new(key, Uuid::new_v5(&FINGERPRINTS, request.as_bytes())))
    }

    /// Under the first event's id, these very events.
    pub(crate) fn events(stream: &StreamId, ids: impl IntoIterator<Item = EventId>) -> Option<Self> {
        let mut ids = ids.into_iter().peekable();
        let first = *ids.peek()?;
        let all: String = ids.map(|id| format!("\0{id}")).collect();
        let fingerprint = Uuid::new_v5(&FINGERPRINTS, format!("{stream}{all}").as_bytes());
        Some(Self::new(IdempotencyKey::own(format_args!("event/{first}")), fingerprint))
    }

    /// Whether this is a repeat of what was done first: for the same stream, with the same fingerprint.
    ///
    /// # Errors
    /// [`KeyReused`] when it is something else.
    pub fn check(&self, first: &KeyUse, stream: &StreamId) -> Result<(), KeyReused> {
        if self.fingerprint == first.fingerprint && *stream == first.stream {
            return Ok(());
        }
        Err(KeyReused { key: self.key.clone(), stream: first.stream.clone() })
    }
}

/// What a key was used for: the append that was stored under it.
///
/// # Example: what became of a request, asked by its key
///
/// ```
/// use es_core::{Append, EventStore, ExpectedVersion, IdempotencyKey, Keyed, NewEvent, StreamId, Version};
/// use uuid::Uuid;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = es_memory::MemoryStore::new();
/// # let stream = StreamId::new("account", "ada")?;
/// # let two = vec![NewEvent::new("account.opened", 1, "{}"), NewEvent::new("account.booked", 1, "{}")];
/// let key = IdempotencyKey::new("request-7")?;
/// # let keyed = Keyed::new(key.clone(), Uuid::nil());
/// # store.append(Append::new(stream.clone(), ExpectedVersion::Any, two).keyed(keyed)).await?;
/// let done = store.find_key(&key).await?.ok_or("nothing was stored under that key")?;
/// assert_eq!((done.stream, done.first, done.last), (stream, Version(1), Version(2)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyUse {
    /// The stream of the append.
    pub stream: StreamId,
    /// The version of its first event.
    pub first: Version,
    /// The version of its last event.
    pub last: Version,
    /// The fingerprint it came with.
    pub fingerprint: Uuid,
    /// When it was stored, by the store's clock.
    pub recorded_at: Timestamp,
}

impl KeyUse {
    /// Puts the parts together. For stores.
    pub const fn new(
        stream: StreamId,
        first: Version,
        last: Version,
        fingerprint: Uuid,
        recorded_at: Timestamp,
    ) -> Self {
        Self { stream, first, last, fingerprint, recorded_at }
    }
}

/// So begin the keys that the framework makes itself, for ever.
const OWN: &str = "~es/";

/// The namespace of all fingerprints, for ever.
const FINGERPRINTS: Uuid = Uuid::from_u128(0x6d3c_2f0e_58b1_4b7e_9f0a_2d7f_41c8_a516);

/// So deep a command may be nested: deeper than serde_json reads one.
const DEEPEST: u32 = 128;

/// The same JSON with the fields of all objects in order: those of a `HashMap` come in another order in each process, and those
/// of a struct may be moved in a later release.
fn canonical(json: &str, levels: u32) -> Result<String, serde_json::Error> {
    let inside = levels.checked_sub(1).ok_or_else(|| serde_json::Error::custom("it is nested too deep"))?;
    match json.trim_start().bytes().next() {
        Some(b'{') => {
            let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json)?;
            let field = |(name, value): (Cow<'_, str>, &RawValue)| {
                Ok(format!("{}:{}", serde_json::to_string(&name)?, canonical(value.get(), inside)?))
            };
            let fields = fields.into_iter().map(field).collect::<Result<Vec<_>, serde_json::Error>>()?;
            Ok(format!("{{{}}}", fields.join(",")))
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            let items = items.iter().map(|item| canonical(item.get(), inside)).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("[{}]", items.join(",")))
        }
        _ => Ok(json.to_owned()),
    }
}

/// The name of a type without the modules it is in, so that it may move.
fn without_paths(type_name: &str) -> String {
    let (mut short, mut word) = (String::new(), 0);
    for c in type_name.chars() {
        match c {
            ':' => short.truncate(word),
            c if c.is_alphanumeric() || c == '_' => short.push(c),
            c => {
                short.push(c);
                word = short.len();
            }
        }
    }
    short
}

#[cfg(test)]
#[path = "idempotency/tests.rs"]
mod tests;
