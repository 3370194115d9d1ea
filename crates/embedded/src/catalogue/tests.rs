//! The port's suite, and what is particular here: kills, a full disk, reopening.

use super::*;
use crate::crash::{MORE_THAN_ANY_DISK, damage, image, journal};
use tempfile::TempDir;
use vitrina_ports::catalogue::Expect;
use vitrina_ports::suite::{Durable, Subject, block_on, still_waits};

fn open(dir: &TempDir) -> Result<EmbeddedCatalogue, PortError> {
    EmbeddedCatalogue::open(dir.path(), 0)
}

fn subject() -> impl Subject<Port = EmbeddedCatalogue> {
    let dir = tempfile::tempdir().unwrap();
    Durable(move || open(&dir), EmbeddedCatalogue::close)
}

vitrina_ports::catalogue_suite!(subject());

fn put(id: &str, body: &str) -> Write {
    Write {
        kind: Kind::Product,
        id: id.into(),
        expect: Expect::Any,
        body: Some(Bytes::copy_from_slice(body.as_bytes())),
    }
}

/// Ids in the outbox and in the catalogue.
fn ids(catalogue: &EmbeddedCatalogue) -> (Vec<String>, Vec<String>) {
    let changes = catalogue.core.outbox(0, 100).unwrap();
    let entries = catalogue.core.list(Kind::Product, None, 100).unwrap();
    (
        changes.into_iter().map(|change| change.id).collect(),
        entries.into_iter().map(|entry| entry.id).collect(),
    )
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_a_torn_write() {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = open(&dir).unwrap();
    let body = "b".repeat(6_000);
    for id in ["a", "b", "c"] {
        let outcomes = catalogue.core.write(vec![put(id, &body), put("same", id)]);
        assert_eq!(outcomes.unwrap().len(), 2);
    }
    let killed = image(dir.path());
    let after = open(&killed).unwrap();
    let (outbox, records) = ids(&after);
    assert_eq!(outbox, ["a", "same", "b", "same", "c", "same"]);
    assert_eq!(records, ["a", "b", "c", "same"]);
    assert_eq!(after.core.counters.lock().next, 6);
    drop(after);

    // The last write never reached the disk whole, so nobody was told of it: it is gone, whole.
    let torn = image(dir.path());
    damage(&journal(&torn.path().join(DIR)), rows::NEXT);
    let after = open(&torn).unwrap();
    let (outbox, records) = ids(&after);
    assert_eq!(outbox, ["a", "same", "b", "same"]);
    assert_eq!(records, ["a", "b", "same"]);
    assert_eq!(
        after
            .core
            .get(Kind::Product, "same")
            .unwrap()
            .unwrap()
            .version,
        2
    );
    after.core.write(vec![put("d", "d")]).unwrap();
    assert_eq!(after.core.outbox(4, 9).unwrap()[0].id, "d");
}

#[test]
fn below_the_reserve_a_write_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).unwrap().core.write(vec![put("a", "a")]).unwrap();
    let catalogue = EmbeddedCatalogue::open(dir.path(), MORE_THAN_ANY_DISK).unwrap();
    let full = catalogue.core.write(vec![put("b", "b")]).unwrap_err();
    assert!(matches!(full, PortError::Full { .. }), "{full:?}");
    assert_eq!(ids(&catalogue).1, ["a"]);
    assert!(!catalogue.needs_reopen());
}

#[test]
fn a_reopening_goes_on_counting() {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = open(&dir).unwrap();
    catalogue
        .core
        .write(vec![put("a", "a"), put("b", "b")])
        .unwrap();
    catalogue.core.trim(1).unwrap();
    catalogue.reopen().unwrap();
    catalogue.core.write(vec![put("c", "c")]).unwrap();
    assert_eq!(ids(&catalogue).0, ["b", "c"]);
    assert_eq!(catalogue.core.outbox(2, 9).unwrap()[0].id, "c");
}

#[test]
fn a_close_ends_every_wait() {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = open(&dir).unwrap();
    let mut waits = catalogue.outbox_reached(0);
    assert!(still_waits(&mut waits));
    catalogue.close().unwrap();
    let closed = block_on(waits);
    assert!(
        matches!(closed, Err(PortError::Closed { .. })),
        "{closed:?}"
    );
    let late = catalogue.core.write(vec![put("a", "a")]);
    assert!(matches!(late, Err(PortError::Closed { .. })), "{late:?}");
    catalogue.close().unwrap();
}

#[test]
fn an_outbox_larger_than_a_batch_is_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = open(&dir).unwrap();
    for round in 0..3 {
        let writes = (0..8_000).map(|n| put(&format!("{round}-{n}"), "body"));
        catalogue.core.write(writes.collect()).unwrap();
    }
    catalogue.core.trim(23_999).unwrap();
    let left = catalogue.core.outbox(0, 10).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].sequence, left[0].id.as_str()), (23_999, "2-7999"));
}
