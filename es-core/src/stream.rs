//! Streams: the unit of consistency, named by category and id, counted by version.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest category, in bytes.
///
/// # Example: one more is too many
///
/// ```
/// use es_core::{MAX_CATEGORY_BYTES, StreamId};
///
/// assert!(StreamId::new("c".repeat(MAX_CATEGORY_BYTES), "7").is_ok());
/// assert!(StreamId::new("c".repeat(MAX_CATEGORY_BYTES + 1), "7").is_err());
/// ```
pub const MAX_CATEGORY_BYTES: usize = 128;

/// The longest id within a category, in bytes.
///
/// Together with [`MAX_CATEGORY_BYTES`] it keeps a stream's name well inside what a database index can hold.
///
/// # Example: one more is too many
///
/// ```
/// use es_core::{MAX_ID_BYTES, StreamId};
///
/// assert!(StreamId::new("order", "7".repeat(MAX_ID_BYTES)).is_ok());
/// assert!(StreamId::new("order", "7".repeat(MAX_ID_BYTES + 1)).is_err());
/// ```
pub const MAX_ID_BYTES: usize = 1024;

/// How many slices the streams are divided into.
///
/// # Example: every stream has its slice
///
/// ```
/// use es_core::{SLICES, StreamId};
///
/// assert!(StreamId::new("order", "7")?.slice() < SLICES);
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
pub const SLICES: u16 = 1024;

/// The name of a stream: a category and an id within it.
///
/// Ids of different categories never collide. The text form is `category-id`; a category holds no `-`, so the
/// form can be read back without ambiguity. Cloning is cheap.
///
/// # Example: name a stream and read the name back
///
/// ```
/// use es_core::StreamId;
///
/// let stream = StreamId::new("order", "2024-000-7")?;
/// assert_eq!(stream.category(), "order");
/// assert_eq!(stream.id(), "2024-000-7");
/// assert_eq!(stream.to_string(), "order-2024-000-7");
/// assert_eq!("order-2024-000-7".parse::<StreamId>()?, stream);
/// assert!(StreamId::new("order", "").is_err());
/// # Ok::<(), es_core::InvalidStreamId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StreamId {
    /// The text form, whose first `-` ends the category.
    text: Arc<str>,
    category_bytes: u8,
}

thread_local! {
    /// Where text forms are put together, so that a name costs one allocation: readers make one for each event.
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

impl StreamId {
    /// Names the stream `id` of `category`.
    ///
    /// # Errors
    /// [`InvalidStreamId`] when a part is empty, too long or holds a NUL character, or when the category holds `-`.
    pub fn new(category: impl AsRef<str>, id: impl AsRef<str>) -> Result<Self, InvalidStreamId> {
        let (category, id) = (category.as_ref(), id.as_ref());
        let category_bytes = check_category(category)?;
        check_id(id)?;
        let text = TEXT.with_borrow_mut(|text| {
            text.clear();
            text.extend([category, "-", id]);
            Arc::from(text.as_str())
        });
        Ok(Self { text, category_bytes })
    }

    /// What kind of thing the stream is about, for example `order`.
    pub fn category(&self) -> &str {
        self.text.get(..self.dash()).unwrap_or_default()
    }

    /// Which one of its category the stream is about.
    pub fn id(&self) -> &str {
        self.text.get(self.dash() + 1..).unwrap_or_default()
    }

    /// The text form, as [`Display`](fmt::Display) writes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    fn dash(&self) -> usize {
        usize::from(self.category_bytes)
    }

    /// Which of the [`SLICES`] equal parts of all streams this one belongs to, so that readers can share the log by
    /// [`Slices`](crate::Slices).
    ///
    /// It is stored with every event and therefore never changes: the 64-bit FNV-1a hash of the text form, folded to its
    /// lowest ten bits by exclusive or (see [the authors' page](http://www.isthe.com/chongo/tech/comp/fnv/)).
    pub fn slice(&self) -> u16 {
        let hash = self
            .text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let folded = (hash >> 40) ^ (hash >> 20) ^ hash;
        u16::try_from(folded % u64::from(SLICES)).unwrap_or(0)
    }
}

/// Gives back the length.
fn check_category(category: &str) -> Result<u8, InvalidStreamId> {
    match (category, u8::try_from(category.len())) {
        ("", _) => Err(InvalidStreamId::EmptyCategory),
        (c, Ok(bytes)) if c.len() <= MAX_CATEGORY_BYTES => match c.bytes().any(|byte| matches!(byte, b'-' | 0)) {
            true => Err(InvalidStreamId::CategoryCharacter { category: c.into() }),
            false => Ok(bytes),
        },
        (c, _) => Err(InvalidStreamId::CategoryTooLong { bytes: c.len() }),
    }
}

fn check_id(id: &str) -> Result<(), InvalidStreamId> {
    match id {
        "" => Err(InvalidStreamId::EmptyId),
        id if id.len() > MAX_ID_BYTES => Err(InvalidStreamId::IdTooLong { bytes: id.len() }),
        id if id.bytes().any(|byte| byte == 0) => Err(InvalidStreamId::IdCharacter),
        _ => Ok(()),
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// By category, and then by id, byte by byte.
impl Ord for StreamId {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.category(), self.id()).cmp(&(other.category(), other.id()))
    }
}

