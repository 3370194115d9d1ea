//! What a record is: lines, offsets, headers, quotes, markers.

use super::{FIRST, FileLog, TOPIC, drained, file, opened, texts};
use crate::{END_MARKERS, LINE_BYTES_MAX};
use vitrina_ports::log::{Bounds, EventLog};
use vitrina_ports::suite::block_on;
use vitrina_ports::{Blame, PortError, Retry};
use vitrina_types::partition::Partition;

fn check(log: &FileLog, name: &str, want: &[(u64, &str)]) {
    for bytes_max in [0, 3, 1_000_000] {
        let found = texts(log, bytes_max);
        let found: Vec<(u64, &str)> = found.iter().map(|(at, text)| (*at, &text[..])).collect();
        assert_eq!(found, want, "{name}, {bytes_max} bytes at once");
    }
}

#[test]
fn jsonl_cases() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &[(u64, &str)])] = &[
        ("empty file",        "",                   &[]),
        ("one line",          "{}\n",               &[(0, "{}")]),
        ("no final newline",  "{}\n{\"a\":1}",      &[(0, "{}"), (3, "{\"a\":1}")]),
        ("final return",      "{}\n[]\r",           &[(0, "{}"), (3, "[]")]),
        ("crlf",              "a\r\nb\r\n",         &[(0, "a"), (3, "b")]),
        ("two returns",       "a\r\r\n",            &[(0, "a\r")]),
        ("blank lines",       "\n\na\n\r\n\nb\n\n", &[(2, "a"), (7, "b")]),
        ("only blank lines",  "\n\r\n\n",           &[]),
        ("spaces are bytes",  " \n",                &[(0, " ")]),
        ("quotes are bytes",  "\"a\nb\"\n",         &[(0, "\"a"), (3, "b\"")]),
        ("byte order mark",   "\u{feff}a\nb",       &[(0, "\u{feff}a"), (5, "b")]),
    ];
    for (name, content, want) in cases {
        let (_folder, path) = file("one.jsonl", content.as_bytes());
        let log = opened(&path);
        check(&log, name, want);
        assert_eq!(log.header(FIRST), None, "{name}");
    }
}

#[test]
fn csv_cases() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, Option<&str>, &[(u64, &str)])] = &[
        ("empty file",       "",                       None,             &[]),
        ("only blank lines", "\n\r\n",                 None,             &[]),
        ("only a header",    "a,b",                    Some("a,b"),      &[]),
        ("plain",            "a,b\r\n1,2\r\n3,4",      Some("a,b"),      &[(5, "1,2"), (10, "3,4")]),
        ("blank lines",      "\na,b\n\n1,2\n\n",       Some("a,b"),      &[(6, "1,2")]),
        ("quoted newline",   "a,b\n1,\"x\ny\"\n3,4\n", Some("a,b"),      &[(4, "1,\"x\ny\""), (12, "3,4")]),
        ("first is quoted",  "a\n\"\n\"\nb\n",         Some("a"),        &[(2, "\"\n\""), (6, "b")]),
        ("quoted quotes",    "a\n\"x\"\"\n\"\"\"\nb",  Some("a"),        &[(2, "\"x\"\"\n\"\"\""), (11, "b")]),
        ("empty quotes",     "a,b\n\"\",\"\"\nc,d\n",  Some("a,b"),      &[(4, "\"\",\"\""), (10, "c,d")]),
        ("quote in a field", "a\n5\" pipe\nb\n",       Some("a"),        &[(2, "5\" pipe"), (10, "b")]),
        ("never closed",     "a\n\"x\nb\nc\n",         Some("a"),        &[(2, "\"x"), (5, "b"), (7, "c")]),
        ("closed by the end", "a\n\"x\nb\"",           Some("a"),        &[(2, "\"x\nb\"")]),
        ("quoted header",    "\"a\nb\",c\n1,2\n",      Some("\"a\nb\",c"), &[(8, "1,2")]),
        ("crlf in quotes",   "a\n\"x\r\ny\"\r\n",      Some("a"),        &[(2, "\"x\r\ny\"")]),
    ];
    for (name, content, header, want) in cases {
        let (_folder, path) = file("one.csv", content.as_bytes());
        let log = opened(&path);
        check(&log, name, want);
        let found = log.header(FIRST);
        assert_eq!(found.as_deref(), header.map(str::as_bytes), "{name}");
    }
}

