//! Where reading goes on: from any byte, the records at or behind it.

use super::{Found, drained, file, naive, opened};
use crate::FileKind;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use vitrina_ports::suite::block_on;

/// What is at or behind a position.
fn remainder(all: &Found, from: u64) -> &[(u64, Vec<u8>)] {
    &all[all.partition_point(|(offset, _)| *offset < from)..]
}

/// Pieces of files in which lines, quotes and line ends meet in every way.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let long = "x".repeat(1_500);
    let pieces = [
        "a", "é", ",", "\"", "\"\"", ",\"", "\n", "\n", "\r\n", "\r", &long,
    ];
    let pieces: Vec<String> = pieces.map(str::to_owned).into();
    vec(select(pieces), 0..48).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// From every byte on, a read answers what a naive reader finds at or behind it.
    #[test]
    fn reading_resumes_at_every_offset(
        content in content(),
        kind in select(vec![FileKind::Jsonl, FileKind::Csv]),
        bytes_max in select(vec![1_usize, 40, 5_000, usize::MAX]),
    ) {
        let name = if kind == FileKind::Csv { "one.csv" } else { "one.jsonl" };
        let (_folder, path) = file(name, &content);
        let log = opened(&path);
        let all = naive(kind, &content);
        let end = content.len() as u64 + 256;
        // Long runs of one letter teach nothing new: of those every 97th byte.
        let is_taken = |from: u64| {
            let near = &content[content.len().min(from.saturating_sub(2) as usize)..];
            from.is_multiple_of(97) || !near.starts_with(b"xxxxx")
        };
        for from in (0..=end + 1).filter(|&from| is_taken(from)) {
            let found = block_on_here(drained(&log, from, bytes_max));
            prop_assert_eq!(&found[..], remainder(&all, from), "from {}", from);
        }
    }
}

/// A file of many known places: whatever was read before, a position means the same.
#[test]
fn positions_of_a_large_csv_file_do_not_depend_on_what_was_read_before() {
    let rows: String = (0..60_000)
        .map(|i| match i % 5 {
            0 => format!("{i},\"two\nlines, \"\"quoted\"\"\",z\r\n"),
            1 => format!("{i},\"{}\",z\n", "\n1,2,3".repeat(i % 11)),
            _ => format!("{i},plain,5\" pipe\n"),
        })
        .collect();
    let content = format!("id,text,more\n{rows}").into_bytes();
    assert!(content.len() > 1_500_000);
    let all = naive(FileKind::Csv, &content);
    let (_folder, path) = file("one.csv", &content);
    let jumps = opened(&path);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let check = |log: &crate::FileLog, from: u64| {
        let found = block_on_here(super::EventLog::read(
            log,
            super::TOPIC,
            super::FIRST,
            from,
            700,
        ));
        let found: Found = found
            .unwrap()
            .iter()
            .map(|one| (one.offset, one.bytes.to_vec()))
            .collect();
        let want = remainder(&all, from);
        assert!(!found.is_empty(), "from {from}");
        assert_eq!(found[..], want[..found.len()], "from {from}");
    };
    for _ in 0..300 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        check(&jumps, seed % content.len() as u64);
    }
    assert_eq!(block_on(drained(&jumps, 0, 100_000)), all);
    let (backwards, step) = (opened(&path), content.len() as u64 / 50);
    for from in (0..50).rev() {
        check(&backwards, from * step);
    }
}

/// A runtime for each of thousands of reads would be most of the test; these never wait.
fn block_on_here<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a read of a file waits"),
    }
}
