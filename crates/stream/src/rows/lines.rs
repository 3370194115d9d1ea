//! The stage that reads events straight from lines of files, for old data too large to go through
//! the log: it makes the same sums as the product stage and tells the same rows.
//!
//! A file is one lane of old data with its own watermark. What comes behind it is not lost: it
//! makes another sum.

use super::line::{self, Line};
use super::{FINISHED, Lane, Partials, ROWS_PER_RECORD, count};
use crate::operator::Operator;
use crate::options::LineOptions;
use crate::outbox::Outbox;
use crate::working::Working;
use vitrina_types::event::Rejection;
use vitrina_types::id::ProductId;
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::record::{RowEnvelope, RowRecord, Upstream};
use vitrina_types::row::{Dimension, RowKey, TimeWindow};
use vitrina_types::state::{PartialCell, TaskState};
use vitrina_types::time::{EventTime, IngestTime, Progress, Watermark};
use vitrina_types::topic::Topic;

/// Where a file ends, this share of what is due is told for one marker if it is more than
/// [`ROWS_PER_RECORD`]: the 256 markers behind a file then suffice for any number of sums.
const SHARE_PER_MARKER: usize = 16;

/// After so many lines what is due is told, also where the file has come no further: a line of a
/// far future would else keep everything behind it in memory until the file ends.
const LINES_PER_TELLING: u64 = 65_536;

/// Sums up lines of files by product and window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineStage {
    /// What the shop set.
    pub options: LineOptions,
}

impl Operator for LineStage {
    type Record = Line;
    /// No key has a value: all state is resident. A type is needed all the same.
    type Value = TaskState;
    type Resident = Partials;

    const NAME: &'static str = "line-stage";
    const INPUT: Topic = Topic::UserEvents;

    fn decode(&self, bytes: &[u8]) -> Result<Line, Rejection> {
        line::read(bytes, &self.options)
    }

    fn keys(&self, _record: &Line, _keys: &mut Vec<String>) {}

    fn ingest_time(&self, record: &Line) -> IngestTime {
        match record {
            Line::Event { at, .. } => IngestTime(at.0),
            Line::End => IngestTime(0),
        }
    }

    fn apply(
        &self,
        record: &Line,
        state: &mut Working<TaskState, Partials>,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        let partials = &mut state.resident;
        let Line::Event {
            at,
            kind,
            product,
            value,
            pieces,
            visitor,
        } = record
        else {
            let limit = partials.due(progress(FINISHED)) / SHARE_PER_MARKER;
            self.tell(FINISHED, limit.max(ROWS_PER_RECORD), partials, task, out);
            return;
        };
        let windowing = self.options.rows.windowing();
        if let Some(product) = product {
            let window = windowing.newest_of(*at);
            partials.add(
                Lane::Backfill,
                window,
                product,
                || None,
                |measures| count(measures, *kind, *value, *pieces, *visitor),
            );
        }
        let newest = task.backfill.newest.map_or(*at, |newest| newest.max(*at));
        task.backfill.newest = Some(newest);
        let reached = newest.plus_ms(self.options.out_of_orderness_ms.max(0).saturating_neg());
        // Told is what windows end by; the time between is nobody's concern.
        let window_of = |reached: EventTime| windowing.newest_of(reached).start;
        let is_news = match task.told.backfill {
            Some(told) => told.0 < reached.0 && window_of(EventTime(told.0)) < window_of(reached),
            None => true,
        };
        let is_time = task.applied.is_multiple_of(LINES_PER_TELLING);
        if is_news || task.continues || is_time {
            self.tell(Watermark(reached.0), ROWS_PER_RECORD, partials, task, out);
        }
    }
}

/// How far a file has come, as one that moves nothing live.
fn progress(reached: Watermark) -> Progress {
    Progress {
        live: Watermark::NONE,
        backfill: Some(reached),
    }
}

impl LineStage {
    /// Tells what is due, at most `limit` sums, and, when nothing more is, how far the file has
    /// come. A task cannot write into the file it reads: what is left waits for the next line.
    fn tell(
        &self,
        reached: Watermark,
        limit: usize,
        partials: &mut Partials,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        let newest = task.backfill.newest.unwrap_or_default();
        let ingest_time = IngestTime(newest.0);
        let caused = |record| RowEnvelope {
            ingest_time,
            backfill: true,
            record,
        };
        let reached = progress(reached);
        // One record for all sums, so that its room is made once.
        let mut part = caused(RowRecord::Part {
            key: RowKey::new(Dimension::Product, ""),
            at: newest,
            measures: Box::default(),
        });
        let each = |_, window: TimeWindow, product: ProductId, cell: PartialCell| {
            if let RowRecord::Part { key, at, measures } = &mut part.record {
                *key = RowKey::new(Dimension::Product, product.as_str());
                *at = window.start;
                **measures = cell.measures;
            }
            out.send(Topic::RowSignals, Partition::of(product.as_str()), &part);
        };
        task.continues = partials.take_due(reached, limit, each);
        if !task.continues && task.told != reached {
            task.told = reached;
            let upstream = RowRecord::Upstream(Upstream {
                from: PARTITIONS + out.partition().0,
                of: self.options.upstreams,
                progress: reached,
            });
            out.send(Topic::RowSignals, Partition(0), &caused(upstream));
        }
    }
}
