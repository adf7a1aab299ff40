//! Fresh ids: UUIDs of version 7, each of them behind all that this process has made before.
//!
//! They are made here, and not by [`Uuid::now_v7`], because each command makes two: that one takes a lock for the whole process and
//! divides wide numbers, and takes longer than the rest of an append in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use uuid::Uuid;

/// How many bits of a millisecond stand behind it, in place of the leftmost random ones, as RFC 9562 allows (6.2, method 3).
const FRACTION_BITS: u32 = 12;

const NANOS_PER_MILLI: u32 = 1_000_000;

/// What the clock says, for a decision and for ids. Whoever needs several of these looks once, which takes longer than all the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) SystemTime);

/// The newest stamp that was given.
static NEWEST: AtomicU64 = AtomicU64::new(0);

/// A UUID of version 7 that nobody else has, and that sorts behind all that this process has made before.
pub(crate) fn fresh_id() -> Uuid {
    fresh_id_at(Moment::now())
}

/// The same for who has just looked at the clock.
pub(crate) fn fresh_id_at(now: Moment) -> Uuid {
    compose(next_after(&NEWEST, now.stamp()), Uuid::new_v4())
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self(SystemTime::now())
    }

    /// The time in steps of about 244 ns: milliseconds, and their fraction.
    fn stamp(self) -> u64 {
        // A clock that stands before 1970 is wrong. What is made then sorts by the order in which it is made.
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = since.as_secs().wrapping_mul(1_000).wrapping_add(u64::from(since.subsec_millis()));
        let nanos = u64::from(since.subsec_nanos() % NANOS_PER_MILLI);
        (millis << FRACTION_BITS) | ((nanos << FRACTION_BITS) / u64::from(NANOS_PER_MILLI))
    }
}

/// `now`, or the stamp behind the newest one where the clock stands still, or was put back.
fn next_after(newest: &AtomicU64, now: u64) -> u64 {
    let mut known = newest.load(Ordering::Relaxed);
    loop {
        let next = now.max(known.wrapping_add(1));
        // Two threads never get the same one, and that is all that is asked of the order of memory.
        match newest.compare_exchange_weak(known, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return next,
            Err(newer) => known = newer,
        }
    }
}

/// The stamp, and behind it what is random of `random`, whose variant is that of version 7, too.
fn compose(stamp: u64, random: Uuid) -> Uuid {
    const VERSION: u64 = 7 << FRACTION_BITS;
    const FRACTION: u64 = (1 << FRACTION_BITS) - 1;
    let (_, low) = random.as_u64_pair();
    let millis = (stamp >> FRACTION_BITS) << (FRACTION_BITS + 4);
    Uuid::from_u64_pair(millis | VERSION | (stamp & FRACTION), low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn it_is_of_version_7_and_says_when_it_was_made() {
        let made = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        let id = compose(Moment(made).stamp(), Uuid::new_v4());
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(id.get_timestamp().map(|time| time.to_unix()), Some((1_700_000_000, 123_000_000)));
        // 0.456 of 4096, behind the version.
        assert_eq!(&id.as_bytes()[6..8], &0x774b_u16.to_be_bytes());
    }

    #[test]
    fn ids_sort_by_the_order_in_which_they_are_made_also_while_the_clock_stands_still_or_goes_back() {
        let newest = AtomicU64::new(0);
        let stamps: Vec<u64> = [7, 7, 7, 3, 20, 19].map(|now| next_after(&newest, now)).to_vec();
        assert_eq!(stamps, [7, 8, 9, 10, 20, 21]);
        let ids: Vec<Uuid> = (0..10_000).map(|_| fresh_id()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn threads_never_make_the_same_stamp() {
        let make = || (0..10_000).map(|_| fresh_id().as_u128() >> 64).collect::<Vec<_>>();
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn most_of_an_id_is_random() {
        let ids: BTreeSet<u64> = (0..1_000).map(|_| compose(1, Uuid::new_v4()).as_u64_pair().1).collect();
        assert_eq!(ids.len(), 1_000);
    }
}
