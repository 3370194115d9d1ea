//! The files of the log: names, headers, indexes, the mark of a clean stop.
//!
//! `N.seg` is a segment, `N.idx` its index. A segment is born as `N.new` and gets its name when
//! it and all before it are durable: nothing in a `.new` file was ever acknowledged. `clean` says
//! what the newest segment held when the log was closed.

use crate::disk::{Disk, DiskFile};
use crate::log::format::{Cursor, Key, SEGMENT_HEADER, SegmentHeader, Snapshot};
use crate::log::index::SegmentIndex;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vitrina_ports::PortError;
use xxhash_rust::xxh3::xxh3_64;

/// The name of this port in errors.
pub(crate) const PORT: &str = "embedded log";

const CLEAN: &str = "clean";
const CLEAN_MAGIC: [u8; 8] = *b"VITRCLN1";

/// What is known of a segment without reading it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) salt: u64,
    pub(crate) created_ms: u64,
    /// Bytes of header and snapshot.
    pub(crate) header_len: u64,
    /// Bytes of whole frames and what is before them.
    pub(crate) len: AtomicU64,
    /// First offset of each partition in it or after it, sorted by partition.
    starts: Vec<(Key, u64)>,
}

impl Segment {
    pub(crate) fn new(header: &SegmentHeader, header_len: u64, len: u64) -> Self {
        let starts = header.snapshot.ends.iter();
        Self {
            number: header.number,
            salt: header.salt,
            created_ms: header.created_ms,
            header_len,
            len: AtomicU64::new(len),
            starts: starts.map(|(&key, &end)| (key, end)).collect(),
        }
    }

    /// The first offset of a partition in this segment or after it.
    pub(crate) fn start(&self, key: Key) -> u64 {
        let found = self.starts.binary_search_by_key(&key, |&(key, _)| key);
        found.map_or(0, |at| self.starts[at].1)
    }

    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// The error of a segment whose bytes are not what was written.
    pub(crate) fn damaged(&self, at: u64) -> PortError {
        damaged_segment(self.number, at)
    }
}

/// The error of a segment whose bytes are not what was written.
pub(crate) fn damaged_segment(number: u64, at: u64) -> PortError {
    PortError::Damaged {
        what: format!("{} at byte {at}", segment_name(number)),
    }
}

pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:020}.seg")
}

pub(crate) fn new_name(number: u64) -> String {
    format!("{number:020}.new")
}

pub(crate) fn index_name(number: u64) -> String {
    format!("{number:020}.idx")
}

/// What the system said, as an error of the port.
pub(crate) fn unavailable(error: &io::Error) -> PortError {
    PortError::Unavailable {
        port: PORT,
        detail: error.to_string(),
    }
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    let kind = error.kind();
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// A directory of segments.
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
}

/// Files of a folder by kind, each sorted.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) segments: Vec<u64>,
    pub(crate) new: Vec<u64>,
    pub(crate) indexes: Vec<u64>,
    pub(crate) unfinished: Vec<String>,
}

