//! Opening: which segments there are, where the last whole frame ends, what the heads are.
//!
//! Only the newest segment is read; all before it are known from their headers. What a crash cut
//! off at the very end is dropped and reported. Damage anywhere else is an error, never skipped.

use crate::disk::DiskFile;
use crate::log::Healed;
use crate::log::format::{Frame, SegmentHeader, Snapshot};
use crate::log::index::SegmentIndex;
use crate::log::scan::{Ending, Scan};
use crate::log::segment::{
    Folder, Listing, Segment, damaged_segment, index_name, new_name, read_header, segment_name,
    unavailable,
};
use crate::log::write::{create_segment, random};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use vitrina_ports::PortError;

/// Bytes copied at a time when a tail is written again.
const COPY_BYTES: usize = 1_024 * 1_024;

/// A log ready to be appended to: everything in it is durable.
pub(crate) struct Recovered {
    pub(crate) segments: VecDeque<Arc<Segment>>,
    pub(crate) newest: Newest,
    pub(crate) healed: Option<Healed>,
}

/// The newest segment.
pub(crate) struct Newest {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) index: SegmentIndex,
    pub(crate) heads: Snapshot,
}

/// The newest segment after its frames were walked through.
struct Walked {
    newest: Newest,
    /// Bytes known to have been durable.
    synced: u64,
    /// Bytes after the last whole frame that were dropped.
    dropped: u64,
}

pub(crate) fn recover(folder: &Folder, now_ms: u64) -> Result<Recovered, PortError> {
    let listing = tidy(folder).map_err(|error| unavailable(&error))?;
    let Some(&newest) = listing.segments.last() else {
        return begin(folder, &listing, now_ms);
    };
    let mut segments = sealed(folder, &listing.segments)?;
    let file = open(folder, newest)?;
    let marked = folder.read_clean(newest);
    let durable = marked.as_ref().map_or(0, |(len, _)| *len);
    if listing.new.is_empty()
        && let Some((len, heads)) = marked
        && let Some(newest) = unchanged(folder, newest, &file, len, heads)?
    {
        folder.remove_clean().map_err(|error| unavailable(&error))?;
        segments.push_back(Arc::clone(&newest.segment));
        return Ok(Recovered {
            segments,
            newest,
            healed: None,
        });
    }
    let walked = walk(newest, file, durable)?;
    let mut healed = healed(&walked);
    settle(&walked).map_err(|error| unavailable(&error))?;
    segments.push_back(Arc::clone(&walked.newest.segment));
    let mut newest = walked.newest;
    if healed.is_none()
        && let Some(next) = adopt(folder, &listing, &newest)?
    {
        healed = self::healed(&next);
        segments.push_back(Arc::clone(&next.newest.segment));
        newest = next.newest;
    } else {
        let dropped = discard(folder, &listing).map_err(|error| unavailable(&error))?;
        if dropped > 0 {
            let healed = healed.get_or_insert(Healed {
                segment: newest.segment.number,
                at: newest.segment.len(),
                bytes_dropped: 0,
            });
            healed.bytes_dropped += dropped;
        }
    }
    // Also makes removals durable: what was dropped must not come back after the next crash.
    folder.remove_clean().map_err(|error| unavailable(&error))?;
    if let Some(Healed {
        segment,
        at,
        bytes_dropped,
    }) = healed
    {
        tracing::warn!(segment, at, bytes_dropped, "dropped what a crash cut off");
    }
    Ok(Recovered {
        segments,
        newest,
        healed,
    })
}

/// Lists the files and removes those that a crash left unfinished or without their segment.
fn tidy(folder: &Folder) -> io::Result<Listing> {
    let listing = folder.list()?;
    for name in &listing.unfinished {
        folder.remove(name)?;
    }
    for &number in &listing.indexes {
        if !listing.segments.is_empty() && listing.segments.binary_search(&number).is_err() {
            folder.remove(&index_name(number))?;
        }
    }
    Ok(listing)
}

fn open(folder: &Folder, number: u64) -> Result<Arc<dyn DiskFile>, PortError> {
    let file = folder.open(&segment_name(number));
    file.map_err(|error| unavailable(&error))
}

