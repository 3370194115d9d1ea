//! The port's suite, and what is particular here: flushing behind, crashes, limits, reopening.

use super::*;
use crate::crash::{MORE_THAN_ANY_DISK, image, names};
use std::fs;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tempfile::TempDir;
use vitrina_ports::state::{Change, Space};
use vitrina_ports::suite::{Durable, block_on};
use vitrina_types::partition::Partition;

mod kill;
mod model;

mod suite {
    use super::*;

    fn subject() -> impl vitrina_ports::suite::Subject<Port = EmbeddedState> {
        let dir = tempfile::tempdir().unwrap();
        let open = move || open(&dir);
        Durable(open, EmbeddedState::close)
    }

    vitrina_ports::state_store_suite!(subject());
}

const HERE: StatePartition = StatePartition {
    space: Space::Users,
    partition: Partition(3),
};
const THERE: StatePartition = StatePartition {
    space: Space::Products,
    partition: Partition(31),
};

/// After this long a wait has failed.
const DEADLINE: Duration = Duration::from_secs(20);

fn no_barrier() -> StateOptions {
    StateOptions {
        reserve_bytes: 0,
        ..StateOptions::new(Box::new(|| Ok(())))
    }
}

fn open(dir: &TempDir) -> Result<EmbeddedState, PortError> {
    EmbeddedState::open(dir.path(), no_barrier())
}

/// Moves a partition one on and sets keys to values.
fn commit(
    state: &EmbeddedState,
    partition: StatePartition,
    expected: Offset,
    pairs: &[(&str, Option<&str>)],
) -> Result<(), PortError> {
    let changes = pairs.iter().map(|&(key, value)| Change {
        key: key.into(),
        value: value.map(|text| Bytes::copy_from_slice(text.as_bytes())),
    });
    state.apply(Commit {
        partition,
        expected,
        next: expected + 1,
        changes: changes.collect(),
    })
}

fn get(state: &EmbeddedState, partition: StatePartition, key: &str) -> (Offset, Option<String>) {
    let found = state.read_many(partition, &[key.into()]).unwrap();
    let value = found.values[0].as_ref();
    let text = value.map(|value| String::from_utf8(value.to_vec()).unwrap());
    (found.position, text)
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

#[test]
fn a_kill_leaves_the_last_flush() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).unwrap();
    let never_flushed = image(dir.path());
    for (position, value) in [(0, "a"), (1, "b")] {
        commit(
            &state,
            HERE,
            position,
            &[("key", Some(value)), ("gone", Some("x"))],
        )
        .unwrap();
        commit(&state, THERE, position, &[("key", Some(value))]).unwrap();
    }
    let flushed = state.flush().unwrap();
    assert_eq!((flushed.partitions, flushed.keys), (2, 3));
    assert!(flushed.bytes > 0);
    assert_eq!(state.flush().unwrap(), Flushed::default(), "nothing left");
    commit(&state, HERE, 2, &[("key", Some("c")), ("gone", None)]).unwrap();
    let killed = image(dir.path());
    assert_eq!(get(&state, HERE, "key"), (3, some("c")));
    assert_eq!(get(&state, HERE, "gone"), (3, None));
    drop(state);

    for after in [killed.path(), dir.path()] {
        let state = EmbeddedState::open(after, no_barrier()).unwrap();
        assert_eq!(get(&state, HERE, "key"), (2, some("b")));
        assert_eq!(get(&state, HERE, "gone"), (2, some("x")));
        assert_eq!(get(&state, THERE, "key"), (2, some("b")));
        assert!(!state.rebuilt());
        commit(&state, HERE, 2, &[("key", Some("d"))]).unwrap();
    }
    let state = open(&never_flushed).unwrap();
    assert_eq!(get(&state, HERE, "key"), (0, None));
}

#[test]
fn an_orderly_close_keeps_everything_and_ends_every_wait() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).unwrap();
    commit(&state, HERE, 0, &[("key", Some("a"))]).unwrap();
    let mut waits = state.reached(HERE, 9);
    assert!(vitrina_ports::suite::still_waits(&mut waits));
    state.close().unwrap();
    let closed = block_on(waits);
    assert!(
        matches!(closed, Err(PortError::Closed { .. })),
        "{closed:?}"
    );
    let late = commit(&state, HERE, 1, &[]);
    assert!(matches!(late, Err(PortError::Closed { .. })), "{late:?}");
    assert!(matches!(state.flush(), Ok(Flushed { keys: 0, .. })));
    state.close().unwrap();
    assert_eq!(get(&open(&dir).unwrap(), HERE, "key"), (1, some("a")));
}

