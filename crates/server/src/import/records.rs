//! Cutting a byte stream into records: lines, or CSV records that may hold quoted line breaks.
//!
//! Cutting knows nothing of fields. It gives every record with its raw bytes and the position
//! after it, so that a bad one can be kept as it was and reading can go on at any position that
//! was given out.

use std::io::{self, BufRead};
use vitrina_types::limits::EVENT_BYTES_MAX;

/// What ends a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Every line break.
    Lines,
    /// Line breaks outside quoted fields.
    Csv,
}

/// One record of the stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its bytes without the line break; cut to [`EVENT_BYTES_MAX`] when it is too long.
    pub bytes: &'a [u8],
    /// Position in the uncompressed stream after it and its line break.
    pub next: u64,
    /// Whether it is longer than [`EVENT_BYTES_MAX`].
    pub too_long: bool,
}

/// Records of a stream, from a position on.
pub struct Records<R> {
    input: R,
    cut: Cut,
    position: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Records<R> {
    /// Records of `input`, whose first byte is at position 0.
    pub fn new(input: R, cut: Cut) -> Self {
        Self {
            input,
            cut,
            position: 0,
            buffer: Vec::with_capacity(1_024),
        }
    }

    /// The position of the next record.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Skips to `position`; stops early where the stream ends. Positions before the present one
    /// are left alone.
    ///
    /// # Errors
    /// Whatever reading fails with.
    pub fn skip_to(&mut self, position: u64) -> io::Result<()> {
        while self.position < position {
            let held = fill(&mut self.input)?.len();
            if held == 0 {
                break;
            }
            let wanted = usize::try_from(position - self.position).unwrap_or(usize::MAX);
            let step = held.min(wanted);
            self.input.consume(step);
            self.position += step as u64;
        }
        Ok(())
    }

    /// The next record that is not an empty line; `None` at the end.
    ///
    /// # Errors
    /// Whatever reading fails with: a damaged or cut-off compressed stream among others.
    pub fn next_record(&mut self) -> io::Result<Option<Record<'_>>> {
        loop {
            let Some(too_long) = self.read_one()? else {
                return Ok(None);
            };
            let end = trimmed(&self.buffer);
            if end > 0 {
                self.buffer.truncate(end.min(EVENT_BYTES_MAX));
                return Ok(Some(Record {
                    bytes: &self.buffer,
                    next: self.position,
                    too_long: too_long || end > EVENT_BYTES_MAX,
                }));
            }
        }
    }

    /// Reads one record into the buffer; answers whether it had to be cut.
    fn read_one(&mut self) -> io::Result<Option<bool>> {
        self.buffer.clear();
        let (mut quotes, mut too_long) = (Quotes::default(), false);
        loop {
            let seen = self.buffer.len();
            let ended = self.read_piece(&mut too_long)?;
            if self.buffer.is_empty() && ended == Ended::Stream && !too_long {
                return Ok(None);
            }
            if self.cut == Cut::Csv {
                quotes.read(&self.buffer[seen..]);
            }
            // A quote that never closes must not swallow the file: a record over the limit ends
            // with its line.
            if !quotes.open || too_long || ended == Ended::Stream {
                return Ok(Some(too_long));
            }
        }
    }

