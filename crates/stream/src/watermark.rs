//! How far event time has come, in each of its two lanes.

use vitrina_types::limits::WATERMARK_AHEAD_MAX_MS;
use vitrina_types::state::TaskState;
use vitrina_types::time::{EventTime, IngestTime, Progress, Watermark};

/// Whether an event time may move a watermark: one more than [`WATERMARK_AHEAD_MAX_MS`] ahead of
/// its ingest time does not, because one wrong clock must not make everybody else late.
fn is_credible(at: EventTime, ingest_time: IngestTime) -> bool {
    at.since_ms(ingest_time.as_event_time()) <= WATERMARK_AHEAD_MAX_MS
}

fn behind(at: EventTime, out_of_orderness_ms: i64) -> Watermark {
    Watermark(at.plus_ms(out_of_orderness_ms.saturating_neg()).0)
}

/// Moves the live watermark to `out_of_orderness_ms` behind `at`, never back.
pub(crate) fn advance(
    task: &mut TaskState,
    at: EventTime,
    ingest_time: IngestTime,
    out_of_orderness_ms: i64,
) {
    if is_credible(at, ingest_time) {
        task.watermark = task.watermark.max(behind(at, out_of_orderness_ms));
    }
}

/// Notes an event of old data being loaded. Never moves the live watermark.
pub(crate) fn load(task: &mut TaskState, at: EventTime, ingest_time: IngestTime) {
    let backfill = &mut task.backfill;
    backfill.last_ingest = backfill.last_ingest.max(ingest_time);
    if is_credible(at, ingest_time) {
        backfill.newest = backfill.newest.max(Some(at));
    }
}

/// Takes loading for ended when nothing of it came for `quiet_ms` of ingest time.
pub(crate) fn end_load(task: &mut TaskState, now: IngestTime, quiet_ms: i64) {
    if now.since_ms(task.backfill.last_ingest) >= quiet_ms.max(0) {
        task.backfill.newest = None;
    }
}

/// How far the task has come in both lanes.
pub(crate) fn progress(task: &TaskState, out_of_orderness_ms: i64) -> Progress {
    let newest = task.backfill.newest;
    Progress {
        live: task.watermark,
        backfill: newest.map(|at| behind(at, out_of_orderness_ms)),
    }
}
