//! How far this task has come, and what the tasks downstream are told of it.
//!
//! The law: what is told never falls in a lane while it is open, and follows everything that the
//! task sends for the records so far. An event forwarded to its user's task moves the watermark
//! here and is sent on there; it takes the moment between the two, which the grace covers.

use super::Scope;
use crate::watermark;
use vitrina_types::event::Event;
use vitrina_types::partition::Partition;
use vitrina_types::record::{ProductEnvelope, ProductRecord, Upstream};
use vitrina_types::time::Progress;
use vitrina_types::topic::Topic;

/// Whether `now` is so far beyond `told` that it is told.
fn is_step(told: Progress, now: Progress, live_step_ms: i64, backfill_step_ms: i64) -> bool {
    let rose = |from: i64, to: i64, step_ms: i64| to.saturating_sub(from) >= step_ms.max(1);
    let loaded = match (told.backfill, now.backfill) {
        (Some(told), Some(now)) => rose(told.0, now.0, backfill_step_ms),
        // Whoever waits for old data has to know when it begins and when it ends.
        (told, now) => told != now,
    };
    loaded || rose(told.live.0, now.live.0, live_step_ms)
}

impl Scope<'_> {
    /// Moves the watermark of the event's lane.
    pub(super) fn advance_watermark(&mut self, event: &Event) {
        let (at, ingest_time) = (event.event_time, self.envelope.ingest_time);
        if self.envelope.backfill {
            watermark::load(self.task, at, ingest_time);
        } else {
            let behind_ms = self.options.out_of_orderness_ms;
            watermark::advance(self.task, at, ingest_time, behind_ms);
        }
    }

    /// Lets time pass where nothing happens.
    pub(super) fn pass_time(&mut self) {
        let now = self.envelope.ingest_time;
        let behind_ms = self.options.out_of_orderness_ms;
        watermark::advance(self.task, now.as_event_time(), now, behind_ms);
        watermark::end_load(self.task, now, self.options.backfill_quiet_ms);
    }

    /// Tells what became due and, when the task is a step further, how far it has come; on a tick
    /// every rise is told.
    pub(super) fn tell(&mut self, is_tick: bool) {
        self.tell_sessions(is_tick);
        let (told, now) = (self.task.told, self.progress());
        let (live_step_ms, backfill_step_ms) = if is_tick {
            (1, 1)
        } else {
            let options = self.options;
            (options.watermark_step_ms, options.backfill_step_ms)
        };
        if !is_step(told, now, live_step_ms, backfill_step_ms) {
            return;
        }
        self.task.told = now;
        let envelope = ProductEnvelope {
            ingest_time: self.envelope.ingest_time,
            backfill: self.envelope.backfill,
            record: ProductRecord::Upstream(Upstream {
                from: self.out.partition().0,
                of: 0,
                progress: now,
            }),
        };
        self.out
            .send(Topic::ProductSignals, Partition(0), &envelope);
    }
}

#[cfg(test)]
mod tests {
    use super::is_step;
    use vitrina_types::time::{Progress, Watermark};

    #[test]
    fn step_cases() {
        const NONE: i64 = i64::MIN;
        #[rustfmt::skip]
        let cases: &[(&str, (i64, Option<i64>), (i64, Option<i64>), bool)] = &[
            ("nothing yet",             (NONE, None),  (NONE, None),     false),
            ("the first event",         (NONE, None),  (5, None),        true),
            ("less than a step",        (5, None),     (1_004, None),    false),
            ("a step",                  (5, None),     (1_005, None),    true),
            ("loading begins",          (5, None),     (5, Some(0)),     true),
            ("less than a step loaded", (5, Some(0)),  (5, Some(9_999)), false),
            ("a step loaded",           (5, Some(0)),  (5, Some(10_000)), true),
            ("loading ends",            (5, Some(0)),  (5, None),        true),
            ("live while loading",      (5, Some(0)),  (1_005, Some(1)), true),
        ];
        let progress = |(live, backfill): (i64, Option<i64>)| Progress {
            live: Watermark(live),
            backfill: backfill.map(Watermark),
        };
        for &(name, told, now, want) in cases {
            let got = is_step(progress(told), progress(now), 1_000, 10_000);
            assert_eq!(got, want, "{name}");
        }
    }
}
