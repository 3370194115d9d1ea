//! Counts over event time: decaying ones and windowed ones.
//!
//! Both are the same in any arrival order of the same events (up to rounding for the decayed
//! one, exactly for the windowed one), and neither reads a clock.

use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// A count that halves every half-life. The half-life is given with each call, because it is
/// configuration, not state.
///
/// Kept as of the newest event time seen: every factor is at most 1, so nothing overflows.
///
/// Source: G. Cormode et al., "Forward Decay: A Practical Time Decay Model for Streaming
/// Systems", ICDE 2009 (exponential decay is the case where forward and backward decay agree).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DecayedCount {
    as_of: EventTime,
    /// Sum of weights, decayed to `as_of`; unitless, at least 0.
    sum: f64,
}

impl Default for DecayedCount {
    fn default() -> Self {
        Self {
            as_of: EventTime(0),
            sum: 0.0,
        }
    }
}

fn decay(half_life_ms: f64, elapsed_ms: i64) -> f64 {
    (-(elapsed_ms.max(0) as f64) / half_life_ms).exp2()
}

impl DecayedCount {
    /// Adds `weight` (unitless, at least 0) that happened `at`. O(1).
    pub fn add(&mut self, half_life_ms: f64, at: EventTime, weight: f64) {
        debug_assert!(weight >= 0.0 && half_life_ms > 0.0);
        if at > self.as_of {
            self.sum = self.sum * decay(half_life_ms, at.since_ms(self.as_of)) + weight;
            self.as_of = at;
        } else {
            self.sum += weight * decay(half_life_ms, self.as_of.since_ms(at));
        }
    }

    /// The count as of `now`; times before the newest event are read as that event's.
    pub fn value(&self, half_life_ms: f64, now: EventTime) -> f64 {
        self.sum * decay(half_life_ms, now.since_ms(self.as_of))
    }

    /// The count on a scale that does not move with time: the binary logarithm of the value,
    /// decayed back to the epoch. Two counts with one half-life compare by it at any moment;
    /// negative infinity for an empty count.
    pub fn rank_key(&self, half_life_ms: f64) -> f64 {
        self.sum.log2() + self.as_of.0 as f64 / half_life_ms
    }

    /// The newest event time counted.
    pub fn as_of(&self) -> EventTime {
        self.as_of
    }
}

/// The windows a [`WindowedCount`] can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Window {
    /// The last hour, in panes of 5 minutes.
    Hour,
    /// The last 24 hours, in panes of 1 hour.
    Day,
    /// The last 7 days, in panes of 6 hours.
    Week,
}

impl Window {
    /// Every window, shortest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// The window with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|w| w.name() == name)
    }

    /// Length of one pane.
    pub fn pane_ms(self) -> i64 {
        match self {
            Self::Hour => 300_000,
            Self::Day => 3_600_000,
            Self::Week => 21_600_000,
        }
    }

    /// Panes in the window.
    pub fn panes(self) -> i64 {
        match self {
            Self::Hour => 12,
            Self::Day => 24,
            Self::Week => 28,
        }
    }
}

/// Exact sums of weights over the panes of each [`Window`], sparse, newest pane last.
///
/// Panes are half-open, aligned to the epoch. A window of n panes is read as the current pane
/// and the n − 1 before it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WindowedCount {
    levels: [Vec<(i64, f32)>; 3],
}

impl WindowedCount {
    /// Adds `weight` that happened `at`; what is older than the window behind the newest event
    /// is dropped. O(panes).
    pub fn add(&mut self, at: EventTime, weight: f32) {
        for (level, window) in self.levels.iter_mut().zip(Window::ALL) {
            let pane = at.0.div_euclid(window.pane_ms());
            let oldest = level
                .last()
                .map_or(i64::MIN, |last| last.0 - window.panes());
            if pane <= oldest {
                continue;
            }
            match level.binary_search_by_key(&pane, |entry| entry.0) {
                Ok(found) => level[found].1 += weight,
                Err(place) => level.insert(place, (pane, weight)),
            }
            let newest = level.last().map_or(pane, |last| last.0);
            level.retain(|entry| entry.0 > newest - window.panes());
        }
    }

    /// The sum over `window` as of `now`. O(panes).
    pub fn sum(&self, window: Window, now: EventTime) -> f32 {
        let current = now.0.div_euclid(window.pane_ms());
        self.levels[window as usize]
            .iter()
            .filter(|entry| entry.0 > current - window.panes() && entry.0 <= current)
            .map(|entry| entry.1)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: f64 = 3_600_000.0;

    #[test]
    fn a_count_halves_in_a_half_life() {
        let mut count = DecayedCount::default();
        count.add(HOUR, EventTime(1_000), 8.0);
        assert_eq!(count.value(HOUR, EventTime(1_000 + 3_600_000)), 4.0);
    }

    #[test]
    fn a_window_forgets_whole_panes() {
        let mut count = WindowedCount::default();
        count.add(EventTime(0), 1.0);
        count.add(EventTime(299_999), 2.0);
        count.add(EventTime(300_000), 4.0);
        assert_eq!(count.sum(Window::Hour, EventTime(300_000)), 7.0);
        assert_eq!(count.sum(Window::Hour, EventTime(3_600_000)), 4.0);
        assert_eq!(count.sum(Window::Day, EventTime(3_600_000)), 7.0);
        assert_eq!(count.sum(Window::Hour, EventTime(90_000_000)), 0.0);
    }

    proptest! {
        /// Any arrival order gives the same counts.
        #[test]
        fn arrival_order_does_not_matter(
            (live, replayed) in prop::collection::vec((0i64..100_000_000, 1u8..9), 0..50)
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        ) {
            let count = |events: &[(i64, u8)]| {
                let mut decayed = DecayedCount::default();
                let mut windowed = WindowedCount::default();
                for &(at, weight) in events {
                    decayed.add(HOUR, EventTime(at), f64::from(weight));
                    windowed.add(EventTime(at), f32::from(weight));
                }
                (decayed, windowed)
            };
            let ((a, wa), (b, wb)) = (count(&live), count(&replayed));
            prop_assert!((a.sum - b.sum).abs() <= 1e-9 * a.sum.max(1.0));
            for window in Window::ALL {
                let now = EventTime(100_000_000);
                prop_assert_eq!(wa.sum(window, now), wb.sum(window, now));
            }
        }

        /// Ranking by key is ranking by value at any later moment.
        #[test]
        fn rank_key_orders_like_value(
            a in prop::collection::vec((0i64..10_000_000, 0.1f64..9.0), 1..9),
            b in prop::collection::vec((0i64..10_000_000, 0.1f64..9.0), 1..9),
        ) {
            let fill = |events: &[(i64, f64)]| {
                let mut count = DecayedCount::default();
                for &(at, weight) in events {
                    count.add(HOUR, EventTime(at), weight);
                }
                count
            };
            let (a, b) = (fill(&a), fill(&b));
            let now = EventTime(20_000_000);
            let (va, vb) = (a.value(HOUR, now), b.value(HOUR, now));
            if (va - vb).abs() > 1e-9 * va.max(vb) {
                prop_assert_eq!(va > vb, a.rank_key(HOUR) > b.rank_key(HOUR));
            }
        }
    }
}
