//! Figures of the log, for people and monitors.

use crate::log::Healed;
use crate::log::core::Core;
use crate::log::recovery::rebuild_index;
use crate::log::segment::{new_name, segment_name, unavailable};
use vitrina_ports::PortError;

/// How the log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStatus {
    /// Segments there are.
    pub segment_count: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes written since the log was opened.
    pub written_bytes: u64,
    /// Of these, durable.
    pub synced_bytes: u64,
    /// Syncs since the log was opened; each served all calls that waited.
    pub sync_count: u64,
    /// Bytes of memory of the newest segment's index, about.
    pub index_bytes: usize,
    /// What opening dropped.
    pub healed: Option<Healed>,
    /// Why the log must be opened again.
    pub failure: Option<String>,
}

/// One segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentStatus {
    /// Its number; they have no gaps.
    pub number: u64,
    /// Its bytes.
    pub bytes: u64,
    /// When it was begun, in milliseconds since 1970.
    pub created_ms: u64,
}

/// What a check of the whole log saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Segments read.
    pub segment_count: usize,
    /// Bytes read.
    pub bytes: u64,
    /// Chunks of records whose sums were right.
    pub chunk_count: usize,
}

impl Core {
    pub(crate) fn status(&self) -> LogStatus {
        let (written_bytes, sync_count) = {
            let plan = self.plan.lock();
            (plan.written, plan.sync_count)
        };
        let durable = self.durable.borrow().clone();
        let view = self.view.read();
        LogStatus {
            segment_count: view.segments.len(),
            bytes: view.segments.iter().map(|segment| segment.len()).sum(),
            written_bytes,
            synced_bytes: durable.upto,
            sync_count,
            index_bytes: view.index.bytes(),
            healed: self.healed,
            failure: durable.failure.map(|failure| failure.to_string()),
        }
    }

    pub(crate) fn segments(&self) -> Vec<SegmentStatus> {
        let view = self.view.read();
        let segments = view.segments.iter().map(|segment| SegmentStatus {
            number: segment.number,
            bytes: segment.len(),
            created_ms: segment.created_ms,
        });
        segments.collect()
    }

    pub(crate) fn verify(&self) -> Result<Verified, PortError> {
        let segments = self.view.read().segments.clone();
        let mut verified = Verified::default();
        for segment in &segments {
            let named = || self.folder.open(&segment_name(segment.number));
            // The newest may not have its name yet, or get it between the two looks.
            let file = named().or_else(|_| self.folder.open(&new_name(segment.number)));
            let file = match file.or_else(|_| named()) {
                Ok(file) => file,
                Err(_) if self.is_gone(segment) => continue,
                Err(error) => return Err(unavailable(&error)),
            };
            let index = rebuild_index(segment, &*file)?;
            verified.segment_count += 1;
            verified.bytes += segment.len();
            verified.chunk_count += index.chunk_count();
        }
        Ok(verified)
    }
}
