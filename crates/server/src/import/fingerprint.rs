//! The identity of a file: a hash of its bytes as they lie on disk.
//!
//! Its name and its age do not matter: a copy of a file is the same file.

use std::fmt::{self, Write as _};
use std::io::{self, Read};
use vitrina_types::event::EventDraft;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64_with_seed};

/// Hash of a whole file, still compressed if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// Reads everything and hashes it.
    ///
    /// # Errors
    /// Whatever reading fails with.
    pub fn of(mut input: impl Read) -> io::Result<Self> {
        let mut hasher = Xxh3Default::new();
        let mut buffer = vec![0; 256 * 1_024];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return Ok(Self(hasher.digest128())),
                Ok(got) => hasher.update(&buffer[..got]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The event id of the row that ends at `next`: the same for the same file, so that the
    /// dedupe of the stream catches what the import position does not.
    pub fn event_id(self, next: u64) -> String {
        let folded = (self.0 as u64) ^ ((self.0 >> 64) as u64);
        let mut id = String::with_capacity(16);
        // Writing to a String cannot fail.
        let _ = write!(
            id,
            "{:016x}",
            xxh3_64_with_seed(&next.to_le_bytes(), folded)
        );
        id
    }

    /// Gives `draft` the id of its row, unless the shop gave it one.
    pub fn name_event(self, draft: &mut EventDraft, next: u64) {
        if draft.event_id.is_none() {
            draft.event_id = Some(self.event_id(next));
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_have_the_same_name() {
        let name = |bytes: &[u8]| Fingerprint::of(bytes).unwrap().to_string();
        assert_eq!(name(b"a,b\n"), name(b"a,b\n"));
        assert_ne!(name(b"a,b\n"), name(b"a,c\n"));
        assert_eq!(name(b"").len(), 32);
    }

    #[test]
    fn an_event_id_follows_file_and_position() {
        let (one, other) = (
            Fingerprint::of(&b"1"[..]).unwrap(),
            Fingerprint::of(&b"2"[..]).unwrap(),
        );
        assert_eq!(one.event_id(7), one.event_id(7));
        assert_ne!(one.event_id(7), one.event_id(8));
        assert_ne!(one.event_id(7), other.event_id(7));
        assert_eq!(one.event_id(7).len(), 16);
    }
}
