//! How far retention of the log may go.

use super::manifest::Manifest;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use vitrina_ports::log::Offset;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// First offset that a restore needs, by partition of an input topic.
pub type Floor = Vec<(Topic, Partition, Offset)>;

/// What the newest durable checkpoint needs of the log. Retention never passes it: restore and
/// tail must meet.
#[derive(Debug, Default)]
pub struct CheckpointFloor {
    is_on: bool,
    positions: Mutex<BTreeMap<(Topic, Partition), Offset>>,
}

impl CheckpointFloor {
    /// Of an engine with checkpoints; the whole log is needed until there is one.
    pub fn new() -> Self {
        Self {
            is_on: true,
            ..Self::default()
        }
    }

    /// Of an engine without.
    pub fn off() -> Self {
        Self::default()
    }

    /// First offset still needed of every partition of every input topic; a partition that is not
    /// named is needed from its beginning. `None` where there are no checkpoints: they hold
    /// nothing back.
    pub fn positions(&self) -> Option<Floor> {
        let positions = self.positions.lock();
        let floor = positions
            .iter()
            .map(|(&(topic, partition), &at)| (topic, partition, at));
        self.is_on.then(|| floor.collect())
    }

    /// First offset still needed of one partition; `None` where checkpoints hold nothing back.
    pub fn position(&self, topic: Topic, partition: Partition) -> Option<Offset> {
        let positions = self.positions.lock();
        let found = positions.get(&(topic, partition)).copied();
        self.is_on.then(|| found.unwrap_or(0))
    }

    /// This checkpoint is durable and the newest.
    pub(super) fn set(&self, newest: &Manifest) {
        *self.positions.lock() = newest.needs();
    }
}
