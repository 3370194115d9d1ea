//! The best of many by a number, kept while the numbers change.
//!
//! Only the best [`RANKED_MAX`] are held, sorted. The law: every member that is not held ranks
//! after every one that is. Interest only grows between rebuilds, so most changes are a short
//! move near the place where they were, or one comparison with the last one held. Members that
//! leave make the list shorter; when it falls under [`RANKED_MIN`] the owner has to
//! [`Ranking::rebuild`] it from all members.

use vitrina_types::id::ProductIx;

/// Products held by one ranking.
pub const RANKED_MAX: usize = 500;
/// Fewer held than this, though there are more members, asks for a rebuild.
const RANKED_MIN: usize = 250;

/// A sortable key: better ranks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RankKey(u64);

impl RankKey {
    /// Larger is better. Total: negative infinity is the worst.
    pub(crate) fn of_f64(value: f64) -> Self {
        let bits = value.to_bits();
        let ordered = if bits >> 63 == 1 {
            !bits
        } else {
            bits | 1 << 63
        };
        Self(!ordered)
    }

    /// Larger is better.
    pub(crate) fn of_i64(value: i64) -> Self {
        Self(!((value as u64) ^ (1 << 63)))
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranking {
    /// Best first; ties by the smaller number.
    best: Vec<(RankKey, ProductIx)>,
    members: usize,
}

impl Ranking {
    /// How many products take part, held or not.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    /// The products held, best first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = ProductIx> + '_ {
        self.best.iter().map(|entry| entry.1)
    }

    /// Whether every member is held.
    pub(crate) fn is_complete(&self) -> bool {
        self.best.len() == self.members
    }

    pub(crate) fn needs_rebuild(&self) -> bool {
        self.best.len() < RANKED_MIN && !self.is_complete()
    }

    /// A new member.
    pub(crate) fn insert(&mut self, key: RankKey, ix: ProductIx) {
        let complete = self.is_complete();
        self.members += 1;
        self.place((key, ix), complete);
    }

    /// A member leaves; `key` is what it had.
    pub(crate) fn remove(&mut self, key: RankKey, ix: ProductIx) {
        self.members -= 1;
        if let Ok(at) = self.best.binary_search(&(key, ix)) {
            self.best.remove(at);
        }
    }

    /// A member's key changes.
    pub(crate) fn update(&mut self, old: RankKey, new: RankKey, ix: ProductIx) {
        let complete = self.is_complete();
        let Ok(from) = self.best.binary_search(&(old, ix)) else {
            self.place((new, ix), false);
            return;
        };
        let entry = (new, ix);
        let to = self.best.partition_point(|held| *held < entry);
        if to > from {
            // Behind all held, some member that is not held may be better: then it is held no more.
            if to == self.best.len() && !complete {
                self.best.remove(from);
                return;
            }
            self.best.copy_within(from + 1..to, from);
            self.best[to - 1] = entry;
        } else {
            self.best.copy_within(to..from, to + 1);
            self.best[to] = entry;
        }
    }

    /// Starts anew from all members.
    pub(crate) fn rebuild(&mut self, members: impl Iterator<Item = (RankKey, ProductIx)>) {
        self.best.clear();
        self.best.extend(members);
        self.members = self.best.len();
        if self.best.len() > RANKED_MAX {
            self.best.select_nth_unstable(RANKED_MAX - 1);
            self.best.truncate(RANKED_MAX);
            self.best.shrink_to(RANKED_MAX + 1);
        }
        self.best.sort_unstable();
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.best.capacity() * size_of::<(RankKey, ProductIx)>()
    }

    fn place(&mut self, entry: (RankKey, ProductIx), complete: bool) {
        let beats_last = self.best.last().is_some_and(|last| entry < *last);
        let has_room = complete && self.best.len() < RANKED_MAX;
        if !(beats_last || has_room) {
            return;
        }
        let to = self.best.partition_point(|held| *held < entry);
        if self.best.len() == RANKED_MAX {
            self.best.pop();
        }
        self.best.insert(to, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_like_their_values() {
        let values = [f64::NEG_INFINITY, -2.5, -0.0, 0.0, 1e-9, 3.0, f64::INFINITY];
        for pair in values.windows(2) {
            assert!(
                RankKey::of_f64(pair[0]) >= RankKey::of_f64(pair[1]),
                "{pair:?}"
            );
        }
        for pair in [i64::MIN, -1, 0, 1, i64::MAX].windows(2) {
            assert!(
                RankKey::of_i64(pair[0]) > RankKey::of_i64(pair[1]),
                "{pair:?}"
            );
        }
    }
}
