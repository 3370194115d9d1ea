//! Writing one call: offsets, frame, file, view.

use crate::disk::DiskFile;
use crate::log::core::{Core, Left};
use crate::log::draft::{Draft, Sealed};
use crate::log::format::{CHUNK_HEADER, SegmentHeader, position_key};
use crate::log::index::SEGMENT_BYTES_MAX;
use crate::log::segment::{Folder, PORT, Segment, is_full, new_name, unavailable};
use crate::log::tail::Chunk;
use bytes::Bytes;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use vitrina_ports::PortError;
use vitrina_ports::log::{Consumed, Offset};

/// Room is claimed ahead of the end of the segment in steps of this many bytes.
const CLAIM_BYTES: u64 = 4 * 1_024 * 1_024;

/// How long an answer about free bytes is believed.
const ROOM_AGE_MAX: Duration = Duration::from_millis(100);

/// How many bytes are written on the strength of one answer about free bytes.
const ROOM_BYTES_MAX: u64 = 8 * 1_024 * 1_024;

/// Who asks for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What comes from outside stops first.
    Intake,
    /// Work on what is already in the log may use half of the reserve.
    Output,
}

/// What a call became.
pub(crate) struct Written {
    pub(crate) offsets: Vec<Offset>,
    /// Durable when this many bytes are.
    pub(crate) upto: u64,
}

/// The end of the newest segment; whoever holds it writes.
pub(crate) struct Writer {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Bytes up to which room was claimed.
    pub(crate) claimed: u64,
    pub(crate) room: Room,
}

/// How much may still be written.
#[derive(Default)]
pub(crate) struct Room {
    asked: Option<Instant>,
    free_bytes: u64,
    written_since: u64,
}

impl Room {
    /// Refuses `need` bytes that would eat into the reserve.
    fn check(&mut self, folder: &Folder, need: u64, reserve: u64) -> Result<(), PortError> {
        let is_old = self.asked.is_none_or(|at| at.elapsed() >= ROOM_AGE_MAX);
        if is_old || self.written_since >= ROOM_BYTES_MAX || self.left() < need + reserve {
            let free = folder.disk.free_bytes(&folder.dir);
            self.free_bytes = free.map_err(|error| unavailable(&error))?;
            self.asked = Some(Instant::now());
            self.written_since = 0;
        }
        if self.left() < need + reserve {
            return Err(self.full(reserve));
        }
        Ok(())
    }

    fn left(&self) -> u64 {
        self.free_bytes.saturating_sub(self.written_since)
    }

    fn full(&self, reserve_bytes: u64) -> PortError {
        PortError::Full {
            port: PORT,
            free_bytes: self.left(),
            reserve_bytes,
        }
    }

    fn error(&mut self, error: &io::Error, reserve_bytes: u64) -> PortError {
        if !is_full(error) {
            return unavailable(error);
        }
        // What we believed was wrong: ask before the next call.
        self.asked = None;
        self.full(reserve_bytes)
    }
}

impl Core {
    /// Writes one call and shows it to readers. It is not durable yet.
    pub(crate) fn write(
        &self,
        purpose: Purpose,
        draft: Draft,
        consumed: &[Consumed],
        durable: bool,
    ) -> Result<Written, PortError> {
        let writer = &mut *self.writer.lock();
        self.check_open()?;
        self.check_positions(consumed)?;
        if draft.is_empty() {
            let offsets = draft.offsets(|key| self.view.read().end(key)).0;
            let upto = self.plan_sync(0, durable);
            return Ok(Written { offsets, upto });
        }
        let reserve = match purpose {
            Purpose::Intake => self.options.reserve_bytes,
            Purpose::Output => self.options.reserve_bytes / 2,
        };
        let need = draft.len() as u64;
        writer.room.check(&self.folder, need, reserve)?;
        let now_ms = (self.options.clock)().max(writer.segment.created_ms);
        if self.must_roll(writer, need, now_ms)? {
            let rolled = self.roll(writer, now_ms);
            rolled.map_err(|error| writer.room.error(&error, reserve))?;
        }
        let synced = self.plan.lock().synced_len(writer.segment.number);
        let salt = writer.segment.salt;
        let sealed = draft.seal(salt, now_ms, synced, |key| self.view.read().end(key));
        let at = writer.segment.len();
        let written = writer.put(&sealed.bytes, at);
        if let Err(error) = written {
            // The file ends again where the last whole frame does, so the next call can be
            // written. If even that fails nobody may write after the torn bytes.
            writer.claimed = at;
            if let Err(error) = writer.file.set_len(at) {
                self.fail(&format!("a torn frame could not be cut off: {error}"));
            }
            return Err(writer.room.error(&error, reserve));
        }
        writer.room.written_since += need;
        writer.segment.len.store(at + need, Ordering::Release);
        let offsets = self.show(writer, at, sealed, consumed);
        let upto = self.plan_sync(need, durable);
        Ok(Written { offsets, upto })
    }

    fn check_positions(&self, consumed: &[Consumed]) -> Result<(), PortError> {
        let view = self.view.read();
        for one in consumed {
            let (name, source) = (one.consumer.name, &one.consumer.source);
            let found = view.heads.positions.get(&position_key(name, source));
            if found != one.expected.as_ref() {
                return Err(PortError::PositionMismatch {
                    what: format!("{name} on {source}"),
                    expected: one.expected.unwrap_or(0),
                    found: found.copied().unwrap_or(0),
                });
            }
        }
        Ok(())
    }

