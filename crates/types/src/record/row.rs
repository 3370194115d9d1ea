//! Records of `row-signals`: contributions to window rows.

use super::Upstream;
use crate::row::{Measures, RowKey};
use crate::stored::Stored;
use crate::time::{EventTime, IngestTime, Progress};
use serde::{Deserialize, Serialize};

/// A record of `row-signals`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowEnvelope {
    /// When its cause was taken in.
    pub ingest_time: IngestTime,
    /// Whether its cause is old data being loaded.
    pub backfill: bool,
    /// The record.
    pub record: RowRecord,
}

/// What a row-keyed task reads. The order of variants is part of the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RowRecord {
    /// Something to be added to the row of `key` in every window that `at` lies in. In the
    /// partition of the key.
    Part {
        /// The row.
        key: RowKey,
        /// Event time; of what was summed up before, any moment of its window.
        at: EventTime,
        /// What to add.
        measures: Box<Measures>,
    },
    /// A task upstream tells how far it has come. In partition 0, which gathers them.
    Upstream(Upstream),
    /// Every task upstream has come this far. In every partition.
    Reached(Progress),
    /// A task to itself: windows that ended are still to be told. In its own partition.
    Continue,
}

impl Stored for RowEnvelope {
    const NAME: &'static str = "row-signals record";
    const VERSION: u8 = 1;
}
