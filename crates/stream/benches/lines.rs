//! How long one line of a file takes on one core: what serde_json needs to read its fields, and
//! what the line stage needs in all, to reading, summing up, telling and saving.
//!
//! Budget: 350 ns beyond the reading. `cargo bench -p vitrina-stream --bench lines`
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used
)]

use std::time::Instant;
use vitrina_stream::{Lane, Line, LineOptions, LineStage, Operator, Partials, RowStage, Task};
use vitrina_types::partition::Partition;
use vitrina_types::record::{RowEnvelope, RowRecord};
use vitrina_types::stored;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

const LINES: u64 = 1_000_000;
const PRODUCTS: usize = 50_000;
const WINDOWS: i64 = 30;
const WINDOW_MS: i64 = 600_000;
const START: i64 = 1_767_607_200_000;
/// Lines in one batch, and batches from one commit to the next.
const BATCH: usize = 1_000;
const COMMIT: [usize; 2] = [10, 200];

fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Events in order but for a few seconds, products by Zipf's law, 209 bytes each or so.
fn lines() -> Vec<Vec<u8>> {
    let mut sums = Vec::with_capacity(PRODUCTS);
    let mut sum = 0.0;
    for rank in 1..=PRODUCTS {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let kinds = [
        "view",
        "view",
        "view",
        "view",
        "click",
        "add_to_cart",
        "purchase",
    ];
    let line = |place: u64| {
        let drawn = (next(&mut seed) % (1 << 53)) as f64 / (1u64 << 53) as f64 * sum;
        let product = sums.partition_point(|below| *below < drawn);
        let at = START + place as i64 * WINDOW_MS * WINDOWS / LINES as i64;
        let at = at - (next(&mut seed) % 3_000) as i64;
        let (user, session) = (next(&mut seed) % 200_000, next(&mut seed) as u32);
        let kind = kinds[(next(&mut seed) % kinds.len() as u64) as usize];
        let cents = next(&mut seed) % 20_000;
        let (units, cents) = (cents / 100, cents % 100);
        format!(
            "{{\"event_id\":\"e{place:010}\",\"ts\":{at},\"user_id\":{user},\"session_id\":\
             \"s{session:08x}\",\"type\":\"{kind}\",\"product_id\":{product},\"category\":\
             \"home.kitchen\",\"price\":{units}.{cents:02},\"qty\":1,\"device\":\"mobile\",\
             \"referrer\":\"/c/{product}\"}}"
        )
        .into_bytes()
    };
    (0..LINES).map(line).collect()
}

/// The lines, then the markers of the end.
fn file() -> Vec<Vec<u8>> {
    let mut lines = lines();
    lines.extend((0..256).map(|_| Vec::new()));
    lines
}

struct Told {
    records: Vec<Vec<u8>>,
    seconds: [f64; 4],
    changes: u64,
}

/// Runs a log through one task: reading, applying, taking what it sent, saving.
fn run<O: Operator>(operator: O, log: &[Vec<u8>], topic: Topic, commit: usize) -> Told {
    let mut task = Task::new(operator, Partition(0));
    let mut told = Told {
        records: Vec::new(),
        seconds: [0.0; 4],
        changes: 0,
    };
    for (place, batch) in log.chunks(BATCH).enumerate() {
        let mut from = Instant::now();
        let mut lap = |phase: usize| {
            told.seconds[phase] += from.elapsed().as_secs_f64();
            from = Instant::now();
        };
        let offset = task.position();
        for key in task.accept((offset..).zip(batch.iter().map(Vec::as_slice))) {
            task.load(key, None).unwrap();
        }
        lap(0);
        task.process();
        lap(1);
        let outputs = task.take_outputs();
        lap(2);
        if place % commit == commit - 1 {
            task.take_changes(&mut |_, _, _| told.changes += 1);
        }
        lap(3);
        for output in outputs.iter().filter(|output| output.topic == topic) {
            told.records.extend(output.records().map(<[u8]>::to_vec));
        }
    }
    assert_eq!(task.open(), 0, "everything is told where the file ends");
    told
}

fn show(name: &str, per: u64, told: &Told) {
    let [read, apply, take, save] = told.seconds.map(|s| s * 1e9 / per as f64);
    let all = read + apply + take + save;
    println!(
        "{name}: {all:.0} ns each (accept {read:.0}, process {apply:.0}, take outputs {take:.0}, \
         changes {save:.0}); {} outputs, {} changes",
        told.records.len(),
        told.changes
    );
}

/// Adding alone, to sums that are there already: every line is added twice, the second time counts.
fn adding(stage: &LineStage, file: &[Vec<u8>]) {
    let lines: Vec<Line> = file
        .iter()
        .map(|line| stage.decode(line).unwrap())
        .collect();
    let windowing = stage.options.rows.windowing();
    let mut partials = Partials::default();
    for round in 0..3 {
        let from = Instant::now();
        for line in &lines {
            let Line::Event {
                at,
                kind,
                product: Some(product),
                value,
                visitor,
                ..
            } = line
            else {
                continue;
            };
            let window = windowing.newest_of(*at);
            partials.add(
                Lane::Backfill,
                window,
                product,
                || None,
                |measures| {
                    measures.add(*kind, *value, *visitor);
                },
            );
        }
        let ns = from.elapsed().as_secs_f64() * 1e9 / LINES as f64;
        println!("round {round}: adding alone {ns:.0} ns a line");
    }
}

fn main() {
    // `cargo test --benches` builds and starts this too, but means to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let file = file();
    let bytes: usize = file.iter().map(Vec::len).sum();
    println!("{LINES} lines of {} bytes", bytes as u64 / LINES);
    let stage = LineStage {
        options: LineOptions::default(),
    };
    for round in 0..3 {
        let from = Instant::now();
        for line in &file {
            std::hint::black_box(stage.decode(line).unwrap());
        }
        let ns = from.elapsed().as_secs_f64() * 1e9 / LINES as f64;
        println!("round {round}: reading alone {ns:.0} ns a line");
    }
    adding(&stage, &file);
    for commit in COMMIT {
        let told = run(stage.clone(), &file, Topic::RowSignals, commit);
        show(
            &format!("lines, saved every {commit} batches"),
            LINES,
            &told,
        );
        // One task takes all rows, and hears at once how far the file has come.
        let reached = |record: &Vec<u8>| {
            let mut envelope: RowEnvelope = stored::decode(record).unwrap();
            if let RowRecord::Upstream(upstream) = envelope.record {
                envelope.record = RowRecord::Reached(upstream.progress);
            }
            stored::encode(&envelope)
        };
        let mut signals: Vec<Vec<u8>> = told.records.iter().map(reached).collect();
        let next = RowEnvelope {
            ingest_time: IngestTime(START),
            backfill: true,
            record: RowRecord::Continue,
        };
        signals.extend((0..200).map(|_| stored::encode(&next)));
        let count = signals.len() as u64;
        let rows = run(RowStage::default(), &signals, Topic::WindowRows, commit);
        show(&format!("rows, saved every {commit} batches"), count, &rows);
    }
}
