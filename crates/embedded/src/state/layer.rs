//! Changed keys with their last value, in memory laid out for writing them.
//!
//! Keys and values lie in the order they came in a few large chunks, not in an allocation each: a
//! flush reads them as they lie, and forgets them by the chunk.

use super::fleeting::Fleeting;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;
use rustc_hash::FxHasher;
use std::hash::Hasher;

/// What a change costs beside its key and value, in the limit on memory.
const CHANGE_OVERHEAD_BYTES: usize = 48;
/// Bytes of the first chunk; each further one has twice as many, up to [`CHUNK_BYTES_MAX`].
const CHUNK_BYTES_MIN: usize = 4 * 1_024;
/// Bytes of a chunk, except for a change that has more on its own.
const CHUNK_BYTES_MAX: usize = 256 * 1_024;
/// Length of the value that is none: a deletion.
const DELETED: u32 = u32::MAX;

/// Bytes a change is counted with.
pub(super) fn cost(key: &str, value: Option<&[u8]>) -> usize {
    CHANGE_OVERHEAD_BYTES + key.len() + value.map_or(0, <[u8]>::len)
}

/// Where a change lies: its key, then its value.
#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    chunk: u32,
    at: u32,
    key_len: u32,
    /// [`DELETED`] where there is no value.
    value_len: u32,
    /// Bytes that a value may take here.
    room: u32,
}

impl Entry {
    fn value_bytes(&self) -> usize {
        match self.value_len {
            DELETED => 0,
            len => len as usize,
        }
    }

    fn cost(&self) -> usize {
        CHANGE_OVERHEAD_BYTES + self.key_len as usize + self.value_bytes()
    }
}

/// Changed keys, with their last value; `None` is a deletion. Hashed, because a key is changed many
/// times for each time that keys are asked for in their order.
#[derive(Debug, Default, Clone)]
pub(super) struct Layer {
    entries: HashTable<Entry>,
    chunks: Vec<Vec<u8>>,
    /// What the changes are counted with.
    bytes: usize,
    /// What their chunks hold, replaced values among them.
    held: usize,
}

impl Layer {
    /// Changes `key`; `None` deletes it. Amortised O(length).
    pub(super) fn insert(&mut self, key: &str, value: Option<&[u8]>) {
        let (key, hash) = (key.as_bytes(), hash_of(key.as_bytes()));
        let bytes = value.unwrap_or_default();
        let chunks = &self.chunks;
        let same = |entry: &Entry| entry.hash == hash && key_at(chunks, entry) == key;
        let place = self
            .entries
            .entry(spread(hash), same, |entry| spread(entry.hash));
        let chunks = &mut self.chunks;
        let mut append = || {
            self.held += key.len() + bytes.len();
            append(chunks, key, bytes, hash)
        };
        let entry = match place {
            Place::Vacant(free) => free.insert(append()).into_mut(),
            Place::Occupied(known) => {
                let entry = known.into_mut();
                self.bytes -= entry.cost();
                if bytes.len() > entry.room as usize {
                    *entry = append();
                } else {
                    let from = (entry.at + entry.key_len) as usize;
                    let room = &mut chunks[entry.chunk as usize][from..];
                    room[..bytes.len()].copy_from_slice(bytes);
                }
                entry
            }
        };
        entry.value_len = value.map_or(DELETED, |value| value.len() as u32);
        self.bytes += entry.cost();
    }

    /// The change of `key`: `None` where there is none, `Some(None)` where it was deleted.
    pub(super) fn find(&self, key: &str) -> Option<Option<&[u8]>> {
        if self.entries.is_empty() {
            return None;
        }
        let (key, hash) = (key.as_bytes(), hash_of(key.as_bytes()));
        let same = |entry: &Entry| entry.hash == hash && key_at(&self.chunks, entry) == key;
        let entry = self.entries.find(spread(hash), same)?;
        Some(self.value_at(entry))
    }

