//! The catalogue on the data directory: truth, so every write is on the disk before it is
//! acknowledged.
//!
//! One call of `write` is one batch and one fsync: records, their outbox changes and the next
//! sequence together. Versions go on after a delete because a deleted record keeps its version.

use crate::kv::{Kv, OnDamage, Opened, Room, Shape};
use bytes::Bytes;
use fjall::{OwnedWriteBatch, PersistMode, Readable};
use parking_lot::Mutex;
use rows::Record;
use std::collections::HashMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use vitrina_ports::catalogue::{
    Catalogue, Entry, Kind, OutboxChange, Outcome, Write, check_writes,
};
use vitrina_ports::{PortError, PortFuture};

mod rows;
#[cfg(test)]
mod tests;

const PORT: &str = "embedded catalogue";
/// Directory of the database in the data directory.
const DIR: &str = "catalogue";
/// Outbox rows removed in one batch.
const TRIM_BATCH: usize = 10_000;
/// Bytes of a write beside its id and body, twice: record and outbox.
const WRITE_OVERHEAD_BYTES: usize = 128;

static SHAPE: Shape = Shape {
    port: PORT,
    keyspaces: &[
        ("records", 8 * 1_024 * 1_024),
        ("outbox", 8 * 1_024 * 1_024),
        ("meta", 1_024 * 1_024),
    ],
    cache_bytes: 8 * 1_024 * 1_024,
    on_damage: OnDamage::Refuse,
    worker_threads: 2,
};
const RECORDS: usize = 0;
const OUTBOX: usize = 1;
const META: usize = 2;

/// The catalogue of one data directory.
pub struct EmbeddedCatalogue {
    core: Arc<Core>,
}

struct Core {
    kv: Kv,
    /// Held by the one writer.
    counters: Mutex<Counters>,
    standing: watch::Sender<Standing>,
}

#[derive(Debug, Clone, Copy)]
struct Counters {
    /// Sequence of the next change.
    next: u64,
    /// Changes below are gone from the outbox.
    trimmed: u64,
}

/// How far the outbox has come, for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    next: u64,
    is_closed: bool,
}

impl EmbeddedCatalogue {
    /// Opens the catalogue in `data_dir`, or creates it. `reserve_bytes` of the disk are left
    /// free; below them nothing is written.
    ///
    /// # Errors
    /// `Unavailable` when another process has it open or the disk does not answer; `Damaged` when
    /// something acknowledged cannot be read: it is left as it is; `Full`.
    pub fn open(data_dir: &Path, reserve_bytes: u64) -> Result<Self, PortError> {
        let kv = Kv::open(data_dir.join(DIR), &SHAPE, reserve_bytes)?;
        let counters = kv.read(|opened| Counters::load(&kv, opened))?;
        let standing = Standing {
            next: counters.next,
            is_closed: false,
        };
        let core = Core {
            kv,
            counters: Mutex::new(counters),
            standing: watch::Sender::new(standing),
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// Whether a write has failed, so that nothing is written before a [`reopen`](Self::reopen).
    pub fn needs_reopen(&self) -> bool {
        self.core.kv.has_failed()
    }

    /// Closes the database and opens it again, the way out after a failed write. The failed write
    /// may turn out to be there, whole.
    ///
    /// # Errors
    /// As [`open`](Self::open). It may be called again.
    pub fn reopen(&self) -> Result<(), PortError> {
        let core = &self.core;
        let mut counters = core.counters.lock();
        *counters = core.kv.reopen(|opened| Counters::load(&core.kv, opened))?;
        let next = counters.next;
        core.standing.send_modify(|standing| standing.next = next);
        Ok(())
    }

    /// Closes. Then every call answers `Closed`.
    ///
    /// # Errors
    /// `Unavailable`; it is closed all the same.
    pub fn close(&self) -> Result<(), PortError> {
        let _no_writer = self.core.counters.lock();
        let closed = self.core.kv.close();
        let standing = &self.core.standing;
        standing.send_modify(|standing| standing.is_closed = true);
        closed
    }

    /// Runs what blocks on the disk where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Core) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let core = Arc::clone(&self.core);
        let joined = tokio::task::spawn_blocking(move || call(&core)).await;
        joined.unwrap_or_else(|error| {
            Err(PortError::Unavailable {
                port: PORT,
                detail: error.to_string(),
            })
        })
    }
}

impl Counters {
    fn load(kv: &Kv, opened: &Opened) -> Result<Self, PortError> {
        let stored = opened.keyspaces[META].get(rows::NEXT);
        let next = match stored.map_err(|error| kv.port_error(&error))? {
            None => 0,
            Some(stored) => rows::decode_next(&stored).ok_or_else(|| kv.damaged("meta/next"))?,
        };
        let trimmed = match opened.keyspaces[OUTBOX].first_key_value() {
            None => next,
            Some(row) => {
                let key = row.key().map_err(|error| kv.port_error(&error))?;
                rows::decode_sequence(&key).ok_or_else(|| kv.damaged("outbox key"))?
            }
        };
        Ok(Self { next, trimmed })
    }
}

/// One call of `write`, as it is put together.
struct Pending<'a> {
    core: &'a Core,
    opened: &'a Opened,
    batch: &'a mut OwnedWriteBatch,
    /// Versions written in this call, and whether the record is live after it.
    written: HashMap<(Kind, String), (u64, bool)>,
    next: u64,
}

