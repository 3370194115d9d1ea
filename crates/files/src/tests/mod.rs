//! Tests of the log over files: what a record is, where reading goes on, what goes to the log
//! inside.

mod pass;
mod records;
mod resume;

use crate::{FileKind, FileLog};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use vitrina_ports::log::memory::MemoryLog;
use vitrina_ports::log::{EventLog, Offset};
use vitrina_ports::suite::block_on;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

const TOPIC: Topic = Topic::UserEvents;
const FIRST: Partition = Partition(0);

type Found = Vec<(Offset, Vec<u8>)>;

/// A file and the folder that goes with it.
fn file(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn opened(path: &Path) -> FileLog {
    FileLog::open(TOPIC, vec![path.to_owned()], Arc::new(MemoryLog::new())).unwrap()
}

/// Everything from `from` on, end markers included, read as a stage reads: on from one past the
/// last record.
async fn drained(log: &FileLog, from: Offset, bytes_max: usize) -> Found {
    let (mut next, mut found) = (from, Found::new());
    loop {
        let records = log.read(TOPIC, FIRST, next, bytes_max).await.unwrap();
        let Some(last) = records.last() else {
            return found;
        };
        next = last.offset + 1;
        found.extend(records.iter().map(|one| (one.offset, one.bytes.to_vec())));
    }
}

/// The records of a file as a second, naive implementation finds them, byte by byte over the whole
/// content, without the limit of a line; end markers included.
fn naive(kind: FileKind, content: &[u8]) -> Found {
    let (mut found, mut start) = (Found::new(), 0);
    while start < content.len() {
        let rest = &content[start..];
        let newline = match kind {
            FileKind::Jsonl => rest.iter().position(|&byte| byte == b'\n'),
            FileKind::Csv => naive_csv_newline(rest),
        };
        let line = &rest[..newline.unwrap_or(rest.len())];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            found.push((start as u64, line.to_vec()));
        }
        start += newline.map_or(rest.len(), |newline| newline + 1);
    }
    if kind == FileKind::Csv && !found.is_empty() {
        found.remove(0);
    }
    let len = content.len() as u64;
    found.extend((len..len + 256).map(|offset| (offset, Vec::new())));
    found
}

fn naive_csv_newline(rest: &[u8]) -> Option<usize> {
    let (mut is_quoted, mut is_field_start, mut was_quote) = (false, true, false);
    for (place, &byte) in rest.iter().enumerate() {
        if was_quote {
            // The byte behind a quote in a quoted field: a second quote, or the field was closed.
            was_quote = false;
            is_quoted = byte == b'"';
            if is_quoted {
                continue;
            }
        }
        match byte {
            b'"' if is_quoted => was_quote = true,
            _ if is_quoted => {}
            b'"' if is_field_start => is_quoted = true,
            b'\n' => return Some(place),
            _ => {}
        }
        is_field_start = byte == b',';
    }
    let is_open = is_quoted && !was_quote;
    is_open.then(|| rest.iter().position(|&byte| byte == b'\n'))?
}

#[test]
fn file_kind_cases() {
    #[rustfmt::skip]
    let cases: &[(&str, FileKind)] = &[
        ("a/2019-Oct.csv",  FileKind::Csv),
        ("a/2019-Oct.CSV",  FileKind::Csv),
        ("a/events.jsonl",  FileKind::Jsonl),
        ("a/events.ndjson", FileKind::Jsonl),
        ("a/csv",           FileKind::Jsonl),
        ("a/events.csv.gz", FileKind::Jsonl),
    ];
    for (path, want) in cases {
        assert_eq!(FileKind::of(Path::new(path)), *want, "{path}");
    }
    let (_folder, path) = file("one.csv", b"a,b\n");
    let log = opened(&path);
    assert_eq!(log.kind(FIRST), Some(FileKind::Csv));
    assert_eq!(log.kind(Partition(1)), None);
    assert_eq!(log.topic(), TOPIC);
}

/// The records without the end markers, as text.
fn texts(log: &FileLog, bytes_max: usize) -> Vec<(Offset, String)> {
    let found = block_on(drained(log, 0, bytes_max));
    let (records, markers) = found.split_at(found.len() - 256);
    assert!(markers.iter().all(|(_, bytes)| bytes.is_empty()));
    records
        .iter()
        .map(|(offset, bytes)| (*offset, String::from_utf8(bytes.clone()).unwrap()))
        .collect()
}
