//! A state store that remembers which keys were written.
//!
//! A key is noted before the write, so that one whose outcome is unknown is noted too: what is
//! noted holds every key that changed, and perhaps some that did not.

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;
use vitrina_ports::PortFuture;
use vitrina_ports::log::Offset;
use vitrina_ports::state::{Commit, StatePartition, StateStore, Versioned};

/// Keys noted of one partition, beyond which it is written anew as a whole. A million keys in all
/// partitions of one space are some 100 MB.
const NOTED_MAX: usize = 50_000;

/// What changed in one partition since the last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Changed {
    /// At most these keys.
    Keys(FxHashSet<Box<str>>),
    /// Nobody knows: too many.
    Anything,
}

impl Default for Changed {
    fn default() -> Self {
        Self::Keys(FxHashSet::default())
    }
}

/// A store that notes the keys of every commit.
pub(super) struct Recording {
    state: Arc<dyn StateStore>,
    noted: Mutex<FxHashMap<StatePartition, Changed>>,
    noted_max: usize,
}

impl Recording {
    /// Notes what happens to `state` from now on.
    pub(super) fn new(state: Arc<dyn StateStore>) -> Self {
        Self {
            state,
            noted: Mutex::default(),
            noted_max: NOTED_MAX,
        }
    }

    /// What changed in a partition since [`forget`](Self::forget).
    pub(super) fn changed(&self, at: StatePartition) -> Changed {
        self.noted.lock().get(&at).cloned().unwrap_or_default()
    }

    /// A checkpoint holds everything noted so far.
    pub(super) fn forget(&self) {
        self.noted.lock().clear();
    }

    fn note(&self, commit: &Commit) {
        let mut noted = self.noted.lock();
        let changed = noted.entry(commit.partition).or_default();
        let Changed::Keys(keys) = changed else { return };
        for change in &commit.changes {
            if !keys.contains(&*change.key) {
                keys.insert(change.key.as_str().into());
            }
        }
        if keys.len() > self.noted_max {
            *changed = Changed::Anything;
        }
    }
}

impl StateStore for Recording {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<bytes::Bytes>>>> {
        self.state.get_many(partition, keys)
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        self.note(&commit);
        self.state.commit(commit)
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, bytes::Bytes)>>> {
        self.state.scan(partition, after, limit)
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        self.state.reached(partition, wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use vitrina_ports::state::memory::MemoryState;
    use vitrina_ports::state::{Change, Space};
    use vitrina_types::partition::Partition;

    const AT: StatePartition = StatePartition {
        space: Space::Users,
        partition: Partition(3),
    };

    fn commit(expected: Offset, keys: &[&str]) -> Commit {
        let change = |key: &&str| Change {
            key: (*key).to_owned(),
            value: Some(Bytes::from_static(b"v")),
        };
        Commit {
            partition: AT,
            expected,
            next: expected + 1,
            changes: keys.iter().map(change).collect(),
        }
    }

    #[tokio::test]
    async fn keys_are_noted_also_of_a_commit_that_failed_and_too_many_become_anything() {
        let mut recording = Recording::new(Arc::new(MemoryState::new()));
        recording.noted_max = 3;
        recording.commit(commit(0, &["a", "b"])).await.unwrap();
        assert!(recording.commit(commit(7, &["c"])).await.is_err());
        let keys = ["a", "b", "c"].map(Box::from).into_iter().collect();
        assert_eq!(recording.changed(AT), Changed::Keys(keys));
        recording.commit(commit(1, &["d"])).await.unwrap();
        assert_eq!(recording.changed(AT), Changed::Anything);
        recording.forget();
        assert_eq!(recording.changed(AT), Changed::default());
    }
}
