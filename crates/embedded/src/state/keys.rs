//! How state lies in the database.
//!
//! | key | value |
//! |---|---|
//! | `0`, space, partition | position: version byte 1, then u64 |
//! | space, partition, key | the value as committed |
//!
//! Spaces are one byte ([`space_byte`]), partitions two; numbers are big-endian, so that keys of a
//! partition lie together and in order.

use vitrina_ports::log::Offset;
use vitrina_ports::state::{Space, StatePartition};
use vitrina_types::partition::{PARTITIONS, Partition};

const POSITIONS: u8 = 0;
const POSITION_VERSION: u8 = 1;
/// Space and partition.
const PREFIX_BYTES: usize = 3;

/// Stored number of a space. Never reused; 0 is taken by the positions.
fn space_byte(space: Space) -> u8 {
    match space {
        Space::Users => 1,
        Space::Products => 2,
        Space::Slates => 3,
        Space::Rows => 4,
        Space::Shop => 5,
        Space::Lines => 6,
    }
}

/// Every partition there is, in the order of [`index`].
pub(super) fn all() -> impl Iterator<Item = StatePartition> {
    Space::ALL.into_iter().flat_map(|space| {
        Partition::all().map(move |partition| StatePartition { space, partition })
    })
}

/// The place of a partition among [`all`]; `None` when there is no such partition.
pub(super) fn index(partition: StatePartition) -> Option<usize> {
    let StatePartition { space, partition } = partition;
    let space_ix = Space::ALL.iter().position(|&one| one == space)?;
    let is_known = partition.0 < PARTITIONS;
    is_known.then(|| space_ix * usize::from(PARTITIONS) + partition.at())
}

/// What all keys of a partition begin with.
pub(super) fn prefix(partition: StatePartition) -> [u8; PREFIX_BYTES] {
    let [high, low] = partition.partition.0.to_be_bytes();
    [space_byte(partition.space), high, low]
}

/// The stored key of a key.
pub(super) fn stored_key(partition: StatePartition, key: &str) -> Vec<u8> {
    let mut stored = Vec::with_capacity(PREFIX_BYTES + key.len());
    stored.extend_from_slice(&prefix(partition));
    stored.extend_from_slice(key.as_bytes());
    stored
}

/// The key of a stored key.
pub(super) fn key_of(stored: &[u8]) -> Option<String> {
    let key = stored.get(PREFIX_BYTES..)?;
    std::str::from_utf8(key).ok().map(str::to_owned)
}

/// The stored key of a partition's position.
pub(super) fn position_key(partition: StatePartition) -> [u8; PREFIX_BYTES + 1] {
    let [space, high, low] = prefix(partition);
    [POSITIONS, space, high, low]
}

/// The stored form of a position.
pub(super) fn encode_position(position: Offset) -> [u8; 9] {
    let mut stored = [POSITION_VERSION; 9];
    stored[1..].copy_from_slice(&position.to_be_bytes());
    stored
}

/// Reads [`encode_position`].
pub(super) fn decode_position(stored: &[u8]) -> Option<Offset> {
    let (&version, position) = stored.split_first()?;
    let position = position.try_into().ok().map(Offset::from_be_bytes);
    position.filter(|_| version == POSITION_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_forms_are_as_they_were() {
        let users = StatePartition {
            space: Space::Users,
            partition: Partition(0x0102),
        };
        let products = StatePartition {
            space: Space::Products,
            partition: Partition(3),
        };
        assert_eq!(stored_key(users, "ab"), [1, 1, 2, b'a', b'b']);
        assert_eq!(stored_key(products, ""), [2, 0, 3]);
        assert_eq!(position_key(products), [0, 2, 0, 3]);
        let fixture = [1, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(encode_position(258), fixture);
        assert_eq!(decode_position(&fixture), Some(258));
        assert_eq!(decode_position(&fixture[..8]), None);
        assert_eq!(decode_position(&[2, 0, 0, 0, 0, 0, 0, 1, 2]), None);
        assert_eq!(key_of(&[2, 0, 3, b'k']).as_deref(), Some("k"));
    }

    #[test]
    fn every_partition_has_its_own_place() {
        let places: Vec<_> = all().map(index).collect();
        let count = Space::ALL.len() * usize::from(PARTITIONS);
        assert_eq!(places, (0..count).map(Some).collect::<Vec<_>>());
        let beyond = StatePartition {
            space: Space::Users,
            partition: Partition(PARTITIONS),
        };
        assert_eq!(index(beyond), None);
    }
}
