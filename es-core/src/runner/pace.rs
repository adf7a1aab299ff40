//! How many events are taken in at once: as many as are done in good time.

use std::time::Duration;

use tokio::time::Instant;

/// Enough for a batch to be worth its transaction, and few enough for the slowest handler.
const FIRST: u32 = 250;
/// A full batch that is done within this time might as well be twice as large.
const SOON: Duration = Duration::from_millis(100);
/// And within this time four times.
const AT_ONCE: Duration = Duration::from_millis(12);
/// A page whose events have more bytes than this should have fewer. Two pages are in memory at a time, and decoded they are larger.
const HEAVY: usize = 16 << 20;
/// A batch that takes longer should be smaller.
const LATE: Duration = Duration::from_millis(400);

pub(super) struct Pace {
    most: u32,
    now: u32,
    /// So many events of the size of the last ones are as much as should be in memory.
    light: u32,
    late: Duration,
    /// When the batch began that is under way.
    begun: Option<Instant>,
}

impl Pace {
    pub(super) fn new(most: u32, lease: Duration) -> Self {
        Self { most, now: most.min(FIRST), light: u32::MAX, late: LATE.min(lease / 4), begun: None }
    }

    /// How many events to ask for.
    pub(super) fn limit(&self) -> u32 {
        self.now.min(self.light)
    }

    /// Learns from a page how large events are.
    pub(super) fn weighs(&mut self, events: usize, bytes: usize) {
        if let Some(each) = bytes.checked_div(events) {
            self.light = u32::try_from(HEAVY / each.max(1)).unwrap_or(u32::MAX).max(1);
        }
    }

    /// A batch begins.
    pub(super) fn begins(&mut self) {
        self.begun = Some(Instant::now());
    }

    /// It has ended, with so many events taken in; with none where it failed, or was left because its lease was lost meanwhile. What
    /// took so long must not be as large the next time, or it never ends; and what failed soon is no reason to grow.
    pub(super) fn ended(&mut self, events: usize) {
        if let Some(begun) = self.begun.take() {
            self.took(events, begun.elapsed());
        }
    }

    /// Learns from a batch.
    fn took(&mut self, events: usize, time: Duration) {
        let is_full = u32::try_from(events).is_ok_and(|events| events >= self.now);
        if time > self.late {
            self.now = (self.limit() / 2).max(1);
        } else if is_full && time < SOON.min(self.late) {
            let times = if time < AT_ONCE { 4 } else { 2 };
            self.now = self.now.saturating_mul(times).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);
    const FAST: Duration = Duration::from_millis(20);
    const SLOW: Duration = Duration::from_secs(1);

    #[test]
    fn fast_full_batches_grow_up_to_the_most() {
        let mut pace = Pace::new(1_500, LEASE);
        let mut limits = Vec::new();
        for _ in 0..4 {
            limits.push(pace.limit());
            pace.took(pace.limit() as usize, FAST);
        }
        assert_eq!(limits, [250, 500, 1_000, 1_500]);
    }

    #[test]
    fn a_batch_that_is_done_at_once_grows_further() {
        let mut pace = Pace::new(10_000, LEASE);
        pace.took(250, Duration::from_millis(5));
        assert_eq!(pace.limit(), 1_000);
    }

    #[test]
    fn large_events_come_in_smaller_pages_however_fast_they_are() {
        let mut pace = Pace::new(10_000, LEASE);
        pace.weighs(250, 250 * 1024 * 1024);
        assert_eq!(pace.limit(), 16);
        pace.took(16, SLOW);
        assert_eq!(pace.limit(), 8, "what is slow is smaller than that");
        pace.weighs(8, 8 * 100);
        pace.took(8, FAST);
        assert_eq!(pace.limit(), 16);
        pace.weighs(1, 1 << 30);
        assert_eq!(pace.limit(), 1);
        pace.weighs(1, 0);
        assert_eq!(pace.limit(), 16);
    }

    #[test]
    fn batches_that_are_not_full_say_nothing_of_larger_ones() {
        let mut pace = Pace::new(1_000, LEASE);
        pace.took(249, FAST);
        assert_eq!(pace.limit(), 250);
    }

    #[test]
    fn slow_batches_shrink_to_a_single_event_and_grow_again() {
        let mut pace = Pace::new(1_000, LEASE);
        for _ in 0..20 {
            pace.took(1, SLOW);
        }
        assert_eq!(pace.limit(), 1);
        pace.took(1, FAST);
        assert_eq!(pace.limit(), 2);
    }

    #[test]
    fn a_batch_is_late_before_its_lease_is() {
        let mut pace = Pace::new(1_000, Duration::from_millis(400));
        pace.took(250, Duration::from_millis(150));
        assert_eq!(pace.limit(), 125);
    }

    #[test]
    fn a_batch_that_was_never_taken_in_is_smaller_the_next_time_if_it_took_long() {
        let mut pace = Pace::new(1_000, LEASE);
        pace.begun = Instant::now().checked_sub(SLOW);
        assert!(pace.begun.is_some());
        // The lease was lost, and is claimed again.
        pace.ended(0);
        assert_eq!(pace.limit(), 125);
        pace.begins();
        pace.ended(0);
        pace.ended(0);
        assert_eq!(pace.limit(), 125, "what failed at once says nothing");
    }

    #[test]
    fn the_most_is_never_passed() {
        assert_eq!(Pace::new(7, LEASE).limit(), 7);
    }
}
