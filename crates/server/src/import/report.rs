//! What became of a file: for people a table, for programs JSON.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// Bad rows of one reason, with the first of them as an example.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// How many.
    pub count: u64,
    /// The field at fault in the first one; empty when the whole row is.
    pub field: String,
    /// What is wrong with the first one.
    pub example: String,
}

/// What became of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// How it was read.
    pub format: &'static str,
    /// The name its position is kept under.
    pub source: String,
    /// Where reading began; above 0 when an earlier import had come so far.
    pub resumed_from: u64,
    /// Where it ended, in the uncompressed content.
    pub position: u64,
    /// Rows read.
    pub read: u64,
    /// Rows taken in.
    pub accepted: u64,
    /// Rows that hold nothing for us, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Bad rows, by reason.
    pub rejected: BTreeMap<String, Reason>,
    /// Why reading ended before the end of the file.
    pub broken: Option<String>,
    /// From the first row until everything was taken in and applied.
    pub seconds: f64,
}

impl Report {
    /// Counts a bad row.
    pub fn reject(&mut self, code: &str, field: &str, detail: &str) {
        match self.rejected.get_mut(code) {
            Some(reason) => reason.count += 1,
            None => {
                let reason = Reason {
                    count: 1,
                    field: field.to_owned(),
                    example: detail.to_owned(),
                };
                self.rejected.insert(code.to_owned(), reason);
            }
        }
    }

    /// Counts a row that is left out.
    pub fn skip(&mut self, reason: &str, count: u64) {
        *self.skipped.entry(reason.to_owned()).or_default() += count;
    }

    /// Rows per second.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 {
            self.read as f64 / self.seconds
        } else {
            0.0
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.read == 0 && self.resumed_from > 0 && self.broken.is_none() {
            return write!(f, "{}: nothing new, it was imported before", self.file);
        }
        write!(f, "{} ({})", self.file, self.format)?;
        if self.resumed_from > 0 {
            write!(
                f,
                ", from byte {} where the last import stopped",
                self.resumed_from
            )?;
        }
        write!(
            f,
            "\n{:>12} rows read in {:.1} s ({:.0}/s)\n{:>12} taken in",
            self.read,
            self.seconds,
            self.rate(),
            self.accepted
        )?;
        for (reason, count) in &self.skipped {
            write!(f, "\n{count:>12} left out: {reason}")?;
        }
        let mut bad = String::new();
        for (code, reason) in &self.rejected {
            // Writing to a String cannot fail.
            let _ = write!(
                bad,
                "\n{:>12} refused: {code} ({})",
                reason.count, reason.example
            );
        }
        f.write_str(&bad)?;
        if let Some(broken) = &self.broken {
            write!(f, "\nstopped early: {broken}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_every_reason_once() {
        let mut report = Report {
            file: "events.csv".to_owned(),
            format: "rees46",
            read: 10,
            accepted: 7,
            seconds: 0.5,
            ..Report::default()
        };
        report.reject("invalid_type", "price", "price must be a decimal number");
        report.reject("invalid_type", "event_time", "another");
        report.skip("not_an_event", 1);
        assert_eq!(
            report.to_string(),
            "events.csv (rees46)\n          10 rows read in 0.5 s (20/s)\n           7 taken in\
             \n           1 left out: not_an_event\
             \n           2 refused: invalid_type (price must be a decimal number)"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["rejected"]["invalid_type"]["count"], 2);
    }

    #[test]
    fn a_second_import_says_so() {
        let report = Report {
            file: "f".to_owned(),
            resumed_from: 9,
            ..Report::default()
        };
        assert_eq!(report.to_string(), "f: nothing new, it was imported before");
    }
}
