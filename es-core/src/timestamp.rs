//! An instant, as exact as a store can keep it.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::fresh_id::Moment;

/// An instant in whole microseconds since 1970-01-01T00:00:00Z, which is what PostgreSQL keeps.
///
/// It is a type of its own so that no calendar library becomes part of everybody's public interface. The text form is
/// RFC 3339, in UTC; [`as_micros`](Self::as_micros) and `SystemTime` lead to any other.
///
/// # Example: from text, to text, and arithmetic
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use es_core::Timestamp;
///
/// let noon: Timestamp = "2026-11-21T12:00:00Z".parse()?;
/// let later = noon + Duration::from_millis(1_500);
/// assert_eq!(later.to_string(), "2026-11-21T12:00:01.5Z");
/// assert_eq!(later.since(noon), Duration::from_millis(1_500));
/// assert_eq!(Timestamp::from(SystemTime::from(noon)), noon);
/// # Ok::<(), es_core::InvalidTimestamp>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);

    /// The system clock's time.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The instant `micros` microseconds after the Unix epoch, before it when negative.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch, negative before it.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time from `earlier` until this instant, zero when it lies behind.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    fn calendar(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_microsecond(self.0).ok()
    }
}

fn micros(duration: Duration) -> i64 {
    // Not `as_micros`: it divides in 128 bits, and every append asks for the time.
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1_000_000).saturating_add(i64::from(duration.subsec_micros()))
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self::UNIX_EPOCH + after,
            Err(before) => Self::UNIX_EPOCH - before.duration(),
        }
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        moment.0.into()
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        let distance = Duration::from_micros(timestamp.0.unsigned_abs());
        if timestamp.0 < 0 { Self::UNIX_EPOCH - distance } else { Self::UNIX_EPOCH + distance }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.calendar() {
            Some(calendar) => calendar.fmt(f),
            // Beyond the year 9999 there is no RFC 3339 form.
            None => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an RFC 3339 instant.
///
/// # Example: a date without a time is not an instant
///
/// ```
/// assert!("2026-11-21".parse::<es_core::Timestamp>().is_err());
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error("not an RFC 3339 instant: {0}")]
pub struct InvalidTimestamp(jiff::Error);

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let calendar: jiff::Timestamp = text.parse().map_err(InvalidTimestamp)?;
        Ok(Self(calendar.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