    /// Whether a frame belongs into a new segment.
    fn must_roll(&self, writer: &Writer, need: u64, now_ms: u64) -> Result<bool, PortError> {
        let segment = &writer.segment;
        let len = segment.len();
        let is_old = now_ms - segment.created_ms >= self.options.segment_ms;
        let is_long = len + need > self.options.segment_bytes;
        if len == segment.header_len || !(is_old || is_long) {
            return Ok(false);
        }
        // One segment at a time waits to become durable; until then this one grows.
        if self.plan.lock().left.is_none() {
            return Ok(true);
        }
        if len + need > SEGMENT_BYTES_MAX {
            return Err(PortError::Unavailable {
                port: PORT,
                detail: "the disk does not keep up".into(),
            });
        }
        Ok(false)
    }

    /// Leaves the segment and begins the next one, still under its first name.
    pub(crate) fn roll(&self, writer: &mut Writer, now_ms: u64) -> io::Result<()> {
        let header = SegmentHeader {
            number: writer.segment.number + 1,
            salt: random(),
            created_ms: now_ms,
            previous_len: writer.segment.len(),
            snapshot: self.view.read().heads.clone(),
        };
        let (segment, file) = create_segment(&self.folder, &header)?;
        let segment = Arc::new(segment);
        let mut view = self.view.write();
        let mut index = std::mem::take(&mut view.index);
        index.shrink();
        let left = Left {
            segment: std::mem::replace(&mut writer.segment, Arc::clone(&segment)),
            file: std::mem::replace(&mut writer.file, Arc::clone(&file)),
            index: Arc::new(index),
        };
        view.left = Some(left.clone());
        view.segments.push_back(Arc::clone(&segment));
        view.file = Arc::clone(&file);
        drop(view);
        writer.claimed = segment.len();
        self.plan.lock().roll(left, segment, file);
        // The syncer must not wait for a durable call: until it has been here the next segment
        // cannot be left.
        self.wake.notify_one();
        Ok(())
    }

    /// Makes a written call visible.
    fn show(&self, writer: &Writer, at: u64, sealed: Sealed, consumed: &[Consumed]) -> Vec<Offset> {
        let frame_len = sealed.bytes.len();
        let bytes = Bytes::from(sealed.bytes);
        let view = &mut *self.view.write();
        let keeps = view.tail.takes(frame_len);
        for (header, in_frame) in &sealed.chunks {
            let position = at + u64::from(*in_frame);
            let (key, base) = (header.key, header.base);
            let fits = view.index.push(key, base, header.count, position as u32);
            debug_assert!(fits, "segment {}: a gap in offsets", writer.segment.number);
            if keeps {
                let body = *in_frame as usize + CHUNK_HEADER;
                let chunk = Chunk {
                    base: header.base,
                    count: header.count,
                    body: bytes.slice(body..body + header.body_len as usize),
                };
                view.tail.push(header.key, chunk);
            } else {
                view.tail.clear(header.key);
            }
        }
        view.heads.ends.extend(sealed.ends);
        for one in consumed {
            let key = position_key(one.consumer.name, &one.consumer.source);
            view.heads.positions.insert(key, one.next);
        }
        if !sealed.chunks.is_empty() {
            self.changes.send_modify(|changes| changes.appends += 1);
        }
        sealed.offsets
    }

    /// Counts `bytes` more as written; answers all that are. `durable` asks for a sync.
    fn plan_sync(&self, bytes: u64, durable: bool) -> u64 {
        let mut plan = self.plan.lock();
        if plan.add(bytes, durable) {
            self.wake.notify_one();
        }
        plan.written
    }
}

impl Writer {
    fn put(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let end = at + bytes.len() as u64;
        if end > self.claimed {
            self.claim(end)?;
        }
        self.file.write_all_at(bytes, at)
    }

    /// Claims room up to `end` and a step beyond, or only up to `end` when that is all there is.
    fn claim(&mut self, end: u64) -> io::Result<()> {
        let from = self.claimed;
        for target in [end + CLAIM_BYTES, end] {
            match self.file.allocate(from, target - from) {
                Ok(()) => {
                    self.claimed = target;
                    return Ok(());
                }
                Err(error) if is_full(&error) && target > end => {}
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    self.claimed = u64::MAX;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Creates a segment under its first name. It is not durable yet.
pub(crate) fn create_segment(
    folder: &Folder,
    header: &SegmentHeader,
) -> io::Result<(Segment, Arc<dyn DiskFile>)> {
    let name = new_name(header.number);
    let bytes = header.encode();
    let len = bytes.len() as u64;
    let created = folder.disk.create(&folder.path(&name));
    let written = created.and_then(|file| file.write_all_at(&bytes, 0).map(|()| file));
    match written {
        Ok(file) => Ok((Segment::new(header, len, len), file)),
        Err(error) => {
            // A half-written one is ignored at the next opening; this only tidies up.
            let _ = folder.remove(&name);
            Err(error)
        }
    }
}

/// A number nobody can guess, for the salt of a segment.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
