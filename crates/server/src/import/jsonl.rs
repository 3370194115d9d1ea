//! Lines of JSON: the API's event object, one per line.

use vitrina_types::event::{EventDraft, Intake, Rejection, parse};
use vitrina_types::id::EventId;
use vitrina_types::limits::EVENT_BYTES_MAX;
use vitrina_types::time::IngestTime;

/// Reads one line.
///
/// # Errors
/// The [`Rejection`] that intake over HTTP would give.
pub fn read(line: &[u8]) -> Result<EventDraft, Rejection> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    serde_json::from_slice(line).map_err(|error| explain(line, &error))
}

/// Asks the parser of intake what is wrong; only bad lines pay for it.
fn explain(line: &[u8], error: &serde_json::Error) -> Rejection {
    let fallback = || Rejection::new("invalid_json", "", format!("not JSON: {error}"));
    // Nothing is built from a line that did not read, so this id is never seen.
    let Ok(id) = EventId::new("unread") else {
        return fallback();
    };
    let intake = Intake {
        ingest_time: IngestTime(0),
        fresh_event_id: &|| id.clone(),
        hash_address: &|_| 0,
    };
    parse(line, &intake).err().unwrap_or_else(fallback)
}

/// The rejection of a line over the limit, without reading it.
pub fn too_long() -> Rejection {
    let detail = format!("the row is longer than {EVENT_BYTES_MAX} bytes");
    Rejection::new("event_too_large", "", detail)
}
