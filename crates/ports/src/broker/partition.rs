//! One partition of the broker: records and markers, which take an offset each.

use super::Isolation;
use crate::PortError;
use crate::log::{Bounds, LogRecord, Offset, Records};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its records and positions count.
    Commit,
    /// It never was.
    Abort,
}

/// What stands at an offset.
#[derive(Debug)]
pub(super) enum Entry {
    /// A record, perhaps of a transaction.
    Record {
        bytes: Bytes,
        transaction: Option<u64>,
    },
    /// The end of a transaction. Nobody reads it, but it takes an offset.
    Marker { transaction: u64, ending: Ending },
}

/// What retention has left of a partition.
#[derive(Debug, Default)]
pub(super) struct Kept {
    start: Offset,
    entries: VecDeque<Entry>,
    /// Open transactions, with the offset of their first record here.
    open: BTreeMap<u64, Offset>,
    aborted: BTreeSet<u64>,
}

impl Kept {
    /// The high watermark: one past the newest entry.
    pub(super) fn end(&self) -> Offset {
        self.start + self.entries.len() as u64
    }

    /// The last stable offset: below it every transaction has ended. It never moves back.
    pub(super) fn stable_end(&self) -> Offset {
        self.open.values().min().copied().unwrap_or(self.end())
    }

    /// What a reader is told there is.
    pub(super) fn bounds(&self, isolation: Isolation) -> Bounds {
        Bounds {
            start: self.start,
            end: match isolation {
                Isolation::Committed => self.stable_end(),
                Isolation::Uncommitted => self.end(),
            },
        }
    }

    /// Appends records of a transaction, or of none.
    pub(super) fn append(&mut self, records: &Records, transaction: Option<u64>) {
        let first = self.end();
        if let (Some(number), false) = (transaction, records.is_empty()) {
            self.open.entry(number).or_insert(first);
        }
        self.entries
            .extend(records.iter().map(|record| Entry::Record {
                bytes: Bytes::copy_from_slice(record),
                transaction,
            }));
    }

    /// Writes the marker of a transaction that ends.
    pub(super) fn close(&mut self, transaction: u64, ending: Ending) {
        self.open.remove(&transaction);
        if ending == Ending::Abort {
            self.aborted.insert(transaction);
        }
        self.entries.push_back(Entry::Marker {
            transaction,
            ending,
        });
    }

    /// Retention: forgets entries before `before`, but none that is not stable yet.
    pub(super) fn expire(&mut self, before: Offset) {
        let before = before.min(self.stable_end());
        while self.start < before && self.entries.pop_front().is_some() {
            self.start += 1;
        }
    }

    /// What a reader sees from `from` on. Empty only when there is no such record below the end
    /// of its [`bounds`](Self::bounds), however many entries it had to pass over.
    pub(super) fn read(
        &self,
        what: impl FnOnce() -> String,
        from: Offset,
        isolation: Isolation,
        bytes_max: usize,
    ) -> Result<Vec<LogRecord>, PortError> {
        if from < self.start {
            return Err(PortError::Expired {
                what: what(),
                wanted: from,
                start: self.start,
            });
        }
        let end = self.bounds(isolation).end;
        let (mut records, mut bytes_read) = (Vec::new(), 0);
        for (offset, bytes) in self.readable(from, end, isolation) {
            bytes_read += bytes.len();
            if bytes_read > bytes_max && !records.is_empty() {
                break;
            }
            records.push(LogRecord {
                offset,
                bytes: bytes.clone(),
            });
        }
        Ok(records)
    }

    /// Every entry that is left, for messages.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Offset, &Entry)> {
        (self.start..).zip(&self.entries)
    }

    fn readable(
        &self,
        from: Offset,
        end: Offset,
        isolation: Isolation,
    ) -> impl Iterator<Item = (Offset, &Bytes)> {
        let last = end.saturating_sub(self.start) as usize;
        let first = (from.saturating_sub(self.start) as usize).min(last);
        (from..)
            .zip(self.entries.range(first..last))
            .filter_map(move |(offset, entry)| match entry {
                Entry::Record { bytes, transaction } => {
                    let is_aborted = transaction.is_some_and(|t| self.aborted.contains(&t));
                    let is_shown = isolation == Isolation::Uncommitted || !is_aborted;
                    is_shown.then_some((offset, bytes))
                }
                Entry::Marker { .. } => None,
            })
    }
}
