//! A whole file into a target: one thread reads, while what was read before is being taken in.

use super::batch::{Batch, batches};
use super::format::{EventFormat, ProductFormat};
use super::open::Input;
use super::reader::{EventReader, ProductReader, ReadError, RowOutcome};
use super::report::Report;
use super::target::{Target, TargetError};
use crate::client::ClientError;
use std::io;
use std::time::Instant;
use tokio::sync::mpsc;
use vitrina_engine::EngineError;
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

/// Batches read ahead of the one that is being taken in.
const AHEAD_MAX: usize = 4;
/// Products in one write.
const PRODUCTS_MAX: usize = 1_000;

/// A file was not imported, or not to its end. What was taken in stays, and the next import goes
/// on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be opened.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nobody knows what this is.
    #[error("the format of {file} cannot be told; name it with --format: {known}")]
    UnknownFormat {
        /// The file.
        file: String,
        /// Formats there are.
        known: String,
    },
    /// Its beginning does not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The engine refused.
    #[error(transparent)]
    Engine(EngineError),
    /// The server refused.
    #[error(transparent)]
    Client(ClientError),
    /// The reading thread ended badly.
    #[error("reading ended badly")]
    Reader,
}

impl From<TargetError> for ImportError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Engine(error) => Self::Engine(error),
            TargetError::Client(error) => Self::Client(error),
        }
    }
}

/// Hears how far an import has come: rows so far.
pub type Told<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// The event format of a file: as named, else as it looks.
///
/// # Errors
/// `UnknownFormat`; `File` when it cannot be read at all.
pub fn event_format(
    input: &mut Input,
    named: Option<EventFormat>,
    file: &str,
) -> Result<EventFormat, ImportError> {
    let head = head(input, file)?;
    let format = named.or_else(|| EventFormat::detect(&head));
    format.ok_or_else(|| ImportError::UnknownFormat {
        file: file.to_owned(),
        known: EventFormat::names(),
    })
}

/// The product format of a file: as named, else as it looks.
///
/// # Errors
/// As [`event_format`].
pub fn product_format(
    input: &mut Input,
    named: Option<ProductFormat>,
    file: &str,
) -> Result<ProductFormat, ImportError> {
    let head = head(input, file)?;
    let format = named.or_else(|| ProductFormat::detect(&head));
    format.ok_or_else(|| ImportError::UnknownFormat {
        file: file.to_owned(),
        known: ProductFormat::names(),
    })
}

fn head(input: &mut Input, file: &str) -> Result<Vec<u8>, ImportError> {
    input.head().map_err(|source| ImportError::File {
        file: file.to_owned(),
        source,
    })
}

/// Imports events from where the last import of the same file stopped. Bad rows are reported,
/// never an error; a file that breaks off is reported too.
///
/// # Errors
/// [`ImportError`].
pub async fn import_events(
    target: &Target,
    input: Input,
    format: EventFormat,
    file: &str,
    told: Told<'_>,
) -> Result<Report, ImportError> {
    let began = Instant::now();
    // The format is part of the name: a file read wrongly once can be read rightly later.
    let source = format!("{}-{}", input.fingerprint, format.name());
    let stands = target.position(&source).await?;
    let mut report = Report {
        file: file.to_owned(),
        format: format.name(),
        resumed_from: stands.unwrap_or(0),
        position: stands.unwrap_or(0),
        source,
        ..Report::default()
    };
    let (sender, mut receiver) = mpsc::channel(AHEAD_MAX);
    let reading = tokio::task::spawn_blocking(move || -> Result<(), ReadError> {
        let from = stands.unwrap_or(0);
        let reader = EventReader::new(input.stream, format, input.fingerprint, from)?;
        batches(reader, |batch| sender.blocking_send(batch).is_ok())
    });
    let mut expected = stands;
    while let Some(batch) = receiver.recv().await {
        expected = take_in(target, expected, batch, &mut report).await?;
        told(report.read);
    }
    match reading.await.map_err(|_| ImportError::Reader)? {
        Ok(()) => {}
        Err(error @ ReadError::Columns { .. }) => return Err(error.into()),
        Err(error) => report.broken = Some(error.to_string()),
    }
    target.settled().await;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

async fn take_in(
    target: &Target,
    expected: Option<u64>,
    batch: Batch,
    report: &mut Report,
) -> Result<Option<u64>, ImportError> {
    let (next, read) = (batch.next, batch.read);
    for reason in &batch.skipped {
        report.skip(reason, 1);
    }
    let taken = target.import(&report.source, expected, batch).await?;
    report.read += read;
    report.position = next;
    report.accepted += taken.accepted;
    for refused in &taken.rejected {
        report.reject(&refused.code, &refused.field, &refused.detail);
    }
    Ok(Some(next))
}

/// Imports products: each replaces what the catalogue has under its id, so that a second import
/// changes nothing.
///
/// # Errors
/// [`ImportError`].
pub async fn import_products(
    target: &Target,
    input: Input,
    format: ProductFormat,
    file: &str,
    now: EventTime,
    told: Told<'_>,
) -> Result<Report, ImportError> {
    let began = Instant::now();
    let mut report = Report {
        file: file.to_owned(),
        format: format.name(),
        source: input.fingerprint.to_string(),
        ..Report::default()
    };
    let (sender, mut receiver) = mpsc::channel(AHEAD_MAX * PRODUCTS_MAX);
    let reading = tokio::task::spawn_blocking(move || -> Result<(), ReadError> {
        for row in ProductReader::new(input.stream, format, now)? {
            if sender.blocking_send(row?).is_err() {
                break;
            }
        }
        Ok(())
    });
    let mut products = Vec::with_capacity(PRODUCTS_MAX);
    while let Some(row) = receiver.recv().await {
        report.read += 1;
        report.position = row.next;
        match row.outcome {
            RowOutcome::Good(product) => products.push(*product),
            RowOutcome::Skipped(reason) => report.skip(reason, 1),
            RowOutcome::Bad(why) => report.reject(&why.code, &why.field, &why.detail),
        }
        if products.len() == PRODUCTS_MAX {
            put(target, &mut products, &mut report).await?;
            told(report.read);
        }
    }
    put(target, &mut products, &mut report).await?;
    match reading.await.map_err(|_| ImportError::Reader)? {
        Ok(()) => {}
        Err(error @ ReadError::Columns { .. }) => return Err(error.into()),
        Err(error) => report.broken = Some(error.to_string()),
    }
    target.settled().await;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

async fn put(
    target: &Target,
    products: &mut Vec<Product>,
    report: &mut Report,
) -> Result<(), ImportError> {
    if products.is_empty() {
        return Ok(());
    }
    let count = products.len() as u64;
    let refused = target.put_products(std::mem::take(products)).await?;
    report.accepted += count - refused.len() as u64;
    for one in &refused {
        report.reject(&one.code, &one.field, &one.detail);
    }
    Ok(())
}
