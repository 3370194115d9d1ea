//! Rows as text: JSON lines or CSV.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use vitrina_files::FileKind;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::row::WindowRow;
use vitrina_types::time::EventTime;

/// One row, as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    product_id: &'a str,
    start: EventTime,
    end: EventTime,
    events: u64,
    purchases: u64,
    /// An estimate above 160.
    visitors: u64,
    /// Values of all events, by currency.
    sums: BTreeMap<Currency, Amount>,
}

impl<'a> Line<'a> {
    fn of(row: &'a WindowRow) -> Self {
        let mut sums: BTreeMap<Currency, Amount> = BTreeMap::new();
        for &(_, currency, amount) in &row.measures.values {
            let sum = sums.entry(currency).or_default();
            *sum = sum.plus(amount);
        }
        Self {
            product_id: &row.key.id,
            start: row.window.start,
            end: row.window.end,
            events: row.measures.events.total(),
            purchases: row.measures.events.of("purchase"),
            visitors: row.measures.visitors.estimate(),
            sums,
        }
    }
}

enum Writer {
    Nowhere,
    Json(Box<dyn Write + Send>),
    Csv(Box<csv::Writer<File>>),
}

/// Where rows are written, and how.
pub struct RowsOutput {
    writer: Writer,
    is_stdout: bool,
}

impl RowsOutput {
    /// Nowhere.
    pub fn none() -> Self {
        Self {
            writer: Writer::Nowhere,
            is_stdout: false,
        }
    }

    /// To stdout, as JSON lines.
    pub fn stdout() -> Self {
        Self {
            writer: Writer::Json(Box::new(BufWriter::new(io::stdout()))),
            is_stdout: true,
        }
    }

    /// To a file: CSV when its name ends so, with one line for every currency of a row, else JSON
    /// lines.
    ///
    /// # Errors
    /// The file's.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        let writer = match FileKind::of(path) {
            FileKind::Jsonl => Writer::Json(Box::new(BufWriter::new(file))),
            FileKind::Csv => {
                let mut csv = csv::Writer::from_writer(file);
                csv.write_record([
                    "product_id",
                    "start",
                    "end",
                    "events",
                    "purchases",
                    "visitors",
                    "currency",
                    "sum",
                ])?;
                Writer::Csv(Box::new(csv))
            }
        };
        Ok(Self {
            writer,
            is_stdout: false,
        })
    }

    /// Whether rows go to stdout.
    pub fn is_stdout(&self) -> bool {
        self.is_stdout
    }

    /// Writes one row.
    pub(super) fn write(&mut self, row: &WindowRow) -> io::Result<()> {
        match &mut self.writer {
            Writer::Nowhere => Ok(()),
            Writer::Json(to) => {
                serde_json::to_writer(&mut *to, &Line::of(row))?;
                to.write_all(b"\n")
            }
            Writer::Csv(to) => write_csv(to, &Line::of(row)),
        }
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Writer::Nowhere => Ok(()),
            Writer::Json(to) => to.flush(),
            Writer::Csv(to) => to.flush(),
        }
    }
}

/// What a row counts stands in its first line only, so that lines add up.
fn write_csv(to: &mut csv::Writer<File>, line: &Line<'_>) -> io::Result<()> {
    let (start, end) = (line.start.to_string(), line.end.to_string());
    let counts = [line.events, line.purchases, line.visitors].map(|count| count.to_string());
    let mut counts = [&*counts[0], &*counts[1], &*counts[2]];
    let mut sums: Vec<(&str, String)> = Vec::new();
    for (currency, sum) in &line.sums {
        sums.push((currency.as_str(), sum.to_string()));
    }
    if sums.is_empty() {
        sums.push(("", String::new()));
    }
    for (currency, sum) in &sums {
        let [events, purchases, visitors] = counts;
        let fields = [
            line.product_id,
            &start,
            &end,
            events,
            purchases,
            visitors,
            currency,
            sum,
        ];
        to.write_record(fields)?;
        counts = [""; 3];
    }
    Ok(())
}
