//! Window rows on the data directory: derived, kept beside the state and longer than the log.
//!
//! An upsert compares and sets in memory, reads nothing and writes nothing. A flush, every few
//! seconds and before any read, makes the log durable and then writes rows, in both layouts of
//! [`keys`], and positions. A crash takes a tail of upserts with their positions, and the sink
//! reads those again.
//!
//! Every row is written twice, so that one key over time and all keys of a period are both one
//! walk over neighbours; writing once and looking each row up would halve the writing and make
//! every row of a period a read of its own.
//!
//! No row is looked up to find out whether its pane is the newest: panes of a row are stored side
//! by side, and a walk answers the last one. What that costs is room: panes are removed only when
//! a later one is flushed after them, and what comes out of order, or twice after a crash, stays
//! until its row is forgotten.

use crate::kv::{Kv, OnDamage, Opened, Room, Shape};
use crate::state::BeforeFlush;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use vitrina_ports::analytics::{
    AnalyticsStore, RowPage, RowQuery, Upsert, check_partition, check_query, check_upsert,
};
use vitrina_ports::log::Offset;
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::row::Dimension;
use vitrina_types::time::EventTime;
use waiting::{Batch, Positions, Waiting};

mod flush;
mod keys;
mod page;
mod retain;
#[cfg(test)]
mod tests;
mod waiting;

const PORT: &str = "embedded analytics";
/// Directory of the database in the data directory.
const DIR: &str = "analytics";
/// Upserts wait for a flush above so many bytes of rows in memory. As many again may be there
/// while a flush runs, or fails.
const WAITING_BYTES_MAX: usize = 32 * 1_024 * 1_024;
/// Flushes of this many bytes or more go past the journal: for fewer, tables of their own cost
/// more than they save.
const BULK_BYTES_MIN: usize = 1_024 * 1_024;

static SHAPE: Shape = Shape {
    port: PORT,
    keyspaces: &[
        ("rows", 16 * 1_024 * 1_024),
        ("periods", 16 * 1_024 * 1_024),
        ("positions", 1_024 * 1_024),
    ],
    cache_bytes: 16 * 1_024 * 1_024,
    on_damage: OnDamage::MoveAside,
    worker_threads: 1,
};
const ROWS: usize = 0;
const PERIODS: usize = 1;
const POSITIONS: usize = 2;

/// How an [`EmbeddedAnalytics`] runs.
pub struct AnalyticsOptions {
    /// Bytes of the disk that are left free; below them nothing is written. Default 256 MiB.
    pub reserve_bytes: u64,
    /// Bytes of rows that may wait in memory before an upsert flushes. Default 32 MiB.
    pub waiting_bytes_max: usize,
    /// Bytes of rows from which on a flush goes past the journal. Default 1 MiB.
    pub bulk_bytes_min: usize,
    /// Called by every flush after it has fixed what it will write and before it writes: what was
    /// read of the log before the call must be durable when it returns. Else a power cut could
    /// leave a position that is beyond the log, and the sink would pass over what is appended
    /// there anew.
    pub before_write: BeforeFlush,
}

impl AnalyticsOptions {
    /// The defaults, with this barrier.
    pub fn new(before_write: BeforeFlush) -> Self {
        Self {
            reserve_bytes: 256 * 1_024 * 1_024,
            waiting_bytes_max: WAITING_BYTES_MAX,
            bulk_bytes_min: BULK_BYTES_MIN,
            before_write,
        }
    }
}

/// The analytics store of one data directory.
pub struct EmbeddedAnalytics {
    core: Arc<Core>,
}

struct Core {
    kv: Kv,
    options: AnalyticsOptions,
    waiting: Mutex<Waiting>,
    /// Held by a flush, by a step of retention and by a reopening; taken before `waiting`.
    one_flush: Mutex<()>,
    /// By dimension: no row begins before. Neither a walk nor a retention has to step over the
    /// remains of what was forgotten.
    oldest: [AtomicI64; Dimension::ALL.len()],
}

