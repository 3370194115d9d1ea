//! The bytes of a segment: header, frames, chunks.
//!
//! All numbers are little-endian; sums are xxh3-64. A *salted* sum is seeded with the segment's
//! random salt, so that bytes a visitor sent can never pass for a frame.
//!
//! ```text
//! segment    header · snapshot · frame*
//! header     magic "VITRLOG1" · version u32 · snapshot_len u32 · number u64 · salt u64
//!            · created_ms u64 · previous_len u64 · snapshot sum u64 · sum of all before u64
//! snapshot   heads u32 · (topic u16 · partition u16 · end u64)*
//!            · positions u32 · (key_len u16 · key · next u64)*          key = name 0x00 source
//! frame      magic u32 · payload_len u32 · chunks u32 · positions_len u32 · time_ms u64
//!            · synced u64 · seal u64 · chunk* · [positions · sum u64]
//! chunk      body_len u32 · count u32 · base u64 · topic u16 · partition u16 · 0 u32
//!            · body sum u64 · salted sum of all before u64 · body
//! body       end u32 × count · record bytes
//! positions  (key_len u16 · key · next u64)*
//! ```
//!
//! The `seal` of a frame is the salted sum of its header before the seal, the last sum of each of
//! its chunks and the sum of its positions: a frame is whole or it is not a frame. A chunk can be
//! read and checked alone. `synced` is how many bytes of the segment were known to be durable
//! when the frame was written: damage below it is not a torn write.

use std::collections::BTreeMap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const SEGMENT_MAGIC: [u8; 8] = *b"VITRLOG1";
const VERSION: u32 = 1;
/// First bytes of every frame.
pub(crate) const FRAME_MAGIC: [u8; 4] = *b"vtF1";

/// Bytes of a segment's header without its snapshot.
pub(crate) const SEGMENT_HEADER: usize = 64;
/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 40;
/// Bytes of a chunk's header.
pub(crate) const CHUNK_HEADER: usize = 40;
/// Bytes of all parts of a frame after its header.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 256 * 1_024 * 1_024;

/// A partition of a topic, as numbers: a newer version's topics are kept, not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) topic: u16,
    pub(crate) partition: u16,
}

/// What a segment must know of all segments before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Next offset of each partition that ever held a record.
    pub(crate) ends: BTreeMap<Key, u64>,
    /// Committed positions by `name 0x00 source`.
    pub(crate) positions: BTreeMap<String, u64>,
}

/// The beginning of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    pub(crate) salt: u64,
    /// Wall clock when the segment was begun: no frame of an earlier segment is younger.
    pub(crate) created_ms: u64,
    /// Bytes of the segment before this one when it was left.
    pub(crate) previous_len: u64,
    pub(crate) snapshot: Snapshot,
}

/// Reads numbers off the front of bytes; `None` when they run out.
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// The key under which a consumer's position is stored.
pub(crate) fn position_key(name: &str, source: &str) -> String {
    format!("{name}\0{source}")
}

fn put_position(out: &mut Vec<u8>, key: &str, next: u64) {
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(&next.to_le_bytes());
}

fn take_position(cursor: &mut Cursor<'_>) -> Option<(String, u64)> {
    let len = cursor.u16()?;
    let key = std::str::from_utf8(cursor.bytes(usize::from(len))?).ok()?;
    Some((key.to_owned(), cursor.u64()?))
}

