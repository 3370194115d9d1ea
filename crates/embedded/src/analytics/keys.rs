//! Stored keys of window rows: one layout by key, one by period.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `rows` | dimension, id, start, end, part; pane, arrival | stored [`WindowRow`]; nothing for one without measures |
//! | `periods` | dimension, start, end, id, part; pane, arrival | the same |
//! | `positions` | partition u16 | position u64 |
//!
//! What stands before the semicolon is the row's place, the same for all its panes. Behind it
//! stands the tail, the pane u32 and the complement of the position u64 that the pane came with,
//! so that the pane that counts is the last one of its place: the newest, of equal ones the first.
//!
//! Releases before this one kept one pane of a row, and its key has no tail: the length behind the
//! id tells. It is the first one of its place, and its pane stands in its value; where it has no
//! measures, in the value in `rows` only.
//!
//! Numbers are big-endian, times with their sign bit turned, so that bytes sort as numbers do. An
//! id ends with two zero bytes, and a zero byte within it is followed by a one: then ids sort
//! bytewise whatever comes behind them, and no place begins with another one. A dimension is one
//! letter.

use vitrina_ports::analytics::RowCursor;
use vitrina_ports::log::Offset;
use vitrina_types::partition::Partition;
use vitrina_types::row::{Dimension, TimeWindow, WindowRow};
use vitrina_types::time::EventTime;

const ID_END: [u8; 2] = [0, 0];
const ID_ZERO: [u8; 2] = [0, 1];
const TIMES_BYTES: usize = 2 * 8;
const PART_BYTES: usize = 8;
const PANE_BYTES: usize = 4;
const TAIL_BYTES: usize = PANE_BYTES + 8;

/// One of the two layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Of `rows`.
    ByKey,
    /// Of `periods`.
    ByPeriod,
}

impl Layout {
    /// Bytes before the id, and between it and the tail.
    fn around_id(self) -> (usize, usize) {
        match self {
            Self::ByKey => (1, TIMES_BYTES + PART_BYTES),
            Self::ByPeriod => (1 + TIMES_BYTES, PART_BYTES),
        }
    }

    /// The place of a key, and its pane when it has a tail.
    pub(super) fn split(self, key: &[u8]) -> Option<(&[u8], Option<u32>)> {
        let (_, behind_id) = self.around_id();
        let place_bytes = self.id_end(key)? + behind_id;
        let (place, tail) = key.split_at_checked(place_bytes)?;
        match tail.len() {
            0 => Some((place, None)),
            TAIL_BYTES => Some((place, Some(u32::from_be_bytes(*tail.first_chunk()?)))),
            _ => None,
        }
    }

    /// The same key in the other layout.
    pub(super) fn turned(self, key: &[u8]) -> Option<Vec<u8>> {
        let id_end = self.id_end(key)?;
        let (first, second, rest) = match self {
            Self::ByKey => (1, id_end, id_end + TIMES_BYTES),
            Self::ByPeriod => (1, 1 + TIMES_BYTES, id_end),
        };
        let [first, second] = [key.get(first..second)?, key.get(second..rest)?];
        let mut turned = Vec::with_capacity(key.len());
        turned.push(key[0]);
        turned.extend_from_slice(second);
        turned.extend_from_slice(first);
        turned.extend_from_slice(&key[rest..]);
        Some(turned)
    }

    /// Reads a place.
    pub(super) fn cursor(self, place: &[u8]) -> Option<RowCursor> {
        let id_end = self.id_end(place)?;
        let (id_at, behind_id) = self.around_id();
        if place.len() != id_end + behind_id {
            return None;
        }
        let times_at = match self {
            Self::ByKey => id_end,
            Self::ByPeriod => 1,
        };
        Some(RowCursor {
            window: window_of(place, times_at)?,
            id: read_id(&place[id_at..id_end])?,
            part: u64::from_be_bytes(*place.last_chunk()?),
        })
    }

    /// Where the id and its end are over.
    fn id_end(self, key: &[u8]) -> Option<usize> {
        let (mut at, _) = self.around_id();
        loop {
            match key.get(at..at + 2)? {
                end if end == ID_END => return Some(at + 2),
                [0, _] => at += 2,
                _ => at += 1,
            }
        }
    }
}

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

/// Appends the key in `rows` of a pane that came with the position `arrival`.
pub(super) fn push_key(key: &mut Vec<u8>, row: &WindowRow, arrival: Offset) {
    key.push(letter(row.key.dimension));
    push_id(key, &row.key.id);
    push_time(key, row.window.start);
    push_time(key, row.window.end);
    key.extend_from_slice(&row.part.to_be_bytes());
    key.extend_from_slice(&row.pane.to_be_bytes());
    key.extend_from_slice(&(!arrival).to_be_bytes());
}

/// Parts of a key that [`push_key`] made.
pub(super) struct Parts<'a> {
    pub place: &'a [u8],
    /// Sorts as windows do.
    pub window: [u8; TIMES_BYTES],
    pub pane: u32,
}

