//! From a stream to rows of events or products.

use super::columns::{Fields, Header, split};
use super::fingerprint::Fingerprint;
use super::format::{
    EventFormat, ONLINE_RETAIL_EVENTS, ONLINE_RETAIL_PRODUCTS, ProductFormat, REES46_EVENTS,
    REES46_PRODUCTS,
};
use super::jsonl;
use super::online_retail::{NOT_AN_EVENT, OnlineRetail};
use super::products::{self, ProductColumns};
use super::records::{Cut, Record, Records};
use super::rees46::Rees46;
use bytes::Bytes;
use std::io::{self, BufRead};
use vitrina_types::event::{EventDraft, Rejection};
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

/// One row and the position in the uncompressed stream after it.
#[derive(Debug, Clone)]
pub struct Row<T> {
    /// Where reading goes on after this row.
    pub next: u64,
    /// The row as it stands in the file, without its line break; cut when it is too long.
    pub bytes: Bytes,
    /// What the row holds.
    pub outcome: RowOutcome<T>,
}

/// What a row holds.
#[derive(Debug, Clone)]
pub enum RowOutcome<T> {
    /// What was looked for.
    Good(Box<T>),
    /// Nothing for us, and that is fine; a stable code says why.
    Skipped(&'static str),
    /// Something that cannot be read.
    Bad(Rejection),
}

/// A file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The header lacks columns of the format.
    #[error("the file has columns {found}; format {format} needs {wanted}")]
    Columns {
        /// The format.
        format: &'static str,
        /// Columns of the format.
        wanted: String,
        /// Columns of the file.
        found: String,
    },
    /// The stream broke: a cut-off or damaged archive, or the disk.
    #[error("the file cannot be read beyond byte {position} of its uncompressed content: {source}")]
    Broken {
        /// The last position that rows were read up to.
        position: u64,
        /// What reading said.
        #[source]
        source: io::Error,
    },
}

/// Reads the header of a CSV stream.
fn header<R: BufRead>(
    records: &mut Records<R>,
    format: &'static str,
    wanted: &[&str],
) -> Result<Header, ReadError> {
    let position = records.position();
    let first = match records.next_record() {
        Ok(first) => first,
        Err(source) => return Err(ReadError::Broken { position, source }),
    };
    let header = first.map_or_else(|| Header::read(b""), |record| Header::read(record.bytes));
    if header.has(wanted) {
        return Ok(header);
    }
    Err(ReadError::Columns {
        format,
        wanted: wanted.join(", "),
        found: header.names(),
    })
}

