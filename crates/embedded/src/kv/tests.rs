//! Opening, damage, repair, reserve.

use super::*;
use crate::crash::{self, MORE_THAN_ANY_DISK, damage, image, journal, names};
use std::fs;
use tempfile::TempDir;
use vitrina_ports::Retry;

const MEMTABLE_BYTES: u64 = 8 * 1_024 * 1_024;

static DERIVED: Shape = Shape {
    port: "derived",
    keyspaces: &[("a", MEMTABLE_BYTES), ("b", MEMTABLE_BYTES)],
    cache_bytes: 1_024 * 1_024,
    on_damage: OnDamage::MoveAside,
    worker_threads: 1,
};

static TRUTH: Shape = Shape {
    port: "truth",
    on_damage: OnDamage::Refuse,
    worker_threads: 2,
    ..DERIVED
};

fn open(dir: &TempDir, shape: &'static Shape) -> Result<Kv, PortError> {
    Kv::open(dir.path().join("db"), shape, 0)
}

fn put(kv: &Kv, key: &str, value: &str) -> Result<(), PortError> {
    kv.write(
        Room::Takes(value.len()),
        PersistMode::SyncAll,
        |opened, batch| {
            for keyspace in &opened.keyspaces {
                batch.insert(keyspace, key, value);
            }
            Ok(())
        },
    )
}

/// The value in both keyspaces, which must agree.
fn get(kv: &Kv, key: &str) -> Option<String> {
    let values = kv.read(|opened| {
        let values = opened.keyspaces.iter().map(|keyspace| {
            let value = keyspace.get(key).unwrap()?;
            Some(String::from_utf8(value.to_vec()).unwrap())
        });
        Ok(values.collect::<Vec<_>>())
    });
    let values = values.unwrap();
    assert_eq!(values[0], values[1], "a batch is atomic over keyspaces");
    values.into_iter().next().unwrap()
}

/// An image of a killed database with three acknowledged batches, `one`, `two` and `three`.
fn three_batches(shape: &'static Shape) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let kv = open(&dir, shape).unwrap();
    for key in ["one", "two", "three"] {
        put(&kv, key, &format!("{key}-value")).unwrap();
    }
    image(dir.path())
}

#[test]
fn a_second_opening_is_told_that_another_process_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(&dir, &DERIVED).unwrap();
    put(&first, "key", "value").unwrap();
    let error = open(&dir, &DERIVED).err().unwrap();
    assert_eq!(error.retry(), Retry::Later);
    assert!(error.to_string().contains("another process"), "{error}");
    first.close().unwrap();
    assert!(matches!(
        put(&first, "k", "v"),
        Err(PortError::Closed { .. })
    ));
    assert_eq!(get(&open(&dir, &DERIVED).unwrap(), "key").unwrap(), "value");
}

#[test]
fn what_was_written_survives_a_kill() {
    for shape in [&DERIVED, &TRUTH] {
        let image = three_batches(shape);
        let kv = open(&image, shape).unwrap();
        for key in ["one", "two", "three"] {
            assert_eq!(get(&kv, key), Some(format!("{key}-value")));
        }
        assert_eq!(kv.moved_aside(), 0);
    }
}

#[test]
fn an_unfinished_creation_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("db.new/keyspaces")).unwrap();
    fs::write(dir.path().join("db.new/0.jnl"), b"half").unwrap();
    let kv = open(&dir, &TRUTH).unwrap();
    put(&kv, "key", "value").unwrap();
    assert_eq!(names(dir.path()), ["db"]);
}

#[test]
fn a_torn_last_batch_is_cut_off() {
    for shape in [&DERIVED, &TRUTH] {
        let image = three_batches(shape);
        damage(&journal(&image.path().join("db")), b"three-value");
        let kv = open(&image, shape).unwrap();
        assert_eq!(get(&kv, "two").unwrap(), "two-value");
        assert_eq!(get(&kv, "three"), None, "half of a batch");
        assert_eq!(kv.moved_aside(), 0);
        put(&kv, "four", "four-value").unwrap();
        let is_truth = shape.on_damage == OnDamage::Refuse;
        let want: &[&str] = if is_truth {
            &["db", "db.cut-1"]
        } else {
            &["db"]
        };
        assert_eq!(names(image.path()), want);
        drop(kv);
        let kv = open(&image, shape).unwrap();
        assert_eq!(get(&kv, "four").unwrap(), "four-value");
    }
}

