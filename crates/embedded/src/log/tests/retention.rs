//! What goes, what stays, and what reading below the start says.

use super::*;
use crate::log::Retained;
use std::time::Instant;
use vitrina_ports::log::Bounds;

fn filled(machine: &Machine, options: LogOptions) -> Arc<EmbeddedLog> {
    let log = machine.open(options);
    for i in 0..300 {
        machine.append(&log, i % 2, &[&format!("record {i}")]);
    }
    assert!(log.status().segment_count > 5);
    log
}

fn start(log: &EmbeddedLog, partition: u16) -> u64 {
    log.bounds(USERS, Partition(partition)).start
}

#[test]
fn old_segments_go_and_their_records_have_expired() {
    let machine = Machine::new();
    let options = LogOptions {
        retention_ms: 1_000,
        ..small()
    };
    let log = filled(&machine, options.clone());
    let segments = log.segments();
    let now = segments[3].created_ms + 1_000;
    assert_eq!(log.retain(now - 500_000, &[]).unwrap(), Retained::default());
    // The third segment's newest record is not older than the fourth segment.
    let retained = log.retain(now, &[]).unwrap();
    assert_eq!(retained.segment_count, 2);
    assert_eq!(retained.bytes, segments[0].bytes + segments[1].bytes);
    let begin = start(&log, 0);
    assert!(begin > 0);
    let early = machine.wait(log.read(USERS, Partition(0), begin - 1, 1));
    assert!(matches!(early, Err(PortError::Expired { start, .. }) if start == begin));
    let all = machine.texts(&log, USERS, 0, 1_000);
    assert_eq!(all.len() as u64, 150 - begin);
    assert_eq!(all[0], format!("record {}", begin * 2));
    // The start is the same after a crash.
    machine.crash(log, Loss::Prefix, 1);
    let log = machine.open(options);
    let bounds = log.bounds(USERS, Partition(0));
    assert_eq!(
        bounds,
        Bounds {
            start: begin,
            end: 150
        }
    );
}

#[test]
fn nothing_goes_that_somebody_needs() {
    let machine = Machine::new();
    let options = LogOptions {
        retention_ms: 0,
        ..small()
    };
    let log = filled(&machine, options);
    let later = u64::MAX / 2;
    for floor in [0, 37, 80, 149] {
        log.retain(later, &[(USERS, Partition(0), floor)]).unwrap();
        assert!(start(&log, 0) <= floor, "{} above {floor}", start(&log, 0));
        let kept = machine.wait(log.read(USERS, Partition(0), floor, 1));
        assert_eq!(
            kept.unwrap()[0].bytes,
            format!("record {}", floor * 2).as_bytes()
        );
    }
    assert!(start(&log, 0) > 80);
    // Age makes a quiet log begin a segment, so that even the newest record goes, as soon as the
    // new segment is durable.
    let begin = Instant::now();
    while start(&log, 0) < 150 {
        log.retain(later + 1, &[]).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(20), "never went");
    }
    assert_eq!((start(&log, 0), start(&log, 1)), (150, 150));
    assert_eq!(machine.append(&log, 0, &["goes on"]), 151);
}

#[test]
fn more_bytes_than_allowed_go() {
    let machine = Machine::new();
    let options = LogOptions {
        retention_bytes: 10_000,
        ..small()
    };
    let log = filled(&machine, options);
    assert!(log.status().bytes > 20_000);
    log.retain(0, &[]).unwrap();
    let bytes = log.status().bytes;
    assert!((5_000..=10_000).contains(&bytes), "{bytes}");
}
