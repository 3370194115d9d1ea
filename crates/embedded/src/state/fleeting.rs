//! Which resident keys are stored.
//!
//! Most of them come and go between two flushes. A deletion of what was never written need not be
//! written either; under load that is a third of all keys of a flush.

use rustc_hash::FxHashSet;
use vitrina_types::state::RESIDENT_PREFIX;
use xxhash_rust::xxh3::xxh3_128;

/// Resident keys of one partition that are in the database or on their way to it, as 128-bit
/// hashes: 16 bytes each, of what is open. Two of a million keys have one hash once in 10^26
/// times.
#[derive(Debug, Default)]
pub(super) struct Fleeting(FxHashSet<u128>);

impl Fleeting {
    /// Notes a key that is in the database.
    pub(super) fn note(&mut self, key: &[u8]) {
        if key.starts_with(RESIDENT_PREFIX.as_bytes()) {
            self.0.insert(xxh3_128(key));
        }
    }

    /// Takes a change that is about to be written; answers whether it has to be.
    pub(super) fn takes(&mut self, key: &[u8], is_deleted: bool) -> bool {
        if !key.starts_with(RESIDENT_PREFIX.as_bytes()) {
            return true;
        }
        let hash = xxh3_128(key);
        if is_deleted {
            return self.0.remove(&hash);
        }
        self.0.insert(hash);
        true
    }
}
