//! From URLs to adapters, and what the embedded ones need done.
//!
//! By default everything is in the data directory. Log and state may be shared with other
//! processes instead, in a build with the feature `cluster`.

mod backing;
#[cfg(feature = "cluster")]
mod elsewhere;
mod error;
mod following;
#[cfg(feature = "cluster")]
mod own;
#[cfg(feature = "cluster")]
mod shared;
#[cfg(not(feature = "cluster"))]
#[path = "ports/unshared.rs"]
mod shared;

pub use backing::{Backing, is_shared, open};
pub use error::OpenError;

use crate::config::Settings;
use following::Following;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use vitrina_embedded::analytics::{AnalyticsOptions, EmbeddedAnalytics};
use vitrina_embedded::catalogue::EmbeddedCatalogue;
use vitrina_embedded::disk::{Disk, DiskLock, OsDisk};
use vitrina_embedded::log::{EmbeddedLog, LogOptions};
use vitrina_embedded::slates::EmbeddedSlates;
use vitrina_embedded::state::{EmbeddedState, StateOptions};
use vitrina_engine::{
    CheckpointId, CheckpointStores, EngineError, Ports, RestoreReport, Storage, Upkeep, Waiting,
    newest_positions, restore_checkpoint, solo_seats, unread,
};
use vitrina_ports::PortError;
use vitrina_ports::log::{EventLog, Offset};
use vitrina_ports::snapshots::SnapshotStore;
use vitrina_snapshots::SnapshotFolder;
use vitrina_types::partition::Partition;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Name of the file by which a process holds a data directory.
pub const LOCK_FILE: &str = "lock";
const DAY_MS: u64 = 86_400_000;
/// The URL of every port in this release.
const EMBEDDED: &str = "embedded:";
/// Directory of the snapshots that are kept in the data directory.
const SNAPSHOTS_DIR: &str = "snapshots";
/// While a checkpoint is restored, what it wrote goes to disk this often.
const RESTORE_FLUSH: Duration = Duration::from_millis(200);
/// State that waits for a flush: from here on it pays to wait for more.
const MUCH_BYTES: usize = 4 * 1_024 * 1_024;
/// From here on it is written at once: half of what may wait, so that as much again can come while
/// it is written.
const TOO_MUCH_BYTES: usize = 128 * 1_024 * 1_024;
const ROWS_REBUILT: &str = "the window rows were damaged and are moved aside; they are read again from the event log, as far as it is kept";
/// What the stages of a shop read.
const INPUTS: [Topic; 5] = [
    Topic::UserEvents,
    Topic::ProductSignals,
    Topic::SlateSignals,
    Topic::RowSignals,
    Topic::ShopProducts,
];

/// The stores of one data directory, all open.
pub struct Stores {
    log: Arc<EmbeddedLog>,
    state: Arc<EmbeddedState>,
    catalogue: Arc<EmbeddedCatalogue>,
    slates: Arc<EmbeddedSlates>,
    analytics: Arc<EmbeddedAnalytics>,
    snapshots: Arc<dyn SnapshotStore>,
    /// Whether checkpoints are taken of this data directory, by this process or another one.
    has_checkpoints: bool,
    /// Of this process, where it takes them.
    following: Mutex<Option<Arc<Following>>>,
    data_dir: PathBuf,
    reserve_bytes: u64,
    repairs: Vec<String>,
    /// Positions that were on disk at the last retention; empty before the first.
    on_disk: Mutex<Vec<(Topic, Partition, Offset)>>,
    runtime: Handle,
    _lock: DiskLock,
}

impl Stores {
    /// Opens what the URLs name. Blocking; call it on a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`], with what to do.
    pub fn open(settings: &Settings) -> Result<Arc<Self>, OpenError> {
        Self::open_on(settings, Arc::new(OsDisk))
    }

