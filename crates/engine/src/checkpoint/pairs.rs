//! The stored form of an object of a checkpoint: keys with their values, or that they are gone.
//!
//! ```text
//! "VTRC" 0x01                      what it is, and the version of the form
//! { key length     u32 LE          at least one pair
//!   key            UTF-8
//!   value length+1 u32 LE          0: the key is gone
//!   value }*
//! ```
//!
//! Pairs stand in key order. Whether all of them are there is told by the length and the sum in
//! the manifest, not by the object itself.

use bytes::Bytes;
use vitrina_ports::PortError;

/// What every object begins with; the last byte is the version.
const HEAD: [u8; 5] = *b"VTRC\x01";
/// Bytes of the two lengths of a pair.
const LENGTHS: usize = 8;

/// An object that is being written.
#[derive(Default)]
pub(super) struct PairsWriter {
    bytes: Vec<u8>,
    pairs: u64,
}

impl PairsWriter {
    /// Bytes that one more pair takes.
    pub(super) fn cost(key: &str, value: Option<&Bytes>) -> usize {
        LENGTHS + key.len() + value.map_or(0, Bytes::len)
    }

    /// Adds a pair; `None`: the key is gone.
    pub(super) fn push(&mut self, key: &str, value: Option<&Bytes>) {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(&HEAD);
        }
        // Keys and values are bounded by the port, far below 4 GiB.
        self.bytes
            .extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(key.as_bytes());
        let length = value.map_or(0, |value| value.len() as u32 + 1);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes
            .extend_from_slice(value.map_or(&[], |value| &value[..]));
        self.pairs += 1;
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no pair in it.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs == 0
    }

    /// What was written, and how many pairs; nothing is left.
    pub(super) fn take(&mut self) -> (Bytes, u64) {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        (bytes, std::mem::take(&mut self.pairs))
    }
}

/// The pairs of an object, in order.
///
/// # Errors
/// `Damaged`, naming `what`, when the bytes are no object of a version we know.
pub(super) fn read(what: &str, bytes: &Bytes) -> Result<Vec<(String, Option<Bytes>)>, PortError> {
    let damaged = || PortError::Damaged {
        what: what.to_owned(),
    };
    let mut rest = bytes.clone();
    if rest.len() < HEAD.len() || rest.split_to(HEAD.len())[..] != HEAD {
        return Err(damaged());
    }
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let key_length = length(&mut rest).ok_or_else(damaged)?;
        let key = piece(&mut rest, key_length).ok_or_else(damaged)?;
        let key = std::str::from_utf8(&key).map_err(|_| damaged())?.to_owned();
        let value = match length(&mut rest).ok_or_else(damaged)? {
            0 => None,
            more => Some(piece(&mut rest, more - 1).ok_or_else(damaged)?),
        };
        pairs.push((key, value));
    }
    Ok(pairs)
}

fn piece(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (rest.len() >= length).then(|| rest.split_to(length))
}

fn length(rest: &mut Bytes) -> Option<usize> {
    let bytes: [u8; 4] = piece(rest, 4)?[..].try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by hand after the form above: it must be read for ever.
    const FIXTURE: &[u8] = b"VTRC\x01\x01\0\0\0a\x03\0\0\0xy\x02\0\0\0bc\0\0\0\0";

    #[test]
    fn the_form_is_the_one_written_down() {
        let mut writer = PairsWriter::default();
        assert!(writer.is_empty());
        let value = Bytes::from_static(b"xy");
        writer.push("a", Some(&value));
        writer.push("bc", None);
        let (bytes, pairs) = writer.take();
        assert_eq!((&bytes[..], pairs), (FIXTURE, 2));
        assert_eq!(
            read("it", &bytes).unwrap(),
            [("a".to_owned(), Some(value)), ("bc".to_owned(), None)]
        );
    }

    #[test]
    fn cut_or_foreign_bytes_are_damaged() {
        for cut in (1..FIXTURE.len()).filter(|cut| ![5, 16].contains(cut)) {
            let bytes = Bytes::copy_from_slice(&FIXTURE[..cut]);
            assert!(read("it", &bytes).is_err(), "cut at {cut}");
        }
        let other = Bytes::from_static(b"VTRC\x02");
        assert!(read("it", &other).is_err(), "of a later version");
    }
}
