//! Any bytes as an event: the parser answers with an event or a rejection, never with a panic, and
//! what it accepts survives its stored form.
//!
//! `cargo +nightly fuzz run event fuzz/found fuzz/corpus/event` keeps what it finds out of the
//! corpus; an input worth keeping is moved there by hand, with a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vitrina_types::event::{Intake, parse};
use vitrina_types::id::EventId;
use vitrina_types::record::{UserEnvelope, UserRecord};
use vitrina_types::stored;
use vitrina_types::time::IngestTime;

fuzz_target!(|bytes: &[u8]| {
    let ingest_time = IngestTime(1_700_000_000_000);
    let Ok(fresh) = EventId::new("fresh") else {
        return;
    };
    let fresh_event_id = || fresh.clone();
    let intake = Intake {
        ingest_time,
        fresh_event_id: &fresh_event_id,
        hash_address: &|address| address.len() as u64,
    };
    match parse(bytes, &intake) {
        Ok(event) => {
            let envelope = UserEnvelope {
                ingest_time,
                backfill: false,
                record: UserRecord::Event(Box::new(event)),
            };
            let again = stored::decode(&stored::encode(&envelope));
            assert_eq!(again, Ok(envelope));
        }
        Err(rejection) => assert!(!rejection.code.is_empty() && !rejection.detail.is_empty()),
    }
});
