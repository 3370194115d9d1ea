//! Checkpoints: a follower runs the stages again over a store of its own, and what it comes to is
//! written to the snapshot store.
//!
//! A checkpoint is a point from which the engine could have started: for every state partition
//! all values at one position S, with S ≤ O. Restored into an empty store, with the log since,
//! it becomes the state the engine had, byte for byte. It is the backup, the way to restore after
//! the log has expired, and the way from one store to another.
//!
//! ```text
//! checkpoints/<id>/manifest.json              written last: its presence makes the checkpoint
//! checkpoints/<id>/<space>-<partition>-<n>.pairs
//! ```
//!
//! A manifest names the objects of each partition in the order they are laid over each other:
//! everything there was, then what changed in the checkpoints since; most of them are in folders
//! of older checkpoints.

mod capped;
mod figures;
mod floor;
mod follower;
mod manifest;
mod options;
mod pairs;
mod recording;
mod rest;
mod restore;
mod run;
mod seat;
mod shelf;
mod snapshot;

pub use figures::{CheckpointFigures, CheckpointStatus};
pub use floor::{CheckpointFloor, Floor};
pub use manifest::{CheckpointId, CheckpointIdError, Manifest, ObjectPoint, PartitionPoint};
pub use options::{CheckpointOptions, CheckpointStores};
pub use rest::drain;
pub use restore::{RestoreReport, restore};
pub use run::Checkpointer;
pub use shelf::{CheckpointList, DamagedCheckpoint, list, newest_positions};