    /// Appends up to and with the next line break; beyond the limit bytes are read, not kept.
    fn read_piece(&mut self, too_long: &mut bool) -> io::Result<Ended> {
        loop {
            let held = fill(&mut self.input)?;
            if held.is_empty() {
                return Ok(Ended::Stream);
            }
            let found = held.iter().position(|&byte| byte == b'\n');
            let step = found.map_or(held.len(), |at| at + 1);
            let room = (EVENT_BYTES_MAX + 2).saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&held[..step.min(room)]);
            *too_long |= step > room;
            self.input.consume(step);
            self.position += step as u64;
            if found.is_some() {
                return Ok(Ended::Line);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Line,
    Stream,
}

/// Whether we are inside a quoted CSV field.
#[derive(Default)]
struct Quotes {
    open: bool,
}

impl Quotes {
    /// Reads a piece that ends with a line break. A quote opens a field only as its first byte,
    /// as RFC 4180 has it; elsewhere it is a letter like any other.
    fn read(&mut self, piece: &[u8]) {
        if !self.open && !piece.contains(&b'"') {
            return;
        }
        let (mut at_start, mut bytes) = (!self.open, piece.iter().copied().peekable());
        while let Some(byte) = bytes.next() {
            match byte {
                // A doubled quote inside is a letter; its twin is passed over here.
                b'"' if self.open => self.open = bytes.next_if_eq(&b'"').is_some(),
                b'"' if at_start => self.open = true,
                _ => {}
            }
            at_start = !self.open && byte == b',';
        }
    }
}

fn fill(input: &mut impl BufRead) -> io::Result<&[u8]> {
    // Asked twice because a borrow cannot leave the loop; the second call reads nothing.
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    input.fill_buf()
}

/// Length without the line break.
fn trimmed(bytes: &[u8]) -> usize {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(cut: Cut, input: &[u8]) -> Vec<(String, u64)> {
        let mut records = Records::new(io::BufReader::with_capacity(3, input), cut);
        let mut found = Vec::new();
        while let Some(record) = records.next_record().unwrap() {
            found.push((
                String::from_utf8_lossy(record.bytes).into_owned(),
                record.next,
            ));
        }
        found
    }

    #[test]
    fn cutting_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, Cut, &str, &[(&str, u64)])] = &[
            ("lines",             Cut::Lines, "a\nb\n",          &[("a", 2), ("b", 4)]),
            ("no last break",     Cut::Lines, "a\nb",            &[("a", 2), ("b", 3)]),
            ("windows",           Cut::Lines, "a\r\nb\r\n",      &[("a", 3), ("b", 6)]),
            ("empty lines",       Cut::Lines, "\n\na\n\n",       &[("a", 4)]),
            ("nothing",           Cut::Lines, "",                &[]),
            ("quotes in lines",   Cut::Lines, "\"a\nb\"",        &[("\"a", 3), ("b\"", 5)]),
            ("quoted break",      Cut::Csv,   "\"a\nb\",c\nd\n", &[("\"a\nb\",c", 8), ("d", 10)]),
            ("doubled quote",     Cut::Csv,   "\"a\"\"\nb\"\nd", &[("\"a\"\"\nb\"", 8), ("d", 9)]),
            ("quote inside",      Cut::Csv,   "a\"b\nc\n",       &[("a\"b", 4), ("c", 6)]),
            ("never closed",      Cut::Csv,   "\"a\nb\n",        &[("\"a\nb", 5)]),
        ];
        for (name, cut, input, want) in cases {
            let want: Vec<_> = want.iter().map(|(t, n)| ((*t).to_owned(), *n)).collect();
            assert_eq!(all(*cut, input.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn a_record_over_the_limit_is_cut_and_the_next_one_is_read() {
        let mut input = vec![b'x'; EVENT_BYTES_MAX * 3];
        input.extend_from_slice(b"\nnext\n");
        let mut records = Records::new(&input[..], Cut::Csv);
        let first = records.next_record().unwrap().unwrap();
        assert!(first.too_long && first.bytes.len() == EVENT_BYTES_MAX);
        assert_eq!(records.next_record().unwrap().unwrap().bytes, b"next");
    }

    #[test]
    fn an_open_quote_does_not_swallow_the_file() {
        let mut input = b"\"".to_vec();
        for _ in 0..EVENT_BYTES_MAX {
            input.extend_from_slice(b"a,b\n");
        }
        let found = all(Cut::Csv, &input);
        assert!(found.len() > EVENT_BYTES_MAX / 2, "{}", found.len());
    }

    proptest! {
        /// Reading can go on at every position that was given out.
        #[test]
        fn positions_are_places_to_go_on(
            input in prop::collection::vec(prop::sample::select(b"a,\"\n\r".to_vec()), 0..80),
        ) {
            for cut in [Cut::Lines, Cut::Csv] {
                let found = all(cut, &input);
                for (at, (_, next)) in found.iter().enumerate() {
                    let mut rest = Records::new(&input[..], cut);
                    rest.skip_to(*next).unwrap();
                    let record = rest.next_record().unwrap();
                    let got = record.map(|r| (String::from_utf8_lossy(r.bytes).into_owned(), r.next));
                    prop_assert_eq!(got.as_ref(), found.get(at + 1));
                }
            }
        }
    }
}
