//! Window rows of two million events from files, durable, beside the naive twin on the same files.

use super::BenchError;
use super::figure::{Figure, Good};
use super::made::Shop;
use super::naive::{self, Totals};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// 1.5 million events/s: 1.3 µs of two cores an event.
const RATE_MIN: f64 = 1_500_000.0;
/// The twin does a part of the work: ours may cost twice as much.
const RATIO_MIN: f64 = 0.5;
const EVENTS: u64 = 2_000_000;
const WINDOW_MS: i64 = 600_000;

/// What `vitrina rows` answers.
fn rows(files: &[PathBuf], data: &Path) -> Result<(Totals, f64), BenchError> {
    let began = Instant::now();
    let done = Command::new(std::env::current_exe()?)
        .arg("rows")
        .args(files)
        .args(["--window", "10m", "--json", "--data-dir"])
        .arg(data)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let seconds = began.elapsed().as_secs_f64();
    if !done.status.success() {
        let said = format!("rows ended with {}", done.status);
        return Err(BenchError::Subject(said));
    }
    let said: serde_json::Value = serde_json::from_slice(&done.stdout)
        .map_err(|error| BenchError::Subject(error.to_string()))?;
    let count = |field: &str| said[field].as_u64().unwrap_or_default();
    let totals = Totals {
        rows: count("rows"),
        events: count("events"),
        cents: (said["sum"].as_f64().unwrap_or_default() * 100.0).round() as i64,
        purchases: count("purchases"),
    };
    Ok((totals, seconds))
}

pub(super) async fn run(scratch: &Path) -> Result<Vec<Figure>, BenchError> {
    let files = Shop::COMPARED.write(EVENTS, 2, &scratch.join("events"))?;
    let began = Instant::now();
    let expected = naive::totals(&files, WINDOW_MS)?;
    let naive_rate = EVENTS as f64 / began.elapsed().as_secs_f64();
    let (found, seconds) = rows(&files, &scratch.join("data"))?;
    if found != expected {
        let said = format!("rows differ: {found:?}, the naive twin has {expected:?}");
        return Err(BenchError::Subject(said));
    }
    let rate = EVENTS as f64 / seconds;
    Ok(vec![
        Figure::new("window rows of files", rate, "events/s", Good::AtLeast, RATE_MIN).note(
            format!(
                "{} rows of 2,000,000 events, durable; {seconds:.2} s from the start of the command to its end",
                found.rows
            ),
        ),
        Figure::new(
            "window rows, part of the naive twin's rate",
            rate / naive_rate,
            "",
            Good::AtLeast,
            RATIO_MIN,
        )
        .note(format!(
            "the same rows; the twin makes {naive_rate:.0} events/s and keeps nothing"
        )),
    ])
}
