//! The checkpoints there are: looking, and putting away old ones.

use super::floor::Floor;
use super::manifest::{CheckpointId, FOLDER, Manifest};
use crate::error::EngineError;
use rustc_hash::{FxHashMap, FxHashSet};
use vitrina_ports::snapshots::SnapshotStore;
use vitrina_ports::{PortError, Retry};

/// A checkpoint that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedCheckpoint {
    /// Its name.
    pub id: CheckpointId,
    /// Why not.
    pub reason: String,
}

/// The checkpoints there are.
#[derive(Debug, Default)]
pub struct CheckpointList {
    /// Those that are whole as far as that can be told without reading their objects, oldest
    /// first: every object they need is there, with the right length.
    pub good: Vec<Manifest>,
    /// The others that have a manifest, oldest first. Without one it is no checkpoint.
    pub damaged: Vec<DamagedCheckpoint>,
    /// Newest name in use, also by a checkpoint that was never finished.
    newest_name: Option<CheckpointId>,
    /// Every path, by the checkpoint whose folder it is in.
    paths: Vec<(CheckpointId, String)>,
}

impl CheckpointList {
    /// The newest good one of this log.
    pub fn newest(&self, log: Option<&str>) -> Option<&Manifest> {
        let mut newest_first = self.good.iter().rev();
        newest_first.find(|manifest| manifest.log.as_deref() == log)
    }

    /// The newest name in use.
    pub(super) fn newest_name(&self) -> Option<&CheckpointId> {
        self.newest_name.as_ref()
    }
}

/// The checkpoints there are, good and damaged. Reads their manifests, not their objects.
///
/// # Errors
/// The snapshot store's.
pub async fn list(snapshots: &dyn SnapshotStore) -> Result<CheckpointList, EngineError> {
    let mut found = CheckpointList::default();
    let mut lengths = FxHashMap::default();
    let mut manifests = Vec::new();
    for object in snapshots.list(FOLDER).await? {
        let Some((id, is_manifest)) = CheckpointId::of_path(&object.path) else {
            continue;
        };
        if is_manifest {
            manifests.push(id.clone());
        }
        lengths.insert(object.path.clone(), object.bytes);
        found.paths.push((id, object.path));
    }
    found.newest_name = found.paths.iter().map(|(id, _)| id.clone()).max();
    manifests.sort_unstable();
    for id in manifests {
        let read = read_manifest(snapshots, &id).await;
        match read.and_then(|manifest| whole(manifest, &lengths)) {
            Ok(manifest) => found.good.push(manifest),
            Err(error) if error.retry() == Retry::Never => {
                let reason = error.to_string();
                found.damaged.push(DamagedCheckpoint { id, reason });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// The manifest of a checkpoint.
///
/// # Errors
/// `Damaged` when there is none or it is not whole; the snapshot store's.
pub(super) async fn read_manifest(
    snapshots: &dyn SnapshotStore,
    id: &CheckpointId,
) -> Result<Manifest, PortError> {
    match snapshots.get(&id.manifest_path()).await? {
        Some(bytes) => Manifest::decode(id, &bytes),
        None => Err(PortError::Damaged {
            what: format!("checkpoint {id} (it has no manifest)"),
        }),
    }
}

fn whole(manifest: Manifest, lengths: &FxHashMap<String, u64>) -> Result<Manifest, PortError> {
    let wrong = manifest
        .objects()
        .find(|object| lengths.get(&object.path).copied() != Some(object.bytes));
    match wrong {
        None => Ok(manifest),
        Some(object) => Err(PortError::Damaged {
            what: format!("checkpoint {} (object {})", manifest.id, object.path),
        }),
    }
}

/// First offsets of the log that the newest good checkpoint needs, `None` when there is none:
/// what retention must leave, for whoever has no [`super::CheckpointFloor`] at hand.
///
/// # Errors
/// The snapshot store's.
pub async fn newest_positions(
    snapshots: &dyn SnapshotStore,
    log: Option<&str>,
) -> Result<Option<Floor>, EngineError> {
    let found = list(snapshots).await?;
    let needs = found.newest(log).map(Manifest::needs);
    let floor = needs.map(|needs| needs.into_iter().map(|((t, p), at)| (t, p, at)).collect());
    Ok(floor)
}

/// Removes all but the newest `keep` good checkpoints, and what no kept one needs: first
/// manifests, so that what is left of one is never taken for one. Answers how many objects went.
///
/// # Errors
/// The snapshot store's; the next call goes on.
pub(super) async fn sweep(
    snapshots: &dyn SnapshotStore,
    keep: usize,
) -> Result<usize, EngineError> {
    let found = list(snapshots).await?;
    let kept = &found.good[found.good.len().saturating_sub(keep.max(1))..];
    let (Some(oldest), Some(newest)) = (kept.first(), kept.last()) else {
        return Ok(0);
    };
    let needed: FxHashSet<&str> = kept
        .iter()
        .flat_map(|manifest| manifest.objects().map(|object| object.path.as_str()))
        .collect();
    // Damaged ones are left for somebody to look at while good ones of their age are kept.
    let damaged = found.damaged.iter().map(|damaged| &damaged.id);
    let stays: FxHashSet<&CheckpointId> = kept
        .iter()
        .map(|manifest| &manifest.id)
        .chain(damaged.filter(|id| **id >= oldest.id))
        .collect();
    let goes = |(id, path): &&(CheckpointId, String)| {
        *id < newest.id && !stays.contains(id) && !needed.contains(path.as_str())
    };
    let (mut paths, mut removed) = (found.paths.iter().filter(goes).collect::<Vec<_>>(), 0);
    paths.sort_by_key(|(id, path)| *path != id.manifest_path());
    for (_, path) in paths {
        removed += usize::from(snapshots.delete(path).await?);
    }
    Ok(removed)
}
