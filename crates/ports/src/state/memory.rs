//! Keyed state in memory: the twin that adapters are compared with.
//!
//! Made with [`MemoryState::with_crashes`] it remembers what is not flushed, so that a simulation
//! can lose the tail that a power cut would lose.

use super::{Change, Commit, StatePartition, StateStore, Versioned, check_commit, check_keys};
use crate::log::Offset;
use crate::{PortError, PortFuture};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use tokio::sync::watch;

const PORT: &str = "memory state";

/// Keys with their values, in key order.
pub type Pairs = Vec<(String, Bytes)>;

/// A state store that forgets everything when it is dropped.
#[derive(Default)]
pub struct MemoryState {
    parts: Mutex<HashMap<StatePartition, Part>>,
    remembers_unflushed: bool,
}

struct Part {
    values: BTreeMap<String, Bytes>,
    position: watch::Sender<Offset>,
    /// How to take back each commit since the last flush, oldest first.
    unflushed: Vec<Undo>,
}

struct Undo {
    position: Offset,
    changes: Vec<Change>,
}

impl Default for Part {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            position: watch::Sender::new(0),
            unflushed: Vec::new(),
        }
    }
}

impl Part {
    fn position(&self) -> Offset {
        *self.position.borrow()
    }

    /// Makes one change and answers the change that would take it back.
    fn apply(&mut self, change: Change) -> Change {
        let before = match change.value {
            Some(value) => self.values.insert(change.key.clone(), value),
            None => self.values.remove(&change.key),
        };
        Change {
            key: change.key,
            value: before,
        }
    }
}

impl MemoryState {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that can [`crash`](Self::crash): it must be [flushed](Self::flush) now and
    /// then, or it remembers every commit.
    pub fn with_crashes() -> Self {
        Self {
            remembers_unflushed: true,
            ..Self::default()
        }
    }

    /// Makes every commit so far durable. The caller sees to it that the log is durable first.
    pub fn flush(&self) {
        for part in self.parts.lock().values_mut() {
            part.unflushed.clear();
        }
    }

    /// A power cut: of the commits since the last flush only the first `survivors` of each
    /// partition are left.
    pub fn crash(&self, survivors: usize) {
        for part in self.parts.lock().values_mut() {
            while part.unflushed.len() > survivors {
                let Some(undo) = part.unflushed.pop() else {
                    break;
                };
                for change in undo.changes {
                    part.apply(change);
                }
                part.position.send_replace(undo.position);
            }
            part.unflushed.clear();
        }
    }

    /// Everything there is: partition, position, pairs in key order. For comparisons in tests.
    pub fn dump(&self) -> Vec<(StatePartition, Versioned<Pairs>)> {
        let parts = self.parts.lock();
        let mut all: Vec<_> = parts
            .iter()
            .filter(|(_, part)| part.position() > 0)
            .map(|(&partition, part)| {
                let pairs = part.values.iter().map(|(k, v)| (k.clone(), v.clone()));
                let position = part.position();
                let values = pairs.collect();
                (partition, Versioned { position, values })
            })
            .collect();
        all.sort_unstable_by_key(|&(partition, _)| partition);
        all
    }

    fn apply(&self, commit: Commit) -> Result<(), PortError> {
        check_commit(&commit)?;
        let mut parts = self.parts.lock();
        let part = parts.entry(commit.partition).or_default();
        let position = part.position();
        if position != commit.expected {
            return Err(commit.mismatch(position));
        }
        let changes = commit.changes.into_iter();
        let undo: Vec<_> = changes.map(|change| part.apply(change)).collect();
        if self.remembers_unflushed {
            part.unflushed.push(Undo {
                position,
                changes: undo,
            });
        }
        part.position.send_replace(commit.next);
        Ok(())
    }

    fn with<T>(&self, partition: StatePartition, read: impl FnOnce(&Part) -> T) -> Versioned<T> {
        let mut parts = self.parts.lock();
        let part = parts.entry(partition).or_default();
        Versioned {
            position: part.position(),
            values: read(part),
        }
    }
}

impl StateStore for MemoryState {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            check_keys(keys)?;
            Ok(self.with(partition, |part| {
                keys.iter()
                    .map(|key| part.values.get(key).cloned())
                    .collect()
            }))
        })
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        Box::pin(async { self.apply(commit) })
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, Bytes)>>> {
        Box::pin(async move {
            let first = after.map_or(Bound::Unbounded, Bound::Excluded);
            Ok(self.with(partition, |part| {
                part.values
                    .range::<str, _>((first, Bound::Unbounded))
                    .take(limit)
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect()
            }))
        })
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let mut position = {
                let mut parts = self.parts.lock();
                parts.entry(partition).or_default().position.subscribe()
            };
            match position.wait_for(|&position| position >= wanted).await {
                Ok(_) => Ok(()),
                Err(_) => Err(PortError::Closed { port: PORT }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Space;
    use crate::suite::{Volatile, block_on};
    use vitrina_types::partition::Partition;

    crate::state_store_suite!(Volatile(MemoryState::new));

    #[test]
    fn a_crash_steps_back_to_a_commit_after_the_last_flush() {
        block_on(async {
            let state = MemoryState::with_crashes();
            let partition = StatePartition {
                space: Space::Users,
                partition: Partition(1),
            };
            for position in 0..4_u64 {
                let value = (position != 2).then(|| Bytes::from(position.to_string()));
                let key = "key".to_owned();
                let commit = Commit {
                    partition,
                    expected: position,
                    next: position + 1,
                    changes: vec![Change { key, value }],
                };
                state.commit(commit).await.unwrap();
                if position == 0 {
                    state.flush();
                }
            }
            let keys = ["key".to_owned()];
            for (survivors, position, value) in [(2, 3, None), (9, 3, None)] {
                state.crash(survivors);
                let found = state.get_many(partition, &keys).await.unwrap();
                assert_eq!((found.position, &found.values[0]), (position, &value));
            }
        });
    }
}
