//! Upcasters: the way from each older shape of an event to the next.

use std::error::Error as StdError;

use serde_json::Value;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::event::{EncodedEvent, EventType};

/// Takes the JSON of schema version n to version n+1. Named in `#[event(upcast(1 = …))]`.
///
/// # Example: amounts in cents since version 2
///
/// ```
/// use es_core::{EncodedEvent, Event};
/// use serde_json::{Value, json};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// #[event(category = "account")]
/// enum AccountEvent {
///     #[event(version = 2, upcast(1 = euros_to_cents))]
///     Deposited { cents: u64 },
/// }
///
/// fn euros_to_cents(old: Value) -> Value {
///     json!({ "cents": old["euros"].as_u64().unwrap_or(0) * 100 })
/// }
///
/// let old = EncodedEvent::new("account", "account.deposited", 1, r#"{"euros":7}"#);
/// assert_eq!(AccountEvent::decode(old).unwrap(), AccountEvent::Deposited { cents: 700 });
/// ```
pub type Upcaster = fn(Value) -> Result<Value, Box<dyn StdError + Send + Sync>>;

/// What an upcaster function may return: the new JSON, or a `Result` of it with any error.
///
/// # Example: an upcaster that can refuse
///
/// ```
/// use es_core::Upcast;
/// use serde_json::{Value, json};
///
/// fn split_name(old: Value) -> Result<Value, &'static str> {
///     let name = old["name"].as_str().ok_or("no name")?;
///     let (first, last) = name.split_once(' ').ok_or("a name of one word")?;
///     Ok(json!({ "first": first, "last": last }))
/// }
///
/// assert!(split_name(json!({ "name": "Ada Lovelace" })).upcast().is_ok());
/// assert_eq!(split_name(json!({})).upcast().unwrap_err().to_string(), "no name");
/// ```
#[diagnostic::on_unimplemented(
    message = "an upcaster returns `serde_json::Value` or a `Result` of it, not `{Self}`",
    label = "not the result of an upcaster"
)]
pub trait Upcast {
    /// The new JSON, or why there is none.
    ///
    /// # Errors
    /// Whatever the upcaster refused with.
    fn upcast(self) -> Result<Value, Box<dyn StdError + Send + Sync>>;
}

impl Upcast for Value {
    fn upcast(self) -> Result<Value, Box<dyn StdError + Send + Sync>> {
        Ok(self)
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> Upcast for Result<Value, E> {
    fn upcast(self) -> Result<Value, Box<dyn StdError + Send + Sync>> {
        self.map_err(Into::into)
    }
}

/// The stored payload in today's shape, or `None` when it is in today's shape already and need not be parsed to a
/// `Value` at all.
pub(crate) fn to_current(stored: EncodedEvent<'_>, event_type: &EventType) -> Result<Option<Value>, DecodeError> {
    let current = event_type.schema_version();
    match stored.schema_version {
        version if version == current => Ok(None),
        version if version == 0 || version > current => {
            Err(DecodeError::new(stored, DecodeErrorKind::UnknownSchemaVersion { current }))
        }
        version => upcast_from(version, stored, event_type).map(Some),
    }
}

fn upcast_from(version: u32, stored: EncodedEvent<'_>, event_type: &EventType) -> Result<Value, DecodeError> {
    let parsed = serde_json::from_str(stored.payload)
        .map_err(|source| DecodeError::new(stored, DecodeErrorKind::Payload(source)))?;
    (version..).zip(event_type.upcasters().iter().skip(version as usize - 1)).try_fold(
        parsed,
        |value, (from, upcaster)| {
            upcaster(value).map_err(|source| DecodeError::new(stored, DecodeErrorKind::Upcast { from, source }))
        },
    )
}
