//! Where the chunks of each partition stand in a segment.
//!
//! Eight bytes a chunk: offsets have no gaps, so the next chunk's base tells the count. A sealed
//! segment's index lies beside it in `<number>.idx`; it can always be rebuilt from the segment.
//!
//! ```text
//! magic "VITRIDX1" · number u64 · segment_len u64 · lists u32
//! · (topic u16 · partition u16 · base u64 · end u64 · chunks u32)*   one per list
//! · (offset minus base u32 · position u32)*                         all lists, one after another
//! · sum of all before u64
//! ```

use crate::log::format::{Cursor, Key};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 8] = *b"VITRIDX1";

/// A segment is never longer, so that positions in it fit `u32`.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 3 * 1_024 * 1_024 * 1_024;

/// The chunks of one segment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentIndex {
    lists: BTreeMap<Key, ChunkList>,
}

/// The chunks of one partition in one segment: `base..end`.
#[derive(Debug, PartialEq, Eq)]
struct ChunkList {
    base: u64,
    end: u64,
    /// Per chunk: its first offset minus `base`, and its position in the segment.
    chunks: Vec<(u32, u32)>,
}

/// One chunk in a segment: where, and a bound for how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkAt {
    pub(crate) base: u64,
    pub(crate) count: u32,
    pub(crate) position: u32,
    /// Bytes to the next chunk of the partition, when there is one.
    pub(crate) gap: Option<u32>,
}

impl SegmentIndex {
    /// Adds a chunk. `false` when it does not continue its partition: the segment is damaged.
    #[must_use]
    pub(crate) fn push(&mut self, key: Key, base: u64, count: u32, position: u32) -> bool {
        let list = self.lists.entry(key).or_insert_with(|| ChunkList {
            base,
            end: base,
            chunks: Vec::new(),
        });
        let Ok(relative) = u32::try_from(base.wrapping_sub(list.base)) else {
            return false;
        };
        if base != list.end {
            return false;
        }
        list.end += u64::from(count);
        list.chunks.push((relative, position));
        true
    }

    /// The chunks of a partition from the one that holds `from` on, at most `limit`.
    pub(crate) fn chunks(&self, key: Key, from: u64, limit: usize) -> Vec<ChunkAt> {
        let Some(list) = self.lists.get(&key) else {
            return Vec::new();
        };
        if !(list.base..list.end).contains(&from) {
            return Vec::new();
        }
        let relative = (from - list.base) as u32;
        let after = list.chunks.partition_point(|&(first, _)| first <= relative);
        let first = after.saturating_sub(1);
        let chunks = list.chunks.iter().enumerate().skip(first).take(limit);
        let at = chunks.map(|(i, &(relative, position))| {
            let next = list.chunks.get(i + 1).copied();
            let base = list.base + u64::from(relative);
            let end = next.map_or(list.end, |(relative, _)| list.base + u64::from(relative));
            ChunkAt {
                base,
                count: (end - base) as u32,
                position,
                gap: next.map(|(_, next)| next - position),
            }
        });
        at.collect()
    }

    /// Chunks of all partitions.
    pub(crate) fn chunk_count(&self) -> usize {
        self.lists.values().map(|list| list.chunks.len()).sum()
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        8 * self.chunk_count() + 96 * self.lists.len()
    }

    /// Gives back memory kept for chunks that will not come.
    pub(crate) fn shrink(&mut self) {
        for list in self.lists.values_mut() {
            list.chunks.shrink_to_fit();
        }
    }

    pub(crate) fn encode(&self, number: u64, segment_len: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(36 + 28 * self.lists.len() + 8 * self.chunk_count());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&segment_len.to_le_bytes());
        out.extend_from_slice(&(self.lists.len() as u32).to_le_bytes());
        for (key, list) in &self.lists {
            out.extend_from_slice(&key.topic.to_le_bytes());
            out.extend_from_slice(&key.partition.to_le_bytes());
            out.extend_from_slice(&list.base.to_le_bytes());
            out.extend_from_slice(&list.end.to_le_bytes());
            out.extend_from_slice(&(list.chunks.len() as u32).to_le_bytes());
        }
        for (relative, position) in self.lists.values().flat_map(|list| &list.chunks) {
            out.extend_from_slice(&relative.to_le_bytes());
            out.extend_from_slice(&position.to_le_bytes());
        }
        let sum = xxh3_64(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// `None` when the bytes are not the index of this segment at this length.
    pub(crate) fn decode(bytes: &[u8], number: u64, segment_len: u64) -> Option<Self> {
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        if Cursor(sum).u64()? != xxh3_64(content) {
            return None;
        }
        let mut cursor = Cursor(content);
        let is_ours =
            cursor.bytes(8)? == MAGIC && cursor.u64()? == number && cursor.u64()? == segment_len;
        if !is_ours {
            return None;
        }
        let mut heads = Vec::new();
        for _ in 0..cursor.u32()? {
            let (topic, partition) = (cursor.u16()?, cursor.u16()?);
            let (base, end, len) = (cursor.u64()?, cursor.u64()?, cursor.u32()?);
            heads.push((Key { topic, partition }, base, end, len));
        }
        let mut index = Self::default();
        for (key, base, end, len) in heads {
            let entries = cursor.bytes(8 * len as usize)?;
            let (pairs, _) = entries.as_chunks::<8>();
            let chunks = pairs.iter().map(|pair| {
                let pair = u64::from_le_bytes(*pair);
                (pair as u32, (pair >> 32) as u32)
            });
            let chunks = chunks.collect();
            index.lists.insert(key, ChunkList { base, end, chunks });
        }
        cursor.0.is_empty().then_some(index)
    }
}
