//! Classes of failures: what kind of trouble it was, for code that decides by it.

use std::fmt;

/// What kind of failure it was. It says who can mend it; the text that stands beside it says what to mend.
///
/// # Example: whom to tell of a dead letter
///
/// ```
/// use es_core::{DeadLetter, FailureClass};
///
/// fn whom_to_tell(letter: &DeadLetter) -> &'static str {
///     match letter.class {
///         Some(FailureClass::Unreadable) => "whoever changed the event's type",
///         Some(FailureClass::TooSlow | FailureClass::Store) => "whoever runs the database",
///         _ => "whoever wrote the projection",
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureClass {
    /// The event cannot be read by today's code, or the stored document that it changes cannot. Add the missing type, alias or
    /// upcaster, or give the document a new version.
    Unreadable,
    /// The projection's own code, or that of a reactor or an effect, returned an error.
    Refused,
    /// That code panicked, be it while it read the event. A mistake in it.
    Panicked,
    /// A statement of that code, or its transaction, took longer than the store lets it. Make it faster, or the batch smaller.
    TooSlow,
    /// The store failed, or could not be reached.
    Store,
}

impl FailureClass {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Unreadable, Self::Refused, Self::Panicked, Self::TooSlow, Self::Store];

    /// The word for it, as stores keep it and metrics tell it. It stays the same over releases.
    ///
    /// # Example: there and back
    ///
    /// ```
    /// use es_core::FailureClass;
    ///
    /// assert_eq!(FailureClass::TooSlow.as_str(), "too_slow");
    /// assert_eq!(FailureClass::named("too_slow"), Some(FailureClass::TooSlow));
    /// assert_eq!(FailureClass::named("a word of a later release"), None);
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::Panicked => "panicked",
            Self::TooSlow => "too_slow",
            Self::Store => "store",
        }
    }

    /// The class that a word stands for; `None` for one that this release does not know.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
