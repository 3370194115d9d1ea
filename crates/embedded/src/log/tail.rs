//! The newest chunks in memory, so that whoever follows the log live never touches the disk.

use crate::log::format::Key;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use vitrina_ports::log::LogRecord;

/// Memory a kept chunk costs beside its bytes, about.
const OVERHEAD_BYTES: usize = 128;

/// One chunk of records.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) base: u64,
    pub(crate) count: u32,
    /// The ends of the records, then their bytes.
    pub(crate) body: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.base + u64::from(self.count)
    }

    /// Appends the records from `from` on, until `out` holds one and `budget` is used up.
    /// `None` when the ends make no sense.
    pub(crate) fn read(
        &self,
        from: u64,
        budget: &mut usize,
        out: &mut Vec<LogRecord>,
    ) -> Option<()> {
        let ends_len = 4 * self.count as usize;
        let ends = self.body.get(..ends_len)?;
        let (ends, _) = ends.as_chunks::<4>();
        let first = from.saturating_sub(self.base) as usize;
        let mut start = match first.checked_sub(1) {
            Some(before) => u32::from_le_bytes(*ends.get(before)?) as usize,
            None => 0,
        };
        // As many as fit where all are of one size.
        let average = (self.body.len() - ends_len) / ends.len().max(1);
        let fit = (*budget / average.max(1)).saturating_add(1);
        out.reserve(ends.len().saturating_sub(first).min(fit));
        for (i, end) in ends.iter().enumerate().skip(first) {
            let end = u32::from_le_bytes(*end) as usize;
            if !out.is_empty() && end.saturating_sub(start) > *budget {
                *budget = 0;
                return Some(());
            }
            if start > end || ends_len + end > self.body.len() {
                return None;
            }
            out.push(LogRecord {
                offset: self.base + i as u64,
                bytes: self.body.slice(ends_len + start..ends_len + end),
            });
            *budget = budget.saturating_sub(end - start);
            start = end;
        }
        Some(())
    }
}

/// Newest chunks of all partitions, bounded in bytes; the oldest go first.
pub(crate) struct Tail {
    bytes_max: usize,
    bytes: usize,
    chunks: HashMap<Key, VecDeque<Chunk>>,
    /// Every kept chunk in the order it came: partition, base, bytes.
    order: VecDeque<(Key, u64, usize)>,
}

impl Tail {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            chunks: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether chunks of a frame this long are kept: they hold its memory until the last is gone.
    pub(crate) fn takes(&self, frame_len: usize) -> bool {
        frame_len <= self.bytes_max / 4
    }

    /// Keeps a chunk that continues its partition.
    pub(crate) fn push(&mut self, key: Key, chunk: Chunk) {
        let bytes = chunk.body.len() + OVERHEAD_BYTES;
        self.order.push_back((key, chunk.base, bytes));
        self.chunks.entry(key).or_default().push_back(chunk);
        self.bytes += bytes;
        while self.bytes > self.bytes_max {
            let Some((key, base, bytes)) = self.order.pop_front() else {
                break;
            };
            self.bytes -= bytes;
            let chunks = self.chunks.entry(key).or_default();
            // A partition that was cleared has left its entries in the order.
            if chunks.front().is_some_and(|chunk| chunk.base == base) {
                chunks.pop_front();
            }
        }
    }

    /// Forgets a partition, because a chunk of it will not be kept.
    pub(crate) fn clear(&mut self, key: Key) {
        self.chunks.remove(&key);
    }

    /// The kept chunks from `from` on, about `bytes_max` bytes of them; empty when `from` is not
    /// kept.
    pub(crate) fn chunks(&self, key: Key, from: u64, bytes_max: usize) -> Vec<Chunk> {
        let Some(chunks) = self.chunks.get(&key) else {
            return Vec::new();
        };
        if chunks.front().is_none_or(|chunk| chunk.base > from) {
            return Vec::new();
        }
        let first = chunks.partition_point(|chunk| chunk.end() <= from);
        let mut found = Vec::new();
        let mut bytes = 0;
        for chunk in chunks.iter().skip(first) {
            found.push(chunk.clone());
            // The first chunk may hold little after `from`, so it does not count.
            if found.len() > 1 {
                bytes += chunk.body.len();
            }
            if bytes > bytes_max {
                break;
            }
        }
        found
    }
}
