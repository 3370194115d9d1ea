//! The stored form, byte by byte: version 1.

use crate::log::draft::Draft;
use crate::log::format::{Frame, Key, SegmentHeader, Snapshot};
use crate::log::index::SegmentIndex;
use crate::log::tests::{SIGNALS, USERS, batch, consumed};
use std::collections::BTreeMap;

fn hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(32).map(|line| {
        let line: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        line.concat()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn header() -> SegmentHeader {
    let key = |topic, partition| Key { topic, partition };
    SegmentHeader {
        number: 7,
        salt: 0x0123_4567_89ab_cdef,
        created_ms: 1_700_000_000_000,
        previous_len: 65_536,
        snapshot: Snapshot {
            ends: BTreeMap::from([(key(1, 0), 10), (key(2, 31), 20)]),
            positions: BTreeMap::from([("stage\0user-events/0".into(), 9)]),
        },
    }
}

fn frame() -> Vec<u8> {
    let appends = [
        batch(USERS, 0, &["a", "", "bc"]),
        batch(SIGNALS, 31, &["d"]),
    ];
    let moved = [consumed("user-events/0", Some(9), 12)];
    let draft = Draft::new(&appends, &moved).unwrap();
    let ends = header().snapshot.ends;
    let sealed = draft.seal(header().salt, 1_700_000_000_001, 200, |key| ends[&key]);
    assert_eq!(sealed.offsets, [13, 21]);
    sealed.bytes
}

const HEADER_V1: &str = include_str!("fixtures/segment-header-v1.hex");
const FRAME_V1: &str = include_str!("fixtures/frame-v1.hex");
const INDEX_V1: &str = include_str!("fixtures/index-v1.hex");

#[test]
fn a_segment_header_is_as_it_always_was() {
    let bytes = header().encode();
    assert_eq!(hex(&bytes), HEADER_V1.trim());
    let fixed = bytes.first_chunk().unwrap();
    assert_eq!(SegmentHeader::snapshot_len(fixed), Some(bytes.len() - 64));
    assert_eq!(SegmentHeader::decode(fixed, &bytes[64..]), Some(header()));
}

#[test]
fn a_frame_is_as_it_always_was() {
    let bytes = frame();
    assert_eq!(hex(&bytes), FRAME_V1.trim());
    let frame = Frame::decode(&bytes, header().salt).unwrap();
    assert_eq!((frame.time_ms, frame.synced), (1_700_000_000_001, 200));
    assert_eq!(frame.positions, [("stage\0user-events/0".into(), 12)]);
    let chunks = frame.chunks.iter().map(|(c, at)| (c.base, c.count, *at));
    let chunks: Vec<_> = chunks.collect();
    assert_eq!(chunks, [(10, 3, 40), (20, 1, 95)]);
}

#[test]
fn an_index_is_as_it_always_was() {
    let mut index = SegmentIndex::default();
    let key = |topic, partition| Key { topic, partition };
    assert!(index.push(key(1, 0), 10, 3, 100));
    assert!(index.push(key(2, 31), 20, 1, 155));
    assert!(index.push(key(1, 0), 13, 1, 300));
    assert!(!index.push(key(1, 0), 15, 1, 400), "a gap is damage");
    let bytes = index.encode(7, 500);
    assert_eq!(hex(&bytes), INDEX_V1.trim());
    assert_eq!(SegmentIndex::decode(&bytes, 7, 500), Some(index));
    assert_eq!(SegmentIndex::decode(&bytes, 7, 501), None);
    assert_eq!(SegmentIndex::decode(&bytes, 8, 500), None);
}

/// Any bit of any part changed, or a frame of another segment: not a frame.
#[test]
fn no_changed_bit_is_overlooked() {
    let (good, salt) = (frame(), header().salt);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Frame::decode(&bad, salt), None, "bit {bit}");
    }
    for len in 0..good.len() {
        assert_eq!(Frame::decode(&good[..len], salt), None, "cut at {len}");
    }
    assert_eq!(Frame::decode(&good, salt + 1), None);
    let good = header().encode();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let decoded = SegmentHeader::decode(bad.first_chunk().unwrap(), &bad[64..]);
        assert_eq!(decoded, None, "bit {bit}");
    }
}