    /// The same with the event log on a disk of its own kind: what tests of power cuts use.
    ///
    /// # Errors
    /// [`OpenError`], with what to do.
    pub fn open_on(settings: &Settings, disk: Arc<dyn Disk>) -> Result<Arc<Self>, OpenError> {
        for (field, url) in [
            ("log", &settings.log),
            ("state", &settings.state),
            ("catalogue", &settings.catalogue),
            ("slates", &settings.slates),
            ("analytics", &settings.analytics),
        ] {
            if url != EMBEDDED {
                let url = without_secrets(url);
                return Err(OpenError::NoAdapter { field, url });
            }
        }
        let data_dir = settings.data_dir.clone();
        let lock = hold(&data_dir)?;
        let runtime = Handle::current();
        let log = EmbeddedLog::open(&data_dir, log_options(settings), disk)?;
        let catalogue = EmbeddedCatalogue::open(&data_dir, settings.disk_reserve_bytes)?;
        let state_options = StateOptions {
            reserve_bytes: settings.disk_reserve_bytes / 2,
            ..StateOptions::new(barrier(Arc::clone(&log), runtime.clone()))
        };
        let state = EmbeddedState::open(&data_dir, state_options)?;
        let analytics_options = AnalyticsOptions {
            reserve_bytes: settings.disk_reserve_bytes / 2,
            ..AnalyticsOptions::new(barrier(Arc::clone(&log), runtime.clone()))
        };
        let analytics = EmbeddedAnalytics::open(&data_dir, analytics_options)?;
        let repairs = repairs(&log, &state, &analytics);
        Ok(Arc::new(Self {
            snapshots: Arc::new(SnapshotFolder::open(&snapshots_url(settings))?),
            has_checkpoints: settings.checkpoint_interval_s > 0,
            following: Mutex::default(),
            analytics: Arc::new(analytics),
            slates: Arc::new(state.slates()),
            state: Arc::new(state),
            catalogue: Arc::new(catalogue),
            log,
            reserve_bytes: settings.disk_reserve_bytes,
            repairs,
            on_disk: Mutex::default(),
            data_dir,
            runtime,
            _lock: lock,
        }))
    }

