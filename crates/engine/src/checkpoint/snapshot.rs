//! Writing one checkpoint: what changed of every partition, then the manifest.
//!
//! The follower stands still meanwhile, so all values of a partition are those of one position.
//! Nothing is forgotten before the manifest is there: a checkpoint that is given up half-way, at
//! whatever point, costs nothing but its objects, which the next sweep removes.

use super::follower::Follower;
use super::manifest::{CheckpointId, Manifest, ObjectPoint, PartitionPoint, checksum};
use super::options::CheckpointOptions;
use super::pairs::PairsWriter;
use super::recording::Changed;
use crate::error::EngineError;
use bytes::Bytes;
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;
use vitrina_ports::snapshots::SnapshotStore;
use vitrina_ports::state::{StatePartition, StateStore, Versioned};

/// Keys read in one step: a few megabytes.
const PAGE: usize = 1_000;
/// Changes may weigh as much as what they change, before all is written anew; less than this
/// never matters.
const DELTA_BYTES_MIN: u64 = 64 * 1_024;

/// A checkpoint on its way.
pub(super) struct Taking<'a> {
    /// Stands still.
    pub(super) follower: &'a Follower,
    /// Where it goes.
    pub(super) snapshots: &'a dyn SnapshotStore,
    /// How it is done.
    pub(super) options: &'a CheckpointOptions,
    /// Its name.
    pub(super) id: &'a CheckpointId,
    /// What the keys that were noted changed since; `None` when that is not known.
    pub(super) previous: Option<&'a Manifest>,
    /// Bytes written so far.
    pub(super) bytes: u64,
}

/// Objects of one partition on their way.
struct Chain<'t, 'a> {
    taking: &'t mut Taking<'a>,
    at: StatePartition,
    position: Offset,
    layer: usize,
    objects: Vec<ObjectPoint>,
    /// Objects begun in this checkpoint.
    begun: usize,
    writer: PairsWriter,
}

impl Taking<'_> {
    /// Writes the objects of every partition and answers what the manifest says of them.
    ///
    /// # Errors
    /// `CheckpointRefused` when state is ahead of what was published; the ports' errors.
    pub(super) async fn partitions(&mut self) -> Result<Vec<PartitionPoint>, EngineError> {
        let mut points = Vec::new();
        for (stage, partition) in self.follower.tasks() {
            let at = stage.state(partition);
            let position = self.follower.position(at).await?;
            // O only grows: read after S it proves S ≤ O for good.
            let published = self.follower.published(stage, partition).await?;
            if position > published {
                let source = stage.consumer(partition).source;
                return Err(EngineError::CheckpointRefused {
                    reason: format!("state stands at {position} of {source}, beyond {published}"),
                });
            }
            let objects = self.objects(at, position).await?;
            points.push(PartitionPoint {
                space: at.space.name().to_owned(),
                partition: partition.0,
                position,
                published,
                objects,
            });
        }
        Ok(points)
    }

    async fn objects(
        &mut self,
        at: StatePartition,
        position: Offset,
    ) -> Result<Vec<ObjectPoint>, EngineError> {
        let changed = self.follower.state().changed(at);
        let before = self.previous.and_then(|previous| previous.point(at));
        match (before, changed) {
            (Some(before), Changed::Keys(keys)) if before.position <= position => {
                if keys.is_empty() {
                    return Ok(before.objects.clone());
                }
                if self.goes_on(before) {
                    let (layer, objects) = (before.layers(), before.objects.clone());
                    let chain = self.chain(at, position, layer, objects);
                    let mut keys: Vec<String> = keys.into_iter().map(String::from).collect();
                    keys.sort_unstable();
                    return chain.changes(&keys).await;
                }
            }
            _ => {}
        }
        self.chain(at, position, 0, Vec::new()).everything().await
    }

    /// Whether one more layer is better than all anew.
    fn goes_on(&self, before: &PartitionPoint) -> bool {
        let (base_bytes, delta_bytes) = before.base_and_delta_bytes();
        before.layers() < self.options.full_every && delta_bytes <= base_bytes.max(DELTA_BYTES_MIN)
    }
}

impl<'a> Taking<'a> {
    fn chain<'t>(
        &'t mut self,
        at: StatePartition,
        position: Offset,
        layer: usize,
        objects: Vec<ObjectPoint>,
    ) -> Chain<'t, 'a> {
        Chain {
            taking: self,
            at,
            position,
            layer,
            objects,
            begun: 0,
            writer: PairsWriter::default(),
        }
    }
}

impl Chain<'_, '_> {
    /// Writes all there is.
    async fn everything(mut self) -> Result<Vec<ObjectPoint>, EngineError> {
        let mut after: Option<String> = None;
        loop {
            let state = self.taking.follower.state();
            let page = state.scan(self.at, after.as_deref(), PAGE).await?;
            let pairs = self.standing(page)?;
            let is_last = pairs.len() < PAGE;
            for (key, value) in pairs {
                self.push(&key, Some(&value)).await?;
                after = Some(key);
            }
            if is_last {
                return self.finish().await;
            }
        }
    }

    /// Writes what became of these keys, which are sorted.
    async fn changes(mut self, keys: &[String]) -> Result<Vec<ObjectPoint>, EngineError> {
        for keys in keys.chunks(PAGE) {
            let state = self.taking.follower.state();
            let found = state.get_many(self.at, keys).await?;
            let values = self.standing(found)?;
            for (key, value) in keys.iter().zip(&values) {
                self.push(key, value.as_ref()).await?;
            }
        }
        self.finish().await
    }

    /// What was read, if the state still stands where it stood.
    fn standing<T>(&self, read: Versioned<T>) -> Result<T, PortError> {
        if read.position != self.position {
            return Err(PortError::PositionMismatch {
                what: format!("{} state {}", self.at.space.name(), self.at.partition.0),
                expected: self.position,
                found: read.position,
            });
        }
        Ok(read.values)
    }

    async fn push(&mut self, key: &str, value: Option<&Bytes>) -> Result<(), EngineError> {
        let bytes = self.writer.len() + PairsWriter::cost(key, value);
        if !self.writer.is_empty() && bytes > self.taking.options.object_bytes_max {
            self.put().await?;
        }
        self.writer.push(key, value);
        Ok(())
    }

    async fn put(&mut self) -> Result<(), EngineError> {
        let (bytes, pairs) = self.writer.take();
        let path = self.taking.id.object_path(self.at, self.begun);
        self.begun += 1;
        self.taking.bytes += bytes.len() as u64;
        self.objects.push(ObjectPoint {
            path: path.clone(),
            layer: self.layer,
            pairs,
            bytes: bytes.len() as u64,
            checksum: checksum(&bytes),
        });
        Ok(self.taking.snapshots.put(&path, bytes).await?)
    }

    async fn finish(mut self) -> Result<Vec<ObjectPoint>, EngineError> {
        if !self.writer.is_empty() {
            self.put().await?;
        }
        Ok(self.objects)
    }
}
