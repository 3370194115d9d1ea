//! What is to be looked at when, first what is first.
//!
//! Few entries lie in one heap. Of many those of the nearest second do, and those of later ones
//! unsorted by second: so that neither putting one in nor taking one out walks through memory that
//! was long not used.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use vitrina_types::time::EventTime;

/// Milliseconds of a stretch, as a power of two.
const STRETCH_BITS: u32 = 10;

/// Entries that are few: a heap of so many stays in the nearest cache.
const FEW_MAX: usize = 1_024;

/// Emptied lists kept for the next stretch.
const SPARE_MAX: usize = 64;

/// Entries by moment; of one moment, by themselves.
pub(super) struct Queue<T> {
    near: BinaryHeap<Reverse<(EventTime, T)>>,
    far: BTreeMap<i64, Vec<(EventTime, T)>>,
    /// Stretches before this one are in `near`.
    reach: i64,
    spare: Vec<Vec<(EventTime, T)>>,
}

impl<T: Ord> Default for Queue<T> {
    fn default() -> Self {
        Self {
            near: BinaryHeap::new(),
            far: BTreeMap::new(),
            reach: i64::MIN,
            spare: Vec::new(),
        }
    }
}

impl<T: Ord> Queue<T> {
    /// Puts an entry in.
    pub(super) fn push(&mut self, at: EventTime, entry: T) {
        let stretch = at.0 >> STRETCH_BITS;
        if self.far.is_empty() && self.near.len() < FEW_MAX {
            self.reach = self.reach.max(stretch + 1);
        }
        if stretch < self.reach {
            self.near.push(Reverse((at, entry)));
        } else {
            let make = || self.spare.pop().unwrap_or_default();
            let entries = self.far.entry(stretch).or_insert_with(make);
            entries.push((at, entry));
        }
    }

    /// Takes the first entry out, where its moment is passed. O(1) where it is not.
    pub(super) fn pop(&mut self, passed: impl Fn(EventTime) -> bool) -> Option<(EventTime, T)> {
        if self.near.is_empty() {
            let (&stretch, _) = self.far.first_key_value()?;
            if !passed(EventTime(stretch << STRETCH_BITS)) {
                return None;
            }
            let (_, mut entries) = self.far.pop_first()?;
            self.reach = stretch + 1;
            self.near.extend(entries.drain(..).map(Reverse));
            if self.spare.len() < SPARE_MAX {
                self.spare.push(entries);
            }
        }
        let Reverse((at, _)) = self.near.peek()?;
        if !passed(*at) {
            return None;
        }
        self.near.pop().map(|Reverse(first)| first)
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;
    use vitrina_types::time::EventTime;

    /// What comes out is what a sorted list would give, whatever goes in meanwhile: while there are
    /// few, many, and few again.
    #[test]
    fn first_comes_first() {
        let mut queue = Queue::default();
        let (mut few, mut many) = (0, 0);
        let mut sorted: Vec<(i64, u64)> = Vec::new();
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for now in (-400_000..400_000).step_by(37) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let spread = if now < 0 { 30 } else { 1 };
            let at = now + ((seed >> 51) as i64 - 2_000) * spread;
            queue.push(EventTime(at), seed);
            if queue.far.is_empty() {
                few += 1;
            } else {
                many += 1;
            }
            let place = sorted.partition_point(|later| *later > (at, seed));
            sorted.insert(place, (at, seed));
            while let Some((at, entry)) = queue.pop(|at| at.0 <= now) {
                assert_eq!(sorted.pop(), Some((at.0, entry)));
            }
            assert!(sorted.last().is_none_or(|first| first.0 > now));
        }
        assert!(!sorted.is_empty());
        assert!(few > 1_000 && many > 1_000, "{few} few, {many} many");
    }
}
