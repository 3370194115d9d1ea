//! Walking through the frames of a segment, checking all of them.

use crate::disk::DiskFile;
use crate::log::format::{FRAME_HEADER, FRAME_MAGIC, Frame, FrameHeader};
use std::io;

/// Bytes read at a time.
const WINDOW_BYTES: usize = 1_024 * 1_024;

/// Reads a file front to back through a window that grows to the longest frame.
pub(crate) struct Scan<'a> {
    file: &'a dyn DiskFile,
    len: u64,
    salt: u64,
    window: Vec<u8>,
    /// Where the window begins in the file.
    window_at: u64,
}

/// What a scan to the end of a file found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Whole frames, then the end of the file.
    Whole,
    /// Whole frames, then zeros: room that was claimed and not written.
    Zeros,
    /// Whole frames, then something a crash cut off.
    Torn,
    /// Damage below what was durable: no crash does that.
    Damaged,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, len: u64, salt: u64) -> Self {
        Self {
            file,
            len,
            salt,
            window: Vec::new(),
            window_at: 0,
        }
    }

    /// At most `len` bytes at `position`, fewer only at the end of the file.
    fn bytes(&mut self, position: u64, len: usize) -> io::Result<&[u8]> {
        let len = (self.len.saturating_sub(position)).min(len as u64) as usize;
        let window_end = self.window_at + self.window.len() as u64;
        if position < self.window_at || position + len as u64 > window_end {
            let rest = self.len.saturating_sub(position);
            let read = rest.min(len.max(WINDOW_BYTES) as u64) as usize;
            self.window.resize(read, 0);
            self.window_at = position;
            self.file.read_exact_at(&mut self.window, position)?;
        }
        let at = (position - self.window_at) as usize;
        Ok(&self.window[at..at + len])
    }

    /// The whole frame at `position` and its length; `None` when there is none.
    pub(crate) fn frame(&mut self, position: u64) -> io::Result<Option<(Frame, u64)>> {
        let salt = self.salt;
        let Some(header) = FrameHeader::decode(self.bytes(position, FRAME_HEADER)?) else {
            return Ok(None);
        };
        let len = header.frame_len();
        if position + len as u64 > self.len {
            return Ok(None);
        }
        let frame = Frame::decode(self.bytes(position, len)?, salt);
        Ok(frame.map(|frame| (frame, len as u64)))
    }

    /// Visits every whole frame from `position` on; answers where they end and how.
    pub(crate) fn run(
        &mut self,
        mut position: u64,
        mut visit: impl FnMut(u64, Frame) -> bool,
    ) -> io::Result<(u64, Ending)> {
        while position < self.len {
            let Some((frame, len)) = self.frame(position)? else {
                return Ok((position, self.ending(position)?));
            };
            if !visit(position, frame) {
                return Ok((position, Ending::Damaged));
            }
            position += len;
        }
        Ok((position, Ending::Whole))
    }

    /// What the bytes after the last whole frame are.
    fn ending(&mut self, end: u64) -> io::Result<Ending> {
        let mut at = end;
        let mut only_zeros = true;
        // Windows overlap by the magic's length, so that one across their border is found.
        while at < self.len {
            let window = self.bytes(at, WINDOW_BYTES)?;
            only_zeros &= window.iter().all(|&byte| byte == 0);
            let step = window.len();
            let found = window.windows(4).enumerate();
            let found = found.filter(|(_, bytes)| *bytes == FRAME_MAGIC);
            let found: Vec<u64> = found.map(|(i, _)| at + i as u64).collect();
            for candidate in found {
                let frame = self.frame(candidate)?;
                if frame.is_some_and(|(frame, _)| frame.synced > end) {
                    return Ok(Ending::Damaged);
                }
            }
            at += step.saturating_sub(3).max(1) as u64;
        }
        Ok(if only_zeros {
            Ending::Zeros
        } else {
            Ending::Torn
        })
    }
}
