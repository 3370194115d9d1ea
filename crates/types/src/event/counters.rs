//! Events counted by kind.
//!
//! Stored as a list with its length, so that a new kind of event changes no stored form: what a
//! list is too short for was never counted.

use super::{Kind, KindTag};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How often each kind of event happened. Counts stop at the largest number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters([u64; Kind::COUNT]);

impl Counters {
    /// Counts `count` more.
    pub fn add(&mut self, tag: KindTag, count: u64) {
        if let Some(slot) = self.0.get_mut(usize::from(tag.0)) {
            *slot = slot.saturating_add(count);
        }
    }

    /// How often the kind called `name` happened; 0 for an unknown name.
    pub fn of(&self, name: &str) -> u64 {
        KindTag::of(name).map_or(0, |tag| self.0[usize::from(tag.0)])
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (slot, more) in self.0.iter_mut().zip(other.0) {
            *slot = slot.saturating_add(more);
        }
    }

    /// Events of all kinds.
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Name and count of every kind.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Kind::NAMES.iter().copied().zip(self.0.iter().copied())
    }
}

impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0[..].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(CountersVisitor)
    }
}

struct CountersVisitor;

impl<'de> Visitor<'de> for CountersVisitor {
    type Value = Counters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} counts", Kind::COUNT)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut counts: A) -> Result<Counters, A::Error> {
        let mut counters = Counters::default();
        let mut slots = counters.0.iter_mut();
        while let Some(count) = counts.next_element()? {
            // A count of a kind this release does not know must not be lost.
            let slot = slots
                .next()
                .ok_or_else(|| Error::custom("a kind unknown here"))?;
            *slot = count;
        }
        Ok(counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_kind_changes_no_stored_form() {
        let stored = |counts: &[u64]| postcard::to_allocvec(counts).unwrap();
        let read = |bytes: &[u8]| postcard::from_bytes::<Counters>(bytes);
        let known = read(&stored(&[5, 7])).unwrap();
        assert_eq!(
            (known.of("view"), known.of("click"), known.of("search")),
            (5, 7, 0)
        );
        assert_eq!(read(&postcard::to_allocvec(&known).unwrap()), Ok(known));
        assert!(read(&stored(&[1; Kind::COUNT + 1])).is_err());
    }
}
