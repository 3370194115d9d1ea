//! What the tasks of one round send, and how far they have come.

use rustc_hash::FxHashMap;
use vitrina_ports::log::{Append, Consumed, Offset, Records};
use vitrina_stream::Output;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// Outputs and positions of all tasks of a round: one transaction.
#[derive(Default)]
pub(super) struct Outputs {
    /// One [`Append`] a target partition.
    records: FxHashMap<(Topic, Partition), Records>,
    bytes: usize,
    consumed: Vec<Consumed>,
    /// Place of the slot and its next O, to be noted once it is so.
    reached: Vec<(usize, Offset)>,
}

impl Outputs {
    /// Adds what one task sent.
    pub(super) fn add(&mut self, output: Output) {
        self.bytes += output.bytes.len();
        let target = (output.topic, output.partition);
        let records = self.records.entry(target).or_default();
        records.append(output.bytes, output.ends);
    }

    /// Adds how far the task in slot `place` has come.
    pub(super) fn reach(&mut self, place: usize, consumed: Consumed) {
        self.reached.push((place, consumed.next));
        self.consumed.push(consumed);
    }

    /// Bytes of all outputs.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether no task has come any further.
    pub(super) fn is_empty(&self) -> bool {
        self.consumed.is_empty()
    }

    /// All of it: outputs by topic and partition, positions, and what was reached. Nothing is
    /// left.
    pub(super) fn take(&mut self) -> (Vec<Append>, Vec<Consumed>, Vec<(usize, Offset)>) {
        self.bytes = 0;
        let mut appends: Vec<Append> = self
            .records
            .drain()
            .map(|((topic, partition), records)| Append {
                topic,
                partition,
                records,
            })
            .collect();
        appends.sort_unstable_by_key(|append| (append.topic, append.partition));
        let consumed = std::mem::take(&mut self.consumed);
        (appends, consumed, std::mem::take(&mut self.reached))
    }
}
