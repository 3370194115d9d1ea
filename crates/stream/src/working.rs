//! The decoded state a task holds in memory.

use rustc_hash::FxHashMap;

/// One key in memory. A key known to have no value is in memory too.
struct Slot<V> {
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
    slots: FxHashMap<Box<str>, Slot<V>>,
    /// Keys of dirty slots, in the order they became so.
    dirty: Vec<Box<str>>,
    /// Counts [`Self::take_changes`]; wraps, which costs an odd eviction in 2^32 rounds.
    round: u32,
}

impl<V, R: Default> Default for Working<V, R> {
    fn default() -> Self {
        Self {
            resident: R::default(),
            slots: FxHashMap::default(),
            dirty: Vec::new(),
            round: 0,
        }
    }
}

impl<V, R> Working<V, R> {
    /// The value of `key`; `None` where there is none.
    pub fn get(&self, key: &str) -> Option<&V> {
        debug_assert!(self.slots.contains_key(key), "key {key} was not named");
        self.slots.get(key).and_then(|slot| slot.value.as_ref())
    }

    /// The value of `key`, `None` where there is none, beside what is resident, to be changed.
    pub fn with_resident(&mut self, key: &str) -> (Option<&V>, &mut R) {
        debug_assert!(self.slots.contains_key(key), "key {key} was not named");
        let value = self.slots.get(key).and_then(|slot| slot.value.as_ref());
        (value, &mut self.resident)
    }

    /// The value of `key`, to be changed; made by `make` where there is none.
    pub fn entry(&mut self, key: &str, make: impl FnOnce() -> V) -> &mut V {
        self.changed(key).value.get_or_insert_with(make)
    }

    /// Sets the value of `key`.
    pub fn put(&mut self, key: &str, value: V) {
        self.changed(key).value = Some(value);
    }

    /// Removes the value of `key`.
    pub fn remove(&mut self, key: &str) {
        self.changed(key).value = None;
    }

    /// Keys in memory, with a value or without.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is in memory.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn changed(&mut self, key: &str) -> &mut Slot<V> {
        if !self.slots.contains_key(key) {
            debug_assert!(false, "key {key} was not named");
            self.load(key, None);
        }
        let Some(slot) = self.slots.get_mut(key) else {
            unreachable!("the key was found or put there just now");
        };
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(key.into());
        }
        slot
    }

    /// Whether `key` is in memory; marks it as in use.
    pub(crate) fn touch(&mut self, key: &str) -> bool {
        let round = self.round;
        let found = self.slots.get_mut(key);
        found.map(|slot| slot.used = round).is_some()
    }

    /// Takes a value read from the store; what is in memory already is newer and stays.
    pub(crate) fn load(&mut self, key: &str, value: Option<V>) {
        if !self.slots.contains_key(key) {
            let slot = Slot {
                value,
                dirty: false,
                used: self.round,
            };
            self.slots.insert(key.into(), slot);
        }
    }

    /// Hands each changed key and its value to `each`, in the order they changed first, and
    /// counts them as clean.
    pub(crate) fn take_changes(&mut self, mut each: impl FnMut(&str, Option<&V>)) {
        for key in std::mem::take(&mut self.dirty) {
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.dirty = false;
                slot.used = self.round;
                each(&key, slot.value.as_ref());
            }
        }
        self.round = self.round.wrapping_add(1);
    }

    /// Forgets clean keys, longest unused first, until at most `limit` are left where possible.
    /// Forgets an eighth more, so that the cost is spread over many rounds.
    pub(crate) fn evict(&mut self, limit: usize) {
        if self.slots.len() <= limit {
            return;
        }
        let surplus = self.slots.len() - (limit - limit / 8);
        let round = self.round;
        let clean = self.slots.values().filter(|slot| !slot.dirty);
        let mut ages: Vec<u32> = clean.map(|slot| round.wrapping_sub(slot.used)).collect();
        if ages.is_empty() {
            return;
        }
        let nth = surplus.min(ages.len()) - 1;
        let (_, &mut oldest_kept, _) = ages.select_nth_unstable_by(nth, |a, b| b.cmp(a));
        let mut left = surplus;
        self.slots.retain(|_, slot| {
            let old = round.wrapping_sub(slot.used) >= oldest_kept;
            let goes = left > 0 && !slot.dirty && old;
            left -= usize::from(goes);
            !goes
        });
    }
}
