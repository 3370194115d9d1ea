//! Stored keys of window rows: one layout by key, one by period.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `rows` | dimension, id, start, end, part | stored [`WindowRow`](vitrina_types::row::WindowRow), without measures too |
//! | `periods` | dimension, start, end, id, part | the same; nothing for a row without measures |
//! | `positions` | partition u16 | position u64 |
//!
//! Numbers are big-endian, times with their sign bit turned, so that bytes sort as numbers do. An
//! id ends with two zero bytes, and a zero byte within it is followed by a one: then ids sort
//! bytewise whatever comes behind them. A dimension is one letter.

use vitrina_ports::analytics::RowCursor;
use vitrina_ports::log::Offset;
use vitrina_types::partition::Partition;
use vitrina_types::row::{Dimension, TimeWindow};
use vitrina_types::time::EventTime;

const ID_END: [u8; 2] = [0, 0];
const ID_ZERO: [u8; 2] = [0, 1];

/// The letter of a dimension. Never another one, never used again.
pub(super) fn letter(dimension: Dimension) -> u8 {
    match dimension {
        Dimension::Product => b'p',
        Dimension::Category => b'c',
        Dimension::Brand => b'b',
        Dimension::Placement => b'l',
        Dimension::Session => b's',
    }
}

/// Key of a row in `rows`.
pub(super) fn by_key(dimension: Dimension, place: &RowCursor) -> Vec<u8> {
    let mut key = key_prefix(dimension, &place.id);
    push_time(&mut key, place.window.start);
    push_time(&mut key, place.window.end);
    key.extend_from_slice(&place.part.to_be_bytes());
    key
}

/// Key of a row in `periods`.
pub(super) fn by_period(dimension: Dimension, place: &RowCursor) -> Vec<u8> {
    let mut key = vec![letter(dimension)];
    push_time(&mut key, place.window.start);
    push_time(&mut key, place.window.end);
    push_id(&mut key, &place.id);
    key.extend_from_slice(&place.part.to_be_bytes());
    key
}

/// What every key of an id in `rows` begins with.
pub(super) fn key_prefix(dimension: Dimension, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + id.len() + 2 + 3 * 8);
    key.push(letter(dimension));
    push_id(&mut key, id);
    key
}

/// `prefix` and times, in either layout.
pub(super) fn with_times(prefix: &[u8], start: EventTime, end: Option<EventTime>) -> Vec<u8> {
    let mut key = prefix.to_vec();
    push_time(&mut key, start);
    if let Some(end) = end {
        push_time(&mut key, end);
    }
    key
}

/// The window in a key of either layout, behind a prefix of so many bytes.
pub(super) fn window_of(key: &[u8], prefix_bytes: usize) -> Option<TimeWindow> {
    let times = key.get(prefix_bytes..)?;
    let (start, rest) = times.split_first_chunk()?;
    let (end, _) = rest.split_first_chunk()?;
    Some(TimeWindow {
        start: time(*start),
        end: time(*end),
    })
}

/// The place in a key of `periods`.
pub(super) fn place_of(key: &[u8]) -> Option<RowCursor> {
    let window = window_of(key, 1)?;
    let (id, part) = key.get(1 + 2 * 8..)?.split_last_chunk()?;
    Some(RowCursor {
        window,
        id: read_id(id)?,
        part: u64::from_be_bytes(*part),
    })
}

/// The part in a key of `rows`.
pub(super) fn part_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk()?))
}

/// Key of a partition in `positions`.
pub(super) fn position_key(partition: Partition) -> [u8; 2] {
    partition.0.to_be_bytes()
}

/// Value of a partition in `positions`.
pub(super) fn encode_position(position: Offset) -> [u8; 8] {
    position.to_be_bytes()
}

/// Reads a value of `positions`.
pub(super) fn decode_position(stored: &[u8]) -> Option<Offset> {
    Some(Offset::from_be_bytes(stored.try_into().ok()?))
}

fn push_time(key: &mut Vec<u8>, time: EventTime) {
    key.extend_from_slice(&(time.0 ^ i64::MIN).to_be_bytes());
}