impl EmbeddedAnalytics {
    /// Opens the rows in `data_dir`, or creates them. Damaged ones are moved aside, see
    /// [`rebuilt`](Self::rebuilt).
    ///
    /// # Errors
    /// `Unavailable` when another process has it open or the disk does not answer; `Full`.
    pub fn open(data_dir: &Path, options: AnalyticsOptions) -> Result<Self, PortError> {
        let kv = Kv::open(data_dir.join(DIR), &SHAPE, options.reserve_bytes)?;
        let positions = kv.read(|opened| load_positions(&kv, opened))?;
        let core = Core {
            kv,
            options,
            waiting: Mutex::new(Waiting::new(positions)),
            one_flush: Mutex::new(()),
            oldest: Dimension::ALL.map(|_| AtomicI64::new(i64::MIN)),
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// Whether a damaged database was moved aside, to `analytics.damaged-<n>`, and an empty one
    /// begun: there is no position, so `window-rows` is read again as far as it is kept. Rows of
    /// older windows are in what was moved aside, if anywhere.
    pub fn rebuilt(&self) -> bool {
        self.core.kv.moved_aside() > 0
    }

    /// Whether a write has failed, so that nothing is written before a [`reopen`](Self::reopen).
    pub fn needs_reopen(&self) -> bool {
        self.core.kv.has_failed()
    }

    /// Writes everything upserted before the call. Blocks the calling thread, and upserts only
    /// when too much waits. After an error what was not written waits for the next flush.
    ///
    /// # Errors
    /// Those of [`AnalyticsOptions::before_write`]; `Full`, `Unavailable`, `Closed`.
    pub fn flush(&self) -> Result<(), PortError> {
        self.core.flush()
    }

    /// Makes everything upserted so far survive a power cut: to be called before the part of the
    /// log that it stands for is deleted.
    ///
    /// # Errors
    /// Those of [`flush`](Self::flush).
    pub fn sync(&self) -> Result<(), PortError> {
        self.core.flush()?;
        self.core.kv.sync()
    }

    /// Closes the database and opens it again, the way out after a failed write. The failed write
    /// may turn out to be there, whole or, a large one, by half. What waits in memory is kept and
    /// flushed later, unless something that was written before is gone: then all that waits is
    /// dropped, and every partition stands at its stored position, or at none.
    ///
    /// # Errors
    /// As [`open`](Self::open). It may be called again.
    pub fn reopen(&self) -> Result<(), PortError> {
        let core = &self.core;
        let _no_flush = core.one_flush.lock();
        core.kv.reopen(|opened| {
            let found = load_positions(&core.kv, opened)?;
            core.waiting.lock().resume(found);
            Ok(())
        })
    }

    /// Flushes, makes everything durable and closes. Then every call answers `Closed`.
    ///
    /// # Errors
    /// Those of [`flush`](Self::flush); it is closed all the same.
    pub fn close(&self) -> Result<(), PortError> {
        let core = &self.core;
        core.waiting.lock().close();
        let flushed = core.flush();
        let _no_flush = core.one_flush.lock();
        let closed = core.kv.close();
        match flushed {
            Err(PortError::Closed { .. }) => closed,
            flushed => flushed.and(closed),
        }
    }

    /// Runs what blocks on the disk where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Core) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let core = Arc::clone(&self.core);
        let joined = tokio::task::spawn_blocking(move || call(&core)).await;
        joined.unwrap_or_else(|error| {
            Err(PortError::Unavailable {
                port: PORT,
                detail: error.to_string(),
            })
        })
    }
}

fn load_positions(kv: &Kv, opened: &Opened) -> Result<Positions, PortError> {
    let load = |partition| {
        let stored = opened.keyspaces[POSITIONS].get(keys::position_key(partition));
        match stored.map_err(|error| kv.port_error(&error))? {
            None => Ok(None),
            Some(stored) => match keys::decode_position(&stored) {
                Some(position) => Ok(Some(position)),
                None => Err(kv.damaged("position")),
            },
        }
    };
    Partition::all().map(load).collect()
}

impl Core {
    fn upsert(&self, upsert: &Upsert) -> Result<(), PortError> {
        check_upsert(upsert)?;
        let rows = Batch::of(&upsert.rows, upsert.next);
        let bytes_max = self.options.waiting_bytes_max;
        let is_full = self.waiting.lock().is_full(bytes_max);
        if is_full {
            self.flush().map_err(of_what_waits)?;
        }
        let mut waiting = self.waiting.lock();
        if waiting.is_closed() {
            return Err(PortError::Closed { port: PORT });
        }
        let found = waiting.positions()[upsert.partition.at()];
        if found != upsert.expected {
            return Err(upsert.mismatch(found));
        }
        // Said here, to whoever can wait, and not first by the flush.
        let bytes = 2 * (waiting.bytes() + rows.bytes());
        self.kv.check_room(Room::Takes(bytes))?;
        waiting.take(upsert.partition, upsert.next, rows);
        Ok(())
    }

    fn rows(&self, query: &RowQuery) -> Result<RowPage, PortError> {
        check_query(query)?;
        self.flush_if_room()?;
        self.page(query)
    }

    fn position(&self, partition: Partition) -> Result<Option<Offset>, PortError> {
        check_partition(partition)?;
        // Where it cannot be opened, where it stands is not known.
        self.kv.read(|_| Ok(()))?;
        Ok(self.waiting.lock().positions()[partition.at()])
    }
}

/// An error of a flush, for an upsert that is none of its reasons: it may succeed later, and must
/// not be given up.
fn of_what_waits(error: PortError) -> PortError {
    match error {
        PortError::Full { .. } | PortError::Closed { .. } | PortError::Unavailable { .. } => error,
        other => PortError::Unavailable {
            port: PORT,
            detail: format!("what waits was not written: {other}"),
        },
    }
}

impl AnalyticsStore for EmbeddedAnalytics {
    fn upsert(&self, upsert: Upsert) -> PortFuture<'_, ()> {
        Box::pin(self.blocking(move |core| core.upsert(&upsert)))
    }

    fn position(&self, partition: Partition) -> PortFuture<'_, Option<Offset>> {
        Box::pin(self.blocking(move |core| core.position(partition)))
    }

    fn rows(&self, query: RowQuery) -> PortFuture<'_, RowPage> {
        Box::pin(self.blocking(move |core| core.rows(&query)))
    }

    fn retain(&self, before: EventTime) -> PortFuture<'_, u64> {
        Box::pin(self.blocking(move |core| core.retain(before)))
    }
}