impl Snapshot {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&(self.ends.len() as u32).to_le_bytes());
        for (key, end) in &self.ends {
            out.extend_from_slice(&key.topic.to_le_bytes());
            out.extend_from_slice(&key.partition.to_le_bytes());
            out.extend_from_slice(&end.to_le_bytes());
        }
        out.extend_from_slice(&(self.positions.len() as u32).to_le_bytes());
        for (key, next) in &self.positions {
            put_position(&mut out, key, *next);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        let mut snapshot = Self::default();
        for _ in 0..cursor.u32()? {
            let (topic, partition) = (cursor.u16()?, cursor.u16()?);
            snapshot
                .ends
                .insert(Key { topic, partition }, cursor.u64()?);
        }
        for _ in 0..cursor.u32()? {
            let (key, next) = take_position(&mut cursor)?;
            snapshot.positions.insert(key, next);
        }
        cursor.0.is_empty().then_some(snapshot)
    }
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let snapshot = self.snapshot.encode();
        let mut out = Vec::with_capacity(SEGMENT_HEADER + snapshot.len());
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(snapshot.len() as u32).to_le_bytes());
        for number in [
            self.number,
            self.salt,
            self.created_ms,
            self.previous_len,
            xxh3_64(&snapshot),
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let sum = xxh3_64(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&snapshot);
        out
    }

    /// Bytes of the snapshot after these fixed bytes, when they are a header of this version.
    pub(crate) fn snapshot_len(fixed: &[u8; SEGMENT_HEADER]) -> Option<usize> {
        let mut cursor = Cursor(fixed);
        let magic = cursor.bytes(8)?;
        let (version, len) = (cursor.u32()?, cursor.u32()?);
        let sum = Cursor(&fixed[SEGMENT_HEADER - 8..]).u64()?;
        let is_ours = magic == SEGMENT_MAGIC && version == VERSION;
        (is_ours && sum == xxh3_64(&fixed[..SEGMENT_HEADER - 8])).then_some(len as usize)
    }

    pub(crate) fn decode(fixed: &[u8; SEGMENT_HEADER], snapshot: &[u8]) -> Option<Self> {
        if Self::snapshot_len(fixed)? != snapshot.len() {
            return None;
        }
        let mut cursor = Cursor(&fixed[16..]);
        let header = Self {
            number: cursor.u64()?,
            salt: cursor.u64()?,
            created_ms: cursor.u64()?,
            previous_len: cursor.u64()?,
            snapshot: Snapshot::decode(snapshot)?,
        };
        (cursor.u64()? == xxh3_64(snapshot)).then_some(header)
    }
}

/// A chunk's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkHeader {
    pub(crate) key: Key,
    pub(crate) base: u64,
    pub(crate) count: u32,
    pub(crate) body_len: u32,
    pub(crate) body_sum: u64,
}

impl ChunkHeader {
    pub(crate) fn encode(&self, salt: u64) -> [u8; CHUNK_HEADER] {
        let mut out = [0; CHUNK_HEADER];
        out[0..4].copy_from_slice(&self.body_len.to_le_bytes());
        out[4..8].copy_from_slice(&self.count.to_le_bytes());
        out[8..16].copy_from_slice(&self.base.to_le_bytes());
        out[16..18].copy_from_slice(&self.key.topic.to_le_bytes());
        out[18..20].copy_from_slice(&self.key.partition.to_le_bytes());
        out[24..32].copy_from_slice(&self.body_sum.to_le_bytes());
        let sum = xxh3_64_with_seed(&out[..32], salt);
        out[32..40].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// `None` when the sum is not that of the header.
    pub(crate) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes = bytes.get(..CHUNK_HEADER)?;
        let mut cursor = Cursor(bytes);
        let (body_len, count, base) = (cursor.u32()?, cursor.u32()?, cursor.u64()?);
        let (topic, partition, _) = (cursor.u16()?, cursor.u16()?, cursor.u32()?);
        let header = Self {
            key: Key { topic, partition },
            base,
            count,
            body_len,
            body_sum: cursor.u64()?,
        };
        let is_whole = cursor.u64()? == xxh3_64_with_seed(&bytes[..32], salt);
        // A body begins with one end per record: shorter ones were never written.
        let is_sane = u64::from(body_len) >= 4 * u64::from(count);
        (is_whole && is_sane).then_some(header)
    }

    /// Whether `body` is the one this header was written with.
    pub(crate) fn fits(&self, body: &[u8]) -> bool {
        body.len() == self.body_len as usize && xxh3_64(body) == self.body_sum
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) payload_len: u32,
    pub(crate) chunks: u32,
    pub(crate) positions_len: u32,
    pub(crate) time_ms: u64,
    pub(crate) synced: u64,
}