    /// The stores as the engine sees them.
    pub fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            log: Arc::clone(&self.log) as _,
            seats: solo_seats(),
            state: Arc::clone(&self.state) as _,
            catalogue: Arc::clone(&self.catalogue) as _,
            slates: Arc::clone(&self.slates) as _,
            analytics: Arc::clone(&self.analytics) as _,
            upkeep: Arc::clone(self) as _,
        }
    }

    /// Closes all stores; the directory stays held until the last reference goes. Blocking.
    ///
    /// # Errors
    /// The first store's that could not be closed cleanly; all are closed, nothing acknowledged
    /// is lost.
    pub fn close(&self) -> Result<(), PortError> {
        // Side by side: what a backlog left in memory is written by both cores. The log last:
        // the others make it durable before they write.
        let (state, analytics) = std::thread::scope(|scope| {
            let analytics = scope.spawn(|| self.analytics.close());
            let state = self.state.close();
            (state, analytics.join())
        });
        let analytics = analytics.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let follower = self.following.lock().as_ref().map_or(Ok(()), |f| f.close());
        let catalogue = self.catalogue.close();
        let closed = state.and(follower).and(analytics).and(catalogue);
        closed.and(self.log.close())
    }

    /// Where checkpoints are.
    pub fn snapshots(&self) -> Arc<dyn SnapshotStore> {
        Arc::clone(&self.snapshots)
    }

    /// What this process needs to take checkpoints; `None` where none are taken. Blocking.
    ///
    /// # Errors
    /// As the store of the follower.
    pub fn checkpoints(&self) -> Result<Option<CheckpointStores>, PortError> {
        if !self.has_checkpoints {
            return Ok(None);
        }
        let mut following = self.following.lock();
        let open = match &*following {
            Some(open) => Arc::clone(open),
            None => Following::open(&self.data_dir, &self.log, &self.runtime, self.reserve_bytes)?,
        };
        *following = Some(Arc::clone(&open));
        Ok(Some(open.stores(self.snapshots())))
    }

    /// Writes a checkpoint into the state, which is empty, and to disk.
    ///
    /// # Errors
    /// As [`restore_checkpoint`]; the store's.
    pub async fn restore(
        self: &Arc<Self>,
        id: &CheckpointId,
    ) -> Result<RestoreReport, EngineError> {
        // Commits wait in memory, which has a bound: somebody must write them meanwhile.
        let done = Arc::new(AtomicBool::new(false));
        let (stores, is_done) = (Arc::clone(self), Arc::clone(&done));
        let flushing = tokio::task::spawn_blocking(move || {
            while !is_done.load(Ordering::Acquire) {
                std::thread::sleep(RESTORE_FLUSH);
                stores.state.flush()?;
            }
            stores.state.flush().and_then(|_| stores.state.sync())
        });
        let restored = restore_checkpoint(&*self.snapshots, id, &*self.state).await;
        done.store(true, Ordering::Release);
        flushing.await.map_err(|_| EngineError::Stopping)??;
        restored
    }

    /// What was repaired when the stores were opened, in words.
    pub fn repairs(&self) -> &[String] {
        &self.repairs
    }

    /// Reads the whole log and checks every sum; answers the bytes read. Blocking.
    ///
    /// # Errors
    /// The first damage.
    pub fn verify(&self) -> Result<u64, PortError> {
        Ok(self.log.verify()?.bytes)
    }

    /// Up to where each partition was read by everybody who reads it.
    fn positions(&self) -> Result<Vec<(Topic, Partition, Offset)>, PortError> {
        let all = unread(&*self.log, &*self.state, &*self.analytics);
        self.runtime.block_on(all)
    }

    /// Whether retention has taken the beginning of what the stages read.
    fn has_expired(&self) -> bool {
        let mut all = INPUTS
            .into_iter()
            .flat_map(|topic| Partition::all().map(move |partition| (topic, partition)));
        all.any(|(topic, partition)| self.log.bounds(topic, partition).start > 0)
    }

    /// What the newest checkpoint needs of the log: restore and tail must meet.
    fn checkpoint_needs(&self) -> Result<Vec<(Topic, Partition, Offset)>, PortError> {
        if !self.has_checkpoints {
            return Ok(Vec::new());
        }
        let following = self.following.lock().clone();
        let found = match following {
            Some(following) => following.floor.positions(),
            // They are taken by another process, at another time.
            None => {
                let newest = newest_positions(&*self.snapshots, None);
                let newest = self.runtime.block_on(newest).map_err(|error| match error {
                    EngineError::Port(error) => error,
                    other => PortError::Unavailable {
                        port: "snapshot store",
                        detail: other.to_string(),
                    },
                })?;
                newest.or(Some(Vec::new()))
            }
        };
        let found = found.unwrap_or_default();
        if found.is_empty() && self.has_expired() {
            // Retention went before the first checkpoint: no follower can begin at the first
            // record, and keeping the rest would only fill the disk.
            return Ok(Vec::new());
        }
        let at = |topic, partition| {
            let named = found
                .iter()
                .find(|one| one.0 == topic && one.1 == partition);
            (topic, partition, named.map_or(0, |one| one.2))
        };
        let of = |topic| Partition::all().map(move |partition| at(topic, partition));
        Ok(INPUTS.into_iter().flat_map(of).collect())
    }
}

impl Upkeep for Stores {
    fn flush(&self) -> Result<(), PortError> {
        let follower = self.following.lock().clone();
        if let Some(Err(error)) = follower.map(|follower| follower.look_after()) {
            tracing::warn!(%error, "the state of the follower was not written");
        }
        // Each for itself: what waits in one must not stay there because another is broken.
        let state = self.state.flush().map(|_| ());
        state.and(self.analytics.flush())
    }

    fn waiting(&self) -> Waiting {
        match self.state.waiting_bytes() {
            ..MUCH_BYTES => Waiting::Little,
            MUCH_BYTES..TOO_MUCH_BYTES => Waiting::Much,
            TOO_MUCH_BYTES.. => Waiting::TooMuch,
        }
    }

