//! Chance that can be repeated: all of a run's choices follow from one number.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use es_core::EventId;
use uuid::Uuid;

/// SplitMix64: a dozen lines, and good enough to choose by.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of choices that belongs to one actor of a run.
    pub fn of(seed: u64, actor: u64) -> Self {
        let mut random = Self(seed ^ actor.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    /// A seed that nobody chose.
    pub fn fresh_seed() -> u64 {
        RandomState::new().build_hasher().finish() >> 16
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, but not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    pub fn event_id(&mut self) -> EventId {
        EventId(Uuid::from_u64_pair(self.next(), self.next()))
    }

    /// Mostly nothing, now and then a lot: how long people hold transactions open.
    pub async fn dawdle(&mut self, longest: Duration) {
        let part = match self.below(100) {
            0..60 => return,
            60..88 => 0.005,
            88..97 => 0.05,
            _ => 1.0,
        };
        let fraction = u32::try_from(self.below(1000)).unwrap();
        tokio::time::sleep(longest.mul_f64(part * f64::from(fraction) / 1000.0)).await;
    }
}
