//! What the derives call. Not for anybody else: it changes without notice.

use crate::document::{Document, IntoKeys};
use crate::recorded::Recorded;

pub use crate::codec::{
    concat_types, decode_struct, decode_variant, encode_struct, encode_variant, overlap, owns, unknown_type,
};
pub use serde_json::Value;
pub use std::borrow::Cow;

/// The JSON of what a store's own tables keep, by the rules of events and documents: numbers that are not finite are refused.
pub fn to_json<T: ?Sized + serde::Serialize>(value: &T) -> Result<String, serde_json::Error> {
    crate::codec::to_json(value)
}

/// Calls a closure that names documents, and gives the compiler the type of its parameter before it reads the closure.
pub fn keys<'e, E, K: IntoKeys>(event: &'e Recorded<E>, key: impl FnOnce(&'e Recorded<E>) -> K) -> K {
    key(event)
}

/// `apply` of a document that needs its key: the first key of the event. Of an event without keys it takes nothing in.
pub fn apply_as_the_first<D: Document>(document: &mut D, event: &Recorded<D::Event>) {
    if let Some(first) = D::key(event).into_keys().first() {
        document.apply_as(first, event);
    }
}
