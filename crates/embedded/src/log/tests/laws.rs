//! The suite of the port on a real disk, and the laws it cannot see.

use super::*;
use crate::disk::OsDisk;
use std::collections::BTreeSet;
use std::time::Instant;
use vitrina_ports::suite::Durable;

/// A log in a fresh directory that lives as long as the subject.
fn on_disk(
    options: LogOptions,
) -> Durable<
    impl Fn() -> Result<EmbeddedLog, PortError> + Send + Sync,
    impl Fn(&EmbeddedLog) -> Result<(), PortError> + Send + Sync,
> {
    let dir = tempfile::tempdir().unwrap();
    Durable(
        move || {
            let log = EmbeddedLog::open(dir.path(), options.clone(), Arc::new(OsDisk))?;
            Ok(Arc::into_inner(log).unwrap())
        },
        EmbeddedLog::close,
    )
}

mod suite_from_memory {
    use super::*;
    vitrina_ports::event_log_suite!(on_disk(LogOptions::default()));
}

mod suite_from_files {
    use super::*;
    vitrina_ports::event_log_suite!(on_disk(small()));
}

#[test]
fn a_directory_is_opened_by_one_alone() {
    let dir = tempfile::tempdir().unwrap();
    let open = || EmbeddedLog::open(dir.path(), small(), Arc::new(OsDisk));
    let first = open().unwrap();
    let second = open().map(|_| ());
    assert!(
        matches!(second, Err(PortError::Unavailable { .. })),
        "{second:?}"
    );
    first.close().unwrap();
    open().unwrap();
}

#[test]
fn a_closed_log_refuses_calls() {
    let machine = Machine::new();
    let log = machine.open(small());
    machine.append(&log, 0, &["a"]);
    log.close().unwrap();
    log.close().unwrap();
    let closed = |result: Result<(), PortError>| {
        assert!(
            matches!(result, Err(PortError::Closed { .. })),
            "{result:?}"
        );
    };
    closed(machine.wait(log.append(vec![])).map(|_| ()));
    closed(
        machine
            .wait(log.read(USERS, Partition(0), 0, 1))
            .map(|_| ()),
    );
    closed(machine.wait(log.committed(&consumer("x"))).map(|_| ()));
    closed(machine.wait(log.changed(1)).map(|_| ()));
    closed(log.retain(0, &[]).map(|_| ()));
}

/// A publish is answered while the disk is busy with a sync, and readers see it.
#[test]
fn a_publish_does_not_wait_for_a_sync() {
    let machine = Machine::new();
    let log = machine.open(small());
    let out = vec![batch(SIGNALS, 0, &["out"])];
    machine.wait(log.publish(out, vec![], false)).unwrap();
    assert_eq!(log.status().synced_bytes, 0);
    assert_eq!(machine.texts(&log, SIGNALS, 0, 100), ["out"]);
    // A later durable call makes it durable, even one that carries nothing.
    machine.wait(log.publish(vec![], vec![], true)).unwrap();
    let status = log.status();
    assert_eq!(status.synced_bytes, status.written_bytes);
    assert!(status.synced_bytes > 0);
}

/// What nobody waits for is synced after `sync_after` all the same, however often it is added to.
#[test]
fn what_nobody_waits_for_becomes_durable() {
    let machine = Machine::new();
    let options = LogOptions {
        sync_after: Duration::from_millis(30),
        ..roomy()
    };
    let log = machine.open(options);
    let begin = Instant::now();
    while log.status().synced_bytes == 0 {
        let out = vec![batch(SIGNALS, 0, &["out"])];
        machine.wait(log.publish(out, vec![], false)).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(20), "never synced");
    }
}

#[test]
fn concurrent_appenders_share_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions::default();
    let log = EmbeddedLog::open(dir.path(), options, Arc::new(OsDisk)).unwrap();
    let (callers, calls) = (64, 20);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for caller in 0..callers {
            let log = Arc::clone(&log);
            tasks.spawn(async move {
                for call in 0..calls {
                    let text = format!("{caller} {call}");
                    let batch = vec![batch(USERS, caller % 32, &[text])];
                    log.append(batch).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
    });
    let syncs = log.status().sync_count;
    let appends = u64::from(callers) * calls;
    assert!(syncs < appends / 4, "{syncs} syncs for {appends} appends");
    let machine = Machine::new();
    let all = (0..32).flat_map(|p| machine.texts(&log, USERS, p, 1_000));
    let all: BTreeSet<String> = all.collect();
    assert_eq!(all.len() as u64, appends);
}

/// From memory or from the file, in small steps or big ones, the same records.
#[test]
fn reading_gives_the_same_from_memory_and_from_files() {
    for tail_bytes in [0, 3_000, 1_000_000] {
        let machine = Machine::new();
        let options = LogOptions {
            tail_bytes,
            ..small()
        };
        let log = machine.open(options);
        let mut want = Vec::new();
        for i in 0..200_usize {
            let text = format!("{i} ").repeat(i % 40);
            machine.append(&log, 0, &[&text, ""]);
            machine.append(&log, 1, &["other"]);
            want.extend([text, String::new()]);
        }
        assert!(log.status().segment_count > 3);
        for step in [0, 1, 100, 5_000, usize::MAX] {
            let got = machine.texts(&log, USERS, 0, step);
            assert_eq!(got, want, "tail {tail_bytes}, step {step}");
        }
    }
}

/// An empty record fits everywhere, but not after one that did not fit.
#[test]
fn a_read_never_leaves_a_record_out() {
    for tail_bytes in [0, 1_000_000] {
        let machine = Machine::new();
        let options = LogOptions {
            tail_bytes,
            ..small()
        };
        let log = machine.open(options);
        for text in ["0123456789", "ab", "", "cd"] {
            machine.append(&log, 0, &[text]);
        }
        for (step, want) in [(9, 1), (10, 1), (11, 1), (12, 2), (13, 3), (14, 4)] {
            let records = machine.wait(log.read(USERS, Partition(0), 0, step));
            let offsets: Vec<u64> = records.unwrap().iter().map(|r| r.offset).collect();
            assert_eq!(offsets, (0..want).collect::<Vec<_>>(), "step {step}");
        }
    }
}

/// One append larger than a chunk is cut into several and reads back whole.
#[test]
fn a_large_append_reads_back_in_steps() {
    let machine = Machine::new();
    let log = machine.open(small());
    let texts: Vec<String> = (0..2_000).map(|i| format!("{i}-").repeat(200)).collect();
    let ends = machine.wait(log.append(vec![
        batch(USERS, 0, &texts),
        batch(USERS, 0, &["more"]),
        batch(USERS, 0, &[] as &[&str]),
    ]));
    assert_eq!(ends.unwrap(), [2_000, 2_001, 2_001]);
    let some = log.read(USERS, Partition(0), 1_000, 10_000);
    let some = machine.wait(some).unwrap();
    assert!((5..50).contains(&some.len()), "{}", some.len());
    let mut want = texts;
    want.push("more".into());
    assert_eq!(machine.texts(&log, USERS, 0, 100_000), want);
    drop(log);
    let log = machine.open(small());
    assert_eq!(machine.texts(&log, USERS, 0, usize::MAX), want);
}

/// The index of a million single events stays small.
#[test]
fn the_index_costs_eight_bytes_a_call() {
    let machine = Machine::new();
    let log = machine.open(roomy());
    for i in 0..1_000 {
        let out = vec![batch(USERS, i % 32, &["event"])];
        machine.wait(log.publish(out, vec![], false)).unwrap();
    }
    assert!(log.status().index_bytes <= 8 * 1_000 + 96 * 32);
}