fn time(stored: [u8; 8]) -> EventTime {
    EventTime(i64::from_be_bytes(stored) ^ i64::MIN)
}

fn push_id(key: &mut Vec<u8>, id: &str) {
    for &byte in id.as_bytes() {
        match byte {
            0 => key.extend_from_slice(&ID_ZERO),
            byte => key.push(byte),
        }
    }
    key.extend_from_slice(&ID_END);
}

fn read_id(stored: &[u8]) -> Option<Box<str>> {
    let stored = stored.strip_suffix(&ID_END)?;
    let mut id = Vec::with_capacity(stored.len());
    let mut bytes = stored.iter();
    while let Some(&byte) = bytes.next() {
        if byte == 0 && *bytes.next()? != ID_ZERO[1] {
            return None;
        }
        id.push(byte);
    }
    Some(String::from_utf8(id).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places() -> impl Strategy<Value = RowCursor> {
        let times = prop_oneof![any::<i64>(), -3..3_i64, Just(i64::MIN), Just(i64::MAX)];
        let id = prop_oneof!["[a\0b\u{1}]{0,4}", "\\PC{0,6}"];
        (times.clone(), times, id, any::<u64>()).prop_map(|(start, end, id, part)| RowCursor {
            window: TimeWindow {
                start: EventTime(start),
                end: EventTime(end),
            },
            id: id.into(),
            part,
        })
    }

    proptest! {
        /// Keys sort as places do, and read back.
        #[test]
        fn keys_sort_as_places_do(a in places(), b in places()) {
            let dimension = Dimension::Product;
            let [key_a, key_b] = [&a, &b].map(|place| by_period(dimension, place));
            prop_assert_eq!(key_a.cmp(&key_b), a.cmp(&b));
            prop_assert_eq!(place_of(&key_a), Some(a.clone()));

            let same = RowCursor { id: a.id.clone(), ..b };
            let [key_a, key_b] = [&a, &same].map(|place| by_key(dimension, place));
            prop_assert_eq!(key_a.cmp(&key_b), a.cmp(&same));
            let prefix = key_prefix(dimension, &a.id);
            prop_assert!(key_a.starts_with(&prefix));
            prop_assert_eq!(window_of(&key_a, prefix.len()), Some(a.window));
            prop_assert_eq!(part_of(&key_a), Some(a.part));
        }

        /// No id's keys begin with those of another one.
        #[test]
        fn prefixes_tell_ids_apart(a in places(), b in places()) {
            let prefix = key_prefix(Dimension::Brand, &a.id);
            let begins = by_key(Dimension::Brand, &b).starts_with(&prefix);
            prop_assert_eq!(begins, a.id == b.id);
        }
    }

    #[test]
    fn stored_keys_are_as_they_were() {
        let place = RowCursor {
            window: TimeWindow {
                start: EventTime(-1),
                end: EventTime(258),
            },
            id: "a\0b".into(),
            part: 3,
        };
        let (start, end) = (
            [0x7f, 255, 255, 255, 255, 255, 255, 255],
            [0x80, 0, 0, 0, 0, 0, 1, 2],
        );
        let (id, part) = ([b'a', 0, 1, b'b', 0, 0], [0, 0, 0, 0, 0, 0, 0, 3]);
        let want = [&b"p"[..], &id, &start, &end, &part].concat();
        assert_eq!(by_key(Dimension::Product, &place), want);
        let want = [&b"s"[..], &start, &end, &id, &part].concat();
        assert_eq!(by_period(Dimension::Session, &place), want);
        let letters = Dimension::ALL.map(letter);
        assert_eq!(&letters, b"pcbls");
        assert_eq!(position_key(Partition(258)), [1, 2]);
        assert_eq!(encode_position(258), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(decode_position(&[0, 0, 0, 0, 0, 0, 1, 2]), Some(258));
        assert_eq!(decode_position(&[0; 7]), None);
        for damaged in [&b"p"[..], &[b'p'; 20], &[b'p'; 40]] {
            assert_eq!(place_of(damaged), None);
        }
    }
}
