//! The cells of one window, by key.
//!
//! Cells lie in the order they were made, found by an index of their keys' hashes; what is unsaved
//! and what waits to be told are lists of places, so neither is looked for.

use super::book::CellKey;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::collections::BTreeMap;
use std::hash::BuildHasher;

/// One cell.
pub(super) struct Slot<K, V> {
    pub(super) key: K,
    pub(super) value: V,
    /// Whether a stored form of it exists.
    pub(super) is_stored: bool,
    is_unsaved: bool,
    is_waiting: bool,
}

pub(super) struct Sheet<K, V> {
    /// By hash of the key: a key is kept once, beside its cell.
    index: FxHashMap<u64, u32>,
    /// Keys whose hash is that of another one.
    collided: BTreeMap<K, u32>,
    /// Cells there are.
    count: usize,
    /// `None` where a cell is gone. Places are not used again.
    slots: Vec<Option<Slot<K, V>>>,
    /// Places of cells that changed since they were saved; some may be gone.
    unsaved: Vec<u32>,
    /// Places of cells that changed since they were told; some may be gone.
    waiting: Vec<u32>,
    /// Cells that changed since they were told.
    waiting_count: usize,
    /// Whether `waiting` is in descending order of keys.
    is_waiting_sorted: bool,
    /// Places of all cells, in descending order of keys, where `is_whole`.
    order: Vec<u32>,
    is_whole: bool,
}

impl<K, V> Default for Sheet<K, V> {
    fn default() -> Self {
        Self {
            index: FxHashMap::default(),
            collided: BTreeMap::new(),
            count: 0,
            slots: Vec::new(),
            unsaved: Vec::new(),
            waiting: Vec::new(),
            waiting_count: 0,
            is_waiting_sorted: false,
            order: Vec::new(),
            is_whole: false,
        }
    }
}

impl<K: CellKey, V> Sheet<K, V> {
    /// The cell of `key`, to be changed; where there is none, one made by `make`, which also
    /// answers whether a stored form of it exists.
    #[inline]
    pub(super) fn cell(&mut self, key: &K, make: impl FnOnce() -> (V, bool)) -> &mut V {
        let hash = FxBuildHasher.hash_one(key);
        let place = match self.find(hash, key) {
            Some(place) => place,
            None => {
                let (value, is_stored) = make();
                self.push(hash, key.clone(), value, is_stored)
            }
        };
        let Some(slot) = self.slots[place as usize].as_mut() else {
            unreachable!("the index names no cell that is gone");
        };
        if !slot.is_unsaved {
            slot.is_unsaved = true;
            self.unsaved.push(place);
        }
        if !slot.is_waiting {
            slot.is_waiting = true;
            self.waiting.push(place);
            self.waiting_count += 1;
            self.is_waiting_sorted = false;
        }
        &mut slot.value
    }

    /// Takes a stored cell.
    pub(super) fn load(&mut self, key: K, value: V, is_waiting: bool) {
        let place = self.push(FxBuildHasher.hash_one(&key), key, value, true);
        if let (true, Some(slot)) = (is_waiting, &mut self.slots[place as usize]) {
            slot.is_waiting = true;
            self.waiting.push(place);
            self.waiting_count += 1;
            self.is_waiting_sorted = false;
        }
    }