    fn retain(&self, now: IngestTime) -> Result<(), PortError> {
        // Read before the flush: what is kept begins at positions that are on disk.
        let mut positions = self.positions()?;
        // A power cut must not take the state back behind the beginning of the log.
        let synced = self.state.flush().and_then(|_| self.state.sync());
        match synced.and_then(|()| self.analytics.sync()) {
            Ok(()) => *self.on_disk.lock() = positions.clone(),
            // A full disk is when old segments must go most of all: up to what was flushed last.
            Err(error) => {
                tracing::warn!(%error, "retention goes by the last state on disk");
                positions.clone_from(&self.on_disk.lock());
                if positions.is_empty() {
                    return Err(error);
                }
            }
        }
        positions.extend(self.checkpoint_needs()?);
        let now_ms = u64::try_from(now.0).unwrap_or(0);
        let retained = self.log.retain(now_ms, &positions)?;
        if retained.segment_count > 0 {
            let (segments, bytes) = (retained.segment_count, retained.bytes);
            tracing::info!(segments, bytes, "removed expired segments of the event log");
        }
        Ok(())
    }

    fn heal(&self) -> Result<bool, PortError> {
        let catalogue = match self.catalogue.needs_reopen() {
            true => self.catalogue.reopen(),
            false => Ok(()),
        };
        let analytics = match self.analytics.needs_reopen() {
            true => self.analytics.reopen(),
            false => Ok(()),
        };
        let stepped_back = self.state.needs_reopen() && !self.state.reopen()?.is_empty();
        catalogue.and(analytics).map(|()| stepped_back)
    }

    fn storage(&self) -> Storage {
        Storage {
            log_bytes: self.log.status().bytes,
            free_bytes: OsDisk.free_bytes(&self.data_dir).unwrap_or(0),
            reserve_bytes: self.reserve_bytes,
            repairs: self.repairs.clone(),
        }
    }
}

/// Creates the directory and takes it for this process.
///
/// # Errors
/// `InUse`, `Directory`.
pub fn hold(data_dir: &Path) -> Result<DiskLock, OpenError> {
    let failed = |source: io::Error| OpenError::Directory {
        dir: data_dir.to_owned(),
        source,
    };
    OsDisk.create_dir(data_dir).map_err(failed)?;
    OsDisk
        .lock(&data_dir.join(LOCK_FILE))
        .map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse(data_dir.to_owned()),
            _ => failed(error),
        })
}

/// Whether there is anything in a data directory.
pub fn has_data(data_dir: &Path) -> bool {
    data_dir.join("log").is_dir()
}

fn log_options(settings: &Settings) -> LogOptions {
    LogOptions {
        reserve_bytes: settings.disk_reserve_bytes,
        retention_ms: settings.retention_days.saturating_mul(DAY_MS),
        retention_bytes: match settings.retention_bytes {
            0 => u64::MAX,
            bytes => bytes,
        },
        ..LogOptions::default()
    }
}

/// State never gets ahead of the log on disk: an empty durable call waits for all before it.
fn barrier(log: Arc<EmbeddedLog>, runtime: Handle) -> vitrina_embedded::state::BeforeFlush {
    Box::new(move || {
        let synced = runtime.block_on(log.publish(Vec::new(), Vec::new(), true));
        synced.map(|_| ())
    })
}

/// Where snapshots are: in the data directory, unless another place is named.
fn snapshots_url(settings: &Settings) -> String {
    if settings.snapshots == EMBEDDED {
        return format!("file:{}", settings.data_dir.join(SNAPSHOTS_DIR).display());
    }
    settings.snapshots.clone()
}

fn repairs(log: &EmbeddedLog, state: &EmbeddedState, analytics: &EmbeddedAnalytics) -> Vec<String> {
    let mut repairs = Vec::new();
    if let Some(healed) = log.healed() {
        repairs.push(format!(
            "the event log ended in {} bytes that a crash cut off, in segment {}; they were never acknowledged and are dropped",
            healed.bytes_dropped, healed.segment
        ));
    }
    if state.rebuilt() {
        repairs.push(
            "the state was damaged and is moved aside; it is being rebuilt from the event log"
                .to_owned(),
        );
    }
    if analytics.rebuilt() {
        repairs.push(ROWS_REBUILT.to_owned());
    }
    repairs
}

/// Runs what blocks on a thread where that is allowed.
async fn blocking<T: Send + 'static>(
    dir: &Path,
    run: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let ended = tokio::task::spawn_blocking(run).await;
    ended.map_err(|error| OpenError::Directory {
        dir: dir.to_owned(),
        source: io::Error::other(error),
    })?
}

/// A URL without user and password.
pub(crate) fn without_secrets(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}…{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