/// Cuts a key that [`push_key`] made.
pub(super) fn parts_of(key: &[u8]) -> Option<Parts<'_>> {
    let (place, tail) = key.split_last_chunk::<TAIL_BYTES>()?;
    let (rest, _) = place.split_last_chunk::<PART_BYTES>()?;
    let (_, window) = rest.split_last_chunk()?;
    let pane = tail.first_chunk()?;
    Some(Parts {
        place,
        window: *window,
        pane: u32::from_be_bytes(*pane),
    })
}

/// Behind every key of a place and before those of the next one.
pub(super) fn behind(mut place: Vec<u8>) -> Vec<u8> {
    place.extend_from_slice(&[u8::MAX; TAIL_BYTES]);
    place
}

/// A place in `rows`.
pub(super) fn by_key(dimension: Dimension, place: &RowCursor) -> Vec<u8> {
    let mut key = key_prefix(dimension, &place.id);
    push_time(&mut key, place.window.start);
    push_time(&mut key, place.window.end);
    key.extend_from_slice(&place.part.to_be_bytes());
    key
}

/// A place in `periods`.
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
    use vitrina_types::row::{Measures, RowKey};

    fn row(place: &RowCursor, pane: u32) -> WindowRow {
        WindowRow {
            key: RowKey::new(Dimension::Session, place.id.clone()),
            window: place.window,
            part: place.part,
            pane,
            measures: Measures::default(),
        }
    }

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
            prop_assert_eq!(Layout::ByPeriod.cursor(&key_a), Some(a.clone()));
            prop_assert_eq!(Layout::ByPeriod.split(&key_a), Some((&key_a[..], None)));

            let same = RowCursor { id: a.id.clone(), ..b };
            let [key_a, key_b] = [&a, &same].map(|place| by_key(dimension, place));
            prop_assert_eq!(key_a.cmp(&key_b), a.cmp(&same));
            prop_assert_eq!(Layout::ByKey.turned(&key_a), Some(by_period(dimension, &a)));
            let prefix = key_prefix(dimension, &a.id);
            prop_assert!(key_a.starts_with(&prefix));
            prop_assert_eq!(window_of(&key_a, prefix.len()), Some(a.window));
            prop_assert_eq!(Layout::ByKey.cursor(&key_a), Some(a.clone()));
            prop_assert_eq!(Layout::ByKey.split(&key_a), Some((&key_a[..], None)));
        }

        /// Tailed keys sort by place, then by pane, of equal panes the first to arrive last; they
        /// stand behind the key without a tail, before what is behind the place, and read back.
        #[test]
        fn panes_stand_side_by_side(
            a in places(),
            b in places(),
            panes in any::<[u32; 2]>(),
            arrivals in any::<[u64; 2]>(),
        ) {
            let same_id = RowCursor { id: a.id.clone(), ..b };
            let ranks = [0, 1].map(|n| (panes[n], !arrivals[n]));
            for other in [&a, &same_id] {
                let [key_a, key_b] = [(&a, 0), (other, 1)].map(|(place, n)| {
                    let mut key = Vec::new();
                    push_key(&mut key, &row(place, panes[n]), arrivals[n]);
                    key
                });
                prop_assert_eq!(key_a.cmp(&key_b), (&a, ranks[0]).cmp(&(other, ranks[1])));
                let dimension = Dimension::Session;
                let place = by_key(dimension, &a);
                let parts = parts_of(&key_a).unwrap();
                prop_assert_eq!((parts.place, parts.pane), (&place[..], panes[0]));
                prop_assert_eq!(Layout::ByKey.split(&key_a), Some((&place[..], Some(panes[0]))));
                let [turned, turned_b] =
                    [&key_a, &key_b].map(|key| Layout::ByKey.turned(key).unwrap());
                let in_periods = by_period(dimension, &a);
                let split = Layout::ByPeriod.split(&turned);
                prop_assert_eq!(split, Some((&in_periods[..], Some(panes[0]))));
                prop_assert_eq!(Layout::ByPeriod.turned(&turned), Some(key_a.clone()));
                prop_assert_eq!(turned.cmp(&turned_b), key_a.cmp(&key_b));
                let bounds = behind(place.clone());
                prop_assert!(place < key_a && key_a <= bounds);
                prop_assert_eq!(key_b <= bounds, *other <= a);
            }
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
        let mut key = Vec::new();
        push_key(&mut key, &row(&place, 4), 5);
        let tail = [0, 0, 0, 4, 255, 255, 255, 255, 255, 255, 255, 250];
        let want = [&b"s"[..], &id, &start, &end, &part, &tail].concat();
        assert_eq!(key, want);
        let letters = Dimension::ALL.map(letter);
        assert_eq!(&letters, b"pcbls");
        assert_eq!(position_key(Partition(258)), [1, 2]);
        assert_eq!(encode_position(258), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(decode_position(&[0, 0, 0, 0, 0, 0, 1, 2]), Some(258));
        assert_eq!(decode_position(&[0; 7]), None);
        for damaged in [&b"p"[..], &[b'p'; 20], &[b'p'; 40], &[0; 60]] {
            for layout in [Layout::ByKey, Layout::ByPeriod] {
                assert_eq!(layout.split(damaged), None);
                assert_eq!(layout.cursor(damaged), None);
            }
        }
    }
}
