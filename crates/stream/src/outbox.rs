//! What a task sends: records back to back, grouped by topic and partition.

use crate::dead_letter::dead_letter;
use serde::Serialize;
use vitrina_types::event::Rejection;
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::stored::{self, Stored};
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Records for one partition of one topic, in the order they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
    /// The stored forms, back to back.
    pub bytes: Vec<u8>,
    /// Where each record ends in `bytes`, ascending.
    pub ends: Vec<u32>,
}

impl Output {
    /// The records, one slice each.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.bytes[start as usize..end as usize])
    }
}

/// Collects what one task sends. While it is muted, because what the record led to was published
/// before, nothing is kept.
pub struct Outbox {
    topic: Topic,
    partition: Partition,
    offset: u64,
    muted: bool,
    rejected: u64,
    /// Bytes sent since they were taken last.
    bytes: usize,
    /// One per (topic, partition), by [`slot`].
    groups: Vec<Group>,
}

#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    /// Bytes and records of the batch before: the next one is likely to be as large.
    before: (usize, usize),
}

fn slot(topic: Topic, partition: Partition) -> usize {
    usize::from(topic.number()) * usize::from(PARTITIONS) + partition.at()
}

impl Outbox {
    /// An empty outbox of the task that reads `topic`, `partition`.
    pub(crate) fn new(topic: Topic, partition: Partition) -> Self {
        Self {
            topic,
            partition,
            offset: 0,
            muted: false,
            rejected: 0,
            bytes: 0,
            groups: Vec::new(),
        }
    }

    /// The partition of the task itself: where records to itself go.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The offset of the record that is applied.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Sends `record`. Order is kept within a partition of a topic.
    pub fn send<T: Stored>(&mut self, topic: Topic, partition: Partition, record: &T) {
        self.send_parts::<T>(topic, partition, record);
    }

    /// Sends a `T` from what borrows its parts. Law: `parts` are serialised as that `T` is.
    pub(crate) fn send_parts<T: Stored>(
        &mut self,
        topic: Topic,
        partition: Partition,
        parts: &impl Serialize,
    ) {
        if self.muted {
            return;
        }
        let slot = slot(topic, partition);
        if slot >= self.groups.len() {
            self.groups.resize_with(slot + 1, Group::default);
        }
        let group = &mut self.groups[slot];
        if group.ends.is_empty() {
            group.bytes.reserve(group.before.0);
            group.ends.reserve(group.before.1);
        }
        let before = group.bytes.len();
        stored::encode_parts_into::<T>(parts, &mut group.bytes);
        self.bytes += group.bytes.len() - before;
        group.ends.push(group.bytes.len() as u32);
    }

    /// Gives up the current record.
    ///
    /// * `bytes` — its stored form; at most [`vitrina_types::limits::DEAD_LETTER_BYTES_MAX`]
    ///   bytes are kept.
    /// * `attempts` — how often it was tried, at least 1.
    pub fn dead_letter(
        &mut self,
        ingest_time: IngestTime,
        rejection: Rejection,
        attempts: u32,
        bytes: &[u8],
    ) {
        self.rejected += 1;
        if self.muted {
            return;
        }
        let source = format!("{}/{}@{}", self.topic, self.partition.0, self.offset);
        let letter = dead_letter(ingest_time, source, rejection, attempts, bytes);
        self.send(Topic::DeadLetters, Partition(0), &letter);
    }

    /// Begins the record at `offset`; `muted` when what it leads to was published before.
    pub(crate) fn begin(&mut self, offset: u64, muted: bool) {
        self.offset = offset;
        self.muted = muted;
    }

    /// How many records were given up since the last call.
    pub(crate) fn take_rejected(&mut self) -> u64 {
        std::mem::take(&mut self.rejected)
    }

    /// Bytes sent since they were taken last.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what was sent, by topic and partition.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        self.bytes = 0;
        let mut outputs = Vec::new();
        for (slot, group) in self.groups.iter_mut().enumerate() {
            if group.ends.is_empty() {
                continue;
            }
            let per_topic = usize::from(PARTITIONS);
            let Some(topic) = Topic::from_number((slot / per_topic) as u16) else {
                continue;
            };
            group.before = (group.bytes.len(), group.ends.len());
            outputs.push(Output {
                topic,
                partition: Partition((slot % per_topic) as u16),
                bytes: std::mem::take(&mut group.bytes),
                ends: std::mem::take(&mut group.ends),
            });
        }
        outputs
    }
}
