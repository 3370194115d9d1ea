//! The decoded state a task holds in memory.

use crate::slab::{Place, Slab};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::sync::Arc;

/// One key in memory. A key known to have no value is in memory too.
struct Slot<V> {
    key: Arc<str>,
    value: Option<V>,
    dirty: bool,
    /// The round in which the key was last named or changed.
    used: u32,
}

/// Decoded hot state of one task. Holds a subset of the stored keys, and what changed since it
/// was last taken.
pub struct Working<V, R = ()> {
    /// What the task keeps in memory as a whole.
    pub resident: R,
    index: FxHashMap<Arc<str>, Place>,
    slots: Slab<Slot<V>>,
    /// Places of dirty slots, in the order they became so.
    dirty: Vec<Place>,
    /// Counts [`Self::take_changes`]; wraps, which costs an odd eviction in 2^32 rounds.
    round: u32,
}

impl<V, R: Default> Default for Working<V, R> {
    fn default() -> Self {
        Self {
            resident: R::default(),
            index: FxHashMap::default(),
            slots: Slab::default(),
            dirty: Vec::new(),
            round: 0,
        }
    }
}

impl<V, R> Working<V, R> {
    /// The value of `key`; `None` where there is none.
    pub fn get(&self, key: &str) -> Option<&V> {
        debug_assert!(self.index.contains_key(key), "key {key} was not named");
        self.index.get(key).and_then(|place| self.at(*place))
    }

    /// The value of `key`, `None` where there is none, beside what is resident, to be changed.
    pub fn with_resident(&mut self, key: &str) -> (Option<&V>, &mut R) {
        debug_assert!(self.index.contains_key(key), "key {key} was not named");
        let slot = self.index.get(key).and_then(|place| self.slots.get(*place));
        let value = slot.and_then(|slot| slot.value.as_ref());
        (value, &mut self.resident)
    }

    /// The value of `key`, to be changed; made by `make` where there is none.
    pub fn entry(&mut self, key: &str, make: impl FnOnce() -> V) -> &mut V {
        let place = self.place(key);
        self.entry_at(place, make)
    }

    /// Sets the value of `key`.
    pub fn put(&mut self, key: &str, value: V) {
        let place = self.place(key);
        self.changed(place).value = Some(value);
    }

    /// Sets the value of a key that never had one: it need not have been named.
    pub fn put_new(&mut self, key: &str, value: V) {
        // A record that is read before the one that leads to it is applied may have named it.
        self.load(key, None);
        let place = self.place(key);
        debug_assert!(self.at(place).is_none(), "key {key} is not new");
        self.changed(place).value = Some(value);
    }

    /// Removes the value of `key`.
    pub fn remove(&mut self, key: &str) {
        let place = self.place(key);
        self.changed(place).value = None;
    }

    /// Keys in memory, with a value or without.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is in memory.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Where `key` lies, for those who look at it more than once for one record.
    pub(crate) fn place(&mut self, key: &str) -> Place {
        match self.index.get(key) {
            Some(place) => *place,
            None => {
                debug_assert!(false, "key {key} was not named");
                self.insert(key, None)
            }
        }
    }

    /// The value at a place; `None` where there is none.
    pub(crate) fn at(&self, place: Place) -> Option<&V> {
        self.slots.get(place)?.value.as_ref()
    }

    /// The value at a place, to be changed; made by `make` where there is none.
    pub(crate) fn entry_at(&mut self, place: Place, make: impl FnOnce() -> V) -> &mut V {
        self.changed(place).value.get_or_insert_with(make)
    }

    fn changed(&mut self, place: Place) -> &mut Slot<V> {
        let Some(slot) = self.slots.get_mut(place) else {
            unreachable!("no key is forgotten while a record is applied");
        };
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(place);
        }
        slot
    }

    /// Whether `key` is in memory; marks it as in use.
    pub(crate) fn touch(&mut self, key: &str) -> bool {
        let Some(place) = self.index.get(key) else {
            return false;
        };
        if let Some(slot) = self.slots.get_mut(*place) {
            slot.used = self.round;
        }
        true
    }

    /// Takes a value read from the store; what is in memory already is newer and stays.
    pub(crate) fn load(&mut self, key: &str, value: Option<V>) {
        if !self.index.contains_key(key) {
            self.insert(key, value);
        }
    }

    fn insert(&mut self, key: &str, value: Option<V>) -> Place {
        let key: Arc<str> = key.into();
        let slot = Slot {
            key: Arc::clone(&key),
            value,
            dirty: false,
            used: self.round,
        };
        let place = self.slots.put(slot);
        self.index.insert(key, place);
        place
    }

    /// Hands each changed key and its value to `each`, in the order they changed first, and
    /// counts them as clean.
    pub(crate) fn take_changes(&mut self, mut each: impl FnMut(&str, Option<&V>)) {
        for place in self.dirty.drain(..) {
            if let Some(slot) = self.slots.get_mut(place) {
                slot.dirty = false;
                slot.used = self.round;
                each(&slot.key, slot.value.as_ref());
            }
        }
        self.round = self.round.wrapping_add(1);
    }

    /// Forgets clean keys, longest unused first, until at most `limit` are left where possible.
    /// Forgets an eighth more, so that the cost is spread over many rounds.
    pub(crate) fn evict(&mut self, limit: usize) {
        if self.len() <= limit {
            return;
        }
        let surplus = self.len() - (limit - limit / 8);
        let round = self.round;
        let clean = self.slots.iter().filter(|(_, slot)| !slot.dirty);
        let mut ages: Vec<(u32, Place)> = clean
            .map(|(place, slot)| (round.wrapping_sub(slot.used), place))
            .collect();
        let gone = surplus.min(ages.len());
        if gone > 0 && gone < ages.len() {
            ages.select_nth_unstable_by_key(gone - 1, |&(age, place)| (Reverse(age), place));
        }
        for (_, place) in ages.drain(..gone) {
            if let Some(gone) = self.slots.take(place) {
                self.index.remove(&gone.key);
            }
        }
    }
}
