//! Retention: whole segments go, the oldest first, and never past what somebody still needs.

use crate::log::core::Core;
use crate::log::format::Key;
use crate::log::segment::{Segment, index_name, segment_name, unavailable};
use std::sync::Arc;
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// What a call of [`EmbeddedLog::retain`](crate::log::EmbeddedLog::retain) freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retained {
    /// Segments deleted.
    pub segment_count: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Core {
    pub(crate) fn retain(
        &self,
        now_ms: u64,
        keep_from: &[(Topic, Partition, Offset)],
    ) -> Result<Retained, PortError> {
        self.check_open()?;
        self.leave_old_segment(now_ms);
        let expired = self.take_expired(now_ms, keep_from);
        let mut retained = Retained::default();
        for segment in &expired {
            self.opened.forget(segment.number);
            // The segment before its index: an index without a segment is tidied up, a segment
            // missing in the middle is damage.
            for name in [segment_name(segment.number), index_name(segment.number)] {
                let removed = self.folder.remove(&name);
                removed.map_err(|error| unavailable(&error))?;
            }
            retained.segment_count += 1;
            retained.bytes += segment.len();
        }
        if !expired.is_empty() {
            self.folder.sync().map_err(|error| unavailable(&error))?;
        }
        Ok(retained)
    }

    /// Begins a new segment when the newest is old, so that a quiet log expires too.
    fn leave_old_segment(&self, now_ms: u64) {
        let writer = &mut *self.writer.lock();
        let segment = &writer.segment;
        let age_ms = now_ms.saturating_sub(segment.created_ms);
        let has_frames = segment.len() > segment.header_len;
        if !has_frames || age_ms < self.options.segment_ms || self.plan.lock().left.is_some() {
            return;
        }
        if let Err(error) = self.roll(writer, now_ms) {
            tracing::warn!(%error, "no new segment begun");
        }
    }

    /// Takes the segments that may go out of the view.
    fn take_expired(
        &self,
        now_ms: u64,
        keep_from: &[(Topic, Partition, Offset)],
    ) -> Vec<Arc<Segment>> {
        let view = &mut *self.view.write();
        let mut bytes: u64 = view.segments.iter().map(|segment| segment.len()).sum();
        let mut expired = Vec::new();
        while let (Some(oldest), Some(next)) = (view.segments.front(), view.segments.get(1)) {
            let age_ms = now_ms.saturating_sub(next.created_ms);
            let is_due = age_ms > self.options.retention_ms || bytes > self.options.retention_bytes;
            let is_needed = keep_from.iter().any(|&(topic, partition, offset)| {
                let (topic, partition) = (topic.number(), partition.0);
                offset < next.start(Key { topic, partition })
            });
            // The segment before one without a name is what a crash goes back to.
            let is_left = view.left.is_some() && view.segments.len() == 2;
            if !is_due || is_needed || is_left {
                break;
            }
            bytes -= oldest.len();
            expired.extend(view.segments.pop_front());
        }
        expired
    }
}
