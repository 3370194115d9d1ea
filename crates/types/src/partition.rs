//! Partitions: which part of a topic or of the state a key belongs to.

use serde::{Deserialize, Serialize};

/// Partitions of every keyed topic and of the state behind it. Changed only by replay.
pub const PARTITIONS: u16 = 32;

/// One part of a topic, `0..PARTITIONS`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Partition(pub u16);

impl Partition {
    /// The partition of `key` among [`PARTITIONS`], the same as a Kafka producer with the default
    /// Java partitioner chooses: `(murmur2(key) & 0x7fff_ffff) mod partitions`.
    pub fn of(key: &str) -> Self {
        let positive = murmur2(key.as_bytes()) & 0x7fff_ffff;
        Self((positive % u32::from(PARTITIONS)) as u16)
    }

    /// Every partition of a keyed topic.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }

    /// The partition as an index into a slice.
    pub fn at(self) -> usize {
        usize::from(self.0)
    }
}

/// MurmurHash2, 32 bits, with the seed Kafka uses.
///
/// Source: A. Appleby, MurmurHash2 (public domain); seed 0x9747b28c as in Kafka's default
/// partitioner.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ (bytes.len() as u32);
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let tail = words.remainder();
    for (i, &byte) in tail.iter().enumerate() {
        hash ^= u32::from(byte) << (8 * i);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_equals_kafka() {
        // The vectors of Kafka's own test of its hash function (org.apache.kafka UtilsTest).
        #[rustfmt::skip]
        let cases: &[(&str, i32)] = &[
            ("21",                      -973_932_308),
            ("foobar",                  -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc",                      479_470_107),
        ];
        for &(key, want) in cases {
            assert_eq!(murmur2(key.as_bytes()) as i32, want, "{key}");
        }
    }
}
