//! Waiting for a condition with a limit.

use std::time::{Duration, Instant};

/// Between two looks.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// Whether the condition came true within the limit; it is looked at once at least.
pub(super) fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_looked_at_until_it_holds_or_time_is_over() {
        let mut looks = 0;
        assert!(until(Duration::from_secs(60), || {
            looks += 1;
            looks == 3
        }));
        assert_eq!(looks, 3);
        let mut looks = 0;
        assert!(!until(Duration::ZERO, || {
            looks += 1;
            false
        }));
        assert_eq!(looks, 1, "once, however short the limit");
    }
}