impl Pending<'_> {
    fn last(&self, write: &Write) -> Result<Option<(u64, bool)>, PortError> {
        // The key is only cloned where a batch has several writes.
        if !self.written.is_empty()
            && let Some(&last) = self.written.get(&(write.kind, write.id.clone()))
        {
            return Ok(Some(last));
        }
        let kv = &self.core.kv;
        let stored = self.opened.keyspaces[RECORDS].get(rows::record_key(write.kind, &write.id));
        let Some(stored) = stored.map_err(|error| kv.port_error(&error))? else {
            return Ok(None);
        };
        let last = Record::decode_version(&stored).ok_or_else(|| kv.damaged(&write.id))?;
        Ok(Some(last))
    }

    fn apply(&mut self, write: Write) -> Result<Outcome, PortError> {
        let last = self.last(&write)?;
        let found = last.filter(|&(_, is_live)| is_live).map(|(v, _)| v);
        let outcome = write.outcome(found, last.map_or(0, |(version, _)| version));
        let Outcome::Written { version, created } = outcome else {
            return Ok(outcome);
        };
        let key = rows::record_key(write.kind, &write.id);
        let record = Record {
            version,
            body: write.body.clone(),
        };
        let [records, outbox] = [RECORDS, OUTBOX].map(|at| &self.opened.keyspaces[at]);
        self.batch.insert(records, key, record.encode());
        let is_live = write.body.is_some();
        self.written
            .insert((write.kind, write.id.clone()), (version, is_live));
        let change = OutboxChange {
            sequence: self.next,
            kind: write.kind,
            id: write.id,
            version,
            created,
            body: write.body,
        };
        let sequence = rows::sequence_key(self.next);
        self.batch
            .insert(outbox, sequence, rows::encode_change(&change));
        self.next += 1;
        Ok(outcome)
    }
}

