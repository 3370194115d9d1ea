//! One file, read by position.
//!
//! Reads are positioned and remember nothing that changes what they answer: any number of readers
//! may share a file.

use crate::lines::{DECISIVE_BYTES, Lines};
use crate::{END_MARKERS, FileKind, LINE_BYTES_MAX};
use bytes::Bytes;
use memchr::memchr;
use parking_lot::Mutex;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use vitrina_ports::PortError;
use vitrina_ports::log::{Bounds, LogRecord, Offset};

pub(crate) const PORT: &str = "file log";

/// A read of fewer bytes still reads these: a page costs what a byte does.
const PIECE_BYTES_MIN: usize = 4_096;

/// A read of more bytes reads these, so that a caller without a limit does not take all memory.
const PIECE_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// The rest of a line that a position lies in is first looked for in these.
const REST_BYTES: usize = 512;

/// Read at once where nothing is kept of what is read.
const SKIP_BYTES: usize = 256 * 1_024;

/// At least so far apart are the known beginnings of records in a CSV file: at most this is read
/// again to find a position.
const KNOWN_STEP: u64 = 32 * 1_024;

/// A file of records, as long as it was when it was opened.
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    kind: FileKind,
    len: u64,
    /// Where the first record may begin: behind the header.
    body: u64,
    header: Option<Bytes>,
    /// Some places of a CSV file at which records begin. Whether a newline is quoted can only be
    /// told from such a place.
    known: Mutex<BTreeSet<u64>>,
}

