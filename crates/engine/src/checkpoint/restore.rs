//! From a checkpoint to state.
//!
//! All objects are read and checked before anything is written. While values are being written,
//! every partition that is to have some stands at a position that no log reaches: an engine
//! refuses to start there (S > O). So a restore that was cut off is never taken for a state.

use super::manifest::{CheckpointId, Manifest, ObjectPoint, PartitionPoint, checksum};
use super::pairs;
use super::shelf::read_manifest;
use crate::error::EngineError;
use bytes::Bytes;
use serde::Serialize;
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;
use vitrina_ports::snapshots::SnapshotStore;
use vitrina_ports::state::{Change, Commit, Space, StatePartition, StateStore};
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::time::IngestTime;

/// Where a partition stands while it is being restored.
const RESTORING: Offset = u64::MAX / 4;
/// Bytes of one commit, about.
const COMMIT_BYTES: usize = 4 * 1_024 * 1_024;

/// What a restore has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The checkpoint.
    pub id: CheckpointId,
    /// When it was taken.
    pub created_at: IngestTime,
    /// The release whose operators made the state. The log after it must be applied by the same,
    /// unless the checkpoint was taken at rest.
    pub release: String,
    /// Whether new operator code may start from here.
    pub at_rest: bool,
    /// Partitions with state.
    pub partitions: u64,
    /// Keys written or removed, each as often as it changed.
    pub pairs: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Writes a checkpoint into an empty state store. An engine on it and on the checkpoint's log
/// goes on where the checkpoint was taken, and comes to the very state the old one had.
///
/// # Errors
/// `CheckpointRefused` when the store is not empty, or the checkpoint is of other partitions;
/// `Damaged` when anything of it is: nothing was written then. The ports' errors; when one comes
/// after writing began, empty the store and begin again.
pub async fn restore(
    snapshots: &dyn SnapshotStore,
    id: &CheckpointId,
    state: &dyn StateStore,
) -> Result<RestoreReport, EngineError> {
    let manifest = read_manifest(snapshots, id).await?;
    if manifest.partition_count != PARTITIONS {
        let count = manifest.partition_count;
        return Err(EngineError::CheckpointRefused {
            reason: format!(
                "it has {count} partitions, this release has {PARTITIONS}; replay the log instead"
            ),
        });
    }
    refuse_unless_empty(state).await?;
    for object in manifest.objects() {
        read_object(snapshots, object).await?;
    }
    let parts: Vec<(StatePartition, &PartitionPoint)> = manifest
        .partitions
        .iter()
        .filter(|point| point.position > 0)
        .filter_map(|point| point.at().map(|at| (at, point)))
        .collect();
    for (at, _) in &parts {
        commit(state, *at, (0, RESTORING), Vec::new()).await?;
    }
    for (at, point) in &parts {
        write(snapshots, *at, point, state).await?;
    }
    for (at, point) in &parts {
        commit(state, *at, (RESTORING, point.position), Vec::new()).await?;
    }
    Ok(report(&manifest, parts.len() as u64))
}

fn report(manifest: &Manifest, partitions: u64) -> RestoreReport {
    RestoreReport {
        id: manifest.id.clone(),
        created_at: manifest.created_at,
        release: manifest.release.clone(),
        at_rest: manifest.at_rest,
        partitions,
        pairs: manifest.objects().map(|object| object.pairs).sum(),
        bytes: manifest.objects().map(|object| object.bytes).sum(),
    }
}

/// Whether nothing is in a state store.
///
/// # Errors
/// The store's.
pub(super) async fn is_empty(state: &dyn StateStore) -> Result<bool, PortError> {
    Ok(first_in_use(state).await?.is_none())
}

async fn first_in_use(
    state: &dyn StateStore,
) -> Result<Option<(StatePartition, Offset)>, PortError> {
    for space in Space::ALL {
        for partition in Partition::all() {
            let at = StatePartition { space, partition };
            let found = state.scan(at, None, 1).await?;
            if found.position > 0 || !found.values.is_empty() {
                return Ok(Some((at, found.position)));
            }
        }
    }
    Ok(None)
}

async fn refuse_unless_empty(state: &dyn StateStore) -> Result<(), EngineError> {
    let Some((at, position)) = first_in_use(state).await? else {
        return Ok(());
    };
    let place = format!("{}/{}", at.space.name(), at.partition.0);
    let reason = if position == RESTORING {
        format!("a restore into this state store was cut off ({place}); empty it and begin again")
    } else {
        format!(
            "the state store is not empty ({place} stands at {position}); restore into a new \
             directory or an emptied store"
        )
    };
    Err(EngineError::CheckpointRefused { reason })
}

/// An object, if it is the one the manifest names.
async fn read_object(
    snapshots: &dyn SnapshotStore,
    object: &ObjectPoint,
) -> Result<Vec<(String, Option<Bytes>)>, PortError> {
    let path = &object.path;
    let damaged = |why: &str| PortError::Damaged {
        what: format!("object {path} of the checkpoint ({why})"),
    };
    let bytes = snapshots
        .get(path)
        .await?
        .ok_or_else(|| damaged("it is gone"))?;
    if bytes.len() as u64 != object.bytes || checksum(&bytes) != object.checksum {
        return Err(damaged("it is not what was written"));
    }
    let pairs = pairs::read(path, &bytes)?;
    if pairs.len() as u64 != object.pairs {
        return Err(damaged("its pairs are not those of the manifest"));
    }
    Ok(pairs)
}

/// Lays one object over the other, oldest first.
async fn write(
    snapshots: &dyn SnapshotStore,
    at: StatePartition,
    point: &PartitionPoint,
    state: &dyn StateStore,
) -> Result<(), EngineError> {
    for object in &point.objects {
        let (mut changes, mut bytes) = (Vec::new(), 0);
        for (key, value) in read_object(snapshots, object).await? {
            bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
            changes.push(Change { key, value });
            if bytes >= COMMIT_BYTES {
                let full = std::mem::take(&mut changes);
                commit(state, at, (RESTORING, RESTORING), full).await?;
                bytes = 0;
            }
        }
        if !changes.is_empty() {
            commit(state, at, (RESTORING, RESTORING), changes).await?;
        }
    }
    Ok(())
}

async fn commit(
    state: &dyn StateStore,
    partition: StatePartition,
    (expected, next): (Offset, Offset),
    changes: Vec<Change>,
) -> Result<(), PortError> {
    state
        .commit(Commit {
            partition,
            expected,
            next,
            changes,
        })
        .await
}