/// A line as long as the limit is whole; a longer one is cut, and the next record is behind it.
#[test]
fn long_line_cases() {
    let limit = LINE_BYTES_MAX;
    #[rustfmt::skip]
    let cases: &[(&str, usize, &str, usize)] = &[
        ("below",             limit - 1,     "\n",     limit - 1),
        ("at the limit",      limit,         "\n",     limit),
        ("with return",       limit,         "\r\n",   limit),
        ("one over",          limit + 1,     "\n",     limit),
        ("far over",          3 * limit + 7, "\r\n",   limit),
        ("far over, blank",   3 * limit + 7, "\n\n",   limit),
    ];
    for (name, long, line_end, want) in cases {
        for kind in ["one.jsonl", "one.csv"] {
            for bytes_max in [1, 300_000, 8 * limit] {
                let name = format!("{name}, {kind}, {bytes_max} bytes at once");
                let content = format!("h\nab\n{}{line_end}cd", "x".repeat(*long));
                let (_folder, path) = file(kind, content.as_bytes());
                let mut found = texts(&opened(&path), bytes_max);
                if kind == "one.jsonl" {
                    assert_eq!(found.remove(0), (0, "h".to_owned()), "{name}");
                }
                let ends: Vec<(u64, usize)> = found.iter().map(|(at, s)| (*at, s.len())).collect();
                let behind = 5 + long + line_end.len();
                assert_eq!(ends, [(2, 2), (5, *want), (behind as u64, 2)], "{name}");
            }
        }
    }
}

/// The limit is that of the record, its line end apart: one as long as it may be keeps its quoted
/// newline, and one byte more makes it end there.
#[test]
fn quoted_newlines_at_the_limit_cases() {
    let limit = LINE_BYTES_MAX;
    for line_end in ["\n", "\r\n", ""] {
        for (long, want) in [(limit - 1, 1), (limit, 1), (limit + 1, 2)] {
            let row = format!("\"\n{}\"", "x".repeat(long - 3));
            let (_folder, path) = file("one.csv", format!("h\n{row}{line_end}").as_bytes());
            for bytes_max in [1, 8 * limit] {
                let found = texts(&opened(&path), bytes_max);
                let name = format!("{long} bytes, {line_end:?}, {bytes_max} bytes at once");
                assert_eq!(found.len(), want, "{name}");
                assert_eq!(found[0].1.len(), if want == 1 { long } else { 1 }, "{name}");
            }
        }
    }
}

#[test]
fn a_long_last_line_without_newline_is_cut_and_followed_by_the_markers() {
    let content = "x".repeat(2 * LINE_BYTES_MAX + 1);
    let (_folder, path) = file("one.jsonl", content.as_bytes());
    let found = block_on(drained(&opened(&path), 0, 1_000));
    assert_eq!(found.len(), 257);
    assert_eq!((found[0].0, found[0].1.len()), (0, LINE_BYTES_MAX));
    assert_eq!(found[1], (content.len() as u64, Vec::new()));
}

/// A quote that nothing closes within the limit costs its own line, not those behind it.
#[test]
fn a_forgotten_quote_does_not_swallow_the_file() {
    let rows = "1,2\n".repeat(LINE_BYTES_MAX / 2);
    let content = format!("a,b\n1,\"x\n{rows}");
    let (_folder, path) = file("one.csv", content.as_bytes());
    let found = texts(&opened(&path), 1_000_000);
    assert_eq!(found[0], (4, "1,\"x".to_owned()));
    assert_eq!(found[1], (9, "1,2".to_owned()));
    assert_eq!(found.len(), 1 + LINE_BYTES_MAX / 2);
}