/// The very first segment.
fn begin(folder: &Folder, listing: &Listing, now_ms: u64) -> Result<Recovered, PortError> {
    // A later segment or an index without any segment: somebody took the segments away.
    if listing.new.iter().any(|&number| number > 1) || !listing.indexes.is_empty() {
        return Err(PortError::Damaged {
            what: format!("{}: its segments are missing", folder.dir.display()),
        });
    }
    let header = SegmentHeader {
        number: 1,
        salt: random(),
        created_ms: now_ms,
        previous_len: 0,
        snapshot: Snapshot::default(),
    };
    let create = || -> io::Result<_> {
        let (segment, file) = create_segment(folder, &header)?;
        file.sync()?;
        name_segment(folder, 1)?;
        folder.remove_clean()?;
        Ok((segment, file))
    };
    let (segment, file) = create().map_err(|error| unavailable(&error))?;
    let segment = Arc::new(segment);
    Ok(Recovered {
        segments: VecDeque::from([Arc::clone(&segment)]),
        newest: Newest {
            segment,
            file,
            index: SegmentIndex::default(),
            heads: Snapshot::default(),
        },
        healed: None,
    })
}

/// Gives a durable segment its name.
fn name_segment(folder: &Folder, number: u64) -> io::Result<()> {
    let from = folder.path(&new_name(number));
    folder
        .disk
        .rename(&from, &folder.path(&segment_name(number)))?;
    folder.sync()
}

fn header_of(file: &dyn DiskFile, number: u64) -> Result<(SegmentHeader, u64), PortError> {
    let header = read_header(file).map_err(|error| unavailable(&error))?;
    let header = header.filter(|(header, _)| header.number == number);
    header.ok_or_else(|| damaged_segment(number, 0))
}

/// All segments but the newest, from their headers.
fn sealed(folder: &Folder, numbers: &[u64]) -> Result<VecDeque<Arc<Segment>>, PortError> {
    let mut segments: VecDeque<Arc<Segment>> = VecDeque::new();
    let mut file_len = 0;
    for &number in numbers {
        let file = open(folder, number)?;
        let (header, header_len) = header_of(&*file, number)?;
        if let Some(previous) = segments.back() {
            if previous.number + 1 != number {
                return Err(damaged_segment(previous.number + 1, 0));
            }
            if file_len < header.previous_len {
                return Err(previous.damaged(file_len));
            }
            let len = &previous.len;
            len.store(header.previous_len, std::sync::atomic::Ordering::Release);
        }
        file_len = file.len().map_err(|error| unavailable(&error))?;
        segments.push_back(Arc::new(Segment::new(&header, header_len, header_len)));
    }
    segments.pop_back();
    Ok(segments)
}

/// The newest segment, when the log was closed and the file is still as it was then.
fn unchanged(
    folder: &Folder,
    number: u64,
    file: &Arc<dyn DiskFile>,
    len: u64,
    heads: Snapshot,
) -> Result<Option<Newest>, PortError> {
    if file.len().map_err(|error| unavailable(&error))? != len {
        return Ok(None);
    }
    let Some(index) = folder.load_index(number, len) else {
        return Ok(None);
    };
    let (header, header_len) = header_of(&**file, number)?;
    Ok(Some(Newest {
        segment: Arc::new(Segment::new(&header, header_len, len)),
        file: Arc::clone(file),
        index,
        heads,
    }))
}

/// Checks all frames of a segment of which `durable` bytes are known to have been durable.
fn walk(number: u64, file: Arc<dyn DiskFile>, durable: u64) -> Result<Walked, PortError> {
    let (header, header_len) = header_of(&*file, number)?;
    let mut index = SegmentIndex::default();
    let mut heads = header.snapshot.clone();
    let mut synced = header_len.max(durable);
    let file_len = file.len().map_err(|error| unavailable(&error))?;
    let mut scan = Scan::new(&*file, file_len, header.salt);
    let ran = scan.run(header_len, |at, frame| {
        synced = synced.max(frame.synced);
        apply(&frame, at, &mut index, Some(&mut heads))
    });
    let (end, ending) = ran.map_err(|error| unavailable(&error))?;
    drop(scan);
    let dropped = match ending {
        Ending::Damaged => return Err(damaged_segment(number, end)),
        Ending::Torn => file_len - end,
        Ending::Whole | Ending::Zeros => 0,
    };
    // More was durable than is left: no crash does that.
    if synced > end {
        return Err(damaged_segment(number, end));
    }
    Ok(Walked {
        newest: Newest {
            segment: Arc::new(Segment::new(&header, header_len, end)),
            file,
            index,
            heads,
        },
        synced,
        dropped,
    })
}

