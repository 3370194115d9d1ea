//! Reading: from memory when the records are new, else one chunk after the other from its file.

use crate::disk::DiskFile;
use crate::log::core::Core;
use crate::log::format::{CHUNK_HEADER, ChunkHeader, Key};
use crate::log::index::{ChunkAt, SegmentIndex};
use crate::log::recovery::rebuild_index;
use crate::log::segment::{Opened, Segment, index_name, segment_name, unavailable};
use crate::log::tail::Chunk;
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use vitrina_ports::PortError;
use vitrina_ports::log::{LogRecord, Offset};

/// Chunks looked up in an index at a time.
const CHUNKS_AT_ONCE: usize = 256;

/// Bytes read to learn how long a chunk is; most are shorter and so are read at once.
const FIRST_READ_BYTES: usize = 8 * 1_024;

/// Where the records from some offset on are.
enum Place {
    Nowhere,
    Memory(Vec<Chunk>),
    File(Arc<Segment>, Arc<dyn DiskFile>, Vec<ChunkAt>),
    Sealed(Arc<Segment>),
}

impl Core {
    /// Records from `from` on, one at least if there is one, else up to about `bytes_max`.
    pub(crate) fn read(
        &self,
        key: Key,
        mut from: Offset,
        bytes_max: usize,
    ) -> Result<Vec<LogRecord>, PortError> {
        self.check_closed()?;
        let (mut out, mut budget) = (Vec::new(), bytes_max);
        loop {
            let before = out.len();
            match self.locate(key, from, budget) {
                Ok(Place::Nowhere) => return Ok(out),
                Ok(Place::Memory(chunks)) => {
                    for chunk in chunks {
                        // A record that did not fit must not be followed by one that does.
                        if budget == 0 && !out.is_empty() {
                            break;
                        }
                        let read = chunk.read(from, &mut budget, &mut out);
                        read.ok_or_else(|| damaged(key, chunk.base))?;
                    }
                }
                Ok(Place::File(segment, file, chunks)) => {
                    read_chunks(&segment, &*file, key, from, &chunks, &mut budget, &mut out)?;
                }
                Ok(Place::Sealed(segment)) => match self.open_sealed(&segment) {
                    Ok(opened) => {
                        let chunks = opened.index.chunks(key, from, CHUNKS_AT_ONCE);
                        let file = &*opened.file;
                        read_chunks(&segment, file, key, from, &chunks, &mut budget, &mut out)?;
                    }
                    // Retention may have taken it in between; then asking again says so.
                    Err(_) if self.is_gone(&segment) && out.is_empty() => continue,
                    Err(error) => return Err(error),
                },
                Err(_) if !out.is_empty() => return Ok(out),
                Err(error) => return Err(error),
            }
            if budget == 0 && !out.is_empty() {
                return Ok(out);
            }
            if out.len() == before {
                return Err(damaged(key, from));
            }
            from += (out.len() - before) as u64;
        }
    }

    fn locate(&self, key: Key, from: Offset, bytes_max: usize) -> Result<Place, PortError> {
        let view = self.view.read();
        let bounds = view.bounds(key);
        if from < bounds.start {
            return Err(PortError::Expired {
                what: name(key),
                wanted: from,
                start: bounds.start,
            });
        }
        if from >= bounds.end {
            return Ok(Place::Nowhere);
        }
        let kept = view.tail.chunks(key, from, bytes_max);
        if !kept.is_empty() {
            return Ok(Place::Memory(kept));
        }
        let after = view.segments.partition_point(|s| s.start(key) <= from);
        let Some(segment) = view.segments.get(after.saturating_sub(1)) else {
            return Ok(Place::Nowhere);
        };
        let segment = Arc::clone(segment);
        let find = |index: &SegmentIndex| index.chunks(key, from, CHUNKS_AT_ONCE);
        if after == view.segments.len() {
            let file = Arc::clone(&view.file);
            return Ok(Place::File(segment, file, find(&view.index)));
        }
        let left = view.left.as_ref();
        match left.filter(|left| left.segment.number == segment.number) {
            Some(left) => {
                let file = Arc::clone(&left.file);
                Ok(Place::File(segment, file, find(&left.index)))
            }
            None => Ok(Place::Sealed(segment)),
        }
    }

