//! How far event time has come.

use vitrina_types::limits::WATERMARK_AHEAD_MAX_MS;
use vitrina_types::state::TaskState;
use vitrina_types::time::{EventTime, IngestTime, Watermark};

/// Moves the watermark to `out_of_orderness_ms` behind `at`, never back, and not at all for an
/// event time more than [`WATERMARK_AHEAD_MAX_MS`] ahead of its ingest time: one wrong clock
/// must not make everybody else late.
pub(crate) fn advance(
    task: &mut TaskState,
    at: EventTime,
    ingest_time: IngestTime,
    out_of_orderness_ms: i64,
) {
    if at.since_ms(ingest_time.as_event_time()) > WATERMARK_AHEAD_MAX_MS {
        return;
    }
    let reached = Watermark(at.plus_ms(out_of_orderness_ms.saturating_neg()).0);
    task.watermark = task.watermark.max(reached);
}
