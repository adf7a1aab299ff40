//! Aggregate ids: any type with a stable text form.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// An id with a text form that never changes, because it becomes part of a stream's name.
///
/// It is a trait of its own, and not `Display`, so that nobody changes where events are found by changing how an
/// id is shown. Implemented for `String`, `Uuid` and the integers; `#[derive(AggregateId)]` implements it, with
/// `Display` and `FromStr`, for a newtype around one of them.
///
/// # Example: an id with a check digit, by hand
///
/// ```
/// use std::borrow::Cow;
/// use es_core::{AggregateId, InvalidId};
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Iban(String);
///
/// impl AggregateId for Iban {
///     fn to_text(&self) -> Cow<'_, str> {
///         Cow::Borrowed(&self.0)
///     }
///     fn from_text(text: &str) -> Result<Self, InvalidId> {
///         match text.len() {
///             15..=34 => Ok(Self(text.to_owned())),
///             _ => Err(InvalidId::new("IBAN", text)),
///         }
///     }
/// }
///
/// assert_eq!(Iban::from_text("NO9386011117947").unwrap().to_text(), "NO9386011117947");
/// assert_eq!(Iban::from_text("7").unwrap_err().to_string(), "`7` is not a valid IBAN");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the id of an aggregate",
    label = "this type has no stable text form",
    note = "use `String`, `Uuid` or an integer, or put `#[derive(AggregateId)]` on a newtype around one of them"
)]
pub trait AggregateId: Clone + fmt::Debug + Send + Sync + 'static {
    /// The text that names the stream, the same for ever.
    fn to_text(&self) -> Cow<'_, str>;

    /// Reads back what [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    /// [`InvalidId`] when the text was not written by `to_text`.
    fn from_text(text: &str) -> Result<Self, InvalidId>;
}

/// An id as a caller has it at hand: the id, a reference to it, or a `&str` where the id is a `String`.
///
/// # Example: no `to_owned` for the sake of a look
///
/// ```
/// use es_core::AsId;
///
/// fn text<I: es_core::AggregateId>(id: impl AsId<I>) -> String {
///     id.as_text().into_owned()
/// }
/// assert_eq!(text::<String>("ada"), "ada");
/// assert_eq!(text::<String>("ada"), "ada");
/// assert_eq!(text::<u64>(7), "7");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an id of type `{I}`, nor a reference to one",
    label = "expected `{I}` or `&{I}`"
)]
pub trait AsId<I: AggregateId> {
    /// The text that names the stream.
    fn as_text(&self) -> Cow<'_, str>;
}

impl<I: AggregateId> AsId<I> for &I {
    fn as_text(&self) -> Cow<'_, str> {
        self.to_text()
    }
}

impl<I: AggregateId> AsId<I> for I {
    fn as_text(&self) -> Cow<'_, str> {
        self.to_text()
    }
}

impl AsId<String> for &str {
    fn as_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl AsId<Arc<str>> for &str {
    fn as_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

/// A text that is not the id it should be.
///
/// # Example: read a number from a text
///
/// ```
/// use es_core::AggregateId;
///
/// let refused = u64::from_text("seven").unwrap_err();
/// assert_eq!(refused.to_string(), "`seven` is not a valid u64");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {expected}")]
pub struct InvalidId {
    expected: &'static str,
    text: String,
}

/// How much of a refused text an error repeats, in characters.
const SHOWN_CHARACTERS: usize = 60;

impl InvalidId {
    /// Says what was expected and what was there. Of a long text only the beginning is kept.
    pub fn new(expected: &'static str, text: &str) -> Self {
        Self { expected, text: text.chars().take(SHOWN_CHARACTERS).collect() }
    }
}

impl AggregateId for String {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }

    fn from_text(text: &str) -> Result<Self, InvalidId> {
        Ok(text.to_owned())
    }
}

impl AggregateId for Arc<str> {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }

    fn from_text(text: &str) -> Result<Self, InvalidId> {
        Ok(text.into())
    }
}

impl AggregateId for Uuid {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(self.hyphenated().to_string())
    }

    fn from_text(text: &str) -> Result<Self, InvalidId> {
        text.parse().map_err(|_| InvalidId::new("UUID", text))
    }
}

macro_rules! integer_ids {
    ($($integer:ident)*) => {$(
        impl AggregateId for $integer {
            fn to_text(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }

            fn from_text(text: &str) -> Result<Self, InvalidId> {
                text.parse().map_err(|_| InvalidId::new(stringify!($integer), text))
            }
        }
    )*};
}

integer_ids!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);
