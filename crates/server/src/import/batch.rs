//! Rows put together into batches, each of which is one atomic import.

use super::reader::{EventReader, ReadError, RowOutcome};
use std::io::BufRead;
use vitrina_engine::RawEvent;
use vitrina_types::event::Rejection;

/// Rows in one batch.
pub const BATCH_ROWS_MAX: usize = 2_000;
/// Bytes of rows in one batch, about.
pub const BATCH_BYTES_MAX: usize = 1_024 * 1_024;

/// Rows from one position to the next.
#[derive(Debug, Default)]
pub struct Batch {
    /// Where reading goes on after it.
    pub next: u64,
    /// Rows read, skipped ones among them.
    pub read: u64,
    /// Rows left out, with their reason.
    pub skipped: Vec<&'static str>,
    /// Good and bad rows, in order.
    pub events: Vec<RawEvent>,
    /// Bytes of the rows.
    bytes: usize,
}

impl Batch {
    /// Why the event at `index` could not be read, when it could not.
    pub fn refusal(&self, index: usize) -> Option<&Rejection> {
        match self.events.get(index) {
            Some(RawEvent::Bad(rejection, _)) => Some(rejection),
            _ => None,
        }
    }

    /// An empty one with room for all its rows.
    fn roomy() -> Self {
        Self {
            events: Vec::with_capacity(BATCH_ROWS_MAX),
            ..Self::default()
        }
    }

    fn is_full(&self) -> bool {
        self.read as usize >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX
    }
}

/// Reads everything and hands it to `take`, batch by batch, until that answers `false`. What was
/// read before a stream broke is handed over too.
///
/// # Errors
/// [`ReadError`] when the stream breaks.
pub fn batches<R: BufRead>(
    reader: EventReader<R>,
    mut take: impl FnMut(Batch) -> bool,
) -> Result<(), ReadError> {
    let mut batch = Batch::roomy();
    let mut ended = Ok(());
    for row in reader {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                ended = Err(error);
                break;
            }
        };
        batch.next = row.next;
        batch.read += 1;
        batch.bytes += row.bytes.len();
        match row.outcome {
            RowOutcome::Good(draft) => batch.events.push(RawEvent::Draft(draft, row.bytes)),
            RowOutcome::Bad(why) => batch.events.push(RawEvent::Bad(why, row.bytes)),
            RowOutcome::Skipped(reason) => batch.skipped.push(reason),
        }
        if batch.is_full() && !take(std::mem::replace(&mut batch, Batch::roomy())) {
            return Ok(());
        }
    }
    if batch.read > 0 {
        take(batch);
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{EventFormat, Fingerprint};

    fn cut(input: &str, from: u64, limit: usize) -> Vec<(u64, u64)> {
        let name = Fingerprint::of(input.as_bytes()).unwrap();
        let reader = EventReader::new(input.as_bytes(), EventFormat::Jsonl, name, from).unwrap();
        let mut seen = Vec::new();
        batches(reader, |batch| {
            seen.push((batch.read, batch.next));
            seen.len() < limit
        })
        .unwrap();
        seen
    }

    #[test]
    fn batches_end_at_rows_and_go_on_there() {
        let rows = BATCH_ROWS_MAX * 2 + 5;
        let input = "{\"event_type\":\"x\"}\n".repeat(rows);
        let whole = cut(&input, 0, 9);
        let reads: Vec<_> = whole.iter().map(|(read, _)| *read).collect();
        assert_eq!(reads, [2_000, 2_000, 5]);
        assert_eq!(whole[2].1, input.len() as u64);
        assert_eq!(cut(&input, whole[0].1, 9), whole[1..]);
        assert_eq!(cut(&input, 0, 1), whole[..1]);
        assert!(cut("", 0, 9).is_empty());
    }

    #[test]
    fn large_rows_make_small_batches() {
        let row = format!("{{\"event_type\":\"{}\"}}\n", "x".repeat(60_000));
        let whole = cut(&row.repeat(40), 0, 9);
        assert_eq!(
            whole.iter().map(|(read, _)| *read).collect::<Vec<_>>(),
            [18, 18, 4]
        );
    }
}