impl FrameHeader {
    /// The header without its seal.
    pub(crate) fn encode(&self) -> [u8; FRAME_HEADER - 8] {
        let mut out = [0; FRAME_HEADER - 8];
        out[0..4].copy_from_slice(&FRAME_MAGIC);
        out[4..8].copy_from_slice(&self.payload_len.to_le_bytes());
        out[8..12].copy_from_slice(&self.chunks.to_le_bytes());
        out[12..16].copy_from_slice(&self.positions_len.to_le_bytes());
        out[16..24].copy_from_slice(&self.time_ms.to_le_bytes());
        out[24..32].copy_from_slice(&self.synced.to_le_bytes());
        out
    }

    /// What stands there, if it looks like a header; only the seal proves it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        if cursor.bytes(4)? != FRAME_MAGIC {
            return None;
        }
        let header = Self {
            payload_len: cursor.u32()?,
            chunks: cursor.u32()?,
            positions_len: cursor.u32()?,
            time_ms: cursor.u64()?,
            synced: cursor.u64()?,
        };
        let payload_len = header.payload_len as usize;
        let parts_len =
            u64::from(header.chunks) * CHUNK_HEADER as u64 + u64::from(header.positions_len);
        (payload_len <= PAYLOAD_BYTES_MAX && parts_len <= payload_len as u64).then_some(header)
    }

    /// Bytes of the whole frame.
    pub(crate) fn frame_len(&self) -> usize {
        FRAME_HEADER + self.payload_len as usize
    }
}

/// Sums up what a frame's seal covers.
pub(crate) struct Seal(Vec<u8>);

impl Seal {
    pub(crate) fn of(header: &[u8]) -> Self {
        Self(header.to_vec())
    }

    pub(crate) fn cover(&mut self, sum: &[u8]) {
        self.0.extend_from_slice(sum);
    }

    pub(crate) fn finish(&self, salt: u64) -> u64 {
        xxh3_64_with_seed(&self.0, salt)
    }
}

/// A whole frame, as found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) time_ms: u64,
    pub(crate) synced: u64,
    /// Each chunk's header and where it stands in the frame.
    pub(crate) chunks: Vec<(ChunkHeader, u32)>,
    pub(crate) positions: Vec<(String, u64)>,
}

impl Frame {
    /// Reads the frame that fills `bytes`; `None` when any part of it is not as it was written.
    pub(crate) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let header = FrameHeader::decode(bytes)?;
        if header.frame_len() != bytes.len() {
            return None;
        }
        let mut seal = Seal::of(&bytes[..FRAME_HEADER - 8]);
        let mut frame = Self {
            time_ms: header.time_ms,
            synced: header.synced,
            ..Self::default()
        };
        let mut cursor = Cursor(&bytes[FRAME_HEADER..]);
        for _ in 0..header.chunks {
            let at = (bytes.len() - cursor.0.len()) as u32;
            let head = cursor.bytes(CHUNK_HEADER)?;
            let chunk = ChunkHeader::decode(head, salt)?;
            if !chunk.fits(cursor.bytes(chunk.body_len as usize)?) {
                return None;
            }
            seal.cover(&head[CHUNK_HEADER - 8..]);
            frame.chunks.push((chunk, at));
        }
        if header.positions_len > 0 {
            let positions = cursor.bytes(header.positions_len as usize)?;
            let sum = cursor.u64()?;
            if sum != xxh3_64(positions) {
                return None;
            }
            seal.cover(&sum.to_le_bytes());
            let mut positions = Cursor(positions);
            while !positions.0.is_empty() {
                frame.positions.push(take_position(&mut positions)?);
            }
        }
        let stands = Cursor(&bytes[FRAME_HEADER - 8..]).u64()?;
        (cursor.0.is_empty() && stands == seal.finish(salt)).then_some(frame)
    }
}

/// Appends the positions part of a frame: the positions and their sum.
pub(crate) fn put_positions<'a>(
    out: &mut Vec<u8>,
    positions: impl Iterator<Item = (&'a str, u64)>,
) -> usize {
    let from = out.len();
    for (key, next) in positions {
        put_position(out, key, next);
    }
    let len = out.len() - from;
    if len > 0 {
        let sum = xxh3_64(&out[from..]);
        out.extend_from_slice(&sum.to_le_bytes());
    }
    len
}