    /// Takes all changes of a newer layer.
    pub(super) fn take_newer(&mut self, newer: &Self) {
        for entry in &newer.entries {
            let key = String::from_utf8_lossy(key_at(&newer.chunks, entry));
            self.insert(&key, newer.value_at(entry));
        }
    }

    /// Leaves out what need not be written.
    pub(super) fn sift(&mut self, fleeting: &mut Fleeting) {
        let (bytes, chunks) = (&mut self.bytes, &self.chunks);
        self.entries.retain(|entry| {
            let stays = fleeting.takes(key_at(chunks, entry), entry.value_len == DELETED);
            if !stays {
                *bytes -= entry.cost();
            }
            stays
        });
    }

    /// What the changes are counted with.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The memory they take, with what was replaced since.
    pub(super) fn held_bytes(&self) -> usize {
        self.held + self.entries.len() * CHANGE_OVERHEAD_BYTES
    }

    /// Changed keys.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All changes in key order. O(n log n).
    pub(super) fn sorted(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.after(None)
    }

    /// Those with keys after `after`, in key order. O(n log n).
    pub(super) fn after(
        &self,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let after = after.map(str::as_bytes);
        // Most keys differ in their first bytes, which are compared without a look at the chunks.
        let heads = self.entries.iter().filter_map(|entry| {
            let key = key_at(&self.chunks, entry);
            let is_after = after.is_none_or(|after| key > after);
            is_after.then(|| (head_of(key), entry))
        });
        let mut found: Vec<(u128, &Entry)> = heads.collect();
        let key = |entry: &Entry| key_at(&self.chunks, entry);
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
        let pair = |(_, entry): (u128, &Entry)| (key_at(&self.chunks, entry), self.value_at(entry));
        found.into_iter().map(pair)
    }

    fn value_at(&self, entry: &Entry) -> Option<&[u8]> {
        if entry.value_len == DELETED {
            return None;
        }
        let from = (entry.at + entry.key_len) as usize;
        Some(&self.chunks[entry.chunk as usize][from..from + entry.value_len as usize])
    }
}

/// Puts key and value behind what is there.
fn append(chunks: &mut Vec<Vec<u8>>, key: &[u8], value: &[u8], hash: u32) -> Entry {
    let needed = key.len() + value.len();
    let has_room = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() >= needed;
    if !chunks.last().is_some_and(has_room) {
        let doubled = chunks
            .last()
            .map_or(CHUNK_BYTES_MIN, |last| last.capacity() * 2);
        let size = doubled.min(CHUNK_BYTES_MAX).max(needed);
        chunks.push(Vec::with_capacity(size));
    }
    let chunk = chunks.len() - 1;
    let last = &mut chunks[chunk];
    let at = last.len();
    last.extend_from_slice(key);
    last.extend_from_slice(value);
    Entry {
        hash,
        chunk: chunk as u32,
        at: at as u32,
        key_len: key.len() as u32,
        value_len: value.len() as u32,
        room: value.len() as u32,
    }
}

fn key_at<'a>(chunks: &'a [Vec<u8>], entry: &Entry) -> &'a [u8] {
    let from = entry.at as usize;
    &chunks[entry.chunk as usize][from..from + entry.key_len as usize]
}

/// The first bytes of a key as a number that orders as they do; keys that only differ behind them,
/// or in zeros, have the same.
fn head_of(key: &[u8]) -> u128 {
    match key.first_chunk() {
        Some(head) => u128::from_be_bytes(*head),
        None => {
            let mut head = [0; 16];
            head[..key.len()].copy_from_slice(key);
            u128::from_be_bytes(head)
        }
    }
}

fn hash_of(key: &[u8]) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(key);
    (hasher.finish() >> 32) as u32
}