impl Folder {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&self.path(name))
    }

    /// Removes a file if it is there.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match self.disk.remove(&self.path(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.disk.sync_dir(&self.dir)
    }

    pub(crate) fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for name in self.disk.list(&self.dir)? {
            let Some((stem, kind)) = name.rsplit_once('.') else {
                continue;
            };
            match (kind, stem.parse()) {
                ("seg", Ok(number)) => listing.segments.push(number),
                ("new", Ok(number)) => listing.new.push(number),
                ("idx", Ok(number)) => listing.indexes.push(number),
                ("tmp", _) => listing.unfinished.push(name),
                _ => {}
            }
        }
        listing.segments.sort_unstable();
        listing.new.sort_unstable();
        Ok(listing)
    }

    /// Reads a small file; `None` when there is none.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = vec![0; file.len()? as usize];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Some(bytes))
    }

    /// Puts a whole file in place. It is not synced: its sum tells whether it is whole.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.path(&format!("{name}.tmp"));
        let file = self.disk.create(&unfinished)?;
        file.write_all_at(bytes, 0)?;
        self.disk.rename(&unfinished, &self.path(name))
    }

    /// The index on disk, if it is that of this segment at this length.
    pub(crate) fn load_index(&self, number: u64, segment_len: u64) -> Option<SegmentIndex> {
        let bytes = self.read(&index_name(number)).ok()??;
        SegmentIndex::decode(&bytes, number, segment_len)
    }

    /// Leaves the mark of a clean stop.
    pub(crate) fn write_clean(&self, segment: &Segment, heads: &Snapshot) -> io::Result<()> {
        let mut bytes = CLEAN_MAGIC.to_vec();
        bytes.extend_from_slice(&segment.number.to_le_bytes());
        bytes.extend_from_slice(&segment.len().to_le_bytes());
        bytes.extend_from_slice(&heads.encode());
        let sum = xxh3_64(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        self.write(CLEAN, &bytes)
    }

    /// The length of a segment and the heads when the log was last closed, if it was closed with
    /// this segment and not opened since.
    pub(crate) fn read_clean(&self, number: u64) -> Option<(u64, Snapshot)> {
        let bytes = self.read(CLEAN).ok()??;
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        let mut expected = CLEAN_MAGIC.to_vec();
        expected.extend_from_slice(&number.to_le_bytes());
        let mut cursor = Cursor(content.strip_prefix(expected.as_slice())?);
        let len = cursor.u64()?;
        let heads = Snapshot::decode(cursor.0)?;
        (sum == xxh3_64(content).to_le_bytes()).then_some((len, heads))
    }

    /// Removes the mark: from now on only a scan tells what the newest segment holds.
    pub(crate) fn remove_clean(&self) -> io::Result<()> {
        self.remove(CLEAN)?;
        self.sync()
    }
}

/// Reads the header of a segment and its length in bytes; `None` when it is not whole.
pub(crate) fn read_header(file: &dyn DiskFile) -> io::Result<Option<(SegmentHeader, u64)>> {
    let len = file.len()?;
    let mut fixed = [0; SEGMENT_HEADER];
    if len < SEGMENT_HEADER as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut fixed, 0)?;
    let Some(snapshot_len) = SegmentHeader::snapshot_len(&fixed) else {
        return Ok(None);
    };
    let header_len = (SEGMENT_HEADER + snapshot_len) as u64;
    if len < header_len {
        return Ok(None);
    }
    let mut snapshot = vec![0; snapshot_len];
    file.read_exact_at(&mut snapshot, SEGMENT_HEADER as u64)?;
    Ok(SegmentHeader::decode(&fixed, &snapshot).map(|header| (header, header_len)))
}

/// A sealed segment ready to be read.
pub(crate) struct Opened {
    pub(crate) number: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) index: SegmentIndex,
}

/// The sealed segments read last, bounded by the bytes of their indexes.
pub(crate) struct OpenedSegments {
    bytes_max: usize,
    kept: Mutex<VecDeque<Arc<Opened>>>,
}

impl OpenedSegments {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            kept: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<Arc<Opened>> {
        let mut kept = self.kept.lock();
        let at = kept.iter().position(|opened| opened.number == number)?;
        let found = kept.remove(at)?;
        kept.push_back(Arc::clone(&found));
        Some(found)
    }

    /// Keeps a segment; those not read for longest make room, the new one always fits.
    pub(crate) fn keep(&self, opened: Arc<Opened>) {
        let mut kept = self.kept.lock();
        kept.retain(|other| other.number != opened.number);
        kept.push_back(opened);
        let mut bytes: usize = kept.iter().map(|opened| opened.index.bytes()).sum();
        while bytes > self.bytes_max && kept.len() > 1 {
            bytes -= kept.pop_front().map_or(0, |oldest| oldest.index.bytes());
        }
    }

    pub(crate) fn forget(&self, number: u64) {
        self.kept.lock().retain(|opened| opened.number != number);
    }
}
