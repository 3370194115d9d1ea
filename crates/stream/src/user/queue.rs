//! What is to be looked at when, first what is first.
//!
//! Entries of the nearest second lie in a small heap, those of later ones unsorted by second: so
//! that neither putting one in nor taking one out walks through memory that was long not used.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use vitrina_types::time::EventTime;

/// Milliseconds of a stretch, as a power of two.
const STRETCH_BITS: u32 = 10;

/// Entries by moment; of one moment, by themselves.
pub(super) struct Queue<T> {
    near: BinaryHeap<Reverse<(EventTime, T)>>,
    far: BTreeMap<i64, Vec<(EventTime, T)>>,
    /// Stretches before this one are in `near`.
    reach: i64,
}

impl<T: Ord> Default for Queue<T> {
    fn default() -> Self {
        Self {
            near: BinaryHeap::new(),
            far: BTreeMap::new(),
            reach: i64::MIN,
        }
    }
}

impl<T: Ord> Queue<T> {
    /// Puts an entry in.
    pub(super) fn push(&mut self, at: EventTime, entry: T) {
        let stretch = at.0 >> STRETCH_BITS;
        if stretch < self.reach {
            self.near.push(Reverse((at, entry)));
        } else {
            self.far.entry(stretch).or_default().push((at, entry));
        }
    }

    /// Takes the first entry out, where its moment is passed. O(1) where it is not.
    pub(super) fn pop(&mut self, passed: impl Fn(EventTime) -> bool) -> Option<(EventTime, T)> {
        if self.near.is_empty() {
            let (&stretch, _) = self.far.first_key_value()?;
            if !passed(EventTime(stretch << STRETCH_BITS)) {
                return None;
            }
            let (_, entries) = self.far.pop_first()?;
            self.reach = stretch + 1;
            self.near.extend(entries.into_iter().map(Reverse));
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

    /// What comes out is what a sorted list would give, whatever goes in meanwhile.
    #[test]
    fn first_comes_first() {
        let mut queue = Queue::default();
        let mut sorted: Vec<(i64, u64)> = Vec::new();
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for now in (-50_000..50_000).step_by(37) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = now + (seed >> 51) as i64 - 2_000;
            queue.push(EventTime(at), seed);
            sorted.push((at, seed));
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            while let Some((at, entry)) = queue.pop(|at| at.0 <= now) {
                assert_eq!(sorted.pop(), Some((at.0, entry)));
            }
            assert!(sorted.last().is_none_or(|first| first.0 > now));
        }
        assert!(!sorted.is_empty());
    }
}
