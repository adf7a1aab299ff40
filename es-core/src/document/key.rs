//! Keys: which documents an event changes.

use std::borrow::Cow;

use crate::stream::{MAX_CATEGORY_BYTES, MAX_ID_BYTES, StreamId};

/// The longest key of a document, in bytes: as long as the name of a stream can be, so that every [`StreamId`] is a key.
///
/// # Example: the longest name of a stream
///
/// ```
/// use es_core::{MAX_CATEGORY_BYTES, MAX_ID_BYTES, MAX_KEY_BYTES, StreamId};
///
/// let longest = StreamId::new("c".repeat(MAX_CATEGORY_BYTES), "7".repeat(MAX_ID_BYTES))?;
/// assert_eq!(longest.to_string().len(), MAX_KEY_BYTES);
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
pub const MAX_KEY_BYTES: usize = MAX_CATEGORY_BYTES + 1 + MAX_ID_BYTES;

/// What names the documents that an event changes.
///
/// Implemented for texts, a [`StreamId`], `Option`, `Vec` and arrays of these, and `()` for none.
///
/// # Example: an event that concerns two accounts
///
/// ```
/// use es_core::IntoKeys;
///
/// fn both(from: &str, to: &str) -> impl IntoKeys {
///     [from.to_owned(), to.to_owned()]
/// }
/// assert_eq!(both("ada", "bob").into_keys(), ["ada", "bob"]);
/// assert!(None::<String>.into_keys().is_empty());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name documents",
    label = "cannot become keys",
    note = "return a `String`, a `&str`, a `StreamId`, an `Option`, a `Vec` or an array of these, or `()` for none"
)]
pub trait IntoKeys {
    /// Shows each key to `take`. One that occurs twice counts once.
    fn each(self, take: &mut dyn FnMut(&str));

    /// The keys.
    fn into_keys(self) -> Vec<String>
    where
        Self: Sized,
    {
        let mut keys = Vec::new();
        self.each(&mut |key| keys.push(key.to_owned()));
        keys
    }
}

macro_rules! one_key {
    ($($type:ty)*) => {$(
        impl IntoKeys for $type {
            fn each(self, take: &mut dyn FnMut(&str)) {
                take(self.as_ref());
            }
        }
    )*};
}

one_key! { &str String &String Cow<'_, str> StreamId &StreamId }

impl IntoKeys for () {
    fn each(self, _: &mut dyn FnMut(&str)) {}
}

impl<T: AsRef<str>> IntoKeys for Option<T> {
    fn each(self, take: &mut dyn FnMut(&str)) {
        self.iter().for_each(|key| take(key.as_ref()));
    }
}

impl<T: AsRef<str>> IntoKeys for Vec<T> {
    fn each(self, take: &mut dyn FnMut(&str)) {
        self.iter().for_each(|key| take(key.as_ref()));
    }
}

impl<T: AsRef<str>, const N: usize> IntoKeys for [T; N] {
    fn each(self, take: &mut dyn FnMut(&str)) {
        self.iter().for_each(|key| take(key.as_ref()));
    }
}

/// A key that no store can hold.
#[derive(Debug, thiserror::Error)]
#[error("a document's key has 1 to {MAX_KEY_BYTES} bytes and no NUL; this one has {bytes} bytes: {beginning:?}")]
pub(crate) struct InvalidKey {
    bytes: usize,
    beginning: String,
}

pub(crate) fn check_key(key: &str) -> Result<(), InvalidKey> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) && !key.contains('\0') {
        return Ok(());
    }
    Err(InvalidKey { bytes: key.len(), beginning: key.chars().take(40).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_streams_are_keys_by_value_by_reference_and_several_at_once() {
        let stream = StreamId::new("order", "7").unwrap();
        assert_eq!((&stream).into_keys(), ["order-7"]);
        assert_eq!(stream.clone().into_keys(), ["order-7"]);
        assert_eq!(Some(&stream).into_keys(), ["order-7"]);
        assert_eq!(vec![stream.clone(), stream.clone()].into_keys(), ["order-7", "order-7"]);
        assert_eq!([&stream, &stream].into_keys(), ["order-7", "order-7"]);
    }

    #[test]
    fn texts_are_keys_one_or_several() {
        assert_eq!("a".into_keys(), ["a"]);
        assert_eq!((&"a".to_owned()).into_keys(), ["a"]);
        assert_eq!(["a", "b"].into_keys(), ["a", "b"]);
        assert_eq!(["a".to_owned(), "b".to_owned()].into_keys(), ["a", "b"]);
        assert!([""; 0].into_keys().is_empty());
    }

    #[test]
    fn a_key_is_as_long_as_the_name_of_a_stream_and_no_longer() {
        let longest = StreamId::new("c".repeat(MAX_CATEGORY_BYTES), "7".repeat(MAX_ID_BYTES)).unwrap();
        assert!(check_key(longest.as_str()).is_ok());
        assert!(check_key(&format!("{longest}7")).is_err());
    }
}
