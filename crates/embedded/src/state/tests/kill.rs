//! A real process, really killed: it commits, flushes and writes to the catalogue as fast as it
//! can, and its parent looks at what is left.

use super::*;
use crate::catalogue::EmbeddedCatalogue;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use vitrina_ports::catalogue::{Catalogue, Expect, Kind, Write as CatalogueWrite};
use vitrina_ports::faulty::SplitMix64;

const DIR_VARIABLE: &str = "VITRINA_TEST_KILL_DIR";
const KEYS: u64 = 200;
const ROUNDS: u64 = 6;
/// About the median of what one flush writes.
const BULK_BYTES_MIN: usize = 320_000;

/// The values of a position: every key has one, of a length that varies.
fn value(key: u64, position: Offset) -> String {
    let filler = "x".repeat((key as usize * 37 + position as usize) % 3_000);
    format!("{position}:{filler}")
}

/// Runs until it is killed; does nothing unless it is told where.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else {
        return;
    };
    // Now and then a flush has fewer bytes than this, and takes the other way.
    let options = StateOptions {
        bulk_bytes_min: BULK_BYTES_MIN,
        ..no_barrier()
    };
    let state = EmbeddedState::open(Path::new(&dir), options).unwrap();
    let catalogue = EmbeddedCatalogue::open(Path::new(&dir), 0).unwrap();
    println!("\nopen");
    let mut position = state.read_many(HERE, &[]).unwrap().position;
    loop {
        let changes = (0..KEYS).map(|key| Change {
            key: key.to_string(),
            value: Some(Bytes::from(value(key, position + 1))),
        });
        let commit = Commit {
            partition: HERE,
            expected: position,
            next: position + 1,
            changes: changes.collect(),
        };
        state.apply(commit).unwrap();
        position += 1;
        state.flush().unwrap();
        if position.is_multiple_of(8) {
            let write = CatalogueWrite {
                kind: Kind::Product,
                id: "product".into(),
                expect: Expect::Any,
                body: Some(Bytes::from(value(9, position))),
            };
            block_on(catalogue.write(vec![write])).unwrap();
        }
        println!("{position}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_killed_process_leaves_a_commit_and_every_acknowledged_write() {
    let dir = tempfile::tempdir().unwrap();
    let seed = 0x0bad_5eed;
    println!("seed {seed:#x}");
    let mut random = SplitMix64::new(seed);
    let (mut flushed, mut versions) = (0, 0);
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "state::tests::kill::child", "--nocapture"])
            .env(DIR_VARIABLE, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut steps = 20 + random.next() % 80;
        for line in lines {
            let Ok(position) = line.unwrap().parse::<Offset>() else {
                continue;
            };
            if steps == 0 {
                child.kill().unwrap();
            }
            steps = steps.saturating_sub(1);
            versions += u64::from(position.is_multiple_of(8));
            flushed = position;
        }
        child.wait().unwrap();

        let state = open(&dir).unwrap();
        assert!(!state.rebuilt(), "round {round}");
        let keys: Vec<String> = (0..KEYS).map(|key| key.to_string()).collect();
        let found = state.read_many(HERE, &keys).unwrap();
        assert!(found.position >= flushed, "{} < {flushed}", found.position);
        for (key, got) in (0..KEYS).zip(found.values) {
            let want = value(key, found.position);
            assert!(
                got.is_some_and(|got| got == want),
                "round {round}, key {key}"
            );
        }
        let catalogue = EmbeddedCatalogue::open(dir.path(), 0).unwrap();
        let entry = block_on(catalogue.get(Kind::Product, "product"))
            .unwrap()
            .unwrap();
        let changes = block_on(catalogue.outbox(0, 10_000)).unwrap();
        assert!(entry.version >= versions, "{} < {versions}", entry.version);
        assert_eq!(changes.len() as u64, entry.version);
        assert_eq!(changes.last().unwrap().body.as_ref(), Some(&entry.body));
        (flushed, versions) = (found.position, entry.version);
        state.close().unwrap();
    }
    assert!(flushed > ROUNDS * 20);
}