impl Core {
    fn write(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, PortError> {
        check_writes(&writes)?;
        let bytes = writes.iter().map(|write| {
            let body_bytes = write.body.as_ref().map_or(0, Bytes::len);
            2 * (WRITE_OVERHEAD_BYTES + write.id.len() + body_bytes)
        });
        let room = Room::Takes(bytes.sum());
        let mut counters = self.counters.lock();
        let written = self.kv.write(room, PersistMode::SyncAll, |opened, batch| {
            let mut pending = Pending {
                core: self,
                opened,
                batch,
                written: HashMap::new(),
                next: counters.next,
            };
            let outcomes = writes.into_iter().map(|write| pending.apply(write));
            let outcomes = outcomes.collect::<Result<Vec<_>, _>>()?;
            let next = pending.next;
            if next > counters.next {
                let stored = rows::encode_next(next);
                batch.insert(&opened.keyspaces[META], rows::NEXT, stored);
            }
            Ok((outcomes, next))
        });
        let (outcomes, next) = written?;
        counters.next = next;
        self.standing.send_modify(|standing| standing.next = next);
        Ok(outcomes)
    }

    fn trim(&self, before: u64) -> Result<(), PortError> {
        let mut counters = self.counters.lock();
        let before = before.min(counters.next);
        while counters.trimmed < before {
            let end = before.min(counters.trimmed + TRIM_BATCH as u64);
            // Not synced: rows that a crash brings back are trimmed again.
            self.kv
                .write(Room::Frees, PersistMode::Buffer, |opened, batch| {
                    for sequence in counters.trimmed..end {
                        let key = rows::sequence_key(sequence);
                        batch.remove(&opened.keyspaces[OUTBOX], key);
                    }
                    Ok(())
                })?;
            counters.trimmed = end;
        }
        Ok(())
    }

    fn get(&self, kind: Kind, id: &str) -> Result<Option<Entry>, PortError> {
        self.kv.read(|opened| {
            let stored = opened.keyspaces[RECORDS].get(rows::record_key(kind, id));
            let Some(stored) = stored.map_err(|error| self.kv.port_error(&error))? else {
                return Ok(None);
            };
            let record = Record::decode(&stored).ok_or_else(|| self.kv.damaged(id))?;
            Ok(record.entry(id))
        })
    }

    fn list(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, PortError> {
        let mut entries = Vec::new();
        let first = match after {
            Some(id) => Bound::Excluded(rows::record_key(kind, id)),
            None => Bound::Included(rows::record_key(kind, "")),
        };
        let end = Bound::Excluded(vec![rows::kind_byte(kind) + 1]);
        self.kv.read(|opened| {
            let snapshot = opened.db.snapshot();
            let mut stored = snapshot.range(&opened.keyspaces[RECORDS], (first, end));
            while entries.len() < limit {
                let Some(pair) = stored.next() else {
                    break;
                };
                let pair = pair.into_inner();
                let (key, value) = pair.map_err(|error| self.kv.port_error(&error))?;
                let id = rows::id_of(&key).ok_or_else(|| self.kv.damaged("id"))?;
                let record = Record::decode(&value).ok_or_else(|| self.kv.damaged(id))?;
                entries.extend(record.entry(id));
            }
            Ok(entries)
        })
    }

    fn outbox(&self, from: u64, limit: usize) -> Result<Vec<OutboxChange>, PortError> {
        self.kv.read(|opened| {
            let snapshot = opened.db.snapshot();
            let stored = snapshot.range(&opened.keyspaces[OUTBOX], rows::sequence_key(from)..);
            let changes = stored.take(limit).map(|row| {
                let row = row.into_inner();
                let (key, value) = row.map_err(|error| self.kv.port_error(&error))?;
                rows::decode_change(&key, &value).ok_or_else(|| self.kv.damaged("outbox"))
            });
            changes.collect()
        })
    }
}

impl Record {
    fn entry(self, id: &str) -> Option<Entry> {
        Some(Entry {
            id: id.to_owned(),
            version: self.version,
            body: self.body?,
        })
    }
}

impl Catalogue for EmbeddedCatalogue {
    fn get<'a>(&'a self, kind: Kind, id: &'a str) -> PortFuture<'a, Option<Entry>> {
        Box::pin(async move { self.core.get(kind, id) })
    }

    fn list<'a>(
        &'a self,
        kind: Kind,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Vec<Entry>> {
        Box::pin(async move { self.core.list(kind, after, limit) })
    }

    fn write(&self, writes: Vec<Write>) -> PortFuture<'_, Vec<Outcome>> {
        Box::pin(self.blocking(move |core| core.write(writes)))
    }

    fn outbox(&self, from: u64, limit: usize) -> PortFuture<'_, Vec<OutboxChange>> {
        Box::pin(async move { self.core.outbox(from, limit) })
    }

    fn trim_outbox(&self, before: u64) -> PortFuture<'_, ()> {
        Box::pin(self.blocking(move |core| core.trim(before)))
    }

    fn outbox_reached(&self, from: u64) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let mut standing = self.core.standing.subscribe();
            let is_over = |s: &Standing| s.is_closed || s.next > from;
            match standing.wait_for(is_over).await {
                Ok(standing) if standing.next > from => Ok(()),
                _ => Err(PortError::Closed { port: PORT }),
            }
        })
    }
}