#[test]
fn the_log_is_made_durable_before_the_state_is_written() {
    let dir = tempfile::tempdir().unwrap();
    // The barrier looks at the disk: what is being flushed must not be there yet.
    let (path, calls) = (dir.path().to_owned(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&calls);
    let barrier = move || {
        let call = counted.fetch_add(1, Ordering::Relaxed);
        let on_disk = EmbeddedState::open(image(&path).path(), no_barrier())?;
        assert_eq!(get(&on_disk, HERE, "key").0, call);
        if call == 1 {
            return Err(PortError::Closed { port: "log" });
        }
        Ok(())
    };
    let options = StateOptions {
        before_flush: Box::new(barrier),
        ..no_barrier()
    };
    let state = EmbeddedState::open(dir.path(), options).unwrap();
    state.flush().unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 0, "nothing to flush");
    commit(&state, HERE, 0, &[("key", Some("a"))]).unwrap();
    state.flush().unwrap();
    commit(&state, HERE, 1, &[("key", Some("b")), ("b", Some("b"))]).unwrap();
    let failed = state.flush().unwrap_err();
    assert!(matches!(failed, PortError::Closed { port: "log" }));
    let killed = image(dir.path());
    assert_eq!(get(&open(&killed).unwrap(), HERE, "key"), (1, some("a")));

    // What did not arrive is still read, is merged with what comes, and arrives later.
    assert_eq!(get(&state, HERE, "key"), (2, some("b")));
    calls.store(1, Ordering::Relaxed);
    commit(&state, HERE, 2, &[("key", None), ("c", Some("c"))]).unwrap();
    assert_eq!(get(&state, HERE, "key"), (3, None));
    assert!(state.flush().is_err());
    assert_eq!(state.waiting_bytes(), {
        let values = [("key", None), ("b", Some("b")), ("c", Some("c"))];
        let costs = values.map(|(key, value)| layer::cost(key, value.map(str::as_bytes)));
        // The room of the deleted value is held with it.
        costs.iter().sum::<usize>() + "b".len()
    });
}

#[test]
fn commits_and_reads_go_on_during_a_flush() {
    let dir = tempfile::tempdir().unwrap();
    let (entered, wait_entered) = std::sync::mpsc::channel();
    let (leave, wait_leave) = std::sync::mpsc::channel::<()>();
    let wait_leave = Mutex::new(wait_leave);
    let options = StateOptions {
        before_flush: Box::new(move || {
            entered.send(()).unwrap();
            wait_leave.lock().recv_timeout(DEADLINE).unwrap();
            Ok(())
        }),
        ..no_barrier()
    };
    let state = EmbeddedState::open(dir.path(), options).unwrap();
    let first = [("a", Some("1")), ("b", Some("1")), ("c", Some("1"))];
    commit(&state, HERE, 0, &first).unwrap();
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| state.flush().unwrap());
        wait_entered.recv_timeout(DEADLINE).unwrap();
        commit(&state, HERE, 1, &[("b", Some("2")), ("c", None)]).unwrap();
        let during = state.read_range(HERE, None, 10).unwrap();
        let want = [("a", "1"), ("b", "2")].map(|(k, v)| (k.to_owned(), Bytes::from(v)));
        assert_eq!((during.position, during.values), (2, want.to_vec()));
        leave.send(()).unwrap();
        assert_eq!(flush.join().unwrap().keys, 3);
    });
    assert_eq!(get(&state, HERE, "b"), (2, some("2")));
    assert_eq!(get(&state, HERE, "c"), (2, None));
    let killed = image(dir.path());
    let after = open(&killed).unwrap();
    assert_eq!(get(&after, HERE, "b"), (1, some("1")), "as of the freeze");
    leave.send(()).unwrap();
    assert_eq!(state.flush().unwrap().keys, 2);
    assert_eq!(state.waiting_bytes(), 0);
}

#[test]
fn memory_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let options = StateOptions {
        waiting_bytes_max: 10_000,
        ..no_barrier()
    };
    let state = EmbeddedState::open(dir.path(), options).unwrap();
    let (big, huge) = ("v".repeat(4_000), "v".repeat(10_000));
    commit(&state, HERE, 0, &[("a", Some(&big))]).unwrap();
    commit(&state, THERE, 0, &[("b", Some(&big))]).unwrap();
    let later = commit(&state, HERE, 1, &[("c", Some(&big))]).unwrap_err();
    assert_eq!(later.retry(), vitrina_ports::Retry::Later, "{later}");
    let never = commit(&state, HERE, 1, &[("c", Some(&huge))]).unwrap_err();
    assert_eq!(never.retry(), vitrina_ports::Retry::Never, "{never}");
    assert_eq!(get(&state, HERE, "c"), (1, None));
    state.flush().unwrap();
    commit(&state, HERE, 1, &[("c", Some(&big))]).unwrap();
    assert_eq!(get(&state, HERE, "c"), (2, Some(big)));
}

