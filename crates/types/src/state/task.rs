//! What a task remembers of itself.

use crate::stored::{Stored, StoredError};
use crate::time::{EventTime, IngestTime, Progress, Watermark};
use serde::{Deserialize, Serialize};

/// What a task remembers of itself, under the key [`TaskState::KEY`] of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TaskState {
    /// How far event time has come; loading old data does not move it.
    pub watermark: Watermark,
    /// Records applied.
    pub applied: u64,
    /// Events left out as duplicates.
    pub duplicates: u64,
    /// Records given up.
    pub rejected: u64,
    /// The next expiry bucket to be looked at; `None` before the first state. The bucket's
    /// number is the operator's: hour for slates; of visitors day of ingest time × 64 + number,
    /// and only as long as there may be buckets of a release that kept a day in 64 of them.
    pub expiry_next: Option<u32>,
    /// Events that came after their window was closed.
    pub late: u64,
    /// Old data being loaded.
    pub backfill: Backfill,
    /// What the tasks downstream were told last.
    pub told: Progress,
    /// Whether a record to itself is on its way, to tell what is still due.
    pub continues: bool,
}

/// Old data being loaded through one task.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Backfill {
    /// Newest event time of it; `None` while none is loaded.
    pub newest: Option<EventTime>,
    /// When the last of it was taken in.
    pub last_ingest: IngestTime,
}

impl TaskState {
    /// The key.
    pub const KEY: &'static str = "~task";

    /// What a task knows that was never loaded.
    pub const NEW: Self = Self {
        watermark: Watermark::NONE,
        applied: 0,
        duplicates: 0,
        rejected: 0,
        expiry_next: None,
        late: 0,
        backfill: Backfill {
            newest: None,
            last_ingest: IngestTime(0),
        },
        told: Progress {
            live: Watermark::NONE,
            backfill: None,
        },
        continues: false,
    };
}

impl Default for TaskState {
    fn default() -> Self {
        Self::NEW
    }
}

/// Version 1: before late events were counted.
#[derive(Deserialize)]
struct TaskState1 {
    watermark: Watermark,
    applied: u64,
    duplicates: u64,
    rejected: u64,
    expiry_next: Option<u32>,
}

impl Stored for TaskState {
    const NAME: &'static str = "task state";
    const VERSION: u8 = 2;

    fn decode_old(version: u8, body: &[u8]) -> Result<Self, StoredError> {
        let name = Self::NAME;
        if version != 1 {
            return Err(StoredError::UnknownVersion { name, version });
        }
        match postcard::take_from_bytes::<TaskState1>(body) {
            Ok((old, [])) => Ok(Self {
                watermark: old.watermark,
                applied: old.applied,
                duplicates: old.duplicates,
                rejected: old.rejected,
                expiry_next: old.expiry_next,
                ..Self::NEW
            }),
            _ => Err(StoredError::Damaged { name }),
        }
    }
}
