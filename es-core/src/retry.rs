//! How often a command is tried, and how long it waits in between.

use std::time::Duration;

use uuid::Uuid;

/// How often a command is tried, and how long it waits in between.
///
/// A command is tried again after a conflict, because somebody else's events may make it decide otherwise, and after a
/// failure that [will pass](crate::Error::is_transient). The waits double from `base` up to `cap`, and each is cut to a
/// random part of itself, so that contenders spread out ("full jitter", see Marc Brooker,
/// [Exponential Backoff And Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)).
///
/// # Example: patient, and not at all
///
/// ```
/// use std::time::Duration;
/// use es_core::Retry;
///
/// let patient = Retry::attempts(40).base(Duration::from_millis(10)).cap(Duration::from_secs(1));
/// let once = Retry::never();
/// assert_eq!(once, Retry::attempts(1));
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    base: Duration,
    cap: Duration,
    within: Duration,
}

impl Retry {
    /// How often a command is tried by default.
    pub const DEFAULT_ATTEMPTS: u32 = 16;
    /// The longest first wait, by default.
    pub const DEFAULT_BASE: Duration = Duration::from_millis(2);
    /// The longest wait of all, by default.
    pub const DEFAULT_CAP: Duration = Duration::from_millis(200);
    /// How long another try may begin, by default, from when the first one has to wait for the store.
    pub const DEFAULT_WITHIN: Duration = Duration::from_secs(5);

    /// At most `attempts` tries, the first one included. The default is [`DEFAULT_ATTEMPTS`](Self::DEFAULT_ATTEMPTS).
    ///
    /// What is to be tried 0 times is never done, so that is refused: a command with [`Error::Setup`](crate::Error::Setup), and a
    /// projection [at its start](crate::StartError::Settings).
    pub const fn attempts(attempts: u32) -> Self {
        Self { attempts, base: Self::DEFAULT_BASE, cap: Self::DEFAULT_CAP, within: Self::DEFAULT_WITHIN }
    }

    /// One try.
    pub const fn never() -> Self {
        Self::attempts(1)
    }

    /// The longest first wait. The default is [`DEFAULT_BASE`](Self::DEFAULT_BASE).
    #[must_use]
    pub const fn base(self, base: Duration) -> Self {
        Self { base, ..self }
    }

    /// The longest wait of all. The default is [`DEFAULT_CAP`](Self::DEFAULT_CAP).
    #[must_use]
    pub const fn cap(self, cap: Duration) -> Self {
        Self { cap, ..self }
    }

    /// How long another try may begin, so that a store that answers late is not asked many times over. It is counted from the moment in
    /// which the first try has to wait for the store. The default is [`DEFAULT_WITHIN`](Self::DEFAULT_WITHIN).
    #[must_use]
    pub const fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Whether there is not even a first try.
    pub(crate) const fn is_none(&self) -> bool {
        self.attempts == 0
    }

    /// Whether there is another try after `done` tries that have taken `elapsed`.
    pub(crate) fn allows(&self, done: u32, elapsed: Duration) -> bool {
        self.allows_after(done) && elapsed < self.within
    }

    /// Whether there is another try after `done` tries, however long they have taken.
    pub(crate) fn allows_after(&self, done: u32) -> bool {
        done < self.attempts
    }

    /// Waits before the next try, after `done` of them.
    pub(crate) async fn wait(&self, done: u32) {
        pass(self.draw_wait(done)).await;
    }

    /// How long to wait before the next try, after `done` of them: another answer at each call.
    pub(crate) fn draw_wait(&self, done: u32) -> Duration {
        self.longest_wait(done).mul_f64(random_part())
    }

    fn longest_wait(&self, done: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(done.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::attempts(Self::DEFAULT_ATTEMPTS)
    }
}

/// Lets the time pass, and others do something in any case.
pub(crate) async fn pass(wait: Duration) {
    if wait.is_zero() { tokio::task::yield_now().await } else { tokio::time::sleep(wait).await }
}

/// A number from 0 up to, but not including, 1. The random bits of a UUID are as good as any, and already at hand.
fn random_part() -> f64 {
    let bits = Uuid::now_v7().as_u128() & u128::from(u32::MAX);
    f64::from(u32::try_from(bits).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let retry = Retry::attempts(9).base(Duration::from_millis(2)).cap(Duration::from_millis(9));
        let waits: Vec<_> = (1..=5).map(|done| retry.longest_wait(done).as_millis()).collect();
        assert_eq!(waits, [2, 4, 8, 9, 9]);
        assert_eq!(retry.longest_wait(u32::MAX).as_millis(), 9);
    }

    #[test]
    fn parts_spread_over_the_whole_range() {
        let parts: Vec<f64> = (0..200).map(|_| random_part()).collect();
        assert!(parts.iter().all(|part| (0.0..1.0).contains(part)));
        assert!(parts.iter().any(|part| *part < 0.2) && parts.iter().any(|part| *part > 0.8));
    }
}
