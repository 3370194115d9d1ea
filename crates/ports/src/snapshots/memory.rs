//! Snapshots in memory: the twin that adapters are compared with.

use super::{SnapshotObject, SnapshotStore, check_object, check_path, check_prefix, exists};
use crate::PortFuture;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A snapshot store that forgets everything when it is dropped.
#[derive(Default)]
pub struct MemorySnapshots {
    objects: Mutex<BTreeMap<String, Bytes>>,
}

impl MemorySnapshots {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl SnapshotStore for MemorySnapshots {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes) -> PortFuture<'a, ()> {
        Box::pin(async move {
            check_object(path, &bytes)?;
            match self.objects.lock().entry(path.to_owned()) {
                Entry::Vacant(free) => {
                    free.insert(bytes);
                    Ok(())
                }
                Entry::Occupied(held) if *held.get() == bytes => Ok(()),
                Entry::Occupied(_) => Err(exists(path)),
            }
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> PortFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            check_path(path)?;
            Ok(self.objects.lock().get(path).cloned())
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> PortFuture<'a, Vec<SnapshotObject>> {
        Box::pin(async move {
            check_prefix(prefix)?;
            let is_below = |path: &str| {
                let rest = path.strip_prefix(prefix);
                prefix.is_empty() || rest.is_some_and(|rest| rest.starts_with('/'))
            };
            let objects = self.objects.lock();
            let below = objects.iter().filter(|(path, _)| is_below(path));
            let listed = below.map(|(path, bytes)| SnapshotObject {
                path: path.clone(),
                bytes: bytes.len() as u64,
            });
            Ok(listed.collect())
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> PortFuture<'a, bool> {
        Box::pin(async move {
            check_path(path)?;
            Ok(self.objects.lock().remove(path).is_some())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Volatile;
    use std::sync::Arc;

    crate::snapshot_store_suite!(Volatile(|| Arc::new(MemorySnapshots::new())));
}
