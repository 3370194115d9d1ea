//! The event log: partitioned topics, appended to and read by position.

use crate::PortFuture;
use bytes::Bytes;
use std::sync::Arc;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

pub mod memory;
pub mod suite;

/// Number of a record in one partition of one topic. It only rises; where transactions leave
/// markers behind, or a position is a byte of a file, there are gaps: compare offsets, never
/// count with them.
pub type Offset = u64;

/// Bytes one [`EventLog::append`] or [`EventLog::publish`] may carry.
pub const BATCH_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Records back to back in one buffer, so that a batch costs two allocations, not one a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Records {
    /// Adds one record.
    pub fn push(&mut self, record: &[u8]) {
        self.push_with(|out| out.extend_from_slice(record));
    }

    /// Adds one record that `write` appends to the buffer it is given.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    /// Adds records that are back to back in `bytes`, each ending where `ends` says, ascending. Where
    /// there are none yet this costs nothing.
    ///
    /// # Panics
    /// Where the last of `ends` is not the length of `bytes`.
    pub fn append(&mut self, bytes: Vec<u8>, ends: Vec<u32>) {
        let last = ends.last().copied().unwrap_or_default();
        assert_eq!(
            last as usize,
            bytes.len(),
            "records end where their bytes do"
        );
        if self.ends.is_empty() {
            *self = Self { bytes, ends };
            return;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&bytes);
        self.ends.extend(ends.iter().map(|end| start + end));
    }

    /// Records held.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all records together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// All records back to back, and where each of them ends.
    pub fn parts(&self) -> (&[u8], &[u32]) {
        (&self.bytes, &self.ends)
    }

    /// The records, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.bytes[start as usize..end as usize])
    }
}

/// Records for one partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
    /// The records, in order.
    pub records: Records,
}

/// One record as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its number in the partition.
    pub offset: Offset,
    /// Its bytes, as appended.
    pub bytes: Bytes,
}

/// What is there to read in a partition: `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// First offset that retention has left.
    pub start: Offset,
    /// One past the newest record.
    pub end: Offset,
}

/// Who consumes what: the name under which a position is committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Consumer {
    /// The consuming stage or import: `user-stage`, `relay`, `import`.
    pub name: &'static str,
    /// What it reads: `user-events/7`, `outbox`, a file's fingerprint. At most 128 bytes.
    pub source: String,
}

/// How far a consumer has come: the next offset it will read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    /// Who.
    pub consumer: Consumer,
    /// The position the caller believes is committed; `None` when there is none yet.
    pub expected: Option<Offset>,
    /// The next offset to read.
    pub next: Offset,
}

/// An append-only log of records in topics and partitions.
///
/// Laws, checked by [`suite`] for every adapter:
/// * one call is atomic: all its records and positions are there after a crash, or none;
/// * calls become visible in one order, and a crash loses at most a tail of that order;
/// * what [`append`](Self::append) or a durable [`publish`](Self::publish) acknowledged is never
///   in a lost tail;
/// * offsets of a partition rise; where an adapter knows neither markers nor files they have no
///   gaps.
pub trait EventLog: Send + Sync {
    /// Appends and makes durable (fsync or replication) before it resolves. Answers the next
    /// offset after each [`Append`], in order.
    ///
    /// # Errors
    /// `Full`, `TooLarge`, `Unavailable`; then nothing was appended.
    fn append(&self, batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>>;

    /// Appends `outputs` and moves the positions in `consumed`, all or nothing. Durable at the
    /// latest when a later durable call resolves; `durable` asks for it at once.
    ///
    /// # Errors
    /// `PositionMismatch` when a committed position is not `expected`; `Full`, `TooLarge`,
    /// `Unavailable`. Nothing was published then.
    fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> PortFuture<'_, Vec<Offset>>;

    /// Reads records from `from` on, in order, whole records only, at least one if there is one,
    /// else up to about `bytes_max`. Empty at the end of the partition, and where nothing but
    /// markers lies before the `end` that [`bounds`](Self::bounds) answered before this call: the
    /// reader may go on from there.
    ///
    /// # Errors
    /// `Expired` when `from` is before the start of the partition; `Damaged`; `Unavailable`.
    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>>;

    /// The committed position of a consumer: the `next` of its last [`Consumed`].
    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>>;

    /// What is there to read of a partition. Cheap: no I/O.
    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds;

    /// Resolves when something was appended after the call that answered `seen`; answers the
    /// number to wait for next time. Start with 0.
    fn changed(&self, seen: u64) -> PortFuture<'_, u64>;
}

impl<L: EventLog + ?Sized> EventLog for Arc<L> {
    fn append(&self, batch: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        (**self).append(batch)
    }

    fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        (**self).publish(outputs, consumed, durable)
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        (**self).read(topic, partition, from, bytes_max)
    }

    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        (**self).committed(consumer)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        (**self).bounds(topic, partition)
    }

    fn changed(&self, seen: u64) -> PortFuture<'_, u64> {
        (**self).changed(seen)
    }
}
