//! What the engine counts about itself: for `/metrics`, the console and `status`.

use crate::checkpoint::CheckpointFigures;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bounds of the buckets of a [`Timing`], in microseconds.
pub const BUCKETS_US: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 15_000, 30_000, 50_000, 100_000, 500_000,
    2_000_000,
];

/// A distribution of durations: buckets over the whole life, quantiles over the last 10 to 20
/// seconds.
#[derive(Debug)]
pub struct Timing {
    buckets: [Count; BUCKETS_US.len() + 1],
    sum_us: Count,
    recent: Mutex<Recent>,
}

#[derive(Debug)]
struct Recent {
    current: Histogram<u32>,
    previous: Histogram<u32>,
    began_s: u64,
}

/// Length of one of the two recent halves.
const RECENT_S: u64 = 10;
/// Longest duration told apart, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// Quantiles of a distribution, in milliseconds; `None` when nothing was measured.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Quantiles {
    /// Half are below.
    pub p50_ms: Option<f64>,
    /// 95 % are below.
    pub p95_ms: Option<f64>,
    /// 99 % are below.
    pub p99_ms: Option<f64>,
}

/// Quantile error of the recent values, relative.
const PRECISION_DIGITS: u8 = 2;

fn histogram() -> Histogram<u32> {
    match Histogram::new_with_max(LONGEST_US, PRECISION_DIGITS) {
        Ok(histogram) => histogram,
        // Both arguments are constants inside the documented bounds.
        Err(error) => unreachable!("histogram bounds: {error}"),
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            buckets: Default::default(),
            sum_us: Count::default(),
            recent: Mutex::new(Recent {
                current: histogram(),
                previous: histogram(),
                began_s: 0,
            }),
        }
    }
}

impl Timing {
    /// Records one duration, measured at `now_s` (seconds of any steady scale).
    pub fn record(&self, took: Duration, now_s: u64) {
        self.record_many(took, 1, now_s);
    }

    /// Records `count` equal durations.
    pub fn record_many(&self, took: Duration, count: u64, now_s: u64) {
        let us = (took.as_micros() as u64).min(LONGEST_US);
        let bucket = BUCKETS_US.partition_point(|&bound| bound < us);
        self.buckets[bucket].add(count);
        self.sum_us.add(us * count);
        let mut recent = self.recent.lock();
        recent.turn(now_s);
        recent.current.saturating_record_n(us, count as u32);
    }

    /// Quantiles over the last 10 to 20 seconds.
    pub fn quantiles(&self, now_s: u64) -> Quantiles {
        let mut recent = self.recent.lock();
        recent.turn(now_s);
        let mut both = recent.current.clone();
        if both.add(&recent.previous).is_err() || both.is_empty() {
            return Quantiles::default();
        }
        let at = |q: f64| Some(both.value_at_quantile(q) as f64 / 1_000.0);
        Quantiles {
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
        }
    }

    /// Cumulative counts up to each bound of [`BUCKETS_US`] and beyond, and the sum in seconds.
    pub fn cumulative(&self) -> (Vec<u64>, f64) {
        let mut total = 0;
        let counts = self.buckets.iter().map(|bucket| {
            total += bucket.get();
            total
        });
        (counts.collect(), self.sum_us.get() as f64 / 1e6)
    }
}

impl Recent {
    fn turn(&mut self, now_s: u64) {
        if now_s >= self.began_s + 2 * RECENT_S {
            self.previous.reset();
            self.current.reset();
            self.began_s = now_s;
        } else if now_s >= self.began_s + RECENT_S {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.reset();
            self.began_s = now_s;
        }
    }
}

/// Something that happens at a rate: a total and the counts of the last seconds.
#[derive(Debug, Default)]
pub struct Rate {
    total: Count,
    seconds: Mutex<VecDeque<(u64, u64)>>,
}

/// Seconds a rate is averaged over.
const RATE_S: u64 = 10;

impl Rate {
    /// Counts `more` at `now_s`.
    pub fn add(&self, more: u64, now_s: u64) {
        self.total.add(more);
        let mut seconds = self.seconds.lock();
        match seconds.back_mut() {
            Some(last) if last.0 == now_s => last.1 += more,
            _ => seconds.push_back((now_s, more)),
        }
        while seconds.len() > RATE_S as usize + 1 {
            seconds.pop_front();
        }
    }

    /// All that was counted.
    pub fn total(&self) -> u64 {
        self.total.get()
    }

    /// Mean per second over the last [`RATE_S`] whole seconds before `now_s`.
    pub fn per_second(&self, now_s: u64) -> f64 {
        let since = now_s.saturating_sub(RATE_S);
        let seconds = self.seconds.lock();
        let recent = seconds.iter().filter(|s| s.0 >= since && s.0 < now_s);
        recent.map(|s| s.1).sum::<u64>() as f64 / RATE_S as f64
    }
}

/// Everything the engine counts.
#[derive(Debug, Default)]
pub struct Figures {
    /// Events acknowledged to their senders.
    pub accepted: Rate,
    /// Events and other records refused at intake.
    pub refused: Count,
    /// User-keyed records applied to state.
    pub applied: Rate,
    /// Answers given.
    pub answers: Rate,
    /// Answers that did not hold the position they were asked after.
    pub stale_answers: Count,
    /// Impressions that were not logged because their queue was full.
    pub impressions_dropped: Count,
    /// Batches of a stage that panicked.
    pub panics: Count,
    /// Times a task forgot its memory and started again from its stored position.
    pub reassigned: Count,
    /// Times a follower of a topic (a sink, the answers to questions) tried again.
    pub retries: Count,
    /// From the acknowledgement of an event to state that holds it.
    pub freshness: Timing,
    /// From the arrival of a query to its slate, inside the engine.
    pub answer: Timing,
    /// From the arrival of a batch of events to its acknowledgement, inside the engine.
    pub intake: Timing,
    /// What checkpoints come to.
    pub checkpoints: Arc<CheckpointFigures>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_forget_after_twenty_seconds() {
        let timing = Timing::default();
        timing.record(Duration::from_millis(8), 100);
        assert!(
            timing
                .quantiles(109)
                .p50_ms
                .is_some_and(|ms| (7.9..8.2).contains(&ms))
        );
        assert!(timing.quantiles(115).p50_ms.is_some());
        assert!(timing.quantiles(140).p50_ms.is_none());
        assert_eq!(timing.cumulative().0.last(), Some(&1));
    }

    #[test]
    fn a_rate_is_a_mean_of_whole_seconds() {
        let rate = Rate::default();
        for second in 0..30 {
            rate.add(5, second);
        }
        assert_eq!(rate.per_second(30), 5.0);
        assert_eq!(rate.per_second(35), 2.5);
        assert_eq!(rate.total(), 150);
    }
}
