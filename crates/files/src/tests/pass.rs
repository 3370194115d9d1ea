//! What goes to the log inside, and what is refused.

use super::{FIRST, TOPIC, file, opened};
use crate::FileLog;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use vitrina_ports::log::memory::MemoryLog;
use vitrina_ports::log::{Append, Consumed, Consumer, EventLog, Offset, Records};
use vitrina_ports::suite::{Volatile, block_on};
use vitrina_ports::{Blame, PortError, Retry};
use vitrina_types::topic::Topic;

// Every topic but the one of the files is the log inside, with all its laws.
vitrina_ports::event_log_suite!(Volatile(|| {
    let inner = Arc::new(MemoryLog::new());
    FileLog::open(Topic::ProductUpdate, Vec::new(), inner).unwrap()
}));

fn one(topic: Topic, text: &str) -> Append {
    let mut records = Records::default();
    records.push(text.as_bytes());
    Append {
        topic,
        partition: FIRST,
        records,
    }
}

fn consumed(expected: Option<Offset>, next: Offset) -> Consumed {
    Consumed {
        consumer: Consumer {
            name: "user-stage",
            source: "user-events/0".into(),
        },
        expected,
        next,
    }
}

#[test]
fn positions_over_the_file_are_committed_inside_with_the_outputs() {
    block_on(async {
        let (_folder, path) = file("one.jsonl", b"first\nsecond\n");
        let inner = Arc::new(MemoryLog::new());
        let log = FileLog::open(TOPIC, vec![path], Arc::clone(&inner) as _).unwrap();
        let records = log.read(TOPIC, FIRST, 0, 1).await.unwrap();
        let next = records[0].offset + 1;
        let output = vec![one(Topic::ProductSignals, "output")];
        let ends = log.publish(output, vec![consumed(None, next)], true).await;
        assert_eq!(ends.unwrap(), [1]);
        let consumer = consumed(None, 0).consumer;
        assert_eq!(inner.committed(&consumer).await.unwrap(), Some(1));
        assert_eq!(log.committed(&consumer).await.unwrap(), Some(1));
        assert_eq!(inner.bounds(Topic::ProductSignals, FIRST).end, 1);
        assert_eq!(log.bounds(Topic::ProductSignals, FIRST).end, 1);

        let stale = log.publish(Vec::new(), vec![consumed(None, 9)], true).await;
        assert!(matches!(stale, Err(PortError::PositionMismatch { .. })));

        let from = log.committed(&consumer).await.unwrap().unwrap();
        let records = log.read(TOPIC, FIRST, from, 1).await.unwrap();
        assert_eq!(
            (records[0].offset, &records[0].bytes[..]),
            (6, &b"second"[..])
        );
    });
}

#[test]
fn a_call_that_writes_to_the_files_is_refused_whole() {
    block_on(async {
        let (_folder, path) = file("one.jsonl", b"first\n");
        let log = opened(&path);
        let batch = || vec![one(Topic::ProductSignals, "a"), one(TOPIC, "b")];
        let appended = log.append(batch()).await;
        let published = log.publish(batch(), vec![consumed(None, 1)], true).await;
        for refused in [appended, published] {
            let error = refused.unwrap_err();
            assert_eq!(
                error.to_string(),
                "appending to the topic that the file log reads from files is closed"
            );
            assert_eq!(
                (error.blame(), error.retry()),
                (Blame::Caller, Retry::Never)
            );
        }
        assert_eq!(log.bounds(Topic::ProductSignals, FIRST).end, 0);
        let consumer = consumed(None, 0).consumer;
        assert_eq!(log.committed(&consumer).await.unwrap(), None);
        assert_eq!(std::fs::read(&path).unwrap(), b"first\n");
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = TempDir::new().unwrap();
    let inner = || Arc::new(MemoryLog::new());
    let open = |files: Vec<PathBuf>| FileLog::open(TOPIC, files, inner()).map(|_| ());
    let path = folder.path().join("one.jsonl");
    std::fs::write(&path, b"a\n").unwrap();
    assert!(open(vec![path.clone(); 32]).is_ok());
    #[rustfmt::skip]
    let cases: &[(&str, Vec<PathBuf>, &str)] = &[
        ("too many", vec![path; 33],                       "33 files (PARTITIONS) exceeds the limit of 32"),
        ("missing",  vec![folder.path().join("none.csv")], "none.csv: No such file"),
        ("a folder", vec![folder.path().to_owned()],       "not a regular file"),
    ];
    for (name, files, want) in cases {
        let error = open(files.clone()).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}