#[test]
fn on_a_full_disk_state_waits_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let options = StateOptions {
        reserve_bytes: MORE_THAN_ANY_DISK,
        waiting_bytes_max: 1_000,
        ..no_barrier()
    };
    let state = EmbeddedState::open(dir.path(), options).unwrap();
    commit(&state, HERE, 0, &[("a", Some(&"v".repeat(700)))]).unwrap();
    let full = state.flush().unwrap_err();
    assert!(matches!(full, PortError::Full { .. }), "{full:?}");
    assert!(!state.needs_reopen());
    assert_eq!(get(&state, HERE, "a").0, 1);
    let full = commit(&state, HERE, 1, &[("b", Some(&"v".repeat(700)))]).unwrap_err();
    assert!(matches!(full, PortError::Full { .. }), "{full:?}");
}

#[test]
fn a_reopening_keeps_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).unwrap();
    commit(&state, HERE, 0, &[("a", Some("1")), ("b", Some("1"))]).unwrap();
    state.flush().unwrap();
    commit(&state, HERE, 1, &[("b", Some("2"))]).unwrap();
    commit(&state, THERE, 0, &[("c", Some("3"))]).unwrap();
    assert_eq!(state.reopen().unwrap(), []);
    assert_eq!(get(&state, HERE, "a"), (2, some("1")));
    assert_eq!(get(&state, HERE, "b"), (2, some("2")));
    assert_eq!(state.flush().unwrap().keys, 2);
    assert_eq!(get(&state, THERE, "c"), (1, some("3")));
}

#[test]
fn a_reopening_on_a_lost_tail_steps_back() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).unwrap();
    commit(&state, HERE, 0, &[("a", Some("1"))]).unwrap();
    state.flush().unwrap();
    let earlier = image(dir.path());
    commit(&state, HERE, 1, &[("a", Some("2"))]).unwrap();
    state.flush().unwrap();
    commit(&state, HERE, 2, &[("a", Some("3")), ("b", Some("3"))]).unwrap();
    commit(&state, THERE, 0, &[("c", Some("1"))]).unwrap();

    // The disk loses what it had not synced.
    fs::remove_dir_all(dir.path().join(DIR)).unwrap();
    fs::rename(earlier.path().join(DIR), dir.path().join(DIR)).unwrap();
    assert_eq!(state.reopen().unwrap(), [HERE]);
    assert_eq!(get(&state, HERE, "a"), (1, some("1")));
    assert_eq!(get(&state, HERE, "b"), (1, None));
    assert_eq!(get(&state, THERE, "c"), (1, some("1")), "not concerned");
    assert!(commit(&state, HERE, 3, &[]).is_err());
    commit(&state, HERE, 1, &[("a", Some("again"))]).unwrap();
    assert_eq!(state.flush().unwrap().partitions, 2);
    assert_eq!(state.waiting_bytes(), 0);
}

#[test]
fn a_damaged_state_is_begun_anew_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).unwrap();
    commit(&state, HERE, 0, &[("a", Some("1"))]).unwrap();
    state.close().unwrap();
    drop(state);
    fs::remove_file(dir.path().join("state/version")).unwrap();
    let state = open(&dir).unwrap();
    assert!(state.rebuilt());
    assert_eq!(get(&state, HERE, "a"), (0, None));
    assert_eq!(names(dir.path()), ["state", "state.damaged-1"]);
    commit(&state, HERE, 0, &[("a", Some("replayed"))]).unwrap();
    state.close().unwrap();
    drop(state);
    let state = open(&dir).unwrap();
    assert!(!state.rebuilt());
    assert_eq!(get(&state, HERE, "a"), (1, some("replayed")));
}

#[test]
fn a_large_flush_goes_past_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).unwrap();
    let megabyte = "v".repeat(1_000_000);
    for place in [HERE, THERE] {
        for (position, key) in (0..20).map(|n| (n, n.to_string())) {
            commit(&state, place, position, &[(&key, Some(&megabyte))]).unwrap();
        }
    }
    let flushed = state.flush().unwrap();
    assert_eq!((flushed.partitions, flushed.keys), (2, 40));
    assert_eq!(state.waiting_bytes(), 0);
    let journal = fs::metadata(dir.path().join("state/0.jnl")).unwrap();
    assert!(journal.len() < 1_000_000, "{}", journal.len());
    drop(state);
    let after = open(&dir).unwrap();
    for place in [HERE, THERE] {
        assert_eq!(get(&after, place, "19"), (20, Some(megabyte.clone())));
    }
}

#[test]
fn an_unknown_partition_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).unwrap();
    let nowhere = StatePartition {
        partition: Partition(PARTITIONS),
        ..HERE
    };
    assert!(commit(&state, nowhere, 0, &[]).is_err());
    assert!(state.read_many(nowhere, &[]).is_err());
    assert!(block_on(state.reached(nowhere, 0)).is_err());
}
