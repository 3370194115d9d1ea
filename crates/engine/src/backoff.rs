//! How long to wait before trying again: exponential, with jitter, bounded.

use std::time::Duration;
use vitrina_ports::faulty::SplitMix64;

/// First pause after an error.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(10);
/// Longest pause after an error.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The pauses of one loop. Each doubles the one before, from [`PAUSE_MIN`] to [`PAUSE_MAX`]; a
/// random half of it is waited besides the other half, so that loops that failed together do not
/// come back together.
pub(crate) struct Backoff {
    next: Duration,
    random: SplitMix64,
}

impl Backoff {
    /// No error so far. `seed` tells one loop from another.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            next: PAUSE_MIN,
            random: SplitMix64::new(seed),
        }
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.next = PAUSE_MIN;
    }

    /// It failed: how long to wait.
    pub(crate) fn pause(&mut self) -> Duration {
        let half = self.next / 2;
        self.next = (self.next * 2).min(PAUSE_MAX);
        let random_us = self.random.next() % (half.as_micros() as u64 + 1);
        half + Duration::from_micros(random_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_success() {
        let mut backoff = Backoff::new(7);
        let mut longest = PAUSE_MIN;
        for attempt in 1..=20 {
            let pause = backoff.pause();
            assert!(
                pause >= longest / 2 && pause <= longest,
                "{attempt}: {pause:?}"
            );
            longest = (longest * 2).min(PAUSE_MAX);
        }
        backoff.reset();
        assert!(backoff.pause() <= PAUSE_MIN);
        let (a, b) = (Backoff::new(1).pause(), Backoff::new(2).pause());
        assert_ne!(a, b, "loops that fail together wait for different times");
    }
}
