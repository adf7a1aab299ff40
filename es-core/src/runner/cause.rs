//! Causes of failures: what went wrong, told in full, and of which class it is.

use crate::document::DocumentError;
use crate::error::{BoxError, Error};
use crate::read_model::{FailureClass, ReadModelStore};
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
        Self { class: class_of(store, error), error: chain(&**error) }
    }

    /// An event that cannot be read.
    pub(super) fn unreadable(error: &Error) -> Self {
        Self { class: FailureClass::Unreadable, error: chain(error) }
    }

    pub(super) fn panicked(panicked: &Panicked) -> Self {
        Self { class: FailureClass::Panicked, error: panicked.to_string() }
    }
}

/// As far as the runner knows: what code wraps in an error of its own is an error of its own, but for what the store recognises.
pub(super) fn class_of(store: &impl ReadModelStore, error: &BoxError) -> FailureClass {
    if error.is::<Panicked>() {
        return FailureClass::Panicked;
    }
    if store.is_too_slow(error) {
        return FailureClass::TooSlow;
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
