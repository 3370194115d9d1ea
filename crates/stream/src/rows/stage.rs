//! The row-keyed stage: adds up what the stages before it tell of one row, and tells the row.
//!
//! Nothing is late here: whether something came too late for its window was judged where it was
//! counted first.

use super::table::is_closed;
use super::{Gathered, Lane, ROWS_PER_RECORD, Rows};
use crate::operator::{Operator, decode_stored};
use crate::options::RowOptions;
use crate::outbox::Outbox;
use crate::working::Working;
use vitrina_types::event::Rejection;
use vitrina_types::partition::Partition;
use vitrina_types::record::{RowEnvelope, RowRecord, Upstream};
use vitrina_types::row::{Measures, ROW_ID_BYTES_MAX, RowKey, WindowRow};
use vitrina_types::state::TaskState;
use vitrina_types::time::{EventTime, IngestTime, Progress};
use vitrina_types::topic::Topic;

/// Keeps the rows that are open and tells them as their windows end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowStage {
    /// What the shop set.
    pub options: RowOptions,
}

type Memory = Working<TaskState, Gathered<Rows>>;

impl Operator for RowStage {
    type Record = RowEnvelope;
    /// No key has a value: all state is resident. A type is needed all the same.
    type Value = TaskState;
    type Resident = Gathered<Rows>;

    const NAME: &'static str = "row-stage";
    const INPUT: Topic = Topic::RowSignals;

    fn decode(&self, bytes: &[u8]) -> Result<RowEnvelope, Rejection> {
        decode_stored(bytes)
    }

    fn keys(&self, _record: &RowEnvelope, _keys: &mut Vec<String>) {}

    fn ingest_time(&self, record: &RowEnvelope) -> IngestTime {
        record.ingest_time
    }

    /// Answers read none of it.
    fn is_awaited(&self, _record: &RowEnvelope) -> bool {
        false
    }

    fn apply(
        &self,
        record: &RowEnvelope,
        state: &mut Memory,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        match &record.record {
            RowRecord::Part { key, at, measures } => {
                let lane = Lane::of(record.backfill);
                self.part(lane, key, *at, measures, state, out.offset());
            }
            RowRecord::Upstream(upstream) => self.upstream(upstream, record, state, out),
            RowRecord::Reached(progress) => {
                let gather = &mut state.resident.gather;
                gather.reach(*progress);
                task.watermark = gather.reached().live;
                self.tell(record, state, task, out);
            }
            RowRecord::Continue => {
                task.continues = false;
                self.tell(record, state, task, out);
            }
        }
    }
}

impl RowStage {
    /// Adds to the rows of every window `at` lies in. Part 0 of a row is what comes while its
    /// window may still be open; every other part is numbered by the record that opens it.
    fn part(
        &self,
        lane: Lane,
        key: &RowKey,
        at: EventTime,
        measures: &Measures,
        state: &mut Memory,
        offset: u64,
    ) {
        if key.id.len() > ROW_ID_BYTES_MAX {
            return;
        }
        let Gathered { gather, open } = &mut state.resident;
        let reached = gather.reached();
        let short = self.options.windowing();
        for windowing in self.options.windowings(key.dimension) {
            for window in windowing.windows_of(at) {
                // One length may be set for both: the row of a window is one all the same.
                if windowing != short && window == short.newest_of(at) {
                    continue;
                }
                let closed = is_closed(lane, window, reached, self.options.grace_ms);
                let part = if lane == Lane::Live && !closed {
                    0
                } else {
                    offset + 1
                };
                open.merge(lane, window, key, part, measures);
            }
        }
    }

    fn upstream(
        &self,
        upstream: &Upstream,
        cause: &RowEnvelope,
        state: &mut Memory,
        out: &mut Outbox,
    ) {
        let gather = &mut state.resident.gather;
        if let Some(progress) = gather.hear(upstream, self.options.watermark_step_ms) {
            let reached = caused_by(cause, RowRecord::Reached(progress));
            Partition::all().for_each(|p| out.send(Topic::RowSignals, p, &reached));
        }
    }

    fn tell(
        &self,
        cause: &RowEnvelope,
        state: &mut Memory,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        let Gathered { gather, open } = &mut state.resident;
        let (reached, grace_ms): (Progress, i64) = (gather.reached(), self.options.grace_ms);
        let more = open.take_due(reached, grace_ms, ROWS_PER_RECORD, |row: &WindowRow| {
            out.send(Topic::WindowRows, row.key.partition(), row);
        });
        if more && !task.continues {
            task.continues = true;
            let own = out.partition();
            out.send(
                Topic::RowSignals,
                own,
                &caused_by(cause, RowRecord::Continue),
            );
        }
        if !more {
            task.told = reached;
        }
    }
}

fn caused_by(cause: &RowEnvelope, record: RowRecord) -> RowEnvelope {
    RowEnvelope {
        ingest_time: cause.ingest_time,
        backfill: cause.backfill,
        record,
    }
}
