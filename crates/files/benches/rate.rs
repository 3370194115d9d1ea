//! How fast one thread reads files that are in the page cache, and what a record costs.
//!
//! Budget: 2.5 GB/s for lines of JSON of 209 bytes, 40 ns a record for its slice.
//! `cargo bench -p vitrina-files`
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use vitrina_files::FileLog;
use vitrina_ports::log::memory::MemoryLog;
use vitrina_ports::log::{EventLog, LogRecord};
use vitrina_ports::suite::block_on;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

const FILE_BYTES: usize = 200_000_000;
const READ_BYTES: [usize; 4] = [64 * 1_024, 256 * 1_024, 1_024 * 1_024, 8 * 1_024 * 1_024];
const ROUNDS: usize = 5;

/// Writes lines until the file is large enough.
fn written(path: PathBuf, header: &str, line: impl Fn(u64) -> String) -> PathBuf {
    let mut out = BufWriter::new(std::fs::File::create(&path).unwrap());
    out.write_all(header.as_bytes()).unwrap();
    let (mut bytes, mut lines) = (header.len(), 0_u64);
    while bytes < FILE_BYTES {
        let line = line(lines);
        out.write_all(line.as_bytes()).unwrap();
        bytes += line.len();
        lines += 1;
    }
    out.flush().unwrap();
    println!(
        "{}: {bytes} bytes, {} bytes a line",
        path.file_name().unwrap().display(),
        bytes as u64 / lines
    );
    path
}

fn json(number: u64) -> String {
    format!(
        "{{\"event_type\":\"view\",\"event_time\":\"2019-10-01T00:00:{:02}Z\",\"product_id\":\"{}\",\
         \"user_id\":\"{}\",\"session_id\":\"72d76fde-8bb3-4e00-8c23-{:012}\",\"price\":\"{}.99\",\
         \"currency\":\"USD\",\"quantity\":1,\"x\":1}}\n",
        number % 60,
        1_000_000 + number % 199_999,
        510_000_000 + number % 99_991,
        number,
        100 + number % 890
    )
}

fn csv(number: u64, name: &str) -> String {
    format!(
        "2019-10-01 00:00:{:02} UTC,view,{},2103807459595387724,{name},shiseido,{}.79,{},\
         72d76fde-8bb3-4e00-8c23-{:012}\n",
        number % 60,
        1_000_000 + number % 199_999,
        10 + number % 90,
        510_000_000 + number % 99_991,
        number
    )
}

/// Seconds of the fastest round, and the records of a round.
fn fastest(mut round: impl FnMut() -> u64) -> (f64, u64) {
    let mut best = (f64::INFINITY, 0);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let records = round();
        best = (best.0.min(begun.elapsed().as_secs_f64()), records);
    }
    best
}

fn report(what: &str, (seconds, records): (f64, u64), bytes: u64) {
    println!(
        "  {what:<34} {:>7.0} MB/s {:>6.1} ns a record",
        bytes as f64 / seconds / 1e6,
        seconds * 1e9 / records as f64
    );
}

/// The whole file, as a stage would read it.
async fn read(log: &FileLog, read_bytes: usize) -> u64 {
    let (mut next, mut records) = (0, 0);
    loop {
        let read = log.read(Topic::UserEvents, Partition(0), next, read_bytes);
        let read = black_box(read.await.unwrap());
        let Some(last) = read.last() else {
            return records;
        };
        next = last.offset + 1;
        records += read.len() as u64;
    }
}

fn measure(path: &Path) {
    let bytes = std::fs::metadata(path).unwrap().len();
    let log = FileLog::open(
        Topic::UserEvents,
        vec![path.to_owned()],
        Arc::new(MemoryLog::new()),
    );
    let log = log.unwrap();
    for read_bytes in READ_BYTES {
        let took = fastest(|| block_on(read(&log, read_bytes)));
        report(&format!("{} KiB a read", read_bytes / 1_024), took, bytes);
    }
    let last = bytes - 300;
    let begun = Instant::now();
    let fresh = FileLog::open(
        Topic::UserEvents,
        vec![path.to_owned()],
        Arc::new(MemoryLog::new()),
    );
    let fresh = fresh.unwrap();
    block_on(fresh.read(Topic::UserEvents, Partition(0), last, 1)).unwrap();
    let micros = begun.elapsed().as_micros();
    println!("  opened and resumed near the end     {micros:>7} µs");
}

/// What there is to gain: the same bytes without records, and the records without the bytes.
fn floor(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    let bytes = file.metadata().unwrap().len();
    let mut piece = vec![0; 1_024 * 1_024];
    let pieces = bytes / piece.len() as u64;
    let took = fastest(|| {
        for place in 0..pieces {
            let at = place * piece.len() as u64;
            file.read_exact_at(&mut piece, at).unwrap();
        }
        pieces
    });
    report("pread only, 1024 KiB, one buffer", took, bytes);
    let took = fastest(|| {
        for place in 0..pieces {
            let mut piece = vec![0; 1_024 * 1_024];
            let at = place * piece.len() as u64;
            file.read_exact_at(&mut piece, at).unwrap();
            black_box(piece);
        }
        pieces
    });
    report("pread only, 1024 KiB, fresh buffers", took, bytes);
    let whole = Bytes::from(piece);
    let count = whole.len() / 209;
    let took = fastest(|| {
        for _ in 0..200 {
            let mut records = Vec::with_capacity(count);
            for place in 0..count {
                records.push(LogRecord {
                    offset: place as u64,
                    bytes: whole.slice(place * 209..place * 209 + 208),
                });
            }
            drop(black_box(records));
        }
        200 * count as u64
    });
    report(
        "slices only, made and dropped",
        took,
        200 * whole.len() as u64,
    );
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let jsonl = written(at("events.jsonl"), "", json);
    floor(&jsonl);
    measure(&jsonl);
    let header = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,\
                  user_session\n";
    measure(&written(at("plain.csv"), header, |n| {
        csv(n, "appliances.kettle")
    }));
    measure(&written(at("quoted.csv"), header, |n| {
        csv(n, "\"kettle, \"\"large\"\"\"")
    }));
}
