//! A small map from dense numbers, made to be cleared and filled again for every answer.
//!
//! Open addressing over indexes into a list of entries: the index fits the first cache level
//! for the sizes of one answer, and entries come out in the order they went in, so that
//! nothing depends on hashing.

/// Maps `u32` to `V`, iterable in insertion order.
#[derive(Debug, Clone)]
pub(crate) struct DenseMap<V> {
    /// Index into `entries` plus 1; 0 where empty. A power of two long.
    slots: Vec<u32>,
    entries: Vec<(u32, V)>,
}

/// Slots of an empty map.
const SLOTS_MIN: usize = 64;

impl<V> Default for DenseMap<V> {
    fn default() -> Self {
        Self {
            slots: vec![0; SLOTS_MIN],
            entries: Vec::new(),
        }
    }
}

impl<V: Copy + Default> DenseMap<V> {
    /// Forgets everything, keeps the memory.
    pub(crate) fn clear(&mut self) {
        if !self.entries.is_empty() {
            self.slots.fill(0);
            self.entries.clear();
        }
    }

    /// Entries in insertion order.
    pub(crate) fn entries(&self) -> &[(u32, V)] {
        &self.entries
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: u32) -> Option<V> {
        let found = self.slots[self.slot(key)];
        (found != 0).then(|| self.entries[found as usize - 1].1)
    }

    /// The value under `key`, put there as the default when it was absent; and whether it was.
    pub(crate) fn entry(&mut self, key: u32) -> (&mut V, bool) {
        let mut slot = self.slot(key);
        let absent = self.slots[slot] == 0;
        if absent {
            if (self.entries.len() + 1) * 2 > self.slots.len() {
                self.grow();
                slot = self.slot(key);
            }
            self.entries.push((key, V::default()));
            self.slots[slot] = self.entries.len() as u32;
        }
        let at = self.slots[slot] as usize - 1;
        (&mut self.entries[at].1, absent)
    }

    /// The slot that holds `key`, or the empty one it belongs into.
    fn slot(&self, key: u32) -> usize {
        let mask = self.slots.len() - 1;
        // Fibonacci hashing: the high half of the product is well mixed.
        let mixed = u64::from(key).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let mut slot = mixed as usize & mask;
        loop {
            let found = self.slots[slot];
            if found == 0 || self.entries[found as usize - 1].0 == key {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let wider = self.slots.len() * 2;
        self.slots.clear();
        self.slots.resize(wider, 0);
        for at in 0..self.entries.len() {
            let slot = self.slot(self.entries[at].0);
            self.slots[slot] = at as u32 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// It is a map, also after it was cleared.
        #[test]
        fn it_is_a_map(keys in prop::collection::vec(0u32..500, 0..400)) {
            let mut map = DenseMap::<u32>::default();
            for _ in 0..2 {
                map.clear();
                let mut oracle = BTreeMap::new();
                for &key in &keys {
                    let (value, absent) = map.entry(key);
                    prop_assert_eq!(absent, !oracle.contains_key(&key));
                    *value += key;
                    *oracle.entry(key).or_insert(0) += key;
                }
                for key in 0..500 {
                    prop_assert_eq!(map.get(key), oracle.get(&key).copied());
                }
                prop_assert_eq!(map.entries().len(), oracle.len());
            }
        }
    }
}
