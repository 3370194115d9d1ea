//! Ids of slates and of events that came without one: 26 characters, time first.
//!
//! Layout and alphabet of a ULID (48 bits of milliseconds, 80 bits that make it unique), so ids
//! sort by time. The 80 bits come from a seeded generator, not from the system: an engine with
//! the same seed and clock makes the same ids.

use parking_lot::Mutex;
use vitrina_types::time::IngestTime;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of an id.
pub const ID_CHARS: usize = 26;

/// Makes ids.
pub struct Ids {
    random: Mutex<u64>,
}

impl Ids {
    /// A maker of ids; different processes need different seeds.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Mutex::new(seed),
        }
    }

    /// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A new id at `now`.
    pub fn fresh(&self, now: IngestTime) -> String {
        let (high, low) = {
            let mut state = self.random.lock();
            (Self::next(&mut state), Self::next(&mut state))
        };
        let time = (now.0.max(0) as u128) & ((1 << 48) - 1);
        let random = (u128::from(high) << 64 | u128::from(low)) & ((1 << 80) - 1);
        let bits = time << 80 | random;
        (0..ID_CHARS)
            .map(|i| {
                let shift = 5 * (ID_CHARS - 1 - i);
                char::from(ALPHABET[(bits >> shift) as usize & 31])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sort_by_time() {
        let ids = Ids::new(7);
        let mut made: Vec<String> = (0..1_000)
            .map(|i| ids.fresh(IngestTime(1_700_000_000_000 + i)))
            .collect();
        assert!(made.is_sorted());
        assert!(made.iter().all(|id| id.len() == ID_CHARS));
        made.dedup();
        assert_eq!(made.len(), 1_000);
    }
}
