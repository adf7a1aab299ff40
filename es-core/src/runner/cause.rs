//! Causes of failures: what went wrong, told in full, and of which class it is.

use crate::document::DocumentError;
use crate::error::{BoxError, Error};
use crate::read_model::{DeadLetter, FailureClass, ReadModelStore};
use crate::runner::guard::{Panicked, chain};

/// Why something of a projection's failed.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    pub(super) class: FailureClass,
    pub(super) error: String,
}

impl Cause {
    /// What the projection's own code failed with.
    pub(super) fn of(store: &impl ReadModelStore, error: &BoxError) -> Self {
        Self::told(class_of(store, error), chain(&**error))
    }

    /// An event that cannot be read.
    pub(super) fn unreadable(error: &Error) -> Self {
        Self::told(FailureClass::Unreadable, chain(error))
    }

    pub(super) fn panicked(panicked: &Panicked) -> Self {
        Self::told(FailureClass::Panicked, panicked.to_string())
    }

    fn told(class: FailureClass, error: String) -> Self {
        Self { class, error: cut(error) }
    }
}

/// Stands where the rest of a text was.
const REST: char = '…';

/// What code says when it fails may be as long as what it failed at, and it is written down, and told to whoever asks.
fn cut(mut text: String) -> String {
    if text.len() > DeadLetter::MAX_ERROR_BYTES {
        text.truncate(text.floor_char_boundary(DeadLetter::MAX_ERROR_BYTES - REST.len_utf8()));
        text.push(REST);
    }
    text
}

/// As far as the runner knows: what code wraps in an error of its own is an error of its own, but for what the store recognises.
pub(super) fn class_of(store: &impl ReadModelStore, error: &BoxError) -> FailureClass {
    if error.is::<Panicked>() {
        return FailureClass::Panicked;
    }
    if store.is_too_slow(error) {
        return FailureClass::TooSlow;
    }
    // Also where code has wrapped it in an error of its own.
    if store.is_transient(error) {
        return FailureClass::Store;
    }
    if let Some(document) = error.downcast_ref() {
        return class_of_document(document);
    }
    match error.downcast_ref::<Error>() {
        Some(error) if store.is_spoiled(error) => FailureClass::Refused,
        Some(Error::Decode { .. }) => FailureClass::Unreadable,
        Some(Error::Document(document)) => class_of_document(document),
        Some(Error::Unavailable { .. } | Error::UnknownOutcome { .. } | Error::Setup { .. } | Error::Store { .. }) => {
            FailureClass::Store
        }
        // A command's own conflict, key or id, say.
        _ => FailureClass::Refused,
    }
}

/// One that cannot be written is what the projection's own code has made of it.
fn class_of_document(document: &DocumentError) -> FailureClass {
    if document.is_stored() { FailureClass::Unreadable } else { FailureClass::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_has_its_limits_and_whole_characters() {
        const MOST: usize = DeadLetter::MAX_ERROR_BYTES;
        let fits = "x".repeat(MOST);
        assert_eq!(cut(fits.clone()), fits);
        assert_eq!(cut(fits + "x"), "x".repeat(MOST - 3) + "…");
        let crabs = cut("🦀".repeat(MOST));
        assert_eq!(crabs, "🦀".repeat(MOST / 4 - 1) + "…");
        assert!(crabs.len() <= MOST);
    }
}
