//! Where the records of a piece of a file begin and end.
//!
//! The law: where a record ends depends on the bytes from its beginning on and on nothing else,
//! so every way to read a file finds the same records.

use crate::{FileKind, LINE_BYTES_MAX};
use memchr::{memchr, memchr2};

/// The longest record and its line end. Whether a line is longer than a record can be is known
/// from so many bytes of it.
pub(crate) const DECISIVE_BYTES: usize = LINE_BYTES_MAX + 2;

/// One line, as indexes into the piece. It is empty when `start == end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its first byte.
    pub(crate) start: usize,
    /// Behind its last byte, without line end, at most [`LINE_BYTES_MAX`] behind `start`.
    pub(crate) end: usize,
    /// Where the next line begins.
    pub(crate) next: usize,
}

/// The lines of a piece that begins where a line does. Ends before a line whose end cannot be
/// told from the piece.
pub(crate) struct Lines<'a> {
    kind: FileKind,
    bytes: &'a [u8],
    /// Whether the file ends where the piece does.
    is_last: bool,
    next: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(kind: FileKind, bytes: &'a [u8], is_last: bool) -> Self {
        Self {
            kind,
            bytes,
            is_last,
            next: 0,
        }
    }

    /// Where the first line begins that was not answered.
    pub(crate) fn next_start(&self) -> usize {
        self.next
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    #[inline]
    fn next(&mut self) -> Option<Line> {
        let start = self.next;
        let rest = &self.bytes[start..];
        let ended = match self.kind {
            FileKind::Jsonl => memchr(b'\n', rest),
            FileKind::Csv => match csv_end(rest, self.is_last) {
                CsvEnd::At(newline) => Some(newline),
                CsvEnd::OfFile => None,
                CsvEnd::Unknown => return None,
            },
        };
        let (end, next) = match ended {
            Some(newline) => (start + newline, start + newline + 1),
            None if self.is_last && !rest.is_empty() => (self.bytes.len(), self.bytes.len()),
            None => return None,
        };
        self.next = next;
        let end = without_return(self.bytes, start, end).min(start + LINE_BYTES_MAX);
        Some(Line { start, end, next })
    }
}

/// The end of the line `start..end` without the carriage return before its line end.
fn without_return(bytes: &[u8], start: usize, end: usize) -> usize {
    end - usize::from(bytes[start..end].ends_with(b"\r"))
}

/// Where a CSV record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CsvEnd {
    /// At this newline.
    At(usize),
    /// Where the file does.
    OfFile,
    /// Behind the piece.
    Unknown,
}

/// Where the CSV record at the beginning of `rest` ends.
///
/// One forgotten quote must not swallow the file: a record that is longer than
/// [`LINE_BYTES_MAX`], or whose last quote is open where the file ends, ends at its first newline.
fn csv_end(rest: &[u8], is_last: bool) -> CsvEnd {
    let window = &rest[..rest.len().min(DECISIVE_BYTES)];
    let is_cut = rest.len() >= DECISIVE_BYTES;
    let fits = |end: usize| without_return(rest, 0, end) <= LINE_BYTES_MAX;
    match unquoted_newline(window) {
        Unquoted::At(newline) if fits(newline) => return CsvEnd::At(newline),
        Unquoted::None if is_last && fits(rest.len()) => return CsvEnd::OfFile,
        Unquoted::None | Unquoted::OpenQuote if !is_last && !is_cut => return CsvEnd::Unknown,
        _ => {}
    }
    match memchr(b'\n', rest) {
        Some(newline) => CsvEnd::At(newline),
        None if is_last => CsvEnd::OfFile,
        None => CsvEnd::Unknown,
    }
}

/// What looking for a newline outside of quotes came to.
enum Unquoted {
    At(usize),
    None,
    /// None, and the last quote is open.
    OpenQuote,
}

fn unquoted_newline(window: &[u8]) -> Unquoted {
    let mut at = 0;
    loop {
        let Some(found) = memchr2(b'"', b'\n', &window[at..]) else {
            return Unquoted::None;
        };
        let place = at + found;
        if window[place] == b'\n' {
            return Unquoted::At(place);
        }
        at = place + 1;
        let is_first_of_field = place == 0 || window[place - 1] == b',';
        if !is_first_of_field {
            continue;
        }
        // Two quotes are one that is quoted; a single one closes the field.
        loop {
            let Some(found) = memchr(b'"', &window[at..]) else {
                return Unquoted::OpenQuote;
            };
            at += found + 1;
            if window.get(at) != Some(&b'"') {
                break;
            }
            at += 1;
        }
    }
}
