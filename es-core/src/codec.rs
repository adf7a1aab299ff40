//! Between an enum of events and the JSON of one variant.
//!
//! The type of an event is stored beside its payload, so the payload is the variant's content alone. The enum's own
//! serde implementation writes and reads it, through the adapters below, and so every serde attribute on variants and
//! fields holds. Nothing is generated per variant, and nothing passes through a `Value`.

mod de;
mod finite;
mod ser;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::event::{EncodedEvent, EventType};
use crate::upcast::to_current;

pub(crate) use finite::to_json;

/// The content of an externally tagged enum's variant, as JSON.
pub fn encode_variant<E: Serialize>(event: &E, event_type: &EventType) -> Result<String, EncodeError> {
    encode_struct(&ser::Variant(event), event_type)
}

/// A struct that is an event by itself, as JSON.
pub fn encode_struct<E: Serialize>(event: &E, event_type: &EventType) -> Result<String, EncodeError> {
    to_json(event).map_err(|source| EncodeError::new(event_type.name(), source))
}

/// Reads the content of the variant that serde numbers `index`.
pub fn decode_variant<E: DeserializeOwned>(
    stored: EncodedEvent<'_>,
    event_type: &EventType,
    index: u32,
) -> Result<E, DecodeError> {
    let decoded = match to_current(stored, event_type)? {
        None => de::variant_from_str(stored.payload, index),
        Some(value) => E::deserialize(de::VariantDeserializer::new(value, index)),
    };
    decoded.map_err(|source| DecodeError::new(stored, DecodeErrorKind::Payload(source)))
}

/// Reads a struct that is an event by itself.
pub fn decode_struct<E: DeserializeOwned>(stored: EncodedEvent<'_>, event_type: &EventType) -> Result<E, DecodeError> {
    let decoded = match to_current(stored, event_type)? {
        None => serde_json::from_str(stored.payload),
        Some(value) => serde_json::from_value(value),
    };
    decoded.map_err(|source| DecodeError::new(stored, DecodeErrorKind::Payload(source)))
}

/// The refusal of a type that is not of the set.
pub fn unknown_type<E>(stored: EncodedEvent<'_>) -> Result<E, DecodeError> {
    Err(DecodeError::new(stored, DecodeErrorKind::UnknownType))
}

/// Whether one of `types` is what `stored` was stored as.
pub fn owns(types: &[EventType], stored: EncodedEvent<'_>) -> bool {
    types.iter().any(|t| t.category() == stored.category && t.is_called(stored.event_type))
}

/// The types of a union, one set after the other.
pub const fn concat_types<const N: usize>(sets: &[&[EventType]]) -> [EventType; N] {
    let mut all = [EventType::new("", ""); N];
    let (mut next, mut set) = (0, 0);
    while set < sets.len() {
        let mut i = 0;
        while i < sets[set].len() {
            all[next] = sets[set][i];
            next += 1;
            i += 1;
        }
        set += 1;
    }
    all
}

/// Whether a type of `set` goes by a name that a type of the sets before it goes by too.
pub const fn overlap(set: &[EventType], before: &[&[EventType]]) -> bool {
    let mut i = 0;
    while i < set.len() {
        let mut other = 0;
        while other < before.len() {
            if is_among(&set[i], before[other]) {
                return true;
            }
            other += 1;
        }
        i += 1;
    }
    false
}

const fn is_among(event_type: &EventType, set: &[EventType]) -> bool {
    let mut i = 0;
    while i < set.len() {
        if same(event_type.category(), set[i].category()) && share_a_name(event_type, &set[i]) {
            return true;
        }
        i += 1;
    }
    false
}

const fn share_a_name(a: &EventType, b: &EventType) -> bool {
    let mut i = 0;
    while i <= a.aliases().len() {
        let name = if i == 0 { a.name() } else { a.aliases()[i - 1] };
        let mut j = 0;
        while j <= b.aliases().len() {
            if same(name, if j == 0 { b.name() } else { b.aliases()[j - 1] }) {
                return true;
            }
            j += 1;
        }
        i += 1;
    }
    false
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
