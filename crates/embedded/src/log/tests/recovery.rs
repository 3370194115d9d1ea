//! Opening after a crash, and after damage that no crash does.

use super::*;
use crate::disk::{Disk, OsDisk};
use crate::log::Healed;

const FIRST: &str = "00000000000000000001.seg";

/// A log of three acknowledged calls, killed; the lengths after each of them.
fn three_calls(machine: &Machine) -> Vec<usize> {
    let log = machine.open(roomy());
    let mut lens = vec![log.status().bytes as usize];
    for text in ["one", "two", "three"] {
        let moved = vec![consumed("p", None, 0)];
        let moved = if text == "one" { moved } else { vec![] };
        let out = vec![batch(USERS, 0, &[text, text]), batch(SIGNALS, 1, &[text])];
        machine.wait(log.publish(out, moved, false)).unwrap();
        lens.push(log.status().bytes as usize);
    }
    machine.crash(log, Loss::Nothing, 0);
    lens
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_reported() {
    let machine = Machine::new();
    let lens = three_calls(&machine);
    let whole = machine.bytes(FIRST);
    assert_eq!(whole.len(), lens[3]);
    for cut in lens[2]..=lens[3] {
        machine.set_bytes(FIRST, &whole[..cut]);
        let log = machine.open(roomy());
        let want = match cut - lens[2] {
            _ if cut == lens[3] => None,
            0 => None,
            dropped => Some(Healed {
                segment: 1,
                at: lens[2] as u64,
                bytes_dropped: dropped as u64,
            }),
        };
        assert_eq!(log.healed(), want, "cut at {cut}");
        let calls = if cut == lens[3] { 3 } else { 2 };
        let all = machine.texts(&log, USERS, 0, 1);
        assert_eq!(all.len(), 2 * calls, "cut at {cut}");
        // It goes on where it was cut, and what it goes on with is found again.
        assert_eq!(machine.append(&log, 0, &["next"]), 2 * calls as u64 + 1);
        machine.crash(log, Loss::Pages, 0);
        let log = machine.open(roomy());
        assert_eq!(log.healed(), None);
        let all = machine.texts(&log, USERS, 0, 1_000);
        assert_eq!(all.last().unwrap(), "next", "cut at {cut}");
        machine.crash(log, Loss::Nothing, 0);
    }
}

#[test]
fn zeros_at_the_end_are_not_a_healing() {
    let machine = Machine::new();
    let lens = three_calls(&machine);
    let mut bytes = machine.bytes(FIRST);
    bytes.resize(lens[3] + 10_000, 0);
    machine.set_bytes(FIRST, &bytes);
    let log = machine.open(roomy());
    assert_eq!(log.healed(), None);
    assert_eq!(log.status().bytes as usize, lens[3]);
    assert_eq!(machine.append(&log, 0, &["next"]), 7);
}

/// A torn frame followed by whole ones that were not durable: the cache wrote pages out of order.
#[test]
fn a_torn_frame_before_whole_ones_ends_the_log() {
    let machine = Machine::new();
    let lens = three_calls(&machine);
    let mut bytes = machine.bytes(FIRST);
    bytes[lens[1] + 60] ^= 1;
    machine.set_bytes(FIRST, &bytes);
    let log = machine.open(roomy());
    let healed = log.healed().unwrap();
    assert_eq!(healed.at as usize, lens[1]);
    assert_eq!(healed.bytes_dropped as usize, lens[3] - lens[1]);
    assert_eq!(machine.texts(&log, USERS, 0, 1), ["one", "one"]);
}

/// The same damage below what a later frame says was durable is no crash: nothing is dropped.
#[test]
fn damage_below_what_was_durable_is_refused() {
    let machine = Machine::new();
    let log = machine.open(roomy());
    for text in ["one", "two", "three"] {
        machine.append(&log, 0, &[text]);
    }
    let len = log.status().bytes as usize;
    machine.crash(log, Loss::Nothing, 0);
    let whole = machine.bytes(FIRST);
    for at in [10, 80, 100, 150, len - 150] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        machine.set_bytes(FIRST, &bytes);
        let opened = machine.try_open(roomy()).map(|_| ());
        assert!(
            matches!(opened, Err(PortError::Damaged { .. })),
            "byte {at}: {opened:?}"
        );
        assert_eq!(machine.bytes(FIRST), bytes, "a refused log is left alone");
    }
    machine.set_bytes(FIRST, &whole);
    assert_eq!(machine.open(roomy()).healed(), None);
}

fn many_segments(machine: &Machine) -> Vec<String> {
    let log = machine.open(small());
    let texts: Vec<String> = (0..300).map(|i| format!("record {i}")).collect();
    for text in &texts {
        machine.append(&log, 0, &[text]);
    }
    assert!(log.status().segment_count > 5);
    texts
}