#[test]
fn truth_with_a_damaged_middle_is_refused_and_left_alone() {
    // Two kinds of damage: one that fjall refuses, one at which it would silently stop reading.
    for pattern in [&b"two-value"[..], b"FJL\x03"] {
        let image = three_batches(&TRUTH);
        let journal = journal(&image.path().join("db"));
        if pattern == b"FJL\x03" {
            let mut bytes = fs::read(&journal).unwrap();
            let at = bytes.windows(4).position(|window| window == pattern);
            bytes[at.unwrap()] = 0;
            fs::write(&journal, bytes).unwrap();
        } else {
            damage(&journal, pattern);
        }
        let before = fs::read(&journal).unwrap();
        let error = open(&image, &TRUTH).err().unwrap();
        assert!(matches!(error, PortError::Damaged { .. }), "{error:?}");
        assert_eq!(names(image.path()), ["db"]);
        assert!(fs::read(&journal).unwrap() == before, "it was touched");
    }
}

#[test]
fn derived_with_a_damaged_middle_keeps_what_was_before() {
    let image = three_batches(&DERIVED);
    damage(&journal(&image.path().join("db")), b"two-value");
    let kv = open(&image, &DERIVED).unwrap();
    assert_eq!(get(&kv, "one").unwrap(), "one-value");
    assert_eq!((get(&kv, "two"), get(&kv, "three")), (None, None));
}

#[test]
fn damage_beyond_repair_moves_derived_aside_and_refuses_truth() {
    for missing in ["version", "keyspaces"] {
        let image = three_batches(&DERIVED);
        let db = image.path().join("db");
        match missing {
            "version" => fs::remove_file(db.join(missing)).unwrap(),
            _ => fs::remove_dir_all(db.join(missing)).unwrap(),
        }
        let refused = open(&crash::image(image.path()), &TRUTH).err().unwrap();
        assert!(matches!(refused, PortError::Damaged { .. }), "{refused:?}");
        for round in 1..=2 {
            let kv = open(&image, &DERIVED).unwrap();
            assert_eq!(kv.moved_aside(), 1);
            assert_eq!(get(&kv, "one"), None);
            put(&kv, "one", "again").unwrap();
            assert_eq!(names(image.path()).len(), round + 1);
            kv.close().unwrap();
            assert_eq!(open(&image, &DERIVED).unwrap().moved_aside(), 0);
            fs::remove_file(db.join("version")).unwrap();
        }
    }
}

#[test]
fn below_the_reserve_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let kv = Kv::open(db, &DERIVED, MORE_THAN_ANY_DISK).unwrap();
    match put(&kv, "key", "value") {
        Err(PortError::Full {
            port,
            free_bytes,
            reserve_bytes,
        }) => {
            assert_eq!((port, reserve_bytes), ("derived", MORE_THAN_ANY_DISK));
            assert!((1..MORE_THAN_ANY_DISK).contains(&free_bytes));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(get(&kv, "key"), None);
    assert!(!kv.has_failed(), "it was refused before fjall saw it");
}

#[test]
fn a_reopened_database_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let kv = open(&dir, &TRUTH).unwrap();
    put(&kv, "before", "1").unwrap();
    kv.reopen(|_| Ok(())).unwrap();
    put(&kv, "after", "2").unwrap();
    assert_eq!(get(&kv, "before").unwrap(), "1");
    let failed = kv.reopen(|_| Err::<(), _>(kv.damaged("said so")));
    assert!(matches!(failed, Err(PortError::Damaged { .. })));
    let shut = put(&kv, "between", "3").unwrap_err();
    assert_eq!(shut.retry(), Retry::Later, "{shut}");
    kv.reopen(|_| Ok(())).unwrap();
    assert_eq!(get(&kv, "after").unwrap(), "2");
}
