//! Slices: the streams in 1024 equal parts, so that several readers can share the log.

use std::fmt;

use crate::stream::{SLICES, StreamId};

/// The number of the last slice.
const LAST: u16 = SLICES - 1;

/// A range of [slices](StreamId::slice): the part of all streams that one reader takes. By default it takes all.
///
/// All events of a stream are in the same slice, so whoever reads a part of the log has every event of its streams, in order.
///
/// # Example: four readers share the log
///
/// ```
/// use es_core::{Slices, StreamId};
///
/// let parts = Slices::divide(4)?;
/// assert_eq!(parts[0].to_string(), "0..=255");
/// assert_eq!(parts[3], Slices::new(768, 1023)?);
///
/// let stream = StreamId::new("order", "7")?;
/// assert_eq!(parts.iter().filter(|part| part.contains(&stream)).count(), 1);
/// assert!(Slices::ALL.contains(&stream));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slices {
    first: u16,
    last: u16,
}

impl Slices {
    /// Every stream there is.
    pub const ALL: Self = Self { first: 0, last: LAST };

    /// The slices from `first` to `last`, both included.
    ///
    /// # Errors
    /// [`InvalidSlices`] when `first` comes behind `last`, or `last` is not below [`SLICES`].
    pub const fn new(first: u16, last: u16) -> Result<Self, InvalidSlices> {
        if last > LAST {
            return Err(InvalidSlices::Unknown { slice: last });
        }
        if first > last {
            return Err(InvalidSlices::Reversed { first, last });
        }
        Ok(Self { first, last })
    }

    /// The one slice that the stream is in.
    pub fn of(stream: &StreamId) -> Self {
        let slice = stream.slice();
        Self { first: slice, last: slice }
    }

    /// All slices in `parts` contiguous ranges, in order. They differ by one slice at the most, the larger ones first.
    ///
    /// # Errors
    /// [`InvalidSlices::Parts`] when `parts` is 0 or more than [`SLICES`].
    pub fn divide(parts: u16) -> Result<Vec<Self>, InvalidSlices> {
        if parts == 0 || parts > SLICES {
            return Err(InvalidSlices::Parts { parts });
        }
        let (length, longer) = (SLICES / parts, SLICES % parts);
        let mut next = 0;
        let range = |part| {
            let first = next;
            next += length + u16::from(part < longer);
            Self { first, last: next - 1 }
        };
        Ok((0..parts).map(range).collect())
    }

    /// The lowest slice.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest slice, which belongs to the range.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// Whether the stream's slice is in the range.
    pub fn contains(self, stream: &StreamId) -> bool {
        self.is_all() || self.contains_slice(stream.slice())
    }

    /// Whether the slice of this number is in the range.
    pub const fn contains_slice(self, slice: u16) -> bool {
        self.first <= slice && slice <= self.last
    }

    /// Whether every stream is in the range.
    pub const fn is_all(self) -> bool {
        self.first == 0 && self.last == LAST
    }
}

impl Default for Slices {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Slices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.first, self.last)
    }
}

/// Why numbers say no part of the streams. The caller can only choose others.
///
/// # Example: what is wrong with them
///
/// ```
/// use es_core::{InvalidSlices, Slices};
///
/// assert_eq!(Slices::new(9, 3), Err(InvalidSlices::Reversed { first: 9, last: 3 }));
/// assert_eq!(Slices::new(0, 1024).unwrap_err().to_string(), "there is no slice 1024, the last one is 1023");
/// assert_eq!(Slices::divide(0), Err(InvalidSlices::Parts { parts: 0 }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSlices {
    /// No slice has so high a number.
    #[error("there is no slice {slice}, the last one is {LAST}")]
    Unknown {
        /// The number that was refused.
        slice: u16,
    },
    /// The range ends before it begins.
    #[error("slice {first} cannot be the first of a range that ends with slice {last}")]
    Reversed {
        /// Where the range was to begin.
        first: u16,
        /// Where it was to end.
        last: u16,
    },
    /// A part would have no slice, or there would be no part.
    #[error("{SLICES} slices can be divided into 1 to {SLICES} parts, not into {parts}")]
    Parts {
        /// The number of parts that was refused.
        parts: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_has_every_slice_in_exactly_one_part() {
        for parts in 1..=SLICES {
            let ranges = Slices::divide(parts).unwrap();
            assert_eq!(ranges.len(), usize::from(parts));
            let slices: Vec<u16> = ranges.iter().flat_map(|range| range.first()..=range.last()).collect();
            assert_eq!(slices, (0..SLICES).collect::<Vec<_>>(), "{parts} parts");
            let lengths = || ranges.iter().map(|range| range.last() - range.first());
            assert!(lengths().max() <= lengths().min().map(|shortest| shortest + 1), "{parts} parts");
        }
        assert_eq!(Slices::divide(1), Ok(vec![Slices::ALL]));
        assert_eq!(Slices::divide(SLICES + 1), Err(InvalidSlices::Parts { parts: SLICES + 1 }));
        assert_eq!(Slices::divide(u16::MAX), Err(InvalidSlices::Parts { parts: u16::MAX }));
    }

    #[test]
    fn the_ends_of_a_range_belong_to_it() {
        let range = Slices::new(3, 5).unwrap();
        let inside: Vec<u16> = (0..SLICES).filter(|slice| range.contains_slice(*slice)).collect();
        assert_eq!(inside, [3, 4, 5]);
        assert!(Slices::new(7, 7).unwrap().contains_slice(7));
    }

    #[test]
    fn only_the_whole_range_is_all() {
        assert!(Slices::ALL.is_all() && Slices::new(0, LAST) == Ok(Slices::ALL) && Slices::default().is_all());
        assert!(!Slices::new(1, LAST).unwrap().is_all());
        assert!(!Slices::new(0, LAST - 1).unwrap().is_all());
    }
}
