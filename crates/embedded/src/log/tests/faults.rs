//! Full disks, short writes, syncs that fail.

use super::*;

fn is_full<T: std::fmt::Debug>(result: Result<T, PortError>) {
    assert!(matches!(result, Err(PortError::Full { .. })), "{result:?}");
}

fn is_unavailable<T: std::fmt::Debug>(result: Result<T, PortError>) {
    let is_so = matches!(result, Err(PortError::Unavailable { .. }));
    assert!(is_so, "{result:?}");
}

/// Wherever the room ends, nothing of the refused call is there, and with room it goes on.
#[test]
fn a_full_disk_refuses_whole_calls_and_recovers() {
    for claims in [true, false] {
        for room in 0..600 {
            let machine = Machine::new();
            let log = machine.open(roomy());
            machine.faults.set_allocate_unsupported(!claims);
            machine.append(&log, 0, &["before"]);
            let bytes = log.status().bytes;
            machine.faults.set_room(Some(room));
            let text = "x".repeat(300);
            let tried = machine.wait(log.append(vec![batch(USERS, 0, &[&text])]));
            let fits = tried.is_ok();
            if fits {
                assert!(room >= 300);
            } else {
                is_full(tried);
                assert_eq!(log.status().bytes, bytes, "room {room}");
                assert_eq!(log.bounds(USERS, Partition(0)).end, 1);
            }
            machine.faults.set_room(None);
            let end = machine.append(&log, 0, &["after"]);
            assert_eq!(end, if fits { 3 } else { 2 });
            machine.crash(log, Loss::Pages, room);
            let log = machine.open(roomy());
            assert_eq!(log.healed(), None, "room {room}");
            let all = machine.texts(&log, USERS, 0, 1);
            assert_eq!((all[0].as_str(), all.len() as u64), ("before", end));
        }
    }
}

/// Statvfs said yes and the write said no: the room ran out in the middle of the frame.
#[test]
fn room_that_ends_within_a_frame_leaves_no_part_of_it() {
    let machine = Machine::new();
    let log = machine.open(roomy());
    machine.faults.set_allocate_unsupported(true);
    machine.append(&log, 0, &["before"]);
    let bytes = log.status().bytes;
    machine.faults.set_room(Some(100_000));
    let big = "x".repeat(50_000);
    machine.append(&log, 0, &["so that statvfs was asked"]);
    machine.faults.set_room(Some(20_000));
    is_full(machine.wait(log.append(vec![batch(USERS, 0, &[&big])])));
    let file = machine
        .power
        .with_bytes(&Machine::path("00000000000000000001.seg"), |b| b.len());
    assert_eq!(file.unwrap() as u64, log.status().bytes);
    assert!(log.status().bytes > bytes);
    machine.append(&log, 0, &["after"]);
    assert_eq!(machine.texts(&log, USERS, 0, 1).len(), 3);
}

/// Intake stops at the reserve, outputs at half of it.
#[test]
fn the_reserve_is_kept_for_outputs() {
    let machine = Machine::new();
    let options = LogOptions {
        reserve_bytes: 1_000_000,
        ..roomy()
    };
    let log = machine.open(options);
    let intake = || machine.wait(log.append(vec![batch(USERS, 0, &["in"])]));
    let import = || machine.wait(log.publish(vec![batch(USERS, 0, &["old"])], vec![], true));
    let output = || machine.wait(log.publish(vec![batch(SIGNALS, 0, &["out"])], vec![], false));
    machine.faults.set_room(Some(600_000));
    let refused = intake();
    assert!(matches!(
        refused,
        Err(PortError::Full {
            free_bytes: 600_000,
            reserve_bytes: 1_000_000,
            ..
        })
    ));
    is_full(import());
    output().unwrap();
    machine.faults.set_room(Some(400_000));
    std::thread::sleep(Duration::from_millis(110));
    is_full(output());
    machine.faults.set_room(None);
    intake().unwrap();
    output().unwrap();
}

