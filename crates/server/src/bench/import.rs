//! Import of a million events from a REES46 CSV, durable and fully applied.

use super::BenchError;
use super::events::{self, mix};
use super::figure::{Figure, Good};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// 100,000 events/s: 20 µs of two cores an event for parsing, log, state and the product side.
const RATE_MIN: f64 = 100_000.0;
/// Rows.
const ROWS: u64 = 1_000_000;
/// First event time, 2019-10-01 in seconds.
const BEGIN_S: i64 = 1_569_888_000;

/// Writes `rows` REES46-like rows: sessions of about four events by 20,000 visitors.
pub(super) fn write_csv(path: &Path, rows: u64) -> Result<(), BenchError> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    writeln!(
        file,
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
    )?;
    for number in 0..rows {
        let kind = match mix(number ^ 0xc0de) % 100 {
            0 => "purchase",
            1 => "cart",
            _ => "view",
        };
        let at = jiff::Timestamp::from_second(BEGIN_S + (number / 100) as i64)
            .map_err(|error| BenchError::Subject(error.to_string()))?;
        let time = at.strftime("%Y-%m-%d %H:%M:%S");
        let visit = number / 4;
        writeln!(
            file,
            "{time} UTC,{kind},{},2053013555631882655,electronics.smartphone,samsung,{}.99,{},{visit:08x}-3bb3-4e00-8c23-a032dfed738c",
            events::product(number),
            1 + mix(number) % 900,
            events::visitor(visit),
        )?;
    }
    file.flush()?;
    Ok(())
}

/// Imports a file into a directory with the command a shop would use.
pub(super) fn import(file: &Path, directory: &Path) -> Result<f64, BenchError> {
    let began = Instant::now();
    let status = Command::new(std::env::current_exe()?)
        .args(["import", "events"])
        .arg(file)
        .arg("--data-dir")
        .arg(directory)
        .arg("--json")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(BenchError::Subject(format!("import ended with {status}")));
    }
    Ok(began.elapsed().as_secs_f64())
}

pub(super) async fn run(scratch: &Path) -> Result<Vec<Figure>, BenchError> {
    let file = scratch.join("events.csv");
    write_csv(&file, ROWS)?;
    let seconds = import(&file, &scratch.join("data"))?;
    let rate = ROWS as f64 / seconds;
    Ok(vec![
        Figure::new(
            "import, durable and applied",
            rate,
            "events/s",
            Good::AtLeast,
            RATE_MIN,
        )
        .note(format!(
            "1,000,000 rows, {seconds:.1} s from the start of the command to its end"
        )),
    ])
}
