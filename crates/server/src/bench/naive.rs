//! Window rows as anybody would write them in an afternoon: the second opinion on ours.
//!
//! One pass over the text with serde_json and a hash map; no watermark, nothing kept, nothing
//! that survives a crash. It needs all rows in memory.

use super::BenchError;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// The fields of a line that count.
#[derive(Deserialize)]
struct Event<'a> {
    ts: i64,
    #[serde(rename = "type")]
    kind: &'a str,
    product_id: u64,
    price: f64,
}

/// All rows, added up; money in cents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) rows: u64,
    pub(super) events: u64,
    pub(super) cents: i64,
    pub(super) purchases: u64,
}

/// Events, cents and purchases by product and window.
type Rows = HashMap<(u64, i64), (u64, i64, u64)>;

/// The rows of the files, one thread a file.
pub(super) fn totals(files: &[PathBuf], window_ms: i64) -> Result<Totals, BenchError> {
    let parts: Vec<Result<Rows, BenchError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = files
            .iter()
            .map(|path| scope.spawn(move || rows(path, window_ms)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        let ended = ended.map(|done| {
            let panicked = || BenchError::Subject("the naive twin panicked".to_owned());
            done.unwrap_or_else(|_| Err(panicked()))
        });
        ended.collect()
    });
    let mut all = Rows::new();
    for part in parts {
        for (key, (events, cents, purchases)) in part? {
            let row = all.entry(key).or_default();
            row.0 += events;
            row.1 += cents;
            row.2 += purchases;
        }
    }
    let mut totals = Totals {
        rows: all.len() as u64,
        ..Totals::default()
    };
    for (events, cents, purchases) in all.values() {
        totals.events += events;
        totals.cents += cents;
        totals.purchases += purchases;
    }
    Ok(totals)
}

fn rows(path: &PathBuf, window_ms: i64) -> Result<Rows, BenchError> {
    let mut rows = Rows::new();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        let event: Event<'_> = serde_json::from_slice(&line)
            .map_err(|error| BenchError::Subject(error.to_string()))?;
        let row = rows
            .entry((event.product_id, event.ts / window_ms))
            .or_default();
        row.0 += 1;
        row.1 += (event.price * 100.0).round() as i64;
        row.2 += u64::from(event.kind == "purchase");
        line.clear();
    }
    Ok(rows)
}
