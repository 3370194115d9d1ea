//! One call on its way to the disk: a frame that does not know its offsets yet.
//!
//! Copying and summing up the records, the costly part, is done before the writer's lock is
//! taken. Under it [`Draft::seal`] fills in offsets and sums of a few dozen bytes a chunk.

use crate::log::format::{
    CHUNK_HEADER, ChunkHeader, FRAME_HEADER, FrameHeader, Key, PAYLOAD_BYTES_MAX, Seal,
    position_key, put_positions,
};
use std::collections::BTreeMap;
use vitrina_ports::PortError;
use vitrina_ports::log::{Append, BATCH_BYTES_MAX, Consumed};
use xxhash_rust::xxh3::xxh3_64;

/// Records of one append are cut into chunks of about this many bytes, so that reading a few of
/// them does not read all.
const CHUNK_BYTES: usize = 256 * 1_024;

/// Records in one chunk at most.
const CHUNK_RECORDS_MAX: usize = 65_536;

/// Bytes of a consumer's name or source at most.
const CONSUMER_BYTES_MAX: usize = 128;

pub(crate) struct Draft {
    bytes: Vec<u8>,
    /// Each append: its partition, its records, and how many chunks they are.
    appends: Vec<(Key, u64, usize)>,
    /// Each chunk, its base not yet filled in, and where it stands in the frame.
    chunks: Vec<(ChunkHeader, u32)>,
    positions_len: usize,
}

/// What sealing a draft decided.
pub(crate) struct Sealed {
    /// The next offset after each append of the call.
    pub(crate) offsets: Vec<u64>,
    /// The ends of the partitions it touches.
    pub(crate) ends: BTreeMap<Key, u64>,
    /// Each chunk and where it stands in the frame.
    pub(crate) chunks: Vec<(ChunkHeader, u32)>,
    /// The frame.
    pub(crate) bytes: Vec<u8>,
}

impl Draft {
    /// Copies what a call carries.
    ///
    /// # Errors
    /// `TooLarge`.
    pub(crate) fn new(appends: &[Append], consumed: &[Consumed]) -> Result<Self, PortError> {
        let (bytes, records) = appends.iter().fold((0, 0), |(bytes, records), append| {
            let batch = &append.records;
            (bytes + batch.byte_len(), records + batch.len())
        });
        limit("bytes", bytes, BATCH_BYTES_MAX)?;
        for Consumed { consumer, .. } in consumed {
            let longest = consumer.name.len().max(consumer.source.len());
            limit("bytes of a consumer's name", longest, CONSUMER_BYTES_MAX)?;
        }
        let headers = (appends.len() + bytes / CHUNK_BYTES + 2) * CHUNK_HEADER;
        let mut draft = Self {
            bytes: Vec::with_capacity(bytes + 4 * records + headers + consumed.len() * 64),
            appends: Vec::with_capacity(appends.len()),
            chunks: Vec::with_capacity(appends.len()),
            positions_len: 0,
        };
        draft.bytes.resize(FRAME_HEADER, 0);
        for append in appends {
            draft.push(append);
        }
        let positions: Vec<_> = consumed
            .iter()
            .map(|c| (position_key(c.consumer.name, &c.consumer.source), c.next))
            .collect();
        let positions = positions.iter().map(|(key, next)| (key.as_str(), *next));
        draft.positions_len = put_positions(&mut draft.bytes, positions);
        let payload = draft.bytes.len() - FRAME_HEADER;
        limit("bytes of a frame", payload, PAYLOAD_BYTES_MAX)?;
        Ok(draft)
    }

    /// Whether the call carries nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.positions_len == 0
    }

    /// Bytes of the frame.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn push(&mut self, append: &Append) {
        let key = Key {
            topic: append.topic.number(),
            partition: append.partition.0,
        };
        let (bytes, ends) = append.records.parts();
        let (mut first, mut start, chunks) = (0, 0, self.chunks.len());
        for (at, &end) in ends.iter().enumerate() {
            let is_last = at + 1 == ends.len();
            let is_big = end as usize - start >= CHUNK_BYTES;
            if is_last || is_big || at + 1 - first == CHUNK_RECORDS_MAX {
                self.push_chunk(key, start, &ends[first..=at], &bytes[start..end as usize]);
                (first, start) = (at + 1, end as usize);
            }
        }
        let chunks = self.chunks.len() - chunks;
        self.appends.push((key, ends.len() as u64, chunks));
    }

    /// `start`: where the first of the records begins in the bytes that `ends` refer to.
    fn push_chunk(&mut self, key: Key, start: usize, ends: &[u32], records: &[u8]) {
        let at = self.bytes.len();
        self.bytes.resize(at + CHUNK_HEADER, 0);
        for &end in ends {
            let end = end - start as u32;
            self.bytes.extend_from_slice(&end.to_le_bytes());
        }
        self.bytes.extend_from_slice(records);
        let body = &self.bytes[at + CHUNK_HEADER..];
        let header = ChunkHeader {
            key,
            base: 0,
            count: ends.len() as u32,
            body_len: body.len() as u32,
            body_sum: xxh3_64(body),
        };
        self.chunks.push((header, at as u32));
    }

    /// The next offset after each append if the call was made now.
    pub(crate) fn offsets(&self, end: impl Fn(Key) -> u64) -> (Vec<u64>, BTreeMap<Key, u64>) {
        let mut ends = BTreeMap::new();
        let offsets = self.appends.iter().map(|&(key, records, _)| {
            let next = ends.entry(key).or_insert_with(|| end(key));
            *next += records;
            *next
        });
        let offsets = offsets.collect();
        ends.retain(|&key, next| *next > end(key));
        (offsets, ends)
    }

    /// Fills in offsets, time and sums. `end` is the next offset of a partition.
    pub(crate) fn seal(
        mut self,
        salt: u64,
        time_ms: u64,
        synced: u64,
        end: impl Fn(Key) -> u64,
    ) -> Sealed {
        let (offsets, ends) = self.offsets(end);
        let header = FrameHeader {
            payload_len: (self.bytes.len() - FRAME_HEADER) as u32,
            chunks: self.chunks.len() as u32,
            positions_len: self.positions_len as u32,
            time_ms,
            synced,
        };
        let header = header.encode();
        let mut seal = Seal::of(&header);
        self.bytes[..header.len()].copy_from_slice(&header);
        let mut chunks = self.chunks.iter_mut();
        for (&(_, records, count), next) in self.appends.iter().zip(&offsets) {
            let mut base = next - records;
            for (chunk, at) in chunks.by_ref().take(count) {
                chunk.base = base;
                base += u64::from(chunk.count);
                let encoded = chunk.encode(salt);
                seal.cover(&encoded[CHUNK_HEADER - 8..]);
                let at = *at as usize;
                self.bytes[at..at + CHUNK_HEADER].copy_from_slice(&encoded);
            }
        }
        if self.positions_len > 0 {
            seal.cover(&self.bytes[self.bytes.len() - 8..]);
        }
        let sum = seal.finish(salt).to_le_bytes();
        self.bytes[header.len()..FRAME_HEADER].copy_from_slice(&sum);
        Sealed {
            offsets,
            ends,
            chunks: self.chunks,
            bytes: self.bytes,
        }
    }
}

fn limit(what: &'static str, got: usize, limit: usize) -> Result<(), PortError> {
    if got > limit {
        return Err(PortError::TooLarge { what, got, limit });
    }
    Ok(())
}