impl PartialOrd for StreamId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl AsRef<str> for StreamId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({self})")
    }
}

impl FromStr for StreamId {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, InvalidStreamId> {
        let (category, id) = text.split_once('-').ok_or(InvalidStreamId::NoSeparator)?;
        Self::new(category, id)
    }
}

/// Why a text cannot name a stream. The caller can only choose another name.
///
/// # Example: an id that no database index could hold
///
/// ```
/// use es_core::{InvalidStreamId, StreamId};
///
/// let refused = StreamId::new("order", "7".repeat(10_000)).unwrap_err();
/// assert_eq!(refused, InvalidStreamId::IdTooLong { bytes: 10_000 });
/// assert_eq!(refused.to_string(), "the id of a stream is 10000 bytes long, at most 1024 are allowed");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStreamId {
    /// The category is the empty string.
    #[error("the category of a stream is empty")]
    EmptyCategory,
    /// The category is longer than [`MAX_CATEGORY_BYTES`].
    #[error("the category of a stream is {bytes} bytes long, at most {MAX_CATEGORY_BYTES} are allowed")]
    CategoryTooLong {
        /// The length that was refused.
        bytes: usize,
    },
    /// The category holds `-`, which separates it from the id, or NUL, which databases cannot store.
    #[error("the category {category:?} holds a `-` or a NUL character")]
    CategoryCharacter {
        /// The category that was refused.
        category: String,
    },
    /// The id is the empty string.
    #[error("the id of a stream is empty")]
    EmptyId,
    /// The id is longer than [`MAX_ID_BYTES`].
    #[error("the id of a stream is {bytes} bytes long, at most {MAX_ID_BYTES} are allowed")]
    IdTooLong {
        /// The length that was refused.
        bytes: usize,
    },
    /// The id holds NUL, which databases cannot store.
    #[error("the id of a stream holds a NUL character")]
    IdCharacter,
    /// The text has no `-` between category and id.
    #[error("a stream is written `category-id`, and the text has no `-`")]
    NoSeparator,
}

/// How many events a stream has: 1 after the first, without gaps. 0 stands before the first event.
///
/// # Example: the version an append leads to
///
/// ```
/// use es_core::Version;
///
/// assert_eq!(Version::NONE.after(3), Version(3));
/// assert_eq!(Version(3).to_string(), "3");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u64);

impl Version {
    /// The version of a stream that has no events.
    pub const NONE: Self = Self(0);

    /// The version of a stream's first event.
    pub const FIRST: Self = Self(1);

    /// This version with `events` more. It stays at `u64::MAX` rather than wrap.
    #[must_use]
    pub const fn after(self, events: u64) -> Self {
        Self(self.0.saturating_add(events))
    }
}

/// For databases, whose integers are signed.
impl TryFrom<i64> for Version {
    type Error = std::num::TryFromIntError;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        u64::try_from(number).map(Self)
    }
}

/// For databases, whose integers are signed.
impl TryFrom<Version> for i64 {
    type Error = std::num::TryFromIntError;

    fn try_from(version: Version) -> Result<Self, Self::Error> {
        Self::try_from(version.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the writer of an append believes of the stream. The store refuses the append when it is not so.
///
/// # Example: what each expectation says of a stream
///
/// ```
/// use es_core::{ExpectedVersion, Version};
///
/// assert!(ExpectedVersion::Exact(Version(3)).allows(Version(3)));
/// assert!(!ExpectedVersion::Exact(Version(7)).allows(Version(3)));
/// assert!(ExpectedVersion::NoStream.allows(Version::NONE));
/// assert!(!ExpectedVersion::Exists.allows(Version::NONE));
/// assert_eq!(ExpectedVersion::from(Version(3)).to_string(), "3");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ExpectedVersion {
    /// Whatever is there. The append goes behind it.
    #[default]
    Any,
    /// The stream has no events yet. The same as `Exact(Version::NONE)`.
    NoStream,
    /// The stream has at least one event.
    Exists,
    /// The stream is at this very version.
    Exact(Version),
}

impl ExpectedVersion {
    /// Whether a stream at `actual` meets the expectation.
    pub const fn allows(self, actual: Version) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => actual.0 == 0,
            Self::Exists => actual.0 > 0,
            Self::Exact(expected) => expected.0 == actual.0,
        }
    }
}

impl From<Version> for ExpectedVersion {
    fn from(version: Version) -> Self {
        Self::Exact(version)
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream => f.write_str("no stream"),
            Self::Exists => f.write_str("at least one event"),
            Self::Exact(version) => version.fmt(f),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test has nobody to hand an error to")]
mod tests {
    use super::*;

    /// As a database sorts by two columns, whatever characters a category has.
    #[test]
    fn streams_sort_by_category_and_then_by_id() {
        let stream = |category: &str, id: &str| StreamId::new(category, id).unwrap();
        let sorted = [stream("a", "z"), stream("a+", "a"), stream("a+", "b-c"), stream("b", "a")];
        assert!(sorted.is_sorted());
        assert!(!sorted.iter().map(ToString::to_string).is_sorted(), "by their texts they would not be");
        assert_eq!((sorted[2].category(), sorted[2].id()), ("a+", "b-c"));
    }
}