#[test]
fn a_changed_bit_in_a_sealed_segment_is_reported() {
    for damage_index in [false, true] {
        let machine = Machine::new();
        let texts = many_segments(&machine);
        let third = "00000000000000000003.seg";
        let mut bytes = machine.bytes(third);
        let middle = bytes.len() / 2;
        let record = bytes[middle..].windows(6).position(|b| b == b"record");
        bytes[middle + record.unwrap()] ^= 0x10;
        machine.set_bytes(third, &bytes);
        if damage_index {
            machine.set_bytes("00000000000000000003.idx", b"nonsense");
        }
        let log = machine.open(small());
        let (mut next, mut read) = (0, 0);
        let error = loop {
            match machine.wait(log.read(USERS, Partition(0), next, 1)) {
                Ok(records) => {
                    assert_eq!(records[0].bytes, texts[next as usize].as_bytes());
                    read += 1;
                    next += 1;
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, PortError::Damaged { what } if what.contains(third)));
        assert!((60..200).contains(&read), "{read}");
        let verified = log.verify();
        assert!(matches!(verified, Err(PortError::Damaged { .. })));
        // Beyond the damage the log is readable.
        let last = machine.wait(log.read(USERS, Partition(0), 299, 1)).unwrap();
        assert_eq!(last[0].bytes, texts[299].as_bytes());
    }
}

#[test]
fn indexes_are_rebuilt_when_missing_or_damaged() {
    let machine = Machine::new();
    let texts = many_segments(&machine);
    let indexes: Vec<String> = {
        let names = machine.power.list(Path::new("/data/log")).unwrap();
        names.into_iter().filter(|n| n.ends_with(".idx")).collect()
    };
    assert!(indexes.len() > 5, "{indexes:?}");
    let good: Vec<Vec<u8>> = indexes.iter().map(|name| machine.bytes(name)).collect();
    for (i, name) in indexes.iter().enumerate() {
        match i % 3 {
            0 => machine.power.remove(&Machine::path(name)).unwrap(),
            1 => machine.set_bytes(name, &good[i][..good[i].len() / 2]),
            _ => {
                // A position that is not where the chunk is.
                let mut bytes = good[i].clone();
                let last = bytes.len() - 9;
                bytes[last - 3] ^= 1;
                machine.set_bytes(name, &bytes);
            }
        }
    }
    let log = machine.open(small());
    assert_eq!(machine.texts(&log, USERS, 0, 100), texts);
    log.verify().unwrap();
    drop(log);
    for (name, good) in indexes.iter().zip(&good) {
        assert_eq!(&machine.bytes(name), good, "{name}");
    }
}

#[test]
fn a_missing_or_short_segment_is_reported() {
    let third = "00000000000000000003.seg";
    let fail = |break_it: &dyn Fn(&Machine)| {
        let machine = Machine::new();
        many_segments(&machine);
        break_it(&machine);
        let opened = machine.try_open(small()).map(|_| ());
        assert!(
            matches!(opened, Err(PortError::Damaged { .. })),
            "{opened:?}"
        );
    };
    fail(&|machine| machine.power.remove(&Machine::path(third)).unwrap());
    fail(&|machine| {
        let bytes = machine.bytes(third);
        machine.set_bytes(third, &bytes[..bytes.len() - 1]);
    });
    fail(&|machine| {
        for name in machine.power.list(Path::new("/data/log")).unwrap() {
            if name.ends_with(".seg") {
                machine.power.remove(&Machine::path(&name)).unwrap();
            }
        }
    });
}

/// A visitor cannot write bytes that pass for a frame after a crash.
#[test]
fn a_record_that_looks_like_a_frame_is_a_record() {
    let machine = Machine::new();
    let lens = three_calls(&machine);
    // A frame of another log that claims everything was durable.
    let forged = {
        let other = Machine::new();
        let log = other.open(roomy());
        for text in ["a", "b", "c"] {
            other.append(&log, 0, &[&text.repeat(5_000)]);
        }
        other.crash(log, Loss::Nothing, 0);
        other.bytes(FIRST)[lens[0]..].to_vec()
    };
    let log = machine.open(roomy());
    let mut records = Records::default();
    records.push(&forged);
    let out = vec![Append {
        topic: USERS,
        partition: Partition(0),
        records,
    }];
    machine.wait(log.publish(out, vec![], false)).unwrap();
    machine.crash(log, Loss::Nothing, 0);
    let mut bytes = machine.bytes(FIRST);
    bytes[lens[3]] ^= 1;
    machine.set_bytes(FIRST, &bytes);
    let log = machine.open(roomy());
    assert_eq!(log.healed().unwrap().at as usize, lens[3]);
}

#[test]
fn a_clean_stop_spares_the_scan_and_a_changed_file_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let open = || EmbeddedLog::open(dir.path(), roomy(), Arc::new(OsDisk)).unwrap();
    let machine = Machine::new();
    let log = open();
    machine.append(&log, 0, &["a", "b"]);
    let moved = vec![consumed("p", None, 5)];
    machine.wait(log.publish(vec![], moved, false)).unwrap();
    drop(log);
    let clean = dir.path().join("log/clean");
    assert!(OsDisk.open(&clean).is_ok());
    let log = open();
    assert!(OsDisk.open(&clean).is_err(), "the mark is gone while open");
    assert_eq!(machine.texts(&log, USERS, 0, 1), ["a", "b"]);
    let found = machine.wait(log.committed(&consumer("p"))).unwrap();
    assert_eq!(found, Some(5));
    drop(log);
    // What was durable when the log was closed is not there: no crash does that.
    let segment = dir.path().join("log").join(FIRST);
    let len = OsDisk.open(&segment).unwrap().len().unwrap();
    OsDisk.open(&segment).unwrap().set_len(len - 1).unwrap();
    let refused = EmbeddedLog::open(dir.path(), roomy(), Arc::new(OsDisk)).map(|_| ());
    let is_so = matches!(refused, Err(PortError::Damaged { .. }));
    assert!(is_so, "{refused:?}");
}
