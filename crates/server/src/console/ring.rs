//! The last five minutes of figures, one point a second, so that a page that is opened or
//! reloaded shows where things come from.
//!
//! Fed with readings of counters; rates are differences of counters over the time between two
//! readings, so a missed second widens a point and loses nothing.

use serde::Serialize;
use std::collections::VecDeque;
use vitrina_types::time::EventTime;

/// Points kept: 300 seconds.
pub const POINTS_MAX: usize = 300;
/// Points averaged in the rates that tiles show: a rate over one second flickers.
pub const MEAN_POINTS: usize = 5;

/// Figures of the stream at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct StreamPoint {
    /// Records waiting for the user stage.
    pub lag_users: u64,
    /// … the product stage.
    pub lag_products: u64,
    /// … the slate stage.
    pub lag_slates: u64,
    /// … the row stage.
    pub lag_rows: u64,
    /// … the shop stage.
    pub lag_shop: u64,
    /// … sinks.
    pub lag_sinks: u64,
    /// How far event time of the user stage is behind the clock, in seconds; `None` before the
    /// first event.
    pub delay_users_s: Option<f64>,
    /// … of the product stage.
    pub delay_products_s: Option<f64>,
    /// … of the slate stage.
    pub delay_slates_s: Option<f64>,
    /// … of the row stage.
    pub delay_rows_s: Option<f64>,
    /// Windows and sessions that are open.
    pub open_windows: u64,
    /// Events that came after their window was closed, ever.
    pub late_events: u64,
    /// Times a sink tried again.
    pub retries: u64,
    /// How old the newest checkpoint is, in seconds; `None` without one.
    pub checkpoint_age_s: Option<u64>,
}

impl StreamPoint {
    /// The longest delay of a watermark, in seconds.
    pub fn delay_s(&self) -> Option<f64> {
        let delays = [
            self.delay_users_s,
            self.delay_products_s,
            self.delay_slates_s,
            self.delay_rows_s,
        ];
        delays.into_iter().flatten().reduce(f64::max)
    }
}

/// The engine's figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// When.
    pub at: EventTime,
    /// Events accepted since the start.
    pub events_total: u64,
    /// Answers given since the start.
    pub answers_total: u64,
    /// From accepted to visible in answers, lately, milliseconds; `None` without events.
    pub freshness_p50_ms: Option<f64>,
    /// As above.
    pub freshness_p95_ms: Option<f64>,
    /// As above.
    pub freshness_p99_ms: Option<f64>,
    /// Time to answer, lately, milliseconds; `None` without answers.
    pub answer_p50_ms: Option<f64>,
    /// As above.
    pub answer_p99_ms: Option<f64>,
    /// Records accepted and not yet applied.
    pub lag: u64,
    /// Products known.
    pub products: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// Of the stream.
    pub stream: StreamPoint,
}

/// One second as drawn and as sent to the browser.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// Events accepted per second.
    pub events_per_s: f64,
    /// Answers given per second.
    pub answers_per_s: f64,
    /// See [`Reading`].
    pub freshness_p50_ms: Option<f64>,
    /// See [`Reading`].
    pub freshness_p95_ms: Option<f64>,
    /// See [`Reading`].
    pub freshness_p99_ms: Option<f64>,
    /// See [`Reading`].
    pub answer_p50_ms: Option<f64>,
    /// See [`Reading`].
    pub answer_p99_ms: Option<f64>,
    /// See [`Reading`].
    pub lag: u64,
    /// See [`Reading`].
    pub products: u64,
    /// See [`Reading`].
    pub dead_letters: u64,
    /// Events accepted since the start.
    pub events_total: u64,
    /// Of the stream.
    #[serde(flatten)]
    pub stream: StreamPoint,
    /// The longest delay of a watermark, in seconds.
    pub delay_s: Option<f64>,
}

/// Rates averaged over a few seconds, for reading.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Means {
    /// Events accepted per second.
    pub events_mean_per_s: f64,
    /// Answers given per second.
    pub answers_mean_per_s: f64,
}

/// At most [`POINTS_MAX`] points, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Ring {
    points: VecDeque<Point>,
    last: Option<Reading>,
}

impl Ring {
    /// Adds a reading. The first one only starts the counting; one that is not newer than the
    /// last is left out.
    pub fn push(&mut self, reading: Reading) {
        let Some(last) = self.last else {
            self.last = Some(reading);
            return;
        };
        let passed_ms = reading.at.since_ms(last.at);
        if passed_ms <= 0 {
            return;
        }
        let per_s = |now: u64, before: u64| {
            let rate = now.saturating_sub(before) as f64 * 1_000.0 / passed_ms as f64;
            (rate * 10.0).round() / 10.0
        };
        if self.points.len() == POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back(Point {
            at_ms: reading.at.0,
            events_per_s: per_s(reading.events_total, last.events_total),
            answers_per_s: per_s(reading.answers_total, last.answers_total),
            freshness_p50_ms: reading.freshness_p50_ms,
            freshness_p95_ms: reading.freshness_p95_ms,
            freshness_p99_ms: reading.freshness_p99_ms,
            answer_p50_ms: reading.answer_p50_ms,
            answer_p99_ms: reading.answer_p99_ms,
            lag: reading.lag,
            products: reading.products,
            dead_letters: reading.dead_letters,
            events_total: reading.events_total,
            stream: reading.stream,
            delay_s: reading.stream.delay_s(),
        });
        self.last = Some(reading);
    }

    /// The points, oldest first.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.points.iter()
    }

    /// The newest point; `None` before there is one.
    pub fn newest(&self) -> Option<Point> {
        self.points.back().copied()
    }

    /// Events and answers per second, means of the last [`MEAN_POINTS`].
    pub fn means(&self) -> Option<Means> {
        let lately = self.points.iter().rev().take(MEAN_POINTS);
        let count = lately.clone().count() as f64;
        let mean = |of: fn(&Point) -> f64| {
            let sum: f64 = lately.clone().map(of).sum();
            (sum / count * 10.0).round() / 10.0
        };
        (count > 0.0).then(|| Means {
            events_mean_per_s: mean(|p| p.events_per_s),
            answers_mean_per_s: mean(|p| p.answers_per_s),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_ms: i64, events_total: u64) -> Reading {
        Reading {
            at: EventTime(at_ms),
            events_total,
            ..Reading::default()
        }
    }

    #[test]
    fn rates_are_differences_over_the_time_passed() {
        let mut ring = Ring::default();
        for (at_ms, total) in [(0, 1_000), (1_000, 1_100), (3_000, 1_500), (3_000, 9_999)] {
            ring.push(reading(at_ms, total));
        }
        let rates: Vec<_> = ring.points().map(|p| p.events_per_s).collect();
        assert_eq!(rates, [100.0, 200.0]);
        assert_eq!(ring.means().map(|m| m.events_mean_per_s), Some(150.0));
    }

    #[test]
    fn a_counter_that_went_back_is_no_negative_rate() {
        let mut ring = Ring::default();
        ring.push(reading(0, 50));
        ring.push(reading(1_000, 20));
        assert_eq!(ring.newest().map(|p| p.events_per_s), Some(0.0));
    }

    #[test]
    fn the_ring_keeps_five_minutes() {
        let mut ring = Ring::default();
        for second in 0..=i64::from(u16::MAX) {
            ring.push(reading(second * 1_000, 0));
        }
        assert_eq!(ring.points().count(), POINTS_MAX);
        assert_eq!(ring.points().last().map(|p| p.at_ms), Some(65_535_000));
    }
}
