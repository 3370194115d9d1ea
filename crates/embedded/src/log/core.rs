//! What the parts of an open log share, and who may change it.
//!
//! Three locks, taken in this order and never the other way: `writer` (one call at a time gets
//! its offsets and is written), `view` (what readers see; never held during I/O), `plan` (what
//! the syncer is to make durable).

use crate::disk::DiskFile;
use crate::log::format::{Key, Snapshot};
use crate::log::index::SegmentIndex;
use crate::log::segment::{Folder, OpenedSegments, PORT, Segment};
use crate::log::sync::Plan;
use crate::log::tail::Tail;
use crate::log::write::Writer;
use crate::log::{Healed, LogOptions};
use parking_lot::{Condvar, Mutex, RwLock};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;
use vitrina_ports::PortError;
use vitrina_ports::log::Bounds;

pub(crate) struct Core {
    pub(crate) folder: Folder,
    pub(crate) options: LogOptions,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) view: RwLock<View>,
    pub(crate) plan: Mutex<Plan>,
    /// Wakes the syncer when the plan has changed.
    pub(crate) wake: Condvar,
    pub(crate) durable: watch::Sender<Durable>,
    pub(crate) changes: watch::Sender<Changes>,
    pub(crate) opened: OpenedSegments,
    pub(crate) healed: Option<Healed>,
}

/// How far the log is durable, in bytes written since it was opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durable {
    pub(crate) upto: u64,
    /// Why nothing more will become durable.
    pub(crate) failure: Option<Arc<str>>,
}

/// What followers of the log wait for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Changes {
    /// Calls that appended a record since the log was opened.
    pub(crate) appends: u64,
    pub(crate) is_closed: bool,
}

/// What readers see.
pub(crate) struct View {
    /// Oldest first; the last one is written to.
    pub(crate) segments: VecDeque<Arc<Segment>>,
    /// The file of the last segment.
    pub(crate) file: Arc<dyn DiskFile>,
    /// The index of the last segment.
    pub(crate) index: SegmentIndex,
    /// The segment before the last, until its index is on disk.
    pub(crate) left: Option<Left>,
    pub(crate) heads: Snapshot,
    pub(crate) tail: Tail,
}

/// A segment that is no longer written to and not yet known to be durable.
#[derive(Clone)]
pub(crate) struct Left {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) index: Arc<SegmentIndex>,
}

impl View {
    pub(crate) fn bounds(&self, key: Key) -> Bounds {
        let oldest = self.segments.front();
        Bounds {
            start: oldest.map_or(0, |segment| segment.start(key)),
            end: self.end(key),
        }
    }

    /// The next offset of a partition.
    pub(crate) fn end(&self, key: Key) -> u64 {
        self.heads.ends.get(&key).copied().unwrap_or(0)
    }
}

impl Core {
    /// Nothing more can be written: the durability of what is not synced is unknown for ever.
    pub(crate) fn fail(&self, detail: &str) {
        tracing::error!(detail, "event log failed, it must be opened again");
        self.durable.send_modify(|durable| {
            durable.failure.get_or_insert_with(|| detail.into());
        });
    }

    /// Refuses calls on a log that is closed or failed.
    pub(crate) fn check_open(&self) -> Result<(), PortError> {
        self.check_closed()?;
        match &self.durable.borrow().failure {
            Some(detail) => Err(failed(detail)),
            None => Ok(()),
        }
    }

    pub(crate) fn check_closed(&self) -> Result<(), PortError> {
        if self.changes.borrow().is_closed {
            return Err(PortError::Closed { port: PORT });
        }
        Ok(())
    }

    /// Waits until everything up to `upto` is durable.
    pub(crate) async fn until_durable(&self, upto: u64) -> Result<(), PortError> {
        let mut durable = self.durable.subscribe();
        let reached = durable.wait_for(|d| d.upto >= upto || d.failure.is_some());
        let Ok(reached) = reached.await else {
            return Err(PortError::Closed { port: PORT });
        };
        match &reached.failure {
            Some(detail) if reached.upto < upto => Err(failed(detail)),
            _ => Ok(()),
        }
    }
}

fn failed(detail: &str) -> PortError {
    PortError::Unavailable {
        port: PORT,
        detail: format!("{detail}; open it again"),
    }
}
