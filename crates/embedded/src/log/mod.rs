//! The embedded event log: all topics and partitions in one physical log of segment files.
//!
//! One call is one frame, so it is atomic and all calls have one order; the form of the bytes is
//! in [`format`]. A crash leaves a prefix of that order. Records can be read before they are
//! durable; what a durable call acknowledged has been synced.

mod core;
mod draft;
mod format;
mod index;
mod read;
mod recovery;
mod retention;
mod scan;
mod segment;
mod status;
mod sync;
mod tail;
mod write;

#[cfg(test)]
mod tests;

pub use retention::Retained;
pub use status::{LogStatus, SegmentStatus, Verified};

use crate::disk::{Disk, DiskLock};
use crate::log::core::{Changes, Core, Durable, View};
use crate::log::draft::Draft;
use crate::log::format::{Key, position_key};
use crate::log::recovery::Recovered;
use crate::log::segment::{Folder, OpenedSegments, PORT, index_name, is_full, unavailable};
use crate::log::sync::Plan;
use crate::log::tail::Tail;
use crate::log::write::{Purpose, Room, Writer};
use parking_lot::{Condvar, Mutex, RwLock};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use vitrina_ports::log::{Append, Bounds, Consumed, Consumer, EventLog, LogRecord, Offset};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// Bytes of indexes of sealed segments kept in memory; one segment always fits.
const OPENED_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// How the log behaves.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// A segment is left when it would grow beyond this many bytes. At most 1 GiB.
    pub segment_bytes: u64,
    /// A segment is left when it is this old, in milliseconds, so that a quiet log expires too.
    pub segment_ms: u64,
    /// Bytes of the disk that intake never uses; outputs of what is already in the log may use
    /// half of them.
    pub reserve_bytes: u64,
    /// Records are kept this long, in milliseconds, and until their whole segment is as old.
    pub retention_ms: u64,
    /// The oldest segments go when all are more than this many bytes.
    pub retention_bytes: u64,
    /// Bytes of newest records kept in memory.
    pub tail_bytes: usize,
    /// What no call waits for is durable after this long.
    pub sync_after: Duration,
    /// The wall clock, in milliseconds since 1970.
    pub clock: fn() -> u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1_024 * 1_024,
            segment_ms: 24 * 3_600 * 1_000,
            reserve_bytes: 256 * 1_024 * 1_024,
            retention_ms: 30 * 24 * 3_600 * 1_000,
            retention_bytes: u64::MAX,
            tail_bytes: 24 * 1_024 * 1_024,
            sync_after: Duration::from_secs(1),
            clock: wall_clock_ms,
        }
    }
}

fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// What opening dropped at the end of the log: calls that a crash cut off. None of them was
/// acknowledged as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Healed {
    /// The segment.
    pub segment: u64,
    /// Where its last whole frame ends, in bytes.
    pub at: u64,
    /// Bytes dropped after it.
    pub bytes_dropped: u64,
}

/// An event log in a directory of this machine.
pub struct EmbeddedLog {
    core: Arc<Core>,
    running: Mutex<Option<Running>>,
}

/// What ends with [`EmbeddedLog::close`].
struct Running {
    syncer: JoinHandle<()>,
    _lock: DiskLock,
}

