//! Stored slates in memory: the twin that adapters are compared with.

use super::{SlateStore, StoredSlate};
use crate::PortFuture;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use vitrina_types::time::IngestTime;

/// A slate store that forgets everything when it is dropped.
#[derive(Default)]
pub struct MemorySlates {
    slates: Mutex<BTreeMap<String, (IngestTime, Bytes)>>,
}

impl MemorySlates {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl SlateStore for MemorySlates {
    fn put_many(&self, slates: Vec<StoredSlate>) -> PortFuture<'_, ()> {
        Box::pin(async {
            let mut kept = self.slates.lock();
            for slate in slates {
                kept.insert(slate.id, (slate.expires_at, slate.body));
            }
            Ok(())
        })
    }

    fn get<'a>(&'a self, id: &'a str, now: IngestTime) -> PortFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let kept = self.slates.lock();
            let live = kept.get(id).filter(|(expires_at, _)| *expires_at > now);
            Ok(live.map(|(_, body)| body.clone()))
        })
    }

    fn purge(&self, now: IngestTime, limit: usize) -> PortFuture<'_, usize> {
        Box::pin(async move {
            let mut kept = self.slates.lock();
            let expired = kept
                .iter()
                .filter(|(_, (expires_at, _))| *expires_at <= now);
            let expired = expired.take(limit).map(|(id, _)| id.clone());
            let expired: Vec<String> = expired.collect();
            for id in &expired {
                kept.remove(id);
            }
            Ok(expired.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Volatile;

    crate::slate_store_suite!(Volatile(MemorySlates::new));
}
