//! What becomes of a record that cannot be used.

use vitrina_types::event::Rejection;
use vitrina_types::limits::DEAD_LETTER_BYTES_MAX;
use vitrina_types::record::DeadLetter;
use vitrina_types::time::IngestTime;

/// A dead letter with at most [`DEAD_LETTER_BYTES_MAX`] bytes of the input.
pub(crate) fn dead_letter(
    ingest_time: IngestTime,
    source: String,
    rejection: Rejection,
    attempts: u32,
    bytes: &[u8],
) -> DeadLetter {
    let kept = &bytes[..bytes.len().min(DEAD_LETTER_BYTES_MAX)];
    DeadLetter {
        ingest_time,
        source: source.into(),
        rejection,
        attempts,
        bytes: kept.to_vec(),
    }
}