/// The table takes its place from the low bits and its tag from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Twin = BTreeMap<String, Option<Vec<u8>>>;

    fn all(layer: &Layer, after: Option<&str>) -> Vec<(String, Option<Vec<u8>>)> {
        let pairs = layer.after(after);
        pairs
            .map(|(key, value)| {
                let key = String::from_utf8(key.to_vec()).unwrap();
                (key, value.map(<[u8]>::to_vec))
            })
            .collect()
    }

    fn changes() -> impl Strategy<Value = Vec<(String, Option<Vec<u8>>)>> {
        // Keys with a long common head, with zeros, and as prefixes of one another.
        let key = "[ab\\x00]{0,3}|common-head-of-keys/[a-c]{0,3}";
        let bytes = proptest::collection::vec(any::<u8>(), 0..9);
        let large = (0..3_u8).prop_map(|byte| vec![byte; 3_000]);
        let value = proptest::option::of(prop_oneof![9 => bytes, 1 => large]);
        proptest::collection::vec((key, value), 0..60)
    }

    proptest! {
        /// A layer is an ordered map.
        #[test]
        fn it_equals_an_ordered_map(
            older in changes(),
            newer in changes(),
            after in proptest::option::of("[ab\\x00]{0,2}|common-head-of-keys/b"),
        ) {
            let (mut layer, mut upper, mut twin) =
                (Layer::default(), Layer::default(), Twin::default());
            for (key, value) in &older {
                layer.insert(key, value.as_deref());
                twin.insert(key.clone(), value.clone());
            }
            for (key, value) in &newer {
                upper.insert(key, value.as_deref());
                twin.insert(key.clone(), value.clone());
            }
            layer.take_newer(&upper);
            let expected: Vec<_> = twin.clone().into_iter().collect();
            prop_assert_eq!(all(&layer, None), expected);
            let later = twin.iter().filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
            let later: Vec<_> = later.map(|(key, value)| (key.clone(), value.clone())).collect();
            prop_assert_eq!(all(&layer, after.as_deref()), later);
            for (key, value) in &twin {
                prop_assert_eq!(layer.find(key), Some(value.as_deref()));
            }
            prop_assert_eq!(layer.find("never"), None);
            prop_assert_eq!(layer.len(), twin.len());
            let costs = twin.iter().map(|(key, value)| cost(key, value.as_deref()));
            let counted: usize = costs.sum();
            prop_assert_eq!(layer.bytes(), counted);
            prop_assert!(layer.held_bytes() >= counted);
        }
    }

    #[test]
    fn a_value_that_fits_takes_no_more_memory() {
        let mut layer = Layer::default();
        layer.insert("k", Some(b"abcd"));
        let held = layer.held_bytes();
        for value in [Some(&b"wxyz"[..]), None, Some(b"q"), Some(b"abcd")] {
            layer.insert("k", value);
            assert_eq!((layer.find("k"), layer.held_bytes()), (Some(value), held));
        }
        layer.insert("k", Some(b"abcde"));
        assert_eq!(layer.held_bytes(), held + 6);
        assert_eq!(layer.bytes(), cost("k", Some(b"abcde")));
    }

    #[test]
    fn chunks_double_up_to_their_limit() {
        let mut layer = Layer::default();
        for number in 0..2_000 {
            layer.insert(&format!("key {number:04}"), Some(&[7; 500]));
        }
        layer.insert("large", Some(&vec![8; CHUNK_BYTES_MAX + 1]));
        let sizes: Vec<usize> = layer.chunks.iter().map(Vec::capacity).collect();
        assert_eq!(sizes[..3], [4_096, 8_192, 16_384]);
        let (last, others) = sizes.split_last().unwrap();
        assert_eq!(others.iter().max(), Some(&CHUNK_BYTES_MAX));
        assert_eq!(*last, CHUNK_BYTES_MAX + 1 + "large".len());
        assert_eq!(layer.find("key 1999"), Some(Some(&[7; 500][..])));
    }
}