impl Source {
    /// Opens a file and reads its header.
    pub(crate) fn open(path: PathBuf) -> Result<Self, PortError> {
        let failed = |error: io::Error| unavailable(&path, &error.to_string());
        // Asked of the path first, because opening a pipe would wait for its writer.
        if !fs::metadata(&path).map_err(failed)?.is_file() {
            return Err(unavailable(&path, "not a regular file"));
        }
        let file = File::open(&path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let mut source = Self {
            kind: FileKind::of(&path),
            path,
            file,
            len,
            body: 0,
            header: None,
            known: Mutex::default(),
        };
        if source.kind == FileKind::Csv {
            let mut first = Vec::new();
            source.collect(0, 0, &mut first)?;
            if let Some(header) = first.pop() {
                source.body = source.csv_start(header.offset + 1)?;
                // A copy: a slice would keep the whole piece in memory.
                source.header = Some(Bytes::copy_from_slice(&header.bytes));
            }
        }
        Ok(source)
    }

    pub(crate) fn kind(&self) -> FileKind {
        self.kind
    }

    pub(crate) fn header(&self) -> Option<Bytes> {
        self.header.clone()
    }

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            start: 0,
            end: self.len + END_MARKERS,
        }
    }

    /// The records at or behind `from`, as [`EventLog::read`](vitrina_ports::log::EventLog::read)
    /// has it. A record is a slice of the one buffer of the call and keeps it in memory.
    pub(crate) fn read(&self, from: Offset, bytes_max: usize) -> Result<Vec<LogRecord>, PortError> {
        self.check_len()?;
        let mut records = Vec::new();
        let start = self.start_behind(from)?;
        let reached = self.collect(start, bytes_max, &mut records)?;
        if self.kind == FileKind::Csv
            && let Some(last) = records.last()
        {
            self.remember(last.offset);
        }
        if reached == self.len {
            let markers = from.max(self.len)..self.len + END_MARKERS;
            records.extend(markers.map(|offset| LogRecord {
                offset,
                bytes: Bytes::new(),
            }));
        }
        Ok(records)
    }

    /// Adds the records from `at` on, where a line begins, and answers a place behind them: the
    /// end of the file only when no record is left.
    fn collect(
        &self,
        mut at: u64,
        bytes_max: usize,
        records: &mut Vec<LogRecord>,
    ) -> Result<u64, PortError> {
        let mut piece_bytes = bytes_max.clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
        while at < self.len {
            let piece = Bytes::from(self.piece(at, piece_bytes)?);
            let mut lines = Lines::new(self.kind, &piece, self.is_last(at, &piece));
            for line in &mut lines {
                if line.start == line.end {
                    continue;
                }
                if records.is_empty() {
                    // Lines of one file are about equally long; a quarter more, and the vector
                    // rarely has to move.
                    let like_first = piece.len() / (line.next - line.start);
                    records.reserve(like_first + like_first / 4 + 1);
                } else if line.end > bytes_max {
                    return Ok(at + line.start as u64);
                }
                records.push(LogRecord {
                    offset: at + line.start as u64,
                    bytes: piece.slice(line.start..line.end),
                });
            }
            let passed = lines.next_start();
            at += passed as u64;
            if !records.is_empty() {
                return Ok(at);
            }
            if passed == 0 && piece.len() >= DECISIVE_BYTES {
                records.push(LogRecord {
                    offset: at,
                    bytes: piece.slice(..LINE_BYTES_MAX),
                });
                // The line goes on here, and its rest is looked for by who reads on.
                return Ok(at + LINE_BYTES_MAX as u64);
            }
            if passed == 0 {
                piece_bytes = longer(piece_bytes);
            }
        }
        Ok(self.len)
    }

    /// Where the first line begins at or behind `from`; the length when there is none.
    fn start_behind(&self, from: u64) -> Result<u64, PortError> {
        if from <= self.body || from >= self.len {
            return Ok(from.clamp(self.body, self.len));
        }
        match self.kind {
            FileKind::Jsonl => self.behind_newline(from - 1),
            FileKind::Csv => self.csv_start(from),
        }
    }

    /// As [`start_behind`](Self::start_behind), from the nearest place at which a record is known
    /// to begin. Reads everything between, once.
    fn csv_start(&self, from: u64) -> Result<u64, PortError> {
        let nearest = self.known.lock().range(..=from).next_back().copied();
        let mut at = nearest.unwrap_or(self.body);
        // Who reads on asks for a place in the line at `at`: that takes no large piece.
        let distance = usize::try_from(from - at).unwrap_or(SKIP_BYTES);
        let mut piece_bytes = distance.saturating_add(REST_BYTES).min(SKIP_BYTES);
        while at < from {
            let piece = self.piece(at, piece_bytes)?;
            let mut lines = Lines::new(self.kind, &piece, self.is_last(at, &piece));
            let reaching = lines.find(|line| at + line.next as u64 >= from);
            let passed = lines.next_start();
            if passed > 0 {
                at += passed as u64;
            } else if piece.len() >= DECISIVE_BYTES {
                at = self.behind_newline(at)?;
            } else {
                piece_bytes = longer(piece_bytes);
            }
            if reaching.is_none() {
                self.remember(at);
            }
        }
        Ok(at)
    }

    /// Behind the first newline at or behind `at`; the length when there is none.
    fn behind_newline(&self, mut at: u64) -> Result<u64, PortError> {
        let mut piece_bytes = REST_BYTES;
        while at < self.len {
            let piece = self.piece(at, piece_bytes)?;
            if let Some(newline) = memchr(b'\n', &piece) {
                return Ok(at + newline as u64 + 1);
            }
            at += piece.len() as u64;
            piece_bytes = SKIP_BYTES;
        }
        Ok(self.len)
    }

    /// Keeps a place at which a record begins, unless one is known closely before it.
    fn remember(&self, start: u64) {
        let mut known = self.known.lock();
        let before = known.range(..=start).next_back();
        if before.is_none_or(|&before| start - before >= KNOWN_STEP) {
            known.insert(start);
        }
    }

    fn is_last(&self, at: u64, piece: &[u8]) -> bool {
        at + piece.len() as u64 == self.len
    }

    /// Up to `bytes_max` bytes from `at` on, fewer only where the file ends.
    fn piece(&self, at: u64, bytes_max: usize) -> Result<Vec<u8>, PortError> {
        let left = self.len.saturating_sub(at);
        let bytes = usize::try_from(left).map_or(bytes_max, |left| left.min(bytes_max));
        let mut piece = Vec::with_capacity(bytes);
        while piece.len() < bytes {
            let from = at + piece.len() as u64;
            // Into memory that was not written to before: that would cost as much as the read.
            match pread(&self.file, spare_capacity(&mut piece), from) {
                Ok(0) => return Err(self.damaged(from)),
                Ok(_) => {}
                Err(Errno::INTR) => {}
                Err(error) => return Err(unavailable(&self.path, &error.to_string())),
            }
        }
        // The allocator may have given more room than was asked for.
        piece.truncate(bytes);
        Ok(piece)
    }

    /// A file that lost its end is not the file that was opened, also where it still has bytes.
    fn check_len(&self) -> Result<(), PortError> {
        match self.file.metadata() {
            Ok(now) if now.len() < self.len => Err(self.damaged(now.len())),
            Ok(_) => Ok(()),
            Err(error) => Err(unavailable(&self.path, &error.to_string())),
        }
    }

    fn damaged(&self, bytes_now: u64) -> PortError {
        let path = self.path.display();
        PortError::Damaged {
            what: format!("{path}, cut from {} to {bytes_now} bytes,", self.len),
        }
    }
}

/// The size of the next try when no line ended in a piece.
fn longer(piece_bytes: usize) -> usize {
    piece_bytes.saturating_mul(4).min(DECISIVE_BYTES)
}

fn unavailable(path: &Path, detail: &str) -> PortError {
    PortError::Unavailable {
        port: PORT,
        detail: format!("{}: {detail}", path.display()),
    }
}
