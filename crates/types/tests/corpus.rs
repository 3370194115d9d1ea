//! The corpus of the fuzz target, run by the ordinary test command: every input ever found
//! interesting is answered, and what is accepted survives its stored form.

// The crate is pure; its tests read the corpus from disk.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use vitrina_types::event::{Intake, parse};
use vitrina_types::id::EventId;
use vitrina_types::record::{UserEnvelope, UserRecord};
use vitrina_types::stored;
use vitrina_types::time::IngestTime;

#[test]
fn every_input_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/event");
    let ingest_time = IngestTime(1_700_000_000_000);
    let fresh_event_id = || EventId::new("fresh").unwrap();
    let intake = Intake {
        ingest_time,
        fresh_event_id: &fresh_event_id,
        hash_address: &|address| address.len() as u64,
    };
    let (mut accepted, mut refused) = (0, 0);
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let Ok(event) = parse(&bytes, &intake) else {
            refused += 1;
            continue;
        };
        let envelope = UserEnvelope {
            ingest_time,
            backfill: false,
            record: UserRecord::Event(Box::new(event)),
        };
        let again = stored::decode(&stored::encode(&envelope));
        assert_eq!(again, Ok(envelope), "{}", path.display());
        accepted += 1;
    }
    assert!(
        accepted >= 5 && refused >= 9,
        "{accepted} accepted, {refused} refused"
    );
}