#[test]
fn short_writes_are_written_on_and_broken_ones_taken_back() {
    let machine = Machine::new();
    let log = machine.open(small());
    machine.faults.set_short_writes(true);
    for i in 0..100 {
        machine.append(&log, 0, &[&format!("short {i}")]);
    }
    machine.faults.set_broken_writes(true);
    is_unavailable(machine.wait(log.append(vec![batch(USERS, 0, &["broken"])])));
    machine.faults.set_broken_writes(false);
    assert_eq!(machine.append(&log, 0, &["whole"]), 101);
    machine.crash(log, Loss::Pages, 7);
    let log = machine.open(small());
    assert_eq!(log.healed(), None);
    assert_eq!(machine.texts(&log, USERS, 0, 100).len(), 101);
}

/// A failed sync is never tried again: waiting calls fail, later ones too, until it is re-opened.
#[test]
fn a_failed_sync_fails_the_log() {
    let machine = Machine::new();
    let log = machine.open(small());
    machine.append(&log, 0, &["durable"]);
    machine.faults.set_broken_syncs(true);
    is_unavailable(machine.wait(log.append(vec![batch(USERS, 0, &["in doubt"])])));
    machine.faults.set_broken_syncs(false);
    let syncs = machine.faults.syncs();
    is_unavailable(machine.wait(log.append(vec![batch(USERS, 0, &["later"])])));
    let out = vec![batch(SIGNALS, 0, &["later"])];
    is_unavailable(machine.wait(log.publish(out, vec![], false)));
    is_unavailable(machine.wait(log.publish(vec![], vec![], true)));
    assert_eq!(machine.faults.syncs(), syncs, "no second sync");
    assert!(log.status().failure.is_some());
    // Reading goes on.
    assert_eq!(machine.texts(&log, USERS, 0, 100)[0], "durable");
    is_unavailable(log.close());
    drop(log);
    let log = machine.open(small());
    assert_eq!(log.status().failure, None);
    machine.append(&log, 0, &["again"]);
}

/// The kernel forgot pages it could not write and still shows them: opening writes them again, so
/// that what is acknowledged later does not stand after a hole.
#[test]
fn what_a_failed_sync_forgot_is_written_again() {
    for seed in 0..20 {
        let machine = Machine::new();
        let log = machine.open(roomy());
        machine.append(&log, 0, &["durable"]);
        machine.power.set_forgetful(true);
        is_unavailable(machine.wait(log.append(vec![batch(USERS, 0, &["in doubt"])])));
        drop(log);
        machine.power.set_forgetful(false);
        let log = machine.open(roomy());
        let seen = log.bounds(USERS, Partition(0)).end;
        machine.append(&log, 0, &["acknowledged"]);
        machine.crash(log, Loss::Pages, seed);
        let log = machine.open(roomy());
        let all = machine.texts(&log, USERS, 0, 100);
        assert_eq!(all.len() as u64, seen + 1);
        assert_eq!(all.last().unwrap(), "acknowledged");
    }
}

/// No room for the next segment: the call is refused and nothing is lost.
#[test]
fn a_disk_that_is_full_when_a_segment_ends() {
    let machine = Machine::new();
    let log = machine.open(small());
    let mut count = 0;
    let mut refused = 0;
    for i in 0..200 {
        let room = [60, 130, 1 << 20, 1 << 20, 1 << 20][i % 5];
        machine.faults.set_room(Some(room));
        let text = format!("record {i}");
        match machine.wait(log.append(vec![batch(USERS, 0, &[text])])) {
            Ok(ends) => {
                count += 1;
                assert_eq!(ends, [count]);
            }
            Err(error) => {
                assert!(matches!(error, PortError::Full { .. }), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && log.status().segment_count > 2);
    machine.faults.set_room(None);
    machine.crash(log, Loss::Pages, 3);
    let log = machine.open(small());
    assert_eq!(machine.texts(&log, USERS, 0, 100).len() as u64, count);
}