/// Reads cut at any byte do not cut a record, so no character either.
#[test]
fn characters_survive_the_borders_of_reads() {
    let lines: Vec<String> = (0..4_000)
        .map(|i| format!("{}{}", "ж".repeat(i % 9), "витрина€😀".repeat(1 + i % 7)))
        .collect();
    let (_folder, path) = file("one.jsonl", lines.join("\n").as_bytes());
    for bytes_max in [1, 4_097, 4_099, 65_537] {
        let found = texts(&opened(&path), bytes_max);
        let found: Vec<&str> = found.iter().map(|(_, text)| &text[..]).collect();
        assert_eq!(found, lines, "{bytes_max} bytes at once");
    }
}

#[test]
fn bounds_end_behind_the_markers() {
    for (content, end) in [("", 256), ("ab\n", 259), ("ab", 258)] {
        for name in ["one.jsonl", "one.csv"] {
            let (_folder, path) = file(name, content.as_bytes());
            let log = opened(&path);
            let bounds = log.bounds(TOPIC, FIRST);
            assert_eq!(bounds, Bounds { start: 0, end }, "{name} {content:?}");
            let found = block_on(drained(&log, end - END_MARKERS, 1));
            let offsets: Vec<u64> = found.iter().map(|(offset, _)| *offset).collect();
            let want: Vec<u64> = (end - END_MARKERS..end).collect();
            assert_eq!(offsets, want, "{name} {content:?}");
            for from in [end, end + 1, u64::MAX] {
                assert!(block_on(drained(&log, from, 1)).is_empty(), "from {from}");
            }
            let last = block_on(drained(&log, end - 1, 1));
            assert_eq!(last, [(end - 1, Vec::new())], "{name} {content:?}");
        }
    }
}

#[test]
fn a_partition_without_a_file_is_empty() {
    let (_folder, path) = file("one.jsonl", b"a\n");
    let log = opened(&path);
    for partition in [Partition(1), Partition(31), Partition(u16::MAX)] {
        assert_eq!(log.bounds(TOPIC, partition), Bounds::default());
        let records = block_on(log.read(TOPIC, partition, 0, 100)).unwrap();
        assert!(records.is_empty());
    }
}

/// A read stops at the bytes asked for, but answers one record where there is one.
#[test]
fn a_read_is_cut_by_bytes() {
    let (_folder, path) = file("one.jsonl", "0123456789\n".repeat(1_000).as_bytes());
    let log = opened(&path);
    for (bytes_max, want) in [(0, 1), (1, 1), (10, 1), (21, 2), (110, 10), (1_000, 91)] {
        let records = block_on(log.read(TOPIC, FIRST, 11, bytes_max)).unwrap();
        assert_eq!(records.len(), want, "{bytes_max} bytes");
        assert_eq!(records[0].offset, 11);
    }
    let all = block_on(log.read(TOPIC, FIRST, 0, usize::MAX)).unwrap();
    assert_eq!(all.len(), 1_000 + 256);
}

/// What was written behind the end is not there; what was cut off is damage, wherever one reads.
#[test]
fn a_file_is_as_long_as_it_was_when_opened() {
    let (_folder, path) = file("one.jsonl", b"a\nb\nc\n");
    let log = opened(&path);
    std::fs::write(&path, b"a\nb\nc\nd\n").unwrap();
    assert_eq!(texts(&log, 100).len(), 3);
    std::fs::write(&path, b"a\nb\n").unwrap();
    for from in [0, 2, 4, 6] {
        let error = block_on(log.read(TOPIC, FIRST, from, 100)).unwrap_err();
        assert!(matches!(error, PortError::Damaged { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.ends_with("cut from 6 to 4 bytes, is damaged"),
            "{text}"
        );
        assert_eq!((error.blame(), error.retry()), (Blame::Us, Retry::Never));
    }
}