/// Reads the next row by `read`.
fn next_row<R: BufRead, T>(
    records: &mut Records<R>,
    mut read: impl FnMut(&Record<'_>) -> Result<Option<T>, Rejection>,
) -> Option<Result<Row<T>, ReadError>> {
    let position = records.position();
    let record = match records.next_record() {
        Ok(record) => record?,
        Err(source) => return Some(Err(ReadError::Broken { position, source })),
    };
    let good = if record.too_long {
        Err(jsonl::too_long())
    } else {
        read(&record)
    };
    let outcome = match good {
        Ok(Some(value)) => RowOutcome::Good(Box::new(value)),
        Ok(None) => RowOutcome::Skipped(NOT_AN_EVENT),
        Err(rejection) => RowOutcome::Bad(rejection),
    };
    Some(Ok(Row {
        next: record.next,
        bytes: Bytes::copy_from_slice(record.bytes),
        outcome,
    }))
}

enum EventCodec {
    Rees46(Rees46),
    OnlineRetail(Box<OnlineRetail>),
    Jsonl,
}

/// Rows of an event file. After an error there are no more.
pub struct EventReader<R> {
    records: Records<R>,
    codec: EventCodec,
    header: Header,
    fields: csv::ByteRecord,
    fingerprint: Fingerprint,
    broken: bool,
}

impl<R: BufRead> EventReader<R> {
    /// Reads `input`, whose first byte is the first of the file, from `from` on.
    ///
    /// # Errors
    /// [`ReadError`] when the header lacks columns or the stream is broken.
    pub fn new(
        input: R,
        format: EventFormat,
        fingerprint: Fingerprint,
        from: u64,
    ) -> Result<Self, ReadError> {
        let cut = if format == EventFormat::Jsonl {
            Cut::Lines
        } else {
            Cut::Csv
        };
        let mut records = Records::new(input, cut);
        let columns = match format {
            EventFormat::Rees46 => REES46_EVENTS,
            EventFormat::OnlineRetail => ONLINE_RETAIL_EVENTS,
            EventFormat::Jsonl => &[],
        };
        let header = if columns.is_empty() {
            Header::read(b"")
        } else {
            header(&mut records, format.name(), columns)?
        };
        let codec = match format {
            EventFormat::Rees46 => EventCodec::Rees46(Rees46::new(&header)),
            EventFormat::OnlineRetail => {
                EventCodec::OnlineRetail(Box::new(OnlineRetail::new(&header)))
            }
            EventFormat::Jsonl => EventCodec::Jsonl,
        };
        let position = records.position();
        if let Err(source) = records.skip_to(from) {
            return Err(ReadError::Broken { position, source });
        }
        Ok(Self {
            records,
            codec,
            header,
            fields: csv::ByteRecord::new(),
            fingerprint,
            broken: false,
        })
    }

    /// The position of the next row.
    pub fn position(&self) -> u64 {
        self.records.position()
    }
}

impl<R: BufRead> Iterator for EventReader<R> {
    type Item = Result<Row<EventDraft>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let (codec, header, fields) = (&mut self.codec, &self.header, &mut self.fields);
        let fingerprint = self.fingerprint;
        let row = next_row(&mut self.records, |record| {
            let mut draft = match codec {
                EventCodec::Jsonl => Some(jsonl::read(record.bytes)?),
                EventCodec::Rees46(codec) => {
                    split(record.bytes, fields);
                    Some(codec.read(&Fields::of(fields, header)?)?)
                }
                EventCodec::OnlineRetail(codec) => {
                    split(record.bytes, fields);
                    codec.read(&Fields::of(fields, header)?)?
                }
            };
            if let Some(draft) = &mut draft {
                fingerprint.name_event(draft, record.next);
            }
            Ok(draft)
        });
        self.broken = matches!(row, Some(Err(_)));
        row
    }
}

/// Rows of a product file. After an error there are no more.
pub struct ProductReader<R> {
    records: Records<R>,
    columns: Option<ProductColumns>,
    header: Header,
    fields: csv::ByteRecord,
    now: EventTime,
    broken: bool,
}

impl<R: BufRead> ProductReader<R> {
    /// Reads `input`; products that do not say when they were made are made `now`.
    ///
    /// # Errors
    /// [`ReadError`] when the header lacks columns or the stream is broken.
    pub fn new(input: R, format: ProductFormat, now: EventTime) -> Result<Self, ReadError> {
        let cut = if format == ProductFormat::Jsonl {
            Cut::Lines
        } else {
            Cut::Csv
        };
        let mut records = Records::new(input, cut);
        let wanted = match format {
            ProductFormat::Rees46 => Some((REES46_PRODUCTS, "USD")),
            ProductFormat::OnlineRetail => Some((ONLINE_RETAIL_PRODUCTS, "GBP")),
            ProductFormat::Jsonl => None,
        };
        let (header, columns) = match wanted {
            Some((wanted, currency)) => {
                let header = header(&mut records, format.name(), wanted)?;
                let columns = ProductColumns::new(&header, currency);
                (header, Some(columns))
            }
            None => (Header::read(b""), None),
        };
        Ok(Self {
            records,
            columns,
            header,
            fields: csv::ByteRecord::new(),
            now,
            broken: false,
        })
    }
}

impl<R: BufRead> Iterator for ProductReader<R> {
    type Item = Result<Row<Product>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let (columns, header, fields) = (&self.columns, &self.header, &mut self.fields);
        let now = self.now;
        let row = next_row(&mut self.records, |record| match columns {
            None => products::read_json(record.bytes, now).map(Some),
            Some(columns) => {
                split(record.bytes, fields);
                columns.read(&Fields::of(fields, header)?, now).map(Some)
            }
        });
        self.broken = matches!(row, Some(Err(_)));
        row
    }
}

#[cfg(test)]
mod tests;