    #[inline]
    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        let &place = self.index.get(&hash)?;
        match &self.slots[place as usize] {
            Some(slot) if slot.key == *key => Some(place),
            _ => self.collided.get(key).copied(),
        }
    }

    fn push(&mut self, hash: u64, key: K, value: V, is_stored: bool) -> u32 {
        let place = self.slots.len() as u32;
        self.is_whole = false;
        self.count += 1;
        if *self.index.entry(hash).or_insert(place) != place {
            self.collided.insert(key.clone(), place);
        }
        self.slots.push(Some(Slot {
            key,
            value,
            is_stored,
            is_unsaved: false,
            is_waiting: false,
        }));
        place
    }

    /// How many cells wait to be told.
    pub(super) fn waiting(&self) -> usize {
        self.waiting_count
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    fn put_in_order(&mut self) {
        if !self.is_whole {
            let places = (0u32..).zip(&self.slots);
            let held = places.filter(|(_, slot)| slot.is_some());
            self.order.clear();
            self.order.extend(held.map(|(place, _)| place));
            sort_descending(&mut self.order, &self.slots);
            self.is_whole = true;
        }
    }

    /// Removes the first cell by key.
    pub(super) fn take_first(&mut self) -> Option<Slot<K, V>> {
        self.put_in_order();
        let place = self.order.pop()?;
        let slot = self.slots[place as usize].take()?;
        let hash = FxBuildHasher.hash_one(&slot.key);
        if self.index.get(&hash) == Some(&place) {
            self.index.remove(&hash);
            // Whoever had the same hash is found only through it.
            self.promote(hash);
        } else {
            self.collided.remove(&slot.key);
        }
        self.count -= 1;
        self.waiting_count -= usize::from(slot.is_waiting);
        Some(slot)
    }

    fn promote(&mut self, hash: u64) {
        let same = |key: &&K| FxBuildHasher.hash_one(*key) == hash;
        if let Some(key) = self.collided.keys().find(same).cloned()
            && let Some(place) = self.collided.remove(&key)
        {
            self.index.insert(hash, place);
        }
    }

    /// Removes all cells, in order of their keys; memory is kept.
    pub(super) fn take_all(&mut self, mut each: impl FnMut(Slot<K, V>)) {
        self.put_in_order();
        while let Some(place) = self.order.pop() {
            if let Some(slot) = self.slots[place as usize].take() {
                each(slot);
            }
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.index.clear();
        self.collided.clear();
        self.slots.clear();
        self.unsaved.clear();
        self.waiting.clear();
        (self.count, self.waiting_count) = (0, 0);
        (self.is_waiting_sorted, self.is_whole) = (false, false);
    }

    /// The first cell by key that waits to be told, and waits no more.
    pub(super) fn tell_waiting(&mut self) -> Option<(&K, &mut V)> {
        if !self.is_waiting_sorted {
            sort_descending(&mut self.waiting, &self.slots);
            self.is_waiting_sorted = true;
        }
        let place = loop {
            let place = self.waiting.pop()?;
            if self.slots[place as usize].is_some() {
                break place;
            }
        };
        let slot = self.slots[place as usize].as_mut()?;
        slot.is_waiting = false;
        self.waiting_count -= 1;
        if !slot.is_unsaved {
            slot.is_unsaved = true;
            self.unsaved.push(place);
        }
        Some((&slot.key, &mut slot.value))
    }

    /// Whether there may be something to save.
    pub(super) fn is_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Hands out what changed since the last call, in the order it changed first.
    pub(super) fn take_unsaved(&mut self, mut each: impl FnMut(&K, &V)) {
        for place in self.unsaved.drain(..) {
            if let Some(Some(slot)) = self.slots.get_mut(place as usize) {
                slot.is_unsaved = false;
                slot.is_stored = true;
                each(&slot.key, &slot.value);
            }
        }
    }
}

/// Sorts places by key, the last first. Most keys differ in what their prefixes say, so few are
/// looked at twice.
fn sort_descending<K: CellKey, V>(places: &mut [u32], slots: &[Option<Slot<K, V>>]) {
    let key = |place: u32| slots[place as usize].as_ref().map(|slot| &slot.key);
    let prefixed = |place: &u32| (key(*place).map_or(0, CellKey::prefix), *place);
    let mut sorted: Vec<(u64, u32)> = places.iter().map(prefixed).collect();
    sorted.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| key(b.1).cmp(&key(a.1))));
    for (place, (_, now)) in places.iter_mut().zip(sorted) {
        *place = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::{Hash, Hasher};

    /// A key of which many have one hash.
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    struct Alike(u8);

    impl Hash for Alike {
        fn hash<H: Hasher>(&self, state: &mut H) {
            (self.0 % 2).hash(state);
        }
    }

    impl CellKey for Alike {
        const PREFIX: &'static str = "";

        fn write(&self, _text: &mut String) {}

        fn read(_text: &str) -> Option<Self> {
            None
        }

        fn prefix(&self) -> u64 {
            u64::from(self.0 / 4)
        }
    }

    proptest! {
        /// A sheet is a sorted map, also where all keys have one hash.
        #[test]
        fn a_sheet_is_a_map(steps in prop::collection::vec((0u8..12, 0u8..6), 1..80)) {
            let mut sheet = Sheet::<Alike, u32>::default();
            let mut cells = BTreeMap::<Alike, u32>::new();
            let mut waiting = BTreeMap::<Alike, u32>::new();
            for (key, step) in steps {
                match step {
                    0 => {
                        let first = sheet.take_first().map(|slot| (slot.key, slot.value));
                        let want = cells.pop_first();
                        waiting.retain(|key, _| cells.contains_key(key));
                        prop_assert_eq!(first, want);
                    }
                    1 => {
                        let told = sheet.tell_waiting().map(|(key, value)| (key.clone(), *value));
                        prop_assert_eq!(told, waiting.pop_first());
                    }
                    _ => {
                        let key = Alike(key);
                        *sheet.cell(&key, || (0, false)) += 1;
                        *cells.entry(key.clone()).or_default() += 1;
                        waiting.insert(key.clone(), cells[&key]);
                    }
                }
                prop_assert_eq!((sheet.len(), sheet.waiting()), (cells.len(), waiting.len()));
            }
            let mut all = Vec::new();
            sheet.take_all(|slot| all.push((slot.key, slot.value)));
            prop_assert!(all.into_iter().eq(cells));
        }
    }
}
