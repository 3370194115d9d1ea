//! The follower's own state, and the checkpoints that are taken of it.

use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;
use vitrina_embedded::log::EmbeddedLog;
use vitrina_embedded::state::{EmbeddedState, StateOptions};
use vitrina_engine::{CheckpointFloor, CheckpointStores, Storage, Upkeep};
use vitrina_ports::PortError;
use vitrina_ports::snapshots::SnapshotStore;
use vitrina_types::time::IngestTime;

/// Directory of the follower's state in the data directory.
const DIR: &str = "follower";
/// Bytes of changes that wait in memory, beyond which they are written between two checkpoints.
const WAITING_BYTES: usize = 32 * 1_024 * 1_024;

/// The state of the follower, and what retention of the log goes by.
pub(super) struct Following {
    state: Arc<EmbeddedState>,
    pub(super) floor: Arc<CheckpointFloor>,
}

impl Following {
    pub(super) fn open(
        data_dir: &Path,
        log: &Arc<EmbeddedLog>,
        runtime: &Handle,
        reserve_bytes: u64,
    ) -> Result<Arc<Self>, PortError> {
        let options = StateOptions {
            // The shop needs the last of a disk more than its checkpoints do.
            reserve_bytes,
            ..StateOptions::new(super::barrier(Arc::clone(log), runtime.clone()))
        };
        Ok(Arc::new(Self {
            state: Arc::new(EmbeddedState::open(&data_dir.join(DIR), options)?),
            floor: Arc::new(CheckpointFloor::new()),
        }))
    }

    /// What the engine needs to take checkpoints.
    pub(super) fn stores(self: &Arc<Self>, snapshots: Arc<dyn SnapshotStore>) -> CheckpointStores {
        CheckpointStores {
            state: Arc::clone(&self.state) as _,
            upkeep: Arc::clone(self) as _,
            snapshots,
            floor: Arc::clone(&self.floor),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            log: None,
        }
    }

    /// Opens the state again after a failed write, and writes what has gathered.
    pub(super) fn look_after(&self) -> Result<(), PortError> {
        self.heal()?;
        if self.state.waiting_bytes() > WAITING_BYTES {
            self.state.flush()?;
        }
        Ok(())
    }

    pub(super) fn close(&self) -> Result<(), PortError> {
        self.state.close()
    }
}

impl Upkeep for Following {
    fn flush(&self) -> Result<(), PortError> {
        self.state.flush()?;
        // The log before the checkpoint may go once it is there: nothing may step back behind it.
        self.state.sync()
    }

    fn retain(&self, _now: IngestTime) -> Result<(), PortError> {
        Ok(())
    }

    fn heal(&self) -> Result<bool, PortError> {
        Ok(self.state.needs_reopen() && !self.state.reopen()?.is_empty())
    }

    fn storage(&self) -> Storage {
        Storage::default()
    }
}