/// Enters a frame at `at`; `false` when it does not continue what is before it.
fn apply(frame: &Frame, at: u64, index: &mut SegmentIndex, heads: Option<&mut Snapshot>) -> bool {
    let mut fits = true;
    for (chunk, in_frame) in &frame.chunks {
        let position = at + u64::from(*in_frame);
        fits &= index.push(chunk.key, chunk.base, chunk.count, position as u32);
    }
    let Some(heads) = heads else {
        return fits;
    };
    for (chunk, _) in &frame.chunks {
        let end = heads.ends.entry(chunk.key).or_default();
        fits &= *end == chunk.base;
        *end = chunk.base + u64::from(chunk.count);
    }
    heads.positions.extend(frame.positions.iter().cloned());
    fits
}

fn healed(walked: &Walked) -> Option<Healed> {
    (walked.dropped > 0).then(|| Healed {
        segment: walked.newest.segment.number,
        at: walked.newest.segment.len(),
        bytes_dropped: walked.dropped,
    })
}

/// Cuts off what is after the last whole frame and makes the rest durable.
///
/// What was not known to be durable is written again: if a sync failed before, the kernel may
/// hold pages that it believes to be on disk and that are not.
fn settle(walked: &Walked) -> io::Result<()> {
    let file = &walked.newest.file;
    let end = walked.newest.segment.len();
    if file.len()? > end {
        file.set_len(end)?;
    }
    let mut at = walked.synced;
    let mut bytes = vec![0; COPY_BYTES.min((end - at) as usize)];
    while at < end {
        let step = bytes.len().min((end - at) as usize);
        file.read_exact_at(&mut bytes[..step], at)?;
        file.write_all_at(&bytes[..step], at)?;
        at += step as u64;
    }
    file.sync()
}

/// Takes over a segment that has not got its name yet, if it continues the newest without a gap.
fn adopt(folder: &Folder, listing: &Listing, newest: &Newest) -> Result<Option<Walked>, PortError> {
    let number = newest.segment.number + 1;
    if listing.new.as_slice() != [number] {
        return Ok(None);
    }
    let file = folder.open(&new_name(number));
    let file = file.map_err(|error| unavailable(&error))?;
    let header = read_header(&*file).map_err(|error| unavailable(&error))?;
    let continues = header.is_some_and(|(header, _)| {
        header.number == number
            && header.previous_len == newest.segment.len()
            && header.snapshot == newest.heads
    });
    if !continues {
        return Ok(None);
    }
    let mut walked = walk(number, file, 0)?;
    walked.synced = 0;
    let name = || -> io::Result<()> {
        settle(&walked)?;
        name_segment(folder, number)?;
        let (number, len) = (newest.segment.number, newest.segment.len());
        folder.write(&index_name(number), &newest.index.encode(number, len))
    };
    name().map_err(|error| unavailable(&error))?;
    Ok(Some(walked))
}

/// Removes segments without a name; answers how many bytes of frames they may have held.
fn discard(folder: &Folder, listing: &Listing) -> io::Result<u64> {
    let mut dropped = 0;
    for &number in &listing.new {
        let file = folder.open(&new_name(number))?;
        let header_len = read_header(&*file)?.map_or(0, |(_, len)| len);
        dropped += file.len()? - header_len;
        folder.remove(&new_name(number))?;
    }
    Ok(dropped)
}

/// The index of a sealed segment, from its frames.
pub(crate) fn rebuild_index(
    segment: &Segment,
    file: &dyn DiskFile,
) -> Result<SegmentIndex, PortError> {
    let mut index = SegmentIndex::default();
    let mut scan = Scan::new(file, segment.len(), segment.salt);
    let ran = scan.run(segment.header_len, |at, frame| {
        apply(&frame, at, &mut index, None)
    });
    match ran {
        Ok((_, Ending::Whole)) => Ok(index),
        Ok((at, _)) => Err(segment.damaged(at)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(segment.damaged(0)),
        Err(error) => Err(unavailable(&error)),
    }
}
