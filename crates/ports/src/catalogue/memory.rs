//! The catalogue in memory: the twin that adapters are compared with.

use super::{Catalogue, Entry, Kind, OutboxChange, Outcome, Write, check_writes};
use crate::{PortError, PortFuture};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use tokio::sync::watch;

const PORT: &str = "memory catalogue";

/// A catalogue that forgets everything when it is dropped.
pub struct MemoryCatalogue {
    inner: Mutex<Inner>,
    /// The sequence of the next change.
    next: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    /// By kind, as ids sort within a kind. A deleted record keeps its version.
    kinds: BTreeMap<Kind, BTreeMap<String, Kept>>,
    outbox: VecDeque<OutboxChange>,
    next_sequence: u64,
}

struct Kept {
    version: u64,
    body: Option<Bytes>,
}

impl Default for MemoryCatalogue {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCatalogue {
    /// An empty catalogue.
    pub fn new() -> Self {
        Self {
            inner: Mutex::default(),
            next: watch::Sender::new(0),
        }
    }
}

impl Inner {
    fn write(&mut self, write: Write) -> Outcome {
        let records = self.kinds.entry(write.kind).or_default();
        let kept = records.get(&write.id);
        let found = kept.filter(|kept| kept.body.is_some()).map(|k| k.version);
        let outcome = write.outcome(found, kept.map_or(0, |kept| kept.version));
        if let Outcome::Written { version, created } = outcome {
            let body = write.body.clone();
            records.insert(write.id.clone(), Kept { version, body });
            self.outbox.push_back(OutboxChange {
                sequence: self.next_sequence,
                kind: write.kind,
                id: write.id,
                version,
                created,
                body: write.body,
            });
            self.next_sequence += 1;
        }
        outcome
    }

    fn list(&self, kind: Kind, after: Option<&str>, limit: usize) -> Vec<Entry> {
        let Some(records) = self.kinds.get(&kind) else {
            return Vec::new();
        };
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        records
            .range::<str, _>((first, Bound::Unbounded))
            .filter_map(|(id, kept)| kept.entry(id))
            .take(limit)
            .collect()
    }
}

impl Kept {
    fn entry(&self, id: &str) -> Option<Entry> {
        Some(Entry {
            id: id.into(),
            version: self.version,
            body: self.body.clone()?,
        })
    }
}

impl Catalogue for MemoryCatalogue {
    fn get<'a>(&'a self, kind: Kind, id: &'a str) -> PortFuture<'a, Option<Entry>> {
        Box::pin(async move {
            let inner = self.inner.lock();
            let kept = inner.kinds.get(&kind).and_then(|records| records.get(id));
            Ok(kept.and_then(|kept| kept.entry(id)))
        })
    }

    fn list<'a>(
        &'a self,
        kind: Kind,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Vec<Entry>> {
        Box::pin(async move { Ok(self.inner.lock().list(kind, after, limit)) })
    }

    fn write(&self, writes: Vec<Write>) -> PortFuture<'_, Vec<Outcome>> {
        Box::pin(async {
            check_writes(&writes)?;
            let mut inner = self.inner.lock();
            let outcomes = writes.into_iter().map(|write| inner.write(write));
            let outcomes = outcomes.collect();
            self.next.send_replace(inner.next_sequence);
            Ok(outcomes)
        })
    }

    fn outbox(&self, from: u64, limit: usize) -> PortFuture<'_, Vec<OutboxChange>> {
        Box::pin(async move {
            let inner = self.inner.lock();
            let changes = inner.outbox.iter().filter(|c| c.sequence >= from);
            Ok(changes.take(limit).cloned().collect())
        })
    }

    fn trim_outbox(&self, before: u64) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.inner.lock().outbox.retain(|c| c.sequence >= before);
            Ok(())
        })
    }

    fn outbox_reached(&self, from: u64) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let mut next = self.next.subscribe();
            match next.wait_for(|&next| next > from).await {
                Ok(_) => Ok(()),
                Err(_) => Err(PortError::Closed { port: PORT }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Volatile;

    crate::catalogue_suite!(Volatile(MemoryCatalogue::new));
}
