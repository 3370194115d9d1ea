//! `vitrina rows`: window rows straight from files of events, by the stages that serve a shop.

use super::failure::Failure;
use super::out::note;
use super::shell::Shell;
use crate::config::Settings;
use crate::rows::{self, RowsJob, RowsOutput};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use vitrina_engine::lines::{LineValue, RowsReport};

/// Arguments of `vitrina rows`.
#[derive(Debug, Args)]
pub struct RowsArgs {
    /// One JSON object per line, each file in order of time; at most 32, read side by side
    #[arg(required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// What a row is about
    #[arg(long, value_enum, default_value = "product")]
    by: By,
    /// Length of a window: a number and s, m, h or d
    #[arg(long, default_value = "10m", value_parser = window_ms)]
    window: i64,
    /// What is summed up
    #[arg(long, value_enum, default_value = "price")]
    value: Value,
    /// Where the rows go, as JSON lines or, by the name, CSV; - for stdout [default: nowhere]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    /// One product
    Product,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Value {
    /// The price of an event, whatever its quantity
    Price,
    /// Price times quantity
    Total,
}

impl From<Value> for LineValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Price => Self::Price,
            Value::Total => Self::Total,
        }
    }
}

/// Reads a length of time.
fn window_ms(text: &str) -> Result<i64, String> {
    let refused = || "a number and s, m, h or d, as in 10m; at most 366d".to_owned();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[number.len()..] {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return Err(refused()),
    };
    let number: i64 = number.parse().map_err(|_| refused())?;
    let length_ms = number.saturating_mul(unit_ms);
    if (1..=366 * DAY_MS).contains(&length_ms) {
        Ok(length_ms)
    } else {
        Err(refused())
    }
}

const DAY_MS: i64 = 86_400_000;

/// What the command answers.
#[derive(Debug, Serialize)]
struct Shown {
    events: u64,
    rows: u64,
    /// Of the one currency there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<f64>,
    /// Where there are several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sums: BTreeMap<String, f64>,
    purchases: u64,
    rejected: u64,
    late: u64,
    seconds: f64,
    events_per_second: f64,
}

impl From<&RowsReport> for Shown {
    fn from(report: &RowsReport) -> Self {
        let sums = report.sums.iter();
        let sums: BTreeMap<String, f64> = sums
            .map(|(currency, amount)| (currency.as_str().to_owned(), amount.units()))
            .collect();
        let is_one = sums.len() <= 1;
        Self {
            events: report.events,
            rows: report.rows,
            sum: is_one.then(|| sums.values().sum()),
            sums: if is_one { BTreeMap::new() } else { sums },
            purchases: report.purchases,
            rejected: report.rejected,
            late: report.late,
            seconds: report.seconds,
            events_per_second: (report.events as f64 / report.seconds.max(1e-9)).round(),
        }
    }
}

impl Shown {
    fn text(&self, report: &RowsReport) -> String {
        let sums = report.sums.iter();
        let sums: Vec<String> = sums
            .map(|(c, amount)| format!("{amount} {}", c.as_str()))
            .collect();
        let mut text = format!(
            "{} rows of {} events: {}, {} purchases\n{:.2} s, {:.0} events/s",
            self.rows,
            self.events,
            if sums.is_empty() {
                "no prices".to_owned()
            } else {
                sums.join(" + ")
            },
            self.purchases,
            self.seconds,
            self.events_per_second,
        );
        if self.rejected > 0 {
            text.push_str(&format!("\n{} lines are no events", self.rejected));
        }
        text
    }
}

pub(crate) async fn run(shell: &Shell, args: &RowsArgs) -> Result<(), Failure> {
    super::logging::quiet();
    let By::Product = args.by;
    let mut output = match &args.out {
        None => RowsOutput::none(),
        Some(path) if path.as_os_str() == "-" => RowsOutput::stdout(),
        Some(path) => RowsOutput::create(path)?,
    };
    let mut settings = shell.settings()?;
    let temporary = shell
        .common
        .data_dir
        .is_none()
        .then(|| temporary(&settings));
    if let Some(place) = &temporary {
        settings.data_dir.clone_from(place);
    }
    let job = RowsJob {
        files: args.files.clone(),
        window_ms: args.window,
        value: args.value.into(),
    };
    let done = rows::run(&settings, &job, &mut output).await;
    if let Some(place) = &temporary
        && let Err(error) = std::fs::remove_dir_all(place)
    {
        note(&format!(
            "{} could not be removed: {error}",
            place.display()
        ));
    }
    let report = done?;
    let shown = Shown::from(&report);
    if output.is_stdout() {
        note(&shown.text(&report));
        return Ok(());
    }
    shell.out.show(&shown, || shown.text(&report))
}

/// Beside the data, not in /tmp: that is memory on many machines.
fn temporary(settings: &Settings) -> PathBuf {
    let name = format!("vitrina-rows-{}", std::process::id());
    settings.data_dir.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_cases() {
        #[rustfmt::skip]
        let cases = [
            ("10m",  Some(600_000)), ("1h", Some(3_600_000)), ("30s", Some(30_000)), ("366d", Some(31_622_400_000)),
            ("10",   None), ("m", None), ("0m", None), ("-1m", None), ("10 m", None), ("1w", None), ("367d", None),
        ];
        for (text, want) in cases {
            assert_eq!(window_ms(text).ok(), want, "{text}");
        }
    }
}
