//! What can be set about checkpoints, and what they stand on.

use super::floor::CheckpointFloor;
use crate::options::Upkeep;
use std::sync::Arc;
use std::time::Duration;
use vitrina_ports::snapshots::SnapshotStore;
use vitrina_ports::state::StateStore;

/// Settings of checkpoints.
#[derive(Debug, Clone)]
pub struct CheckpointOptions {
    /// From the beginning of one checkpoint to the beginning of the next; zero: none are taken.
    pub interval: Duration,
    /// A checkpoint that takes longer is given up, and that is said.
    pub timeout: Duration,
    /// At least this long between the end of one and the beginning of the next.
    pub pause: Duration,
    /// Checkpoints kept, the newest; at least 1.
    pub keep: usize,
    /// Of so many checkpoints one holds everything, the others what changed; at least 1.
    pub full_every: usize,
    /// Bytes of one object, beyond which another one is begun.
    pub object_bytes_max: usize,
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(600),
            timeout: Duration::from_secs(600),
            pause: Duration::from_secs(60),
            keep: 5,
            full_every: 10,
            object_bytes_max: 32 * 1_024 * 1_024,
        }
    }
}

/// What checkpoints stand on, beside the ports of the engine.
#[derive(Clone)]
pub struct CheckpointStores {
    /// The follower's own state: never that of the engine, and nobody else's.
    pub state: Arc<dyn StateStore>,
    /// Chores of that store: it is flushed before a checkpoint that rests on it counts.
    pub upkeep: Arc<dyn Upkeep>,
    /// Where checkpoints go. One process writes checkpoints there, not several.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// What retention of the log goes by.
    pub floor: Arc<CheckpointFloor>,
    /// The release that runs: whose operators make the state.
    pub release: String,
    /// What tells this log from another one, where there is such a thing.
    pub log: Option<String>,
}
