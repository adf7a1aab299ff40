//! Keys: which documents an event changes.

use std::borrow::Cow;

use crate::stream::StreamId;

/// The longest key of a document, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// What names the documents that an event changes.
///
/// Implemented for texts, a [`StreamId`], `Option` and `Vec` of texts, and `()` for none.
///
/// # Example: an event that concerns two accounts
///
/// ```
/// use es_core::IntoKeys;
///
/// fn both(from: &str, to: &str) -> impl IntoKeys {
///     vec![from.to_owned(), to.to_owned()]
/// }
/// assert_eq!(both("ada", "bob").into_keys(), ["ada", "bob"]);
/// assert!(None::<String>.into_keys().is_empty());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name documents",
    label = "cannot become keys",
    note = "return a `String`, a `&str`, a `StreamId`, an `Option` or a `Vec` of texts, or `()` for none"
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

one_key! { &str String Cow<'_, str> }

impl IntoKeys for &StreamId {
    fn each(self, take: &mut dyn FnMut(&str)) {
        take(self.as_str());
    }
}

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