impl EmbeddedLog {
    /// Opens the log in `dir/log`, or begins one. After a crash the end of the newest segment is
    /// checked and cut; see [`healed`](Self::healed).
    ///
    /// # Errors
    /// `Unavailable` when another process has it open or the disk fails; `Full`; `Damaged`.
    pub fn open(
        dir: &Path,
        options: LogOptions,
        disk: Arc<dyn Disk>,
    ) -> Result<Arc<Self>, PortError> {
        let dir = dir.join("log");
        let prepare = || -> io::Result<DiskLock> {
            disk.create_dir(&dir)?;
            disk.lock(&dir.join("lock"))
        };
        let lock = prepare().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => PortError::Unavailable {
                port: PORT,
                detail: format!("{} is open in another process", dir.display()),
            },
            _ => open_error(&error),
        })?;
        let folder = Folder { disk, dir };
        let recovered = recovery::recover(&folder, (options.clock)())?;
        let core = Arc::new(assemble(folder, options, recovered));
        let thread = std::thread::Builder::new().name("log-sync".into());
        let syncing = Arc::clone(&core);
        let syncer = thread.spawn(move || sync::run(&syncing));
        let syncer = syncer.map_err(|error| unavailable(&error))?;
        let running = Running {
            syncer,
            _lock: lock,
        };
        Ok(Arc::new(Self {
            core,
            running: Mutex::new(Some(running)),
        }))
    }

    /// Makes everything durable, leaves the mark of a clean stop and refuses all calls from now
    /// on. Closing again does nothing. Dropping the log closes it too.
    ///
    /// # Errors
    /// `Unavailable` when the rest could not be made durable.
    pub fn close(&self) -> Result<(), PortError> {
        let Some(running) = self.running.lock().take() else {
            return Ok(());
        };
        let core = &self.core;
        {
            // Nobody writes between the last sync and the mark.
            let _writer = core.writer.lock();
            core.changes.send_modify(|changes| changes.is_closed = true);
            core.plan.lock().is_stopping = true;
            core.wake.notify_all();
        }
        if running.syncer.join().is_err() {
            core.fail("the syncer panicked");
        }
        if let Some(detail) = &core.durable.borrow().failure {
            return Err(PortError::Unavailable {
                port: PORT,
                detail: detail.to_string(),
            });
        }
        let view = core.view.read();
        let Some(segment) = view.segments.back() else {
            return Ok(());
        };
        let index = view.index.encode(segment.number, segment.len());
        let marked = core
            .folder
            .write(&index_name(segment.number), &index)
            .and_then(|()| core.folder.write_clean(segment, &view.heads));
        // Without the mark the next opening reads the segment: slower, not worse.
        if let Err(error) = marked {
            tracing::warn!(%error, "mark of a clean stop not written");
        }
        Ok(())
    }

    /// What opening had to drop, if anything.
    pub fn healed(&self) -> Option<Healed> {
        self.core.healed
    }

    /// Figures for `vitrina status`. No I/O.
    pub fn status(&self) -> LogStatus {
        self.core.status()
    }

    /// The segments, oldest first. No I/O.
    pub fn segments(&self) -> Vec<SegmentStatus> {
        self.core.segments()
    }

    /// Reads the whole log and checks every sum, for `vitrina doctor`.
    ///
    /// # Errors
    /// `Damaged` for the first damage found; `Unavailable`.
    pub fn verify(&self) -> Result<Verified, PortError> {
        self.core.verify()
    }

    /// Deletes the oldest segments: those whose newest record is older than the retention at
    /// `now_ms`, or while all are more bytes than the retention, but no record at or after an
    /// offset of `keep_from`: what consumers have not read, what checkpoints need.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`. Segments may be gone all the same.
    pub fn retain(
        &self,
        now_ms: u64,
        keep_from: &[(Topic, Partition, Offset)],
    ) -> Result<Retained, PortError> {
        self.core.retain(now_ms, keep_from)
    }

    async fn call(
        &self,
        purpose: Purpose,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> Result<Vec<Offset>, PortError> {
        let draft = Draft::new(&outputs, &consumed)?;
        drop(outputs);
        let written = self.core.write(purpose, draft, &consumed, durable)?;
        if durable {
            self.core.until_durable(written.upto).await?;
        }
        Ok(written.offsets)
    }
}

fn open_error(error: &io::Error) -> PortError {
    if is_full(error) {
        return PortError::Full {
            port: PORT,
            free_bytes: 0,
            reserve_bytes: 0,
        };
    }
    unavailable(error)
}

fn assemble(folder: Folder, options: LogOptions, recovered: Recovered) -> Core {
    let Recovered {
        segments,
        newest,
        healed,
    } = recovered;
    let plan = Plan::new(Arc::clone(&newest.segment), Arc::clone(&newest.file));
    let writer = Writer {
        claimed: newest.segment.len(),
        segment: newest.segment,
        file: Arc::clone(&newest.file),
        room: Room::default(),
    };
    let view = View {
        segments,
        file: newest.file,
        index: newest.index,
        left: None,
        heads: newest.heads,
        tail: Tail::new(options.tail_bytes),
    };
    Core {
        folder,
        options,
        writer: Mutex::new(writer),
        view: RwLock::new(view),
        plan: Mutex::new(plan),
        wake: Condvar::new(),
        durable: watch::Sender::new(Durable::default()),
        changes: watch::Sender::new(Changes::default()),
        opened: OpenedSegments::new(OPENED_BYTES_MAX),
        healed,
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "event log not closed in order");
        }
    }
}

fn key(topic: Topic, partition: Partition) -> Key {
    Key {
        topic: topic.number(),
        partition: partition.0,
    }
}

impl EventLog for EmbeddedLog {
    fn append(&self, batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        Box::pin(self.call(Purpose::Intake, batch, Vec::new(), true))
    }

    fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        // Whoever waits for the disk brings something new; outputs of what is there wait for nobody.
        let purpose = if durable {
            Purpose::Intake
        } else {
            Purpose::Output
        };
        Box::pin(self.call(purpose, outputs, consumed, durable))
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        Box::pin(async move { self.core.read(key(topic, partition), from, bytes_max) })
    }

    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        Box::pin(async move {
            self.core.check_closed()?;
            let view = self.core.view.read();
            let key = position_key(consumer.name, &consumer.source);
            Ok(view.heads.positions.get(&key).copied())
        })
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        self.core.view.read().bounds(key(topic, partition))
    }

    fn changed(&self, seen: u64) -> PortFuture<'_, u64> {
        Box::pin(async move {
            let mut changes = self.core.changes.subscribe();
            let reached = changes.wait_for(|c| c.is_closed || c.appends > seen).await;
            match reached {
                Ok(changes) if changes.appends > seen => Ok(changes.appends),
                _ => Err(PortError::Closed { port: PORT }),
            }
        })
    }
}