    pub(crate) fn is_gone(&self, segment: &Segment) -> bool {
        let view = self.view.read();
        let oldest = view.segments.front();
        oldest.is_some_and(|oldest| oldest.number > segment.number)
    }

    /// A sealed segment with its index, from disk or rebuilt.
    pub(crate) fn open_sealed(&self, segment: &Segment) -> Result<Arc<Opened>, PortError> {
        let (number, len) = (segment.number, segment.len());
        if let Some(opened) = self.opened.get(number) {
            return Ok(opened);
        }
        let file = self.folder.open(&segment_name(number));
        let file = file.map_err(|error| unavailable(&error))?;
        let index = match self.folder.load_index(number, len) {
            Some(index) => index,
            None => {
                let index = rebuild_index(segment, &*file)?;
                let bytes = index.encode(number, len);
                if let Err(error) = self.folder.write(&index_name(number), &bytes) {
                    tracing::warn!(segment = number, %error, "index of a segment not written");
                }
                index
            }
        };
        let opened = Arc::new(Opened {
            number,
            file,
            index,
        });
        self.opened.keep(Arc::clone(&opened));
        Ok(opened)
    }
}

fn name(key: Key) -> String {
    let topic = vitrina_types::topic::Topic::from_number(key.topic);
    let topic = topic.map_or("unknown topic", |topic| topic.name());
    format!("{topic}/{}", key.partition)
}

fn damaged(key: Key, at: Offset) -> PortError {
    PortError::Damaged {
        what: format!("{} at offset {at}", name(key)),
    }
}

fn read_chunks(
    segment: &Segment,
    file: &dyn DiskFile,
    key: Key,
    from: Offset,
    chunks: &[ChunkAt],
    budget: &mut usize,
    out: &mut Vec<LogRecord>,
) -> Result<(), PortError> {
    let mut scratch = Vec::new();
    for chunk in chunks {
        if *budget == 0 && !out.is_empty() {
            break;
        }
        let body = read_chunk(segment, file, key, chunk, &mut scratch);
        let body = body.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => segment.damaged(u64::from(chunk.position)),
            _ => unavailable(&error),
        })?;
        let chunk_read = body.and_then(|body| {
            let (base, count) = (chunk.base, chunk.count);
            Chunk { base, count, body }.read(from, budget, out)
        });
        chunk_read.ok_or_else(|| segment.damaged(u64::from(chunk.position)))?;
    }
    Ok(())
}

/// The body of a chunk; `None` when it is not the one that was written there.
fn read_chunk(
    segment: &Segment,
    file: &dyn DiskFile,
    key: Key,
    chunk: &ChunkAt,
    scratch: &mut Vec<u8>,
) -> io::Result<Option<Bytes>> {
    let position = u64::from(chunk.position);
    let gap = chunk.gap.map_or(FIRST_READ_BYTES, |gap| gap as usize);
    let left = segment.len().saturating_sub(position) as usize;
    scratch.resize(gap.min(FIRST_READ_BYTES).min(left), 0);
    file.read_exact_at(scratch, position)?;
    let Some(header) = ChunkHeader::decode(scratch, segment.salt) else {
        return Ok(None);
    };
    let expected = (key, chunk.base, chunk.count);
    let len = header.body_len as usize;
    if (header.key, header.base, header.count) != expected || CHUNK_HEADER + len > left {
        return Ok(None);
    }
    let read = &scratch[CHUNK_HEADER..];
    let body = match read.get(..len) {
        Some(body) => Bytes::copy_from_slice(body),
        None => {
            let mut body = vec![0; len];
            let (front, rest) = body.split_at_mut(read.len());
            front.copy_from_slice(read);
            file.read_exact_at(rest, position + scratch.len() as u64)?;
            Bytes::from(body)
        }
    };
    Ok(header.fits(&body).then_some(body))
}
